"""The containers of a model: a ``.keras`` archive or a folder, read with caps and written whole."""

import contextlib
import io
import math
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lamina.core.errors import FileError
from lamina.core.files import beside, sync
from lamina.saving.refusing import refusal

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MEMBERS = (METADATA, CONFIG, WEIGHTS)

CONFIG_LIMIT = 1 << 26
"""Bytes that ``config.json`` may have: 64 MiB."""

MEMBER_COUNT = 10_000
EXPANSION, FLOOR = 100, 1 << 24
"""A packed member may unfold to 16 MiB, or to so many times the bytes that it has in the file."""


@contextlib.contextmanager
def opened(path: Any) -> Iterator["Archive | Folder"]:
    """The archive or folder at a path (or in an open file).

    Raises:
        FileError: saying what was expected, when it is neither.
    """
    if hasattr(path, "read"):
        with _unzipped(path, getattr(path, "name", "the given file")) as archive:
            yield archive
    elif os.path.isdir(path):
        yield Folder(Path(path))
    else:
        with open_file(Path(path)) as file, _unzipped(file, str(path)) as archive:
            yield archive


def open_file(path: Path, follow: bool = True) -> IO[bytes]:
    """A regular file, opened for reading."""
    try:
        flags = 0 if follow else getattr(os, "O_NOFOLLOW", 0)
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | flags)
    except OSError as error:
        raise FileError(f"'{path}' cannot be opened: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise FileError(f"'{path}' is no regular file.")
    return os.fdopen(number, "rb")


@contextlib.contextmanager
def _unzipped(file: IO[bytes], name: str) -> Iterator["Archive"]:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise refusal(
            f"'{name}' is no `.keras` file: {error}.",
            rule="a .keras file is a zip archive with config.json and model.weights.h5",
            fix="for a file of weights, build the model and call model.load_weights(path)",
        ) from error
    with archive:
        yield Archive(archive, name)


class Archive:
    """A zip archive. Members are read by name, in memory; nothing is ever extracted."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self.archive = archive
        self.name = name
        assert archive.fp is not None
        self.size = archive.fp.seek(0, 2)
        infos = archive.infolist()
        if len(infos) > MEMBER_COUNT:
            raise self._refusal(f"it has {len(infos)} members")
        if len({info.filename for info in infos}) != len(infos):
            raise self._refusal("two members have one name")
        for info in infos:
            parts = re.split(r"[/\\]", info.filename)
            if ".." in parts or parts[0] == "" or ":" in parts[0]:
                raise self._refusal(f"the member {info.filename!r} points out of it")

    def binary(self, member: str, limit: float = math.inf) -> IO[bytes]:
        """A member of at most ``limit`` bytes, in memory."""
        try:
            info = self.archive.getinfo(member)
        except KeyError:
            raise self._refusal(f"it has no '{member}'") from None
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._refusal(f"'{member}' is packed by another method than deflate")
        if info.flag_bits & 1:
            raise self._refusal(f"'{member}' is encrypted")
        size = info.file_size
        if info.compress_size > self.size:
            raise self._refusal(f"'{member}' says that it is longer than the file")
        if size > max(FLOOR, EXPANSION * info.compress_size) or size > limit:
            raise self._refusal(
                f"'{member}' would unfold from {info.compress_size} to {size} bytes"
            )
        try:
            return io.BytesIO(self.archive.read(info))
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError) as error:
            raise FileError(f"'{self.name}' is damaged: {member}: {error}") from error

    def _refusal(self, why: str) -> FileError:
        return refusal(
            f"'{self.name}' is refused: {why}.",
            rule="a .keras file holds config.json, metadata.json and model.weights.h5",
            fix="ask whoever made the file to save the model again",
        )


class Folder:
    """A folder with the members as files. A member that is a link is refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def binary(self, member: str, limit: float = math.inf) -> IO[bytes]:
        """A member of at most ``limit`` bytes, open for reading."""
        path = self.path / member
        if path.is_symlink():
            raise refusal(
                f"'{path}' is a link, which is refused.",
                rule="the files of a model lie in its folder",
                fix="copy the file there, if you trust where the link leads",
            )
        file = open_file(path, follow=False)
        if os.fstat(file.fileno()).st_size > limit:
            file.close()
            raise FileError(f"'{path}' is larger than {limit} bytes.")
        return file


def text(source: Archive | Folder, member: str) -> str:
    """A small member as text."""
    with source.binary(member, CONFIG_LIMIT) as file:
        try:
            return file.read().decode()
        except UnicodeDecodeError as error:
            raise FileError(f"'{source.name}': '{member}' is no text.") from error


# --- writing ------------------------------------------------------------------------------------


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A new folder that takes the place of ``path`` when the block ends well, and not before.

    Raises:
        FileError: when there is a folder already that holds other things than a model.
    """
    target = Path(os.path.realpath(path))
    if target.exists():
        if not target.is_dir() or {each.name for each in target.iterdir()} - {*MEMBERS}:
            raise refusal(
                f"'{path}' cannot be replaced: it holds other things than a model.",
                fix="save to a new folder",
            )
    temporary, old = beside(target), beside(target)
    os.makedirs(temporary)
    try:
        yield temporary
        if target.exists():
            os.replace(target, old)
        os.replace(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists():
            os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
    sync(target.parent)


def confirm(path: Any, overwrite: bool) -> None:
    """Refuse to replace a file that the caller wants to keep.

    Raises:
        FileError: when there is one and ``overwrite`` is False.
    """
    if not overwrite and os.path.exists(path):
        raise refusal(f"'{path}' exists already.", fix="give another name, or overwrite=True")
