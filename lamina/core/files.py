"""Writing a file whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lamina.core.errors import FileError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the place of ``path`` when the block ends well, and not before.

    It lies in the same folder meanwhile, and is on the disk before it gets its name.
    """
    target = Path(os.path.realpath(path))
    temporary = beside(target)
    try:
        number = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        there = target.parent.is_dir()
        raise FileError(
            f"'{path}' cannot be written: {error.strerror}.",
            met="" if there else f"there is no folder '{target.parent}'",
            fix="" if there else f"make the folder first: os.makedirs({str(target.parent)!r})",
        ) from error
    try:
        with os.fdopen(number, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync(target.parent)


def beside(path: Path) -> Path:
    """A name not taken yet in the folder of ``path``."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def sync(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    with contextlib.suppress(OSError):  # not every system can
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
