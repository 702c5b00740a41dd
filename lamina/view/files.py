"""Writing a file whole or not at all."""

import os
import secrets
from pathlib import Path

from lamina.core.errors import FileError


def write_atomically(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write ``data`` beside ``path`` and move it there, so that no half-written file can be seen.

    Raises a FileError when the folder is missing or the file cannot be written.
    """
    path = Path(path)
    refusal, folder = f"Cannot write {str(path)!r}.", str(path.parent)
    if not path.parent.is_dir():
        fix = f"make it first: os.makedirs({folder!r})"
        raise FileError(refusal, met=f"there is no folder {folder!r}", fix=fix)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise FileError(refusal, met=str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
