"""The progress of a run: one live line an epoch in a terminal, one plain line when piped.

A notebook gets one output, which is updated. Drawing is bounded by time, never by steps.
"""

import math
import shutil
import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from lamina.core.errors import ArgumentError
from lamina.core.notebook import in_notebook
from lamina.core.settings import settings
from lamina.training.callback import Callback, Kind, Logs, to_numbers

REFRESH = 0.2
"""Seconds between two looks at the logs: reading them waits for the step in progress."""
PIPED = 60.0
"""Seconds between two lines of an unfinished `Progbar` that is piped, at least."""
LINES = 50
"""Lines of finished epochs that a notebook shows."""


class Plain:
    """A line below the other: for pipes and files."""

    live = False

    def show(self, text: str) -> None:
        """Show how far a run is."""
        print(text, flush=True)

    def end(self, text: str) -> None:
        """Show what is finished."""
        print(text, flush=True)


class Terminal(Plain):
    """The last line of a terminal, drawn anew; stands for stdout, so that prints go above it."""

    live = True

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.drawn = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """What others print."""
        if self.drawn:
            self.stream.write("\r\x1b[K")
            self.drawn = False
        return self.stream.write(text)

    def show(self, text: str) -> None:
        if sys.stdout is self.stream:
            sys.stdout = self
        columns = shutil.get_terminal_size().columns
        self.stream.write(f"\r{text[: columns - 1]}\x1b[K")
        self.stream.flush()
        self.drawn = True

    def end(self, text: str) -> None:
        self.write(f"{text}\n")
        self.stream.flush()
        if sys.stdout is self:
            sys.stdout = self.stream


class Notebook(Plain):
    """One output of a notebook's cell, with the last lines."""

    live = True

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._handle: Any = None

    def show(self, text: str) -> None:
        self._draw([*self.lines, text])

    def end(self, text: str) -> None:
        self.lines = [*self.lines, text][-LINES:]
        self._draw(self.lines)

    def _draw(self, lines: list[str]) -> None:
        data = {"text/plain": "\n".join(lines)}
        if self._handle is not None:
            self._handle.update(data, raw=True)
            return
        from IPython.display import display  # type: ignore[import-not-found]

        self._handle = display(data, raw=True, display_id=True)


def outlet() -> Plain:
    """Where lines go, by what stdout is."""
    if isinstance(sys.stdout, Terminal):  # of a run that was broken off
        sys.stdout = sys.stdout.stream
    if not settings.interactive:
        return Plain()
    if in_notebook():
        return Notebook()
    return Terminal(sys.stdout) if getattr(sys.stdout, "isatty", bool)() else Plain()


class Progbar:
    """A line that shows how far a loop is.

    Args:
        target: Steps in all, or None.
        width: Characters of the bar.
        verbose: 0 is silent, 1 a live line, 2 a line at the end.
        interval: Seconds between two drawings, at least.
        stateful_metrics: Names of values that are shown as they are; of others the mean so far.
        stateless_metrics: Names of the values to average, instead; others are shown as they are.
        unit_name: What a step is called.

    >>> bar = Progbar(2, unit_name="file")
    >>> bar.add(1, [("size", 4.0)]); bar.add(1, [("size", 2.0)])  # doctest: +ELLIPSIS
    2 files, ... s, ... ms a file - size: 3.0000
    """

    title = ""

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ArgumentError("Give stateful_metrics or stateless_metrics, not both.")
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.stateful_metrics = None if stateful_metrics is None else set(stateful_metrics)
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self.unit_name = unit_name
        self.outlet = outlet() if verbose else Plain()
        self._sums: dict[str, tuple[float, int]] = {}
        self._seen = 0
        self._began = time.perf_counter()
        self._drawn = self._began if interval else 0.0

    def update(
        self,
        current: int,
        values: Iterable[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Take note of step ``current`` (from 1) and its values; draw if it is time.

        ``finalize`` ends the line; when left out, reaching the target does.
        """
        last = finalize if finalize is not None else self.target and current >= self.target
        for name, value in values or ():
            weight, (total, count) = max(current - self._seen, 1), self._sums.get(name, (0.0, 0))
            if finalize or not self._averaged(name):
                weight, total, count = 1, 0.0, 0
            self._sums[name] = (total + np.mean(value) * weight, count + weight)
        self._seen, now = current, time.perf_counter()
        if last:
            if self.verbose:
                self.outlet.end(self._line(self._took(now)))
        elif self.verbose == 1 and now - self._drawn >= self._pause():
            self.outlet.show(self._line(self._left(now)))
            self._drawn = time.perf_counter()

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """`update`, for ``n`` steps more."""
        self.update(self._seen + n, values)

    def _pause(self) -> float:
        return self.interval if self.outlet.live else self.interval and max(self.interval, PIPED)

    def _averaged(self, name: str) -> bool:
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return name not in (self.stateful_metrics or ())

    def _line(self, rate: str) -> str:
        means = {name: float(total / count) for name, (total, count) in self._sums.items()}
        return " - ".join(filter(None, [self.title, rate, line(means)]))

    def _took(self, now: float) -> str:
        took, unit = now - self._began, self.unit_name
        each = 1000 * took / max(self._seen, 1)
        return f"{self._seen} {unit}s, {took:.1f} s, {each:.3g} ms a {unit}"

    def _left(self, now: float) -> str:
        rate = self._seen / max(now - self._began, 1e-9)
        speed = f"{rate:{',.0f' if rate > 100 else '.3g'}} {self.unit_name}s/s"
        if not self.target:
            return f"{self._seen} {speed}"
        done = min(self.width, self.width * self._seen // self.target)
        drawn = "━" * done + "─" * (self.width - done)
        left = math.ceil((self.target - self._seen) / max(rate, 1e-9))
        count = f"{self._seen:{len(str(self.target))}}/{self.target}"
        return f"{count} {drawn} {speed}, {clock(left)} left"


class ProgbarLogger(Callback):
    """Shows how far a run is, and its logs as running means.

    It does not make a run do single steps: it is shown whatever was done when it asks.
    """

    runs_user_code = False

    def __init__(self) -> None:
        self.progbar: Progbar | None = None
        self._in_fit = False
        self._shown = 0.0

    def on_train_begin(self, logs: Logs = None) -> None:
        self._in_fit = True
        self.progbar = None

    def on_train_end(self, logs: Logs = None) -> None:
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._open(f"Epoch {epoch + 1}/{self.params['epochs']}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._close(logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        if not self._in_fit:
            self._open("Evaluate")

    def on_test_end(self, logs: Logs = None) -> None:
        if not self._in_fit:
            self._close(logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._open("Predict")

    def on_predict_end(self, logs: Logs = None) -> None:
        self._close(None)

    def _open(self, title: str) -> None:
        before = self.progbar if self._in_fit else None
        verbose = 1 if self.params["verbose"] == "auto" else self.params["verbose"]
        self.progbar = Progbar(self.params["steps"], verbose=verbose, stateless_metrics=())
        self.progbar.title = title
        if before is not None:
            self.progbar.outlet = before.outlet
        self._done, self._shown = 0, time.perf_counter()

    def observe(self, kind: Kind, batch: int, logs: Any) -> None:
        """Take note of a batch; draw if the last drawing is some time ago."""
        if kind == "test" and self._in_fit:
            return
        self._done, bar = batch + 1, self.progbar
        live = bar is not None and bar.verbose == 1 and bar.outlet.live
        if live and time.perf_counter() - self._shown > REFRESH:
            numbers = {} if kind == "predict" else to_numbers(logs)
            bar.update(self._done, numbers.items(), finalize=False)  # type: ignore[union-attr]
            self._shown = time.perf_counter()

    def _close(self, logs: Logs) -> None:
        if self.progbar is not None:
            self.progbar.update(self._done, (logs or {}).items(), finalize=True)


def clock(seconds: float) -> str:
    """A duration for people.

    >>> clock(8), clock(200), clock(8000)
    ('8 s', '3:20', '2:13:20')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def line(logs: Logs) -> str:
    """Logs as text.

    >>> line({"loss": 0.123456, "learning_rate": 1e-5})
    'loss: 0.1235 - learning_rate: 1.0000e-05'
    """
    return " - ".join(
        f"{name}: {value:.4f}" if abs(value) > 1e-3 or not value else f"{name}: {value:.4e}"
        for name, value in (logs or {}).items()
        if isinstance(value, float)
    )
