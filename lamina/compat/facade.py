"""Modules named ``tensorflow`` and ``keras``, whose names are looked up in Lamina."""

import importlib
import importlib.util
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any

import lamina
from lamina.compat import keras_names, tf_names
from lamina.compat.tape import lifted
from lamina.core.errors import explain, nearest

ROOTS = ("tensorflow", "keras")
VERSIONS = {"tensorflow": "2.16.0+lamina", "keras": "3.15.1+lamina"}
_ABSENT = object()


class Facade(ModuleType):
    """One module of the facade."""

    __path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = _lookup(self.__name__, name)
        if found is _ABSENT:
            raise AttributeError(missing(self.__name__, name))
        setattr(self, name, found)
        return found

    def __dir__(self) -> list[str]:
        return sorted(_names(self.__name__))


class Finder(MetaPathFinder, Loader):
    """Finds the facade's modules, and says so of those that it has not."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        """A spec for each module of the facade; None for modules of others."""
        if fullname.partition(".")[0] not in ROOTS:
            return None
        if _table(fullname) is None:
            raise ImportError(missing(*fullname.rpartition(".")[::2]))
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty module; names come when they are asked for."""
        return Facade(spec.name, f"Lamina's facade of {spec.name}.")

    def exec_module(self, module: ModuleType) -> None:
        """Names that are there from the start."""
        path = module.__name__.removeprefix("tensorflow.")
        if path in VERSIONS:
            module.__version__ = VERSIONS[path]  # type: ignore[attr-defined]
        module.__all__ = _names(module.__name__)  # type: ignore[attr-defined]


def _keras_path(module: str) -> str | None:
    """``keras.layers`` for that module under either root, aliases resolved; None for others."""
    path = module.removeprefix("tensorflow.")
    if path.partition(".")[0] not in ("keras", "python"):
        return None
    return keras_names.ALIASES.get(path, path)


def _room(path: str) -> Any:
    """Lamina's room for a path such as ``keras.layers``; None when there is none."""
    inner = path.removeprefix("keras").lstrip(".")
    if inner and inner not in lamina._ROOMS and inner not in keras_names.NESTED:
        return None
    return importlib.import_module(f"lamina.{inner}".rstrip("."))


def _table(module: str) -> dict[str, Any] | None:
    """The names that a module of the facade has of its own; None for no module of it."""
    path = _keras_path(module)
    if path is None:
        return tf_names.namespaces().get(module.removeprefix("tensorflow").lstrip("."))
    return keras_names.TABLES.get(path, None if _room(path) is None else {})


def _names(module: str) -> list[str]:
    path = _keras_path(module)
    room = None if path is None else _room(path)
    return [*(_table(module) or ()), *getattr(room, "__all__", ())]


def _lookup(module: str, name: str) -> Any:
    """What a name in a module of the facade stands for; _ABSENT when nothing."""
    path, table = _keras_path(module), _table(module) or {}
    if path is None and name in table:
        return table[name]
    if name in table:  # "room:name" in Lamina
        room, _, own = table[name].partition(":")
        return _lifted(getattr(importlib.import_module(f"lamina.{room}"), own))
    found = getattr(_room(path), name, None) if path and name in _names(module) else None
    if path and found is not None and not isinstance(found, ModuleType):
        return _lifted(found) if path.partition(".")[2] in keras_names.LIFTED else found
    child = f"{module}.{name}"
    return _ABSENT if _table(child) is None else importlib.import_module(child)


def _lifted(found: Any) -> Any:
    return lifted(found) if isinstance(found, FunctionType) else found


def missing(module: str, name: str) -> str:
    """The message for a name that the facade has not."""
    short = module.replace("tensorflow", "tf", 1) if module else ""
    full = f"{short}.{name}" if short else name
    about = "Keras" if full.startswith(("keras", "tf.keras")) else "TensorFlow"
    hints = {**tf_names.HINTS, **keras_names.HINTS}
    key = full.removeprefix("tf.")
    hint = hints.get(key) or hints.get(key.rpartition(".")[0])
    known = _names(module) if module else ROOTS
    return explain(
        f"{full} is not part of Lamina's facade of {about}. {nearest(name, known)}".rstrip(),
        fix=hint
        or "use lamina.ops or jax.numpy for arrays, lamina's layers and models for the "
        "rest; lamina.compat.uninstall() gives the real package back",
    )
