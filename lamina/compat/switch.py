"""Turning the facade on and off: the import system, and the doors of Lamina's classes."""

import importlib
import sys

from lamina.compat import doors
from lamina.compat.facade import ROOTS, Facade, Finder
from lamina.core.errors import StateError

_finder = Finder()


def installed() -> bool:
    """Whether the facade is in force."""
    return _finder in sys.meta_path


def install() -> None:
    """Let ``tensorflow`` and ``keras`` be imported as facades of Lamina.

    Raises:
        StateError: when a real one of them is imported already; nothing is changed then.
    """
    if installed():
        return
    real = [name for name in ROOTS if name in sys.modules]
    if real:
        raise StateError(
            f"The real {' and '.join(real)} is already imported in this process.",
            rule="names taken from it would stay its own, and two libraries would mix",
            fix=f"call lamina.compat.install() first in a fresh process, then `import {real[0]}`",
        )
    doors.open_all()
    sys.meta_path.insert(0, _finder)
    importlib.invalidate_caches()


def uninstall() -> None:
    """Undo `install`. Names that were imported from the facade keep working as plain Lamina."""
    if not installed():
        return
    sys.meta_path.remove(_finder)
    for name, module in list(sys.modules.items()):
        if isinstance(module, Facade):
            del sys.modules[name]
    doors.close_all()
