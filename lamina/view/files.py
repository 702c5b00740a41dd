"""Writing a picture whole or not at all."""

import os
from pathlib import Path

from lamina.core.errors import FileError
from lamina.core.files import replacing


def write_atomically(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write ``data`` to ``path``, so that no half-written file can be seen.

    Raises a FileError when the folder is missing or the file cannot be written.
    """
    path = Path(path)
    try:
        with replacing(path) as file:
            file.write(data)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"Cannot write {str(path)!r}.", met=str(error)) from error
    return path
