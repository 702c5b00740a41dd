"""Where batches come from: arrays, or anything that yields batches.

Who shuffles: arrays are shuffled here, each epoch, in an order drawn by NumPy from the global
seed. A generator or loader keeps its own order.
"""

import inspect
import math
import warnings
from typing import Any

import jax
import numpy as np

from lamina.core.errors import ArgumentError, DTypeError, describe_value
from lamina.core.random import creation_key
from lamina.core.settings import settings
from lamina.core.types import Nest
from lamina.training.arrays import (
    Rows,
    is_arrays,
    length_of,
    part_of,
    placed,
    to_arrays,
    weighted,
)
from lamina.training.datasets import Slices
from lamina.training.step import Batch
from lamina.training.streams import StreamData, ran_out

PARTS = ("x", "y", "sample_weight")
ON_DEVICE = 1 << 30
"""Arrays of fewer bytes than this are put on an accelerator whole."""


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
        if not is_count(batch_size):
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
        return jax.tree.map(lambda a: (a if isinstance(a, Rows) else here(a))[rows], self.arrays)

    def on_device(self) -> Batch | None:
        """All arrays on the device; None when they are too large to be kept there."""
        if self._device is None:
            leaves = jax.tree.leaves(self.arrays)
            if any(isinstance(a, Rows) for a in leaves):
                return None
            size = sum(a.nbytes for a in leaves)
            if size < ON_DEVICE or jax.default_backend() == "cpu":
                self._device = jax.tree.map(placed, self.arrays)
        return self._device

    def epoch(self) -> np.ndarray:
        """The rows of each batch of the next epoch, shape (steps, batch_size).

        The last batch of a pass, if short, is filled up with samples of its beginning.
        """
        if not len(self._rows):
            self._rows = self._order()
        taken, self._rows = self._rows[: self.steps], self._rows[self.steps :]
        if self.limited and len(taken) < self.steps:
            warnings.warn(ran_out(self.steps, len(taken)), stacklevel=4)
        return taken

    def state(self) -> dict[str, Any]:
        """What decides all epochs to come, as plain values and arrays."""
        random = self._random and self._random.bit_generator.state
        return {"random": random, "rows": self._rows}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was asked for."""
        if self._random is not None:
            self._random.bit_generator.state = state["random"]
        self._rows = state["rows"]

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


def source_of(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    class_weight: dict[Any, float] | None = None,
    steps: int | None = None,
    names: list[str] | None = None,
) -> ArrayData | StreamData:
    """The source of batches for what `fit`, `evaluate` or `predict` were given.

    Class weights of several outputs go by ``names`` where targets are a list.
    """
    if steps is not None and not is_count(steps):
        raise ArgumentError(f"The number of steps is 1 or more, not {steps!r}.")
    if settings.max_steps_per_epoch is not None:
        steps = min(settings.max_steps_per_epoch, steps or settings.max_steps_per_epoch)
    if isinstance(x, Slices) and x.batch_size is None and y is None:
        x, y, sample_weight = Batch.of(x.take(x.rows))[:3]
    if is_arrays(x) and not (y is None and _is_batches(x)):
        arrays, targets = to_arrays(x, "x"), to_arrays(y, "y")
        weight = to_arrays(sample_weight, "sample_weight")
        length_of({"x": arrays, "y": targets, "sample_weight": weight})
        batch = Batch(arrays, targets, weighted(targets, weight, class_weight, names))
        data = ArrayData(batch, batch_size, shuffle, steps)
        nested = isinstance(targets, (dict, list, tuple))
        data.class_weight = None if nested else class_weight
        return data
    for name, given in (("y", y), ("sample_weight", sample_weight)):
        if given is not None:
            raise ArgumentError(
                f"{name} cannot be given beside a {type(x).__name__}: it yields (x, y, weight)."
            )
    if not hasattr(x, "__iter__") and not hasattr(x, "__getitem__"):
        raise DTypeError(
            f"x is no data: {describe_value(x)}.",
            fix=f"call it: {getattr(x, '__name__', 'x')}()"
            if inspect.isgeneratorfunction(x)
            else "give arrays, nests of arrays, a data frame, or an iterable of batches",
        )
    return StreamData(x, steps, class_weight, names, shuffle)


def is_count(value: Any) -> bool:
    """Whether a value is a number of things: an integer above 0."""
    return isinstance(value, (int, np.integer)) and bool(value >= 1) and value is not True


def _is_batches(x: Any) -> bool:
    """Whether a list holds batches ``(x, y)`` or ``(x, y, sample_weight)`` of arrays."""
    return (
        isinstance(x, list)
        and bool(x)
        and all(
            isinstance(item, tuple)
            and len(item) in (2, 3)
            and all(not isinstance(part, (int, float, str)) for part in item)
            for item in x
        )
    )


def validation_source(
    given: Any, batch_size: int | None, steps: int | None
) -> ArrayData | StreamData:
    """The source of validation batches, from a tuple of arrays or anything that yields batches."""
    alone = not isinstance(given, (tuple, list)) or _is_batches(given)
    parts = (given,) if alone else given
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
    return (
        jax.tree.map(lambda a: part_of(a, 0, cut), arrays),
        jax.tree.map(lambda a: part_of(a, cut, size), arrays),
    )
