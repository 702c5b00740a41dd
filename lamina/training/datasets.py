"""Data by batch number: `PyDataset` and what is made of it, windows of a series and split data."""

import hashlib
import itertools
import math
import multiprocessing
import os
import pickle
import random
import signal
import tempfile
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from lamina.core.errors import ArgumentError, DTypeError, NotDefinedError, describe_value
from lamina.core.types import Nest
from lamina.training.arrays import length_of, to_arrays


class PyDataset:
    """Batches by number: subclasses define ``__getitem__`` and ``__len__`` (or ``num_batches``).

    Args:
        workers: Threads, or processes, that make batches at the same time; with 0 or 1 threads
            the one that reads ahead makes them.
        use_multiprocessing: Whether workers are processes. They are started afresh, so the class
            must be importable and a script needs ``if __name__ == "__main__":``.
        max_queue_size: Batches that workers make in advance.

    Batches come in the order of their numbers; ``fit(shuffle=True)`` draws an order of numbers
    from Python's ``random`` each epoch.

    >>> class Squares(PyDataset):
    ...     def __len__(self):
    ...         return 2
    ...     def __getitem__(self, index):
    ...         return np.full(3, index), np.full(3, index**2)
    >>> [int(y[0]) for _, y in Squares()]
    [0, 1]
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self._workers, self._use_multiprocessing = workers, use_multiprocessing
        self._max_queue_size = max_queue_size

    def _setting(self, name: str, default: Any) -> Any:
        if name not in vars(self):
            warnings.warn(
                f"{type(self).__name__}.__init__ did not call super().__init__(**kwargs) "
                "[dataset-init]: it takes workers, use_multiprocessing and max_queue_size.",
                stacklevel=3,
            )
            PyDataset.__init__(self)
        return getattr(self, name, default)

    def _put(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    workers = property(
        lambda self: self._setting("_workers", 1),
        lambda self, value: self._put("_workers", value),
        doc="How many threads or processes make batches.",
    )
    use_multiprocessing = property(
        lambda self: self._setting("_use_multiprocessing", False),
        lambda self, value: self._put("_use_multiprocessing", value),
        doc="Whether workers are processes.",
    )
    max_queue_size = property(
        lambda self: self._setting("_max_queue_size", 10),
        lambda self, value: self._put("_max_queue_size", value),
        doc="Batches that workers make in advance.",
    )

    def __getitem__(self, index: int) -> Any:
        """The batch of this number: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``."""
        raise NotDefinedError(f"{type(self).__name__} needs a method __getitem__(index).")

    @property
    def num_batches(self) -> int | None:
        """Batches of an epoch; None when there is no end to them."""
        if hasattr(self, "__len__"):
            return len(self)  # type: ignore[arg-type]
        raise NotDefinedError(f"{type(self).__name__} needs __len__ or a property num_batches.")

    def on_epoch_begin(self) -> None:
        """Called before the first batch of an epoch."""

    def on_epoch_end(self) -> None:
        """Called after the last batch of an epoch."""

    def __iter__(self) -> Iterator[Any]:
        count = self.num_batches
        for index in itertools.count() if count is None else range(count):
            yield self[index]

    def batches(self, shuffle: bool = False) -> Iterator[Any]:
        """The batches of an epoch, made by the workers."""
        count = self.num_batches
        order: Any = itertools.count() if count is None else list(range(count))
        if shuffle and count is not None:
            random.shuffle(order)
        if self.workers <= 1 and not (self.workers and self.use_multiprocessing):
            return (_checked(self, self[index]) for index in order)
        if "_pool" not in vars(self):
            self._pool = Workers(self.workers, self.use_multiprocessing)
        made = self._pool.ordered(self, order, max(self.max_queue_size, self.workers))
        return (_checked(self, batch) for batch in made)

    def close(self) -> None:
        """End the workers; they start anew when they are needed."""
        pool = vars(self).pop("_pool", None)
        if pool is not None:
            pool.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_pool"}


def _checked(dataset: PyDataset, batch: Any) -> Any:
    if isinstance(batch, (tuple, list)) and not 1 <= len(batch) <= 3 or batch is None:
        raise ArgumentError(
            f"{type(dataset).__name__}.__getitem__() must return x, (x,), (x, y) or "
            "(x, y, sample_weight).",
            met=describe_value(batch),
        )
    return batch


class Workers:
    """Threads or processes that make the batches of a dataset, in order.

    A process gets the dataset by way of a file, whenever it has changed since the last epoch.
    """

    def __init__(self, count: int, processes: bool) -> None:
        self.folder: Any = None
        self.path = self.digest = ""
        if processes:
            context = multiprocessing.get_context("spawn")  # JAX has threads: no fork
            self.folder = tempfile.TemporaryDirectory()
            self.pool: Executor = ProcessPoolExecutor(count, context, initializer=_undisturbed)
        else:
            self.pool = ThreadPoolExecutor(count)

    def ordered(self, dataset: PyDataset, order: Any, ahead: int) -> Iterator[Any]:
        """The batches with these numbers, of which ``ahead`` are under way."""
        make: Any = dataset.__getitem__
        if self.folder is not None:
            make = _Stored(self._store(dataset))
        numbers = iter(order)
        pending = deque(self.pool.submit(make, n) for n in itertools.islice(numbers, ahead))
        while pending:
            batch = pending.popleft().result()
            pending.extend(self.pool.submit(make, n) for n in itertools.islice(numbers, 1))
            yield batch

    def _store(self, dataset: PyDataset) -> str:
        try:
            content = pickle.dumps(dataset)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise DTypeError(
                f"{type(dataset).__name__} cannot be sent to worker processes: {error}.",
                rule="use_multiprocessing=True pickles the dataset",
                fix="define the class at the top of a module and keep open files and lambdas out "
                "of it; or use threads",
            ) from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.digest:
            self.digest, self.path = digest, os.path.join(self.folder.name, digest)
            with open(self.path, "wb") as file:
                file.write(content)
        return self.path

    def close(self) -> None:
        """Wait for what is being made, and end the workers."""
        self.pool.shutdown(wait=True, cancel_futures=True)
        if self.folder is not None:
            self.folder.cleanup()


class _Stored:
    """Makes a batch, in a worker process, of the dataset in a file."""

    loaded: tuple[str, Any] = ("", None)

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, index: int) -> Any:
        if _Stored.loaded[0] != self.path:
            with open(self.path, "rb") as file:
                _Stored.loaded = (self.path, pickle.load(file))
        return _Stored.loaded[1][index]


def _undisturbed() -> None:
    """Ctrl-C is for the main process, which then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Slices(PyDataset):
    """Rows of arrays, by batches; by single samples when ``batch_size`` is None."""

    def __init__(self, arrays: Nest, rows: np.ndarray, batch_size: int | None = None) -> None:
        super().__init__()
        self.arrays, self.rows, self.batch_size = arrays, rows, batch_size

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / (self.batch_size or 1))

    def take(self, rows: Any) -> Any:
        """The samples with these numbers."""
        return jax.tree.map(lambda a: a[rows], self.arrays)

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        if self.batch_size is None:
            return self.take(self.rows[index])
        return self.take(self.rows[index * self.batch_size : (index + 1) * self.batch_size])

    def batch(self, batch_size: int) -> "Slices":
        """The same samples in batches."""
        return type(self)(self.arrays, self.rows, batch_size)


class Windows(Slices):
    """Windows of a series: ``arrays`` is ``(series, targets or None, offsets in a window)``."""

    def take(self, rows: Any) -> Any:
        series, targets, offsets = self.arrays
        found = series[np.asarray(rows)[..., None] + offsets]
        return found if targets is None else (found, targets[rows])


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Windows:
    """Windows of a series, in batches.

    Window ``i`` holds the steps ``i * sequence_stride + k * sampling_rate`` for ``k`` from 0 to
    ``sequence_length - 1``; its target, if there are some, is that of its first step.

    ``format`` is read and has no effect: batches are NumPy arrays.

    >>> found = timeseries_dataset_from_array(np.arange(6), None, 3, batch_size=2)
    >>> [batch.tolist() for batch in found]
    [[[0, 1, 2], [1, 2, 3]], [[2, 3, 4], [3, 4, 5]]]
    """
    if format not in ("tf", "grain"):
        raise ArgumentError("format names a kind of data set: 'tf' or 'grain'.", met=repr(format))
    size, begin = len(data), start_index or 0
    end = size if end_index is None else end_index
    for name, value in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride),
                        ("sequence_length", sequence_length)):  # fmt: skip
        if not 0 < value <= size:
            raise ArgumentError(f"{name}={value} must be between 1 and the {size} steps of data.")
    if not 0 <= begin < end <= size:
        raise ArgumentError(
            "start_index and end_index choose no part of the data.",
            met=f"start_index={start_index}, end_index={end_index}, {size} steps",
            rule="0 <= start_index < end_index <= number of steps",
        )
    count = end - begin - (sequence_length - 1) * sampling_rate
    if targets is not None:
        count = min(count, len(targets))
    starts = np.arange(0, max(count, 0), sequence_stride)
    if shuffle:
        np.random.RandomState(np.random.randint(10**6) if seed is None else seed).shuffle(starts)
    own = None if targets is None else np.asarray(targets)[begin:]
    offsets = np.arange(sequence_length) * sampling_rate
    return Windows((np.asarray(data)[begin:end], own, offsets), starts, batch_size)


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Slices, Slices]:
    """Two parts of a dataset, by a share (float) or a number (int) of samples.

    Args:
        dataset: An array, a list or tuple of arrays, or an iterable: of batches if it is a
            `PyDataset` or has a ``batch_size``, else of samples.
        left_size: Samples of the left part; what the right one leaves if None.
        right_size: Samples of the right part.
        shuffle: Whether samples are put in a new order first.
        seed: For the new order.
        preferred_backend: Has no effect: the parts are NumPy batches.

    Returns:
        Two datasets of samples, whose ``batch(size)`` gives them in batches (`fit` takes 32), or of
        batches if the dataset had batches.

    >>> left, right = split_dataset(np.arange(10), left_size=0.8)
    >>> len(left), len(right)
    (8, 2)
    """
    size_of_batch = None
    if not isinstance(dataset, (list, tuple, dict)) and not hasattr(dataset, "shape"):
        if not hasattr(dataset, "__iter__") and not hasattr(dataset, "__getitem__"):
            raise DTypeError(f"dataset is no data: {describe_value(dataset)}.")
        batched = bool(getattr(dataset, "batch_size", isinstance(dataset, PyDataset)))
        listed = hasattr(dataset, "__len__") and not hasattr(dataset, "__iter__")
        source = (dataset[i] for i in range(len(dataset))) if listed else dataset
        items = [jax.tree.map(np.asarray, item) for item in source]
        if not items:
            raise ArgumentError("The dataset is empty.")
        join: Any = np.concatenate if batched else np.stack
        dataset = jax.tree.map(lambda *some: join(some), *items)
        size_of_batch = len(jax.tree.leaves(items[0])[0]) if batched else None
    arrays = to_arrays(tuple(dataset) if isinstance(dataset, list) else dataset, "dataset")
    size = length_of({"dataset": arrays})
    left, right = _sizes(left_size, right_size, size)
    order = np.arange(size)
    if shuffle:
        np.random.default_rng(seed).shuffle(order)
    return Slices(arrays, order[:left], size_of_batch), Slices(
        arrays, order[size - right :], size_of_batch
    )


def _sizes(left: float | None, right: float | None, size: int) -> tuple[int, int]:
    """Samples of both parts."""
    if left is None and right is None:
        raise ArgumentError("split_dataset needs left_size or right_size.")
    for name, value in (("left_size", left), ("right_size", right)):
        if value is not None and not isinstance(value, (int, float, np.number)):
            raise DTypeError(f"{name} is a share (float) or a number of samples: {value!r}.")
        limit = 1 if isinstance(value, float) else size
        if value is not None and not 0 < value <= limit:
            raise ArgumentError(f"{name}={value} must be above 0 and at most {limit}.")

    def count(value: Any, rounded: Any) -> Any:
        return rounded(value * size) if isinstance(value, float) else value

    first, second = count(left, round), count(right, round)
    first = size - second if first is None else first
    second = size - first if second is None else second
    if not first or not second or first + second > size:
        raise ArgumentError(
            "The two parts do not fit.", met=f"{first} + {second} of {size} samples"
        )
    return int(first), int(second)


def pack_x_y_sample_weight(x: Nest, y: Nest = None, sample_weight: Nest = None) -> Any:
    """The data of a step in the form that `fit` takes: without what is missing at the end.

    >>> pack_x_y_sample_weight(1, 2)
    (1, 2)
    """
    if y is None:
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Nest, Nest, Nest]:
    """``(x, y, sample_weight)`` of the data of a step, None for what is missing.

    >>> unpack_x_y_sample_weight((1, 2))
    (1, 2, None)
    """
    parts = tuple(data) if isinstance(data, (tuple, list)) else (data,)
    if not 1 <= len(parts) <= 3:
        raise ArgumentError(
            f"A batch of data has {len(parts)} parts.",
            rule="it is x, (x,), (x, y) or (x, y, sample_weight)",
        )
    return (*parts, *(None,) * (3 - len(parts)))  # type: ignore[return-value]
