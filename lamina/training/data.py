"""Where batches come from: arrays, or anything that yields batches.

Who shuffles: arrays are shuffled here, each epoch, in an order drawn by NumPy from the global
seed. A generator or loader keeps its own order.
"""

import math
import operator
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import nest
from lamina.core.errors import ArgumentError, DTypeError, ShapeError, describe_value
from lamina.core.random import creation_key
from lamina.core.settings import settings
from lamina.core.types import Nest
from lamina.training.step import Batch

PARTS = ("x", "y", "sample_weight")
ON_DEVICE = 1 << 30
"""Arrays of fewer bytes than this are put on an accelerator whole."""


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
        return type(value)(to_arrays(each, f"{what}[{i}]") for i, each in enumerate(value))
    return _to_array(value, what)


def _numbers(value: Any) -> bool:
    """Whether nested lists hold numbers alone, so that they stand for one array."""
    return bool(value) and all(
        isinstance(each, (int, float, str, np.number)) for each in nest.flatten(value)
    )


def _to_array(value: Any, what: str) -> Any:
    if isinstance(value, jax.Array):
        array: Any = value
    else:
        value = value.to_numpy() if hasattr(value, "to_numpy") else value
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ShapeError(
                f"{what} is ragged: its rows have different lengths.",
                fix="pad them to one length: lamina.utils.pad_sequences",
            ) from error
    if not isinstance(array, jax.Array) and array.dtype.kind not in "biufcV":
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
    if not all(isinstance(key, (int, np.integer)) for key in class_weight):
        raise ArgumentError(
            "The keys of class_weight are class numbers.",
            met=f"keys {list(class_weight)[:8]}",
            fix="give {0: weight, 1: weight, ...}",
        )
    if y is None or nest.is_nested(y):
        raise ArgumentError(
            "class_weight needs one array of targets; for several outputs use sample_weight."
        )
    classes = np.asarray(y)
    if classes.ndim > 1:
        one_hot = classes.shape[-1] > 1
        classes = classes.argmax(axis=-1) if one_hot else classes[..., 0]
    classes = np.round(classes).astype(np.int64)
    weights = np.ones(classes.shape, settings.floatx)
    for key, weight in class_weight.items():
        weights[classes == key] = weight
    return weights


def weighted(y: Nest, weight: Nest, class_weight: dict[Any, float] | None) -> Nest:
    """Sample weights, times those of the samples' classes."""
    if not class_weight:
        return weight
    by_class = class_weights(y, class_weight)
    given = np.asarray(1 if weight is None else weight, by_class.dtype)
    return by_class * given.reshape(given.shape + (1,) * (by_class.ndim - given.ndim))


class ArrayData:
    """Batches from arrays.

    Args:
        batch_size: Samples of a batch; when left out 32, or all samples divided by ``steps``.
        shuffle: Whether samples are put in a new order each epoch; ``"batch"`` keeps batches.
        steps: At most this many batches an epoch; the next epoch goes on behind them.

    Attributes:
        size: Number of samples.
        steps: Batches of an epoch.
        rest: Samples of the last batch of a pass if these are fewer than ``batch_size``, else 0.
    """

    def __init__(
        self,
        batch: Batch,
        batch_size: int | None = None,
        shuffle: bool | str = False,
        steps: int | None = None,
    ) -> None:
        size = length_of({"x": batch.x, "y": batch.y, "sample_weight": batch.weight})
        if batch_size is None:
            batch_size = 32 if steps is None else math.ceil(size / steps)
        if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ArgumentError(f"batch_size={batch_size!r} is no number of samples, 1 or more.")
        self.class_weight: Any = None
        self.arrays, self.size, self.batch_size = batch, size, min(int(batch_size), size)
        self.shuffle = shuffle
        self.passes = math.ceil(size / self.batch_size)
        self.steps = self.passes if steps is None else steps
        self.limited = steps is not None
        self.rest = size % self.batch_size
        self._random = np.random.default_rng(creation_key().tolist()) if shuffle else None
        self._rows = np.empty((0, self.batch_size), np.int32)
        self._device: Batch | None = None

    def first(self) -> Batch:
        """Some batch, for its shapes."""
        return self.take(np.arange(self.batch_size))

    def take(self, rows: Any) -> Batch:
        """The samples with these numbers."""
        here = np.asarray if jax.default_backend() == "cpu" else lambda a: a
        return jax.tree.map(lambda a: here(a)[rows], self.arrays)

    def on_device(self) -> Batch | None:
        """All arrays on the device; None when they are too large to be kept there."""
        if self._device is None:
            size = sum(a.nbytes for a in jax.tree.leaves(self.arrays))
            if size < ON_DEVICE or jax.default_backend() == "cpu":
                self._device = jax.tree.map(_placed, self.arrays)
        return self._device

    def epoch(self) -> np.ndarray:
        """The rows of each batch of the next epoch, shape (steps, batch_size).

        The last batch of a pass, if short, is filled up with samples of its beginning.
        """
        if not len(self._rows):
            self._rows = self._order()
        taken, self._rows = self._rows[: self.steps], self._rows[self.steps :]
        if self.limited and len(taken) < self.steps:
            warnings.warn(_ran_out(self.steps, len(taken)), stacklevel=4)
        return taken

    def ends_short(self) -> bool:
        """Whether the last batch of the epoch just given is short."""
        return bool(self.rest) and not len(self._rows)

    def _order(self) -> np.ndarray:
        order = np.arange(self.size, dtype=np.int32)
        if self._random is not None and self.shuffle != "batch":
            self._random.shuffle(order)
        missing = self.passes * self.batch_size - self.size
        rows = np.concatenate([order, order[:missing]]).reshape(self.passes, self.batch_size)
        if self._random is not None and self.shuffle == "batch":
            self._random.shuffle(rows[: -1 if self.rest else None])
        return rows


def _placed(a: Any) -> jax.Array:
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


def _ran_out(steps: int | None, got: int) -> str:
    asked = "an epoch was to begin" if steps is None else f"{steps} steps were asked for"
    return (
        f"The data ran out: {asked}, {got} batches came [data-ran-out]. A generator can be used up "
        "once; give more data, or fewer steps."
    )


class StreamData:
    """Batches from a generator, a loader, or any other iterable of ``(x, y, sample_weight)``."""

    def __init__(self, source: Any, steps: int | None, class_weight: Any = None) -> None:
        self.source, self.class_weight = source, class_weight
        self.limited = steps is not None
        self.steps = steps if steps is not None else operator.length_hint(source) or None
        self._iterator: Iterator[Any] | None = None
        self._peeked: Batch | None = None

    def first(self) -> Batch:
        """The next batch, which stays the next one."""
        self._peeked = self._peeked or self._next()
        if self._peeked is None:
            raise ArgumentError("The data gave no batch.",
                        rule="a generator can be used up once; a list, or an object whose "
                        "__iter__ starts anew, serves every epoch")  # fmt: skip
        return self._peeked

    def _next(self) -> Batch | None:
        if self._iterator is None:
            listed = hasattr(self.source, "__len__") and not hasattr(self.source, "__iter__")
            numbers = range(len(self.source)) if listed else ()
            self._iterator = (self.source[i] for i in numbers) if listed else iter(self.source)
        try:
            item = next(self._iterator)
        except StopIteration:
            self._iterator = None
            return None
        batch = Batch.of(item if isinstance(item, (tuple, list)) else (item,))
        x, y = to_arrays(batch.x, "x"), to_arrays(batch.y, "y")
        weight = weighted(y, to_arrays(batch.weight, "sample_weight"), self.class_weight)
        length_of({"x": x, "y": y, "sample_weight": weight})
        return jax.tree.map(_placed, Batch(x, y, weight))

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        done = 0
        limit = self.steps if self.limited else None
        while limit is None or done < limit:
            batch, self._peeked = self._peeked or self._next(), None
            if batch is None:
                if limit is not None or not done:
                    warnings.warn(_ran_out(limit, done), stacklevel=4)
                return
            yield batch
            done += 1


def source_of(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    class_weight: dict[Any, float] | None = None,
    steps: int | None = None,
) -> ArrayData | StreamData:
    """The source of batches for what `fit`, `evaluate` or `predict` were given."""
    if steps is not None and steps < 1:
        raise ArgumentError(f"The number of steps is 1 or more, not {steps!r}.")
    if settings.max_steps_per_epoch is not None:
        steps = min(settings.max_steps_per_epoch, steps or settings.max_steps_per_epoch)
    if is_arrays(x):
        arrays, targets = to_arrays(x, "x"), to_arrays(y, "y")
        weight = to_arrays(sample_weight, "sample_weight")
        length_of({"x": arrays, "y": targets, "sample_weight": weight})
        batch = Batch(arrays, targets, weighted(targets, weight, class_weight))
        data = ArrayData(batch, batch_size, shuffle, steps)
        data.class_weight = class_weight
        return data
    for name, given in (("y", y), ("sample_weight", sample_weight)):
        if given is not None:
            raise ArgumentError(
                f"{name} cannot be given beside a {type(x).__name__}: it yields (x, y, weight)."
            )
    if not hasattr(x, "__iter__") and not hasattr(x, "__getitem__"):
        raise DTypeError(
            f"x is no data: {describe_value(x)}.",
            fix="give arrays, nests of arrays, a data frame, or an iterable of batches",
        )
    return StreamData(x, steps, class_weight)


def validation_source(
    given: Any, batch_size: int | None, steps: int | None
) -> ArrayData | StreamData:
    """The source of validation batches, from a tuple of arrays or anything that yields batches."""
    parts = given if isinstance(given, (tuple, list)) else (given,)
    if not 1 <= len(parts) <= 3:
        raise ArgumentError("validation_data is (x, y) or (x, y, sample_weight).")
    return source_of(*parts, batch_size=batch_size, steps=steps)


def split(parts: tuple[Nest, Nest, Nest], fraction: float) -> tuple[Any, Any]:
    """``(training parts, validation parts)``: the last ``fraction`` of the samples, unshuffled."""
    if not 0 < fraction < 1:
        raise ArgumentError(f"validation_split={fraction!r} must lie between 0 and 1.")
    if not is_arrays(parts[0]):
        raise ArgumentError(
            "validation_split needs arrays; x yields batches.", fix="give validation_data"
        )
    arrays = tuple(to_arrays(part, name) for part, name in zip(parts, PARTS, strict=True))
    size = length_of(dict(zip(PARTS, arrays, strict=True)))
    cut = math.floor(size * (1 - fraction))
    if cut in (0, size):
        raise ArgumentError(
            f"validation_split={fraction} of {size} samples leaves none on one side."
        )
    return (jax.tree.map(lambda a: a[:cut], arrays), jax.tree.map(lambda a: a[cut:], arrays))
