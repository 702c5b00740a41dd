"""`fit`, `evaluate` and `predict` as functions of a layer.

The loop decides how often to call the step, how many steps to put into one program, and when to
look at the logs. The model's variables hold the newest arrays after every program, so whoever
looks (a callback, a generator, an exception handler) sees the last whole step.
"""

import contextlib
import functools
import itertools
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import nest
from lamina.core.errors import ArgumentError, StateError
from lamina.core.types import Nest
from lamina.training import compilations, memory, predicting
from lamina.training.arrays import to_arrays
from lamina.training.callback import CallbackList, History, Kind, to_numbers
from lamina.training.checks import before_training, nan_hint
from lamina.training.data import PARTS, ArrayData, source_of
from lamina.training.numerics import Guard
from lamina.training.program import prepare, program_for
from lamina.training.state import TrainState, own_copies, read, variables_of
from lamina.training.step import Batch
from lamina.training.streams import StreamData

SHORT, LONG = 0.1, 0.3
"""Seconds that one program of many steps takes, about: progress and Ctrl-C come between two."""


FLAGS = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}

Source: TypeAlias = ArrayData | StreamData


class Gate:
    """Holds Ctrl-C back while a step is running, so that its result is not lost.

    The memory of the old weights is given to the new ones, so there must be no way out between
    the two. A second Ctrl-C goes through at once.
    """

    def __init__(self) -> None:
        self.closed = self.pending = False

    def handle(self, *_: Any) -> None:
        """Take a signal."""
        if not self.closed or self.pending:
            raise KeyboardInterrupt
        self.pending = True

    def __enter__(self) -> None:
        self.closed = True

    def __exit__(self, *exc: object) -> None:
        self.closed, pending, self.pending = False, self.pending, False
        if pending:
            raise KeyboardInterrupt


@contextlib.contextmanager
def interruptible(*sources: Source | None) -> Iterator[Gate]:
    """Route Ctrl-C through a gate inside the block, where that is ours to do.

    Threads and workers of the sources end with the block.
    """
    gate, default = Gate(), signal.default_int_handler
    main = threading.current_thread() is threading.main_thread()
    ours = main and signal.getsignal(signal.SIGINT) is default
    if ours:
        signal.signal(signal.SIGINT, gate.handle)
    try:
        yield gate
    finally:
        if ours:
            signal.signal(signal.SIGINT, default)
        for source in sources:
            if isinstance(source, StreamData):
                source.close()


class Runner:
    """Runs one kind of step over a source of data, an epoch at a time."""

    def __init__(
        self, model: Any, kind: Kind, data: Source, gate: Gate, guard: Guard | None = None
    ) -> None:
        self.model, self.data, self.gate = model, data, gate
        self.kind: Kind = kind
        first = data.first()
        prepare(model, kind, first)
        self.variables = variables_of(model, kind)
        self.program = program_for(model, kind)
        short = isinstance(data, StreamData) or bool(data.rest)
        self.program.examine(read(self.variables), first, short)
        self.flag = FLAGS[kind]
        self.logs: Any = {}
        self.chunk, self.rows = 1, 0
        self.exposed = True
        self._pending: Any = None
        self.guard = guard
        self.start = 0
        self.epochs = range(0)
        self.callbacks: Any = None
        self.check: Source | None = None

    def epoch(self, callbacks: CallbackList) -> Iterator[Any]:
        """Run an epoch; yields what each program gave: logs, or outputs of a batch."""
        kind: Kind = self.kind
        model = self.model
        exact, group = callbacks.uses_batches(kind), model.steps_per_execution
        self.exposed = self.exposed or callbacks.watched()
        begin = getattr(callbacks, f"on_{kind}_batch_begin")
        for first, last, calls in self._spans(exact):
            begin(first)
            outputs = []
            with memory.named(self):
                for call in calls:
                    self._run(*call)
                    outputs.append(self.logs)
            if kind == "predict" and len(calls) > 1:
                self.logs = jax.tree.map(lambda *some: jnp.concatenate(some), *outputs)
            self.exposed = self.exposed or (exact and callbacks.watched())
            logs = self._told(first) if exact else self.logs
            callbacks.batch_end(kind, last, logs, first + (1 if group == "auto" else group) - 1)
            yield self.logs
            if getattr(model, self.flag):
                break

    def _told(self, first: int) -> Any:
        """The logs of a batch; of predicting its outputs, without the rows that filled it up."""
        if self.kind != "predict":
            return self.logs
        data, outputs = self.data, self.logs
        if isinstance(data, ArrayData) and self.program.facts.rowwise:
            left = data.size - first * data.batch_size
            outputs = jax.tree.map(lambda a: a[:left] if len(a) > left else a, outputs)
        return {"outputs": outputs}

    def _run(self, function: Any, *args: Any) -> None:
        """Run a program on the variables' arrays and put the new ones in their place."""
        if self.guard is not None:
            function = functools.partial(self.guard, self.program.pure)
        kept = self.guard is not None or function is self.program.pure
        copied = self.exposed and not kept  # the others take the memory
        state = own_copies(self.variables) if copied else read(self.variables)
        size = getattr(function, "_cache_size", int)
        before = size()
        with self.gate:
            new, self.logs = function(state, *args)
            for variables, arrays in zip(self.variables, new, strict=True):
                for variable, array in zip(variables, arrays, strict=True):
                    variable.store(array)
        if size() != before:
            form = "loop" if function is self.program.several else "batch"
            compilations.note(self.model, self.program, form, args[0])
        self.exposed = False

    def _spans(self, exact: bool) -> Iterator[tuple[int, int, list[Any]]]:
        """``(first step, last step, calls)`` of each program, or group of programs, of an epoch."""
        given = self.model.steps_per_execution
        group = 1 if given == "auto" else given
        if isinstance(self.data, StreamData):
            yield from self._stream(self.data, group if exact or self.kind != "predict" else 1)
        elif self.kind == "predict":
            yield from self._slices(self.data, group if exact else None)
        else:
            yield from self._loops(self.data, group if exact or group > 1 else None)

    def _loops(self, data: ArrayData, fixed: int | None) -> Iterator[tuple[int, int, list[Any]]]:
        """Programs of ``fixed`` steps each, or of as many as take a fraction of a second."""
        program, rows = self.program, data.epoch()
        short, arrays, placed = data.ends_short(), data.on_device(), jax.device_put(rows)
        padded = bool(data.rest) and program.facts.rowwise
        last = np.int32(data.rest if short else data.batch_size) if padded else None
        looped = len(rows) - (short and not padded)
        if arrays is None or program.eager or self.guard:
            looped = 0
        step, self.start = self.start, 0
        while step < len(rows):
            end = min(step + (fixed or self.chunk), len(rows))
            inside = range(step, max(step, min(end, looped)))
            parts = [(step, len(inside))] if program.loops else [(number, 1) for number in inside]
            calls: list[Any] = [
                (program.several, arrays, placed, last, *part) for part in parts if inside
            ]
            for number in range(step + len(inside), end):
                size = data.rest if short and number == len(rows) - 1 else data.batch_size
                calls.append((program.single, data.take(rows[number, :size])))
            started = time.perf_counter()
            yield step, end - 1, calls
            step = end
            if fixed is None:
                self._adapt(started)

    def _slices(self, data: ArrayData, group: int | None) -> Iterator[tuple[int, int, list[Any]]]:
        """Programs of predicting: arrays in their order, several batches at once where they may.

        With a ``group``, programs of a batch each, in groups of so many.
        """
        steps, size, program = len(data.epoch()), data.batch_size, self.program
        width = 1
        if steps > 1 and group is None:
            width = program.width(read(self.variables), data.first(), steps)
        step = first = 0
        calls: list[Any] = []
        while step < steps:
            begin, end = step * size, (step + width) * size
            rows: Any = slice(begin, end)
            if end > data.size and program.facts.rowwise:
                rows = np.arange(begin, end) % data.size
            calls.append((program.single, data.take(rows)))
            step += width
            if len(calls) == (group or 1) or step >= steps:
                yield first, min(step, steps) - 1, calls
                first, calls = step, []

    def _stream(self, data: StreamData, group: int) -> Iterator[tuple[int, int, list[Any]]]:
        (step, self.start), calls = (self.start, 0), []
        for batch in itertools.islice(data.epoch(), step, None):
            calls.append(self._filled(batch))
            if len(calls) == group:
                yield step, step + group - 1, calls
                step, calls = step + group, []
        if calls:
            yield step, step + len(calls) - 1, calls

    def _filled(self, batch: Batch) -> tuple[Any, Batch]:
        """A call for a batch of a stream: a smaller one than before has rows that do not count."""
        program, size = self.program, nest.flatten(batch.x)[0].shape[0]
        self.rows = max(self.rows, size)
        if not program.facts.rowwise:
            return program.single, batch
        if size < self.rows:
            places = np.arange(self.rows) % size
            batch = jax.tree.map(lambda a: a[places], batch)
        if self.kind != "predict":
            return program.single, batch._replace(real=np.arange(self.rows) < size)
        if size == self.rows:
            return program.single, batch

        def cut(state: TrainState, batch: Batch) -> tuple[TrainState, Any]:
            state, outputs = program.single(state, batch)
            return state, jax.tree.map(lambda a: a[:size], outputs)

        return cut, batch

    def _adapt(self, started: float) -> None:
        """Wait for the program before the last one, and let its time say how many steps to take."""
        if not self.program.loops:
            return
        if self._pending is not None:
            jax.block_until_ready(self._pending)
        self._pending = self.logs
        took = time.perf_counter() - started
        if took < SHORT:
            self.chunk = min(2 * self.chunk, 4096)
        elif took > LONG:
            self.chunk = max(1, self.chunk // 2)


def fit(
    model: Any,
    data: Source,
    check: Source | None,
    callbacks: Any,
    verbose: Any,
    epochs: range,
    validation_freq: Any,
    check_numerics: bool = False,
) -> History:
    """Train a compiled layer on ``data``, validating it on ``check``; see `Trainer.fit`."""
    with interruptible(data, check) as gate:
        guard = Guard(model) if check_numerics else None
        runner = Runner(model, "train", data, gate, guard)
        validator = None if check is None else Runner(model, "test", check, gate)
        callbacks = callback_list(model, callbacks, True, verbose, epochs.stop, data.steps)
        model.stop_training = False
        before_training(model, data, check, callbacks)
        runner.epochs, runner.callbacks, runner.check = epochs, callbacks, check
        model._training.runner = runner
        callbacks.on_train_begin()
        logs: dict[str, float] = {}
        told = False
        try:
            for epoch in runner.epochs:  # a callback that resumes a run has set these
                model.reset_metrics()
                runner.logs = None
                callbacks.on_epoch_begin(epoch)
                for _ in runner.epoch(callbacks):
                    pass
                if runner.logs is None:
                    break
                logs = to_numbers(runner.logs)
                told = told or nan_hint(epoch, logs, callbacks.callbacks)
                if validator is not None and due(epoch, validation_freq):
                    found = test(validator, callbacks)
                    logs |= {f"val_{name}": value for name, value in found.items()}
                    logs = dict(sorted(logs.items()))
                callbacks.on_epoch_end(epoch, logs)
                if model.stop_training:
                    break
        finally:
            model._training.runner = None
            if epochs:
                model.optimizer.finalize_variable_values(model.trainable_variables)
        callbacks.on_train_end(logs)
    return model.history


def test(runner: Runner, callbacks: CallbackList) -> dict[str, Any]:
    """One pass of testing: the logs, on the host."""
    runner.model.stop_evaluating = False
    callbacks.on_test_begin()
    runner.model.reset_metrics()
    runner.exposed = True
    for _ in runner.epoch(callbacks):
        pass
    logs = to_numbers(runner.logs)
    callbacks.on_test_end(logs)
    return logs


def evaluate(model: Any, data: Source, callbacks: Any, verbose: Any) -> dict[str, Any]:
    """Loss and metrics over data; see `Trainer.evaluate`."""
    with interruptible(data) as gate:
        runner = Runner(model, "test", data, gate)
        return test(runner, callback_list(model, callbacks, False, verbose, 1, data.steps))


def predict(model: Any, data: Source, callbacks: Any, verbose: Any, out: Any = None) -> Nest:
    """The outputs for data, as NumPy arrays; see `Trainer.predict`."""
    with interruptible(data) as gate:
        runner = Runner(model, "predict", data, gate)
        callbacks = callback_list(model, callbacks, False, verbose, 1, data.steps)
        model.stop_predicting = False
        callbacks.on_predict_begin()
        parts = predicting.fetched(runner, callbacks)
        outputs = predicting.together(parts) if out is None else predicting.to_file(parts, out)
    callbacks.on_predict_end()
    return outputs


def predict_batches(model: Any, data: Source) -> Iterator[Nest]:
    """The outputs for each batch; see `Trainer.predict_batches`."""
    runner = Runner(model, "predict", data, Gate())
    model.stop_predicting = False
    size = data.batch_size if isinstance(data, ArrayData) else None
    try:
        yield from predicting.one_by_one(predicting.fetched(runner, CallbackList()), size)
    finally:
        if isinstance(data, StreamData):
            data.close()


def on_batch(
    model: Any,
    kind: Kind,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: dict[Any, float] | None = None,
) -> Any:
    """One step of a batch of any size: its logs, or its outputs."""
    if kind != "predict":
        need_compiled(model, f"{kind}_on_batch")
        model.reset_metrics()
    data: Source = source_of(x, y, sample_weight, 1 << 30, class_weight=class_weight)
    with interruptible(data) as gate:
        runner = Runner(model, kind, data, gate)
        runner._run(runner.program.pure, data.first())
    return runner.logs


def step(model: Any, state: TrainState, data: Any) -> tuple[TrainState, dict[str, Any]]:
    """The step that `fit` runs, as a pure function: ``(state, logs)``."""
    need_compiled(model, "step")
    given = Batch.of(data)
    batch = Batch(*(to_arrays(part, name) for part, name in zip(given[:3], PARTS, strict=True)))
    prepare(model, "train", batch)
    if len(state.metrics) != len(model.metrics_variables):  # taken before these were known
        fresh = [array for metric in model.metrics for array in metric.stateless_reset_state()]
        state = state._replace(metrics=fresh)
    return program_for(model, "train").pure(state, batch)


# --- what they share ----------------------------------------------------------------------------


def need_compiled(model: Any, what: str) -> None:
    """Refuse to train or test what was not compiled."""
    if not model.compiled:
        raise StateError(
            f"{model._who()}: {what} came before compile.",
            fix='call model.compile(optimizer="adam", loss=...) first',
        )


def callback_list(
    model: Any, callbacks: Any, history: bool, verbose: Any, epochs: int, steps: int | None
) -> CallbackList:
    """The callbacks of a run, with history and progress added."""
    if isinstance(callbacks, CallbackList):
        return callbacks
    verbose = 1 if verbose == "auto" else int(verbose)
    return CallbackList(
        callbacks, history, verbose != 0, model, verbose=verbose, epochs=epochs, steps=steps
    )


def due(epoch: int, freq: Any) -> bool:
    """Whether validation is due after this epoch (counted from 0)."""
    if isinstance(freq, int) and freq > 0:
        return (epoch + 1) % freq == 0
    if isinstance(freq, (list, tuple, set, range)):
        return epoch + 1 in freq
    raise ArgumentError(f"validation_freq={freq!r} is neither a number nor a list of epochs.")


def in_order(model: Any, logs: dict[str, Any]) -> Any:
    """The values of logs in the order of the model's metrics; a lone one by itself."""
    known = [metric.name for metric in model.metrics if metric.name in logs]
    values = [logs[name] for name in dict.fromkeys([*known, *sorted(logs)])]
    return values[0] if len(values) == 1 else values
