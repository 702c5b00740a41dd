"""Batches from a generator, a loader, a `PyDataset`: read ahead of the loop by one thread.

The rule of reading ahead: while an epoch runs, one thread takes batches from the source, in order,
at most `AHEAD` more than the loop has used, and never more than the epoch has steps. So a generator
given with ``steps_per_epoch`` stands, after the epoch, exactly where a plain loop would have left
it. If an epoch is broken off, what was read and not used opens the next epoch of the same run. A
generator that draws from NumPy's global random, or looks at the model, does so up to `AHEAD`
batches early, and beside the callbacks: give it a generator of random numbers of its own.
"""

import contextvars
import copy
import operator
import queue
import random
import threading
import warnings
from collections import deque
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from lamina.core.errors import ArgumentError, StateError
from lamina.training.arrays import alike, length_of, placed, to_arrays, weighted
from lamina.training.datasets import PyDataset
from lamina.training.step import Batch

AHEAD = 2
"""Batches that are read before the loop asks for them."""
PATIENCE = 5.0
"""Seconds that the end of a run waits for user code that is still making a batch."""


def ran_out(steps: int | None, got: int) -> str:
    """The warning that there was less data than was asked for."""
    asked = "an epoch was to begin" if steps is None else f"{steps} steps were asked for"
    return (
        f"The data ran out: {asked}, {got} batches came [data-ran-out]. A generator can be used up "
        "once; give more data, or fewer steps."
    )


def host_random() -> list[Any]:
    """The states of Python's ``random`` and of NumPy's global generator, as plain values."""
    version, words, rest = random.getstate()
    return [version, np.array(words, np.uint32), rest, np.random.get_state(legacy=False)]


def set_host_random(state: list[Any]) -> None:
    """Set what `host_random` gave."""
    random.setstate((state[0], tuple(state[1].tolist()), state[2]))
    np.random.set_state(state[3])


class Reader:
    """A thread that calls a function until it gives None, some calls ahead of who uses the results.

    Args:
        function: Gives the next result, or None at the end.
        limit: How many results to ask for, at most.
    """

    def __init__(self, function: Any, limit: int | None) -> None:
        self.function, self.limit = function, limit
        self.results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.room = threading.Semaphore(AHEAD)
        self.stopped = False
        config: Any = jax.config
        device = config.jax_default_device  # known to the thread it was set in, as scopes are
        run = contextvars.copy_context().run
        self.thread = threading.Thread(target=run, args=(self._work, device), daemon=True)
        self.thread.start()

    def _work(self, device: Any) -> None:
        done = 0
        with jax.default_device(device):
            while self.limit is None or done < self.limit:
                self.room.acquire()
                if self.stopped:
                    return
                try:
                    result = self.function()
                except BaseException as error:
                    self.results.put((None, error))
                    return
                self.results.put((result, None))
                if result is None:
                    return
                done += 1

    def next(self) -> Any:
        """The next result; raises what the function raised, with its own traceback."""
        result, error = self.results.get()
        self.room.release()
        if error is not None:
            raise error
        return result

    def stop(self) -> list[Any]:
        """End the thread; the results that nobody took."""
        self.stopped = True
        self.room.release()
        self.thread.join(PATIENCE)
        left = []
        while not self.results.empty():
            left.append(self.results.get()[0])
        return [each for each in left if each is not None]


class StreamData:
    """Batches from a generator, a loader, or any other iterable of ``(x, y, sample_weight)``.

    Args:
        source: What yields batches.
        steps: Batches of an epoch; the next epoch goes on behind them.
        class_weight: What samples of a class weigh.
        names: Names of the outputs, for class weights.
        shuffle: Whether a `PyDataset` gives its batches in a new order each epoch. Other sources
            keep their own order.

    Attributes:
        steps: Batches of an epoch, None if that is not known.
    """

    def __init__(
        self,
        source: Any,
        steps: int | None,
        class_weight: Any = None,
        names: list[str] | None = None,
        shuffle: Any = False,
    ) -> None:
        if hasattr(source, "as_numpy_iterator"):
            self._start: Any = source.as_numpy_iterator
        elif isinstance(source, PyDataset):
            self._start = lambda: source.batches(bool(shuffle))
        elif hasattr(source, "__iter__"):
            self._start = lambda: iter(source)
        else:
            self._start = lambda: (source[i] for i in range(len(source)))
        self.source, self.class_weight, self.names = source, class_weight, names
        self.limited = steps is not None
        self.steps = steps if steps is not None else _length(source)
        self._iterator: Iterator[Any] | None = None
        self._left: deque[Batch] = deque()
        self._reader: Reader | None = None
        self._shapes: Batch | None = None
        self._number = self._seen = 0
        self._began: Any = None

    def state(self) -> dict[str, Any]:
        """How many batches of the present pass were given, asked between two epochs.

        And how the host's generators stood when it began, and what the source itself remembers.
        """
        taken = None if self._iterator is None else self._seen - len(self._left)
        source: Any = self.source
        own = copy.deepcopy(source.get_state()) if _remembers(source) else None
        return {"taken": taken or 0, "began": None if taken is None else self._began, "own": own}

    def restore(self, state: dict[str, Any]) -> None:
        """Skip as many batches as `state` says: the source has to give the same ones again."""
        source: Any = self.source
        if _remembers(source):
            source.set_state(state["own"])
        if not isinstance(self.source, Iterator):  # a pass that was begun here is not the one
            self._iterator, self._left = None, deque()
            if state["began"] is not None:
                set_host_random(state["began"])
                self.first()
        for number in range(self.state()["taken"], state["taken"]):
            if (self._left.popleft() if self._left else self._next()) is None:
                raise StateError(
                    f"The data ended after {number} batches.",
                    rule=f"the run goes on behind {state['taken']} batches of the same data",
                )

    def first(self) -> Batch:
        """The next batch, which stays the next one."""
        batch = self._left[0] if self._left else self._next()
        if batch is None:
            raise ArgumentError("The data gave no batch.",
                        rule="a generator can be used up once; a list, or an object whose "
                        "__iter__ starts anew, serves every epoch")  # fmt: skip
        self._left = self._left or deque([batch])
        return batch

    def _next(self) -> Batch | None:
        iterator = self._iterator
        if iterator is None:
            self._began = host_random()
            self._iterator = iterator = self._start()
            self._seen = 0
        try:
            item = next(iterator)
        except StopIteration:
            self._iterator = None
            return None
        where = f" of batch {self._number}"
        batch = Batch.of(tuple(item) if isinstance(item, (tuple, list)) else (item,))
        x, y = to_arrays(batch.x, "x" + where), to_arrays(batch.y, "y" + where)
        given = to_arrays(batch.weight, "sample_weight" + where)
        weight = weighted(y, given, self.class_weight, self.names)
        length_of({"x" + where: x, "y" + where: y, "sample_weight" + where: weight})
        batch = Batch(x, y, weight)
        if self._shapes is None:
            self._shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), batch)
        batch = alike(batch, self._shapes, self._number)
        self._number += 1
        self._seen += 1
        return jax.tree.map(placed, batch)

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        done, limit = 0, self.steps if self.limited else None
        dataset = self.source if isinstance(self.source, PyDataset) else None
        if dataset is not None:
            dataset.on_epoch_begin()
        if limit is not None and not self._left and self._seen == _length(self.source):
            self._iterator = None  # a whole pass is done: the next one begins
        ahead = None if limit is None else limit - len(self._left)
        self._reader = reader = Reader(self._next, ahead)
        try:
            while limit is None or done < limit:
                batch = self._left.popleft() if self._left else reader.next()
                if batch is None:
                    if limit is not None or not done:
                        warnings.warn(ran_out(limit, done), stacklevel=4)
                    break
                yield batch
                done += 1
        finally:
            self._left.extend(reader.stop())
            self._reader = None
        if dataset is not None:
            dataset.on_epoch_end()
            if not self.limited:
                self.steps = _length(dataset)

    def close(self) -> None:
        """End the thread and the workers of a run."""
        if self._reader is not None:
            self._left.extend(self._reader.stop())
        if isinstance(self.source, PyDataset):
            self.source.close()
            self._iterator = None


def _remembers(source: Any) -> bool:
    """Whether data keeps something between epochs and can tell it."""
    return hasattr(source, "get_state") and hasattr(source, "set_state")


def _length(source: Any) -> int | None:
    """Batches of an epoch, where the source knows."""
    if isinstance(source, PyDataset):
        return source.num_batches
    try:
        return operator.length_hint(source) or None
    except (TypeError, ValueError):
        return None
