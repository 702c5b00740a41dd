"""What users give as data, as arrays: numbers, frames, tensors of others, files on disk."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import nest
from lamina.core.errors import ArgumentError, DTypeError, ShapeError, describe_value, unknown
from lamina.core.settings import settings
from lamina.core.types import Nest

STORES = ("h5py", "zarr")
"""Libraries whose arrays lie in files, and are read from there row by row."""


class Rows:
    """An array that stays where it is (a file, a sparse matrix) and is read by rows.

    Args:
        source: Anything with ``shape`` and ``dtype`` that takes a sorted list of rows.
        begin: First row.
        size: Number of rows; all that follow when left out.
    """

    def __init__(self, source: Any, begin: int = 0, size: int | None = None) -> None:
        self.source, self.begin = source, begin
        self.shape = (source.shape[0] - begin if size is None else size, *source.shape[1:])
        self.ndim, self.size = len(self.shape), math.prod(self.shape)
        floats = jnp.issubdtype(source.dtype, jnp.floating)
        self.dtype = np.dtype(settings.floatx if floats else source.dtype)

    def part(self, begin: int, end: int) -> "Rows":
        """Some of the rows, not read yet."""
        return Rows(self.source, self.begin + begin, end - begin)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        numbers = np.arange(self.shape[0])[rows] + self.begin
        unique, places = np.unique(numbers, return_inverse=True)
        found = self.source[unique]
        found = found.toarray() if hasattr(found, "toarray") else np.asarray(found)
        return found[places].astype(self.dtype, copy=False)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)


def _stays(value: Any) -> bool:
    """Whether an array lies in a file, or is sparse, so that it is read a batch at a time."""
    room = type(value).__module__.partition(".")[0]
    return isinstance(value, np.memmap) or hasattr(value, "tocsr") or room in STORES


def part_of(a: Any, begin: int, end: int) -> Any:
    """Rows of an array, without reading what lies in a file."""
    return a.part(begin, end) if isinstance(a, Rows) else a[begin:end]


def to_arrays(value: Any, what: str) -> Nest:
    """Arrays in a nest: lists of numbers and data frames converted, floats in ``floatx``.

    >>> to_arrays({"a": [1.0, 2.0]}, "x")["a"].dtype
    dtype('float32')

    Raises:
        DTypeError: for objects and strings, naming the argument.
    """
    if value is None:
        return None
    if isinstance(value, dict):
        return {key: to_arrays(each, f"{what}[{key!r}]") for key, each in value.items()}
    if isinstance(value, (list, tuple)) and not _numbers(value):
        parts = [to_arrays(each, f"{what}[{i}]") for i, each in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return _to_array(value, what)


def _numbers(value: Any) -> bool:
    """Whether nested lists hold numbers alone, so that they stand for one array."""
    return bool(value) and all(
        isinstance(each, (int, float, str, np.number)) for each in nest.flatten(value)
    )


def _to_array(value: Any, what: str) -> Any:
    if isinstance(value, (jax.Array, Rows)):
        array: Any = value
    elif _stays(value) and value.dtype.kind in "biuf":
        array = Rows(value.tocsr() if hasattr(value, "tocsr") else value)
    else:
        try:
            array = np.asarray(_on_host(value, what))
        except ValueError as error:
            if isinstance(error, DTypeError):
                raise
            raise ShapeError(
                f"{what} is ragged: its rows have different lengths.",
                fix="pad them to one length: lamina.utils.pad_sequences",
            ) from error
    if isinstance(array, np.ndarray) and array.dtype.kind not in "biufcV":
        text = array.dtype.kind in "USO" and array.size and isinstance(array.flat[0], (str, bytes))
        raise DTypeError(
            f"{what} holds {'strings' if text else 'Python objects'}, not numbers.",
            met=describe_value(array),
            fix="turn text into numbers first: layers.StringLookup or TextVectorization"
            if text
            else "rows of different lengths? Pad them, or give one numeric array",
        )
    if array.ndim == 0:
        raise ShapeError(f"{what} is one number: the first axis of data is that of the samples.")
    floats = jnp.issubdtype(array.dtype, jnp.floating)
    return array.astype(settings.floatx) if floats and array.dtype != settings.floatx else array


def _on_host(value: Any, what: str) -> Any:
    """What NumPy can read: frames column by column where they are mixed, tensors detached.

    A pandas Series is a column, as in Keras: shape (samples, 1).
    """
    if hasattr(value, "detach"):
        return value.detach().cpu().numpy()
    if not hasattr(value, "to_numpy"):
        return value.numpy() if hasattr(value, "numpy") else value
    array = value.to_numpy()
    if hasattr(value, "columns") and array.dtype.kind not in "biufc":
        columns = [(name, np.asarray(value[name].to_numpy())) for name in value.columns]
        for name, column in columns:
            if column.dtype.kind not in "biuf":
                raise DTypeError(
                    f"Column {name!r} of {what} holds no plain numbers.",
                    met=f"dtype {value[name].dtype}",
                    fix="leave it out, encode it (StringLookup, one-hot), or fill what is missing",
                )
        return np.column_stack([column for _, column in columns])
    is_column = type(value).__module__.startswith("pandas") and array.ndim == 1
    return array[:, None] if is_column else array


def is_arrays(x: Any) -> bool:
    """Whether data is arrays (or nests, lists and frames of them), not a source of batches."""
    if isinstance(x, (list, tuple, dict)):
        return True
    return hasattr(x, "shape") or hasattr(x, "to_numpy") or hasattr(x, "__array__")


def length_of(parts: dict[str, Nest]) -> int:
    """The number of samples that all arrays have in common.

    Raises:
        ShapeError: with all lengths, when they differ or there are none.
    """
    lengths: dict[str, int] = {
        what + jax.tree_util.keystr(path): leaf.shape[0]
        for what, part in parts.items()
        for path, leaf in jax.tree_util.tree_flatten_with_path(part)[0]
    }
    if not lengths:
        raise ArgumentError("There is no data: x is None.")
    if len(set(lengths.values())) > 1:
        raise ShapeError(
            "The arrays have different numbers of samples.",
            met=", ".join(f"{name}: {size}" for name, size in lengths.items()),
            rule="the first axis of x, y and sample_weight counts the same samples",
        )
    size = next(iter(lengths.values()))
    if size == 0:
        raise ShapeError(f"There is no data: {next(iter(lengths))} has 0 samples.")
    return size


def class_weights(y: Any, class_weight: dict[Any, float]) -> np.ndarray:
    """A weight for each sample, by its class; classes not named weigh 1.

    >>> class_weights(np.array([0, 1, 1]), {1: 3.0})
    array([1., 3., 3.], dtype=float32)
    """
    if not all(isinstance(key, (int, np.integer)) and key >= 0 for key in class_weight):
        raise ArgumentError(
            "The keys of class_weight are class numbers.",
            met=f"keys {list(class_weight)[:8]}",
            fix="give {0: weight, 1: weight, ...}; for several outputs {name: {0: weight, ...}}",
        )
    if y is None or nest.is_nested(y):
        raise ArgumentError(
            "class_weight needs targets: one array, or one for each output.",
            fix="for several outputs give class_weight as a dict of dicts by name of output, or a "
            "list of dicts",
        )
    classes = np.asarray(y)
    if classes.ndim > 1:
        one_hot = classes.shape[-1] > 1
        strange = [key for key in class_weight if key >= classes.shape[-1]] if one_hot else []
        if strange:
            raise ArgumentError(
                f"class_weight has class {strange[0]}: there is none.",
                met=f"one-hot targets of shape {classes.shape}",
                rule=f"classes are 0 to {classes.shape[-1] - 1}",
            )
        classes = classes.argmax(axis=-1) if one_hot else classes[..., 0]
    classes = np.round(classes).astype(np.int64)
    weights = np.ones(classes.shape, settings.floatx)
    for key, weight in class_weight.items():
        weights[classes == key] = weight
    return weights


def weighted(y: Nest, weight: Nest, class_weight: Any, names: list[str] | None = None) -> Nest:
    """Sample weights, times those of the samples' classes.

    Args:
        y: Targets, one array or one for each output.
        weight: Sample weights: None, one array, or a nest like ``y``.
        class_weight: A dict by class; for several outputs such dicts in a list or by name.
        names: Names of the outputs, where ``y`` is a list.
    """
    if not class_weight:
        return weight
    listed = isinstance(class_weight, (list, tuple))
    several = listed or all(
        isinstance(each, dict) or each is None for each in class_weight.values()
    )
    if several and nest.is_nested(y):
        keys = list(y) if isinstance(y, dict) else list(range(len(y)))
        known = keys if isinstance(y, dict) else names or []
        chosen = dict(zip(known or keys, keys, strict=False))
        given = dict(enumerate(class_weight)) if listed else class_weight
        if listed:
            if len(class_weight) != len(keys):
                raise ArgumentError(f"class_weight has {len(class_weight)} parts, y {len(keys)}.")
            chosen = dict(enumerate(keys))
        for name in given:
            if name not in chosen:
                raise unknown("output in class_weight", name, map(str, chosen))
        own = {chosen[name]: each for name, each in given.items()}
        one = not nest.is_nested(weight)
        parts = {
            key: weighted(y[key], weight if one else weight[key], own.get(key)) for key in keys
        }
        rows = len(nest.flatten(y)[0])
        parts = {k: np.ones(rows, settings.floatx) if w is None else w for k, w in parts.items()}
        return parts if isinstance(y, dict) else list(parts.values())
    if several and len(class_weight) == 1:
        class_weight = class_weight[0] if listed else next(iter(class_weight.values()))
    if isinstance(class_weight, (list, tuple)):
        raise ArgumentError(f"class_weight has {len(class_weight)} parts, y is one array.")
    by_class = class_weights(y, class_weight)
    if weight is None:
        return by_class
    ones = np.asarray(weight, by_class.dtype)
    if ones.ndim > by_class.ndim and ones.shape[-1] == 1:
        ones = ones[..., 0]
    return by_class * ones.reshape(ones.shape + (1,) * (by_class.ndim - ones.ndim))


def placed(a: Any) -> jax.Array:
    """A copy on the device: steps run while the user's code goes on, and may write to its arrays.

    On a CPU, XLA takes memory that begins at a multiple of 64 bytes as it is, so one copy by NumPy
    into such memory is all that is needed (188 MB: 0.06 s instead of 0.13 to 0.3).
    """
    if isinstance(a, jax.Array):
        return a
    if jax.default_backend() != "cpu":
        return jax.device_put(np.array(a))
    dtype = jax.dtypes.canonicalize_dtype(a.dtype)
    size = a.size * dtype.itemsize
    room = np.empty(size + 64, np.uint8)
    start = -room.ctypes.data % 64
    aligned = room[start : start + size].view(dtype).reshape(a.shape)
    aligned[...] = a
    return jax.device_put(aligned, may_alias=True)


def alike(batch: Nest, first: Nest, number: int) -> Nest:
    """The parts of a batch, checked against those of the first one.

    Sizes may differ from batch to batch; structures and ranks may not. Integers where the first
    batch had floats become floats; floats where it had integers stay, and compile anew.

    Raises:
        ShapeError: naming the batch, the part, and both shapes.
    """
    if jax.tree.structure(batch) != jax.tree.structure(first):
        raise ShapeError(
            f"Batch {number} of the data has other parts than batch 0.",
            met=f"{_parts(batch)}; batch 0: {_parts(first)}",
            rule="all batches have the same structure (x, y, sample_weight)",
        )

    def check(path: Any, a: Any, b: Any) -> Any:
        if a.dtype != b.dtype and np.can_cast(a.dtype, b.dtype, "same_kind"):
            a = a.astype(b.dtype)
        kinds = [jax.dtypes.canonicalize_dtype(each.dtype) for each in (a, b)]
        finer = kinds[0].kind == "f" and kinds[1].kind in "iu"
        if a.ndim != b.ndim or kinds[0] != kinds[1] and not finer:
            raise ShapeError(
                f"Batch {number} of the data is unlike batch 0: {_name(path)}.",
                met=f"{describe_value(a)}; batch 0: {describe_value(b)}",
                rule="each part keeps its rank and its kind of numbers in all batches",
            )
        return a

    return jax.tree_util.tree_map_with_path(check, batch, first)


def _name(path: Any) -> str:
    """A part of a batch, in words."""
    head = getattr(path[0], "name", "x").replace("weight", "sample_weight")
    return head + jax.tree_util.keystr(path[1:])


def _parts(batch: Nest) -> str:
    leaves = jax.tree_util.tree_flatten_with_path(batch)[0]
    return ", ".join(f"{_name(path)} {tuple(leaf.shape)}" for path, leaf in leaves)
