"""Arrays in HDF5 files: written in Keras's layout, read without trusting the file.

The arrays of one layer are the datasets ``0``, ``1``, ... of a group ``<place>/vars``.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

import h5py
import jax.numpy as jnp
import numpy as np
from h5py import h5d, h5l, h5o, h5z  # pyright: ignore[reportAttributeAccessIssue]

from lamina.core.errors import FileError
from lamina.saving.refusing import refusal

DEPTH = 100
"""Groups inside groups that a file may have."""

FLOOR, EXPANSION = 1 << 26, 100
"""Bytes that a file's arrays may have in all: 64 MiB, and as many times the file's own size.

Keras writes arrays as they are. Compressed ones may grow; a few bytes may not become terabytes.
"""

FILTERS = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32)


class Arrays(Mapping[str, np.ndarray]):
    """The stored arrays of one layer or optimizer by key; each is read when it is asked for."""

    def __init__(self, reader: "Reader", datasets: dict[str, h5py.Dataset]) -> None:
        self.reader = reader
        self.datasets = datasets

    def __getitem__(self, key: str) -> np.ndarray:
        return self.reader.read(self.datasets[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self.datasets)

    def __len__(self) -> int:
        return len(self.datasets)

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape that an array has by the file's account; nothing is allocated."""
        return tuple(self.datasets[key].shape)


class Reader:
    """The arrays of a file or of several shards, by place.

    Everything in the file is looked at before the first array is read.

    Args:
        files: Open binary files.
        name: What errors call the file.

    Raises:
        FileError: when it is no HDF5 file, or has links, external or virtual data, things other
            than arrays of numbers, filters that need a plug-in, or more data than its size allows.
    """

    def __init__(self, files: list[IO[bytes]], name: str) -> None:
        self.name = name
        self.groups: dict[str, dict[str, h5py.Dataset]] = {}
        self.left = FLOOR
        self._open: list[h5py.File] = []
        for each in files:
            self.left += EXPANSION * each.seek(0, 2)
            each.seek(0)
            try:
                self._open.append(h5py.File(each, "r"))
                self._scan(self._open[-1])
            except (OSError, RuntimeError, KeyError, UnicodeError, TypeError) as error:
                self.close()
                raise FileError(f"'{name}' is damaged, or no HDF5 file: {error}") from error
            except BaseException:
                self.close()
                raise

    def __contains__(self, place: str) -> bool:
        return place in self.groups

    def arrays(self, place: str) -> Arrays:
        """What is stored for the thing at a place; nothing, when the file does not know it."""
        return Arrays(self, self.groups.get(f"{place}/vars" if place else "vars", {}))

    def read(self, dataset: h5py.Dataset) -> np.ndarray:
        """The array of a dataset, counted against what this file may make us allocate."""
        self.left -= math.prod(dataset.shape) * dataset.dtype.itemsize
        if self.left < 0:
            raise self._refusal(
                str(dataset.name),
                f"shape {dataset.shape} is more than a file of this size can hold",
            )
        try:
            array = np.asarray(dataset[()])
        except (OSError, ValueError) as error:
            raise FileError(f"'{self.name}': '{dataset.name}' cannot be read: {error}") from error
        return array.view(jnp.bfloat16) if array.dtype.str == "|V2" else array

    def close(self) -> None:
        """Close the HDF5 files, not the binary files below them."""
        for each in self._open:
            with contextlib.suppress(Exception):
                each.close()

    def attribute(self, name: str) -> str | None:
        """A text that the first file has as a whole."""
        attributes = self._open[0].attrs
        if name not in attributes:
            return None
        stored = attributes.get_id(name)
        if stored.shape != () or h5py.check_string_dtype(stored.dtype) is None:
            raise self._refusal(name, "it is no text")
        try:
            value = attributes[name]
            return value.decode() if isinstance(value, bytes) else str(value)
        except (OSError, ValueError) as error:
            raise FileError(f"'{self.name}': '{name}' cannot be read: {error}") from error

    def _scan(self, file: h5py.File) -> None:
        stack: list[tuple[Any, str, int]] = [(file, "", 0)]
        while stack:
            group, place, depth = stack.pop()
            datasets = self.groups.setdefault(place, {})
            for name in map(str, group):
                path = f"{place}/{name}" if place else name
                if group.id.links.get_info(name.encode()).type != h5l.TYPE_HARD:
                    raise self._refusal(path, "it is a link to somewhere else")
                info = h5o.get_info(group.id, name.encode())
                if info.rc > 1:
                    raise self._refusal(path, "it has several names in the file")
                if info.type == h5o.TYPE_GROUP:
                    if depth == DEPTH:
                        raise self._refusal(path, f"it is more than {DEPTH} groups deep")
                    stack.append((group[name], path, depth + 1))
                elif info.type == h5o.TYPE_DATASET:
                    datasets[name] = self._checked(group[name], path)

    def _checked(self, dataset: Any, path: str) -> h5py.Dataset:
        layout = dataset.id.get_create_plist()
        if layout.get_layout() == h5d.VIRTUAL or layout.get_external_count():
            raise self._refusal(path, "its data lie in another file")
        if any(layout.get_filter(i)[0] not in FILTERS for i in range(layout.get_nfilters())):
            raise self._refusal(path, "it is packed by a filter other than gzip")
        kind, name = dataset.dtype.kind, dataset.dtype.str
        if dataset.shape is None or not (kind in "biufc" or name in ("|V1", "|V2")):
            raise self._refusal(path, "it is no array of numbers")
        return dataset

    def _refusal(self, path: str, why: str) -> FileError:
        return refusal(
            f"'{self.name}' is refused because of '{path}': {why}.",
            rule="a file of weights holds plain arrays of numbers, all of them in itself",
            fix="ask whoever made the file to save the model again",
        )


@contextlib.contextmanager
def reading(files: list[IO[bytes]], name: str) -> Iterator[Reader]:
    """A `Reader`, closed when the block ends."""
    with contextlib.closing(Reader(files, name)) as reader:
        yield reader


class Writer:
    """Puts arrays into one HDF5 file, or into shards of limited size.

    Args:
        create: Opens the binary file of a shard by its number.
        limit: Bytes that a shard may hold; no limit when left out.
    """

    def __init__(self, create: Callable[[int], IO[bytes]], limit: float | None = None) -> None:
        self.create = create
        self.limit = limit
        self.total = self.size = 0
        self.places: dict[str, dict[int, None]] = {}
        self.shards: list[h5py.File] = []
        self._next()

    def group(self, place: str, name: str | None) -> "Group":
        """Where the arrays of the thing at a place go; ``name`` is kept beside them."""
        return Group(self, f"{place}/vars" if place else "vars", name)

    def open(self, path: str, name: str | None) -> h5py.Group:
        """The group at a path of the present shard."""
        made = self.shards[-1].require_group(path)
        if name is not None:
            made.attrs["name"] = name
        self.places.setdefault(f"/{path}", {})[len(self.shards) - 1] = None
        return made

    def close(self) -> None:
        """Finish the last shard."""
        self.shards[-1].close()

    def _next(self) -> None:
        if self.shards:
            self.shards[-1].close()
        self.shards.append(h5py.File(self.create(len(self.shards)), "w"))
        self.size = 0

    def make_room(self, size: int, path: str) -> None:
        """Begin a new shard, if the present one cannot take so many bytes more."""
        if self.limit is not None and size > self.limit:
            raise refusal(
                f"'{path}' does not fit into a shard.",
                met=f"{size} bytes; a shard may hold {self.limit:.0f}",
                fix="give a larger max_shard_size (in GB)",
            )
        if self.limit is not None and self.size + size > self.limit:
            self._next()
        self.size += size
        self.total += size


class Group:
    """The mapping that ``save_own_variables`` of a layer or optimizer fills."""

    def __init__(self, writer: Writer, path: str, name: str | None) -> None:
        self.writer = writer
        self.path = path
        self.name = name
        if name is not None:
            writer.open(path, name)

    def __setitem__(self, key: str, value: Any) -> None:
        array = np.asarray(value)
        if array.dtype.kind not in "biufcV" or array.dtype.names:
            what = f"'{self.path}/{key}' cannot be written"
            raise FileError(f"{what}: it is no array of numbers, but {array.dtype}.")
        self.writer.make_room(array.nbytes, f"{self.path}/{key}")
        group = self.writer.open(self.path, self.name)
        dataset = group.create_dataset(str(key), data=array)
        if array.dtype.kind == "V":
            dataset.attrs["dtype"] = array.dtype.name
