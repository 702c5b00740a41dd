"""Writing a file whole or not at all."""

import os
import tempfile
from pathlib import Path

from lamina.core.errors import FileError, explain


def write_atomically(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write ``data`` beside ``path`` and move it there, so that no half-written file can be seen.

    Raises a FileError when the folder is missing or the file cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileError(
            explain(
                f"Cannot write {str(path)!r}.",
                met=f"there is no folder {str(path.parent)!r}",
                fix=f"make it first: os.makedirs({str(path.parent)!r})",
            )
        )
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise FileError(explain(f"Cannot write {str(path)!r}.", met=str(error))) from error
    except BaseException:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
