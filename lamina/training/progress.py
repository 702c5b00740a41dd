"""The progress of a run: one live line an epoch in a terminal, one plain line when piped."""

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lamina.core.settings import settings
from lamina.training.callback import Callback, Kind, Logs, to_numbers

REFRESH = 0.1
"""Seconds between two looks at the logs: reading them waits for the step in progress."""


class ProgbarLogger(Callback):
    """Shows how far a run is, and its logs as running means.

    It does not make a run do single steps: it is shown whatever was done when it asks.
    """

    runs_user_code = False

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._in_fit = False
        self._title = ""
        self._started = self._shown = 0.0

    def on_train_begin(self, logs: Logs = None) -> None:
        self._in_fit = True

    def on_train_end(self, logs: Logs = None) -> None:
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        epochs = self.params["epochs"]
        self._open(f"Epoch {epoch + 1}/{epochs}", self.params["steps"])

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._close(logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        if not self._in_fit:
            self._open("Evaluate", self.params["steps"])

    def on_test_end(self, logs: Logs = None) -> None:
        if not self._in_fit:
            self._close(logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._open("Predict", self.params["steps"])

    def on_predict_end(self, logs: Logs = None) -> None:
        self._close(None)

    def _open(self, title: str, steps: int | None) -> None:
        self._title, self._steps, self._done = title, steps, 0
        self._started = self._shown = time.perf_counter()
        console = Console()
        live = console.is_terminal or console.is_jupyter
        if self.params["verbose"] == 1 and live and settings.interactive:
            columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(),
                       TimeRemainingColumn(), TextColumn("{task.fields[logs]}"))  # fmt: skip
            bar = Progress(*columns, console=console, auto_refresh=False, transient=True)
            bar.add_task(title, total=steps, logs="")
            bar.start()
            self._bar = bar

    def observe(self, kind: Kind, batch: int, logs: Any) -> None:
        """Take note of a batch; draw if the last drawing is some time ago."""
        if kind == "test" and self._in_fit:
            return
        self._done = batch + 1
        now = time.perf_counter()
        if self._bar is not None and now - self._shown > REFRESH:
            text = "" if kind == "predict" else line(to_numbers(logs))
            self._bar.update(self._bar.task_ids[0], completed=self._done, logs=text, refresh=True)
            self._shown = time.perf_counter()

    def _close(self, logs: Logs) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        took = time.perf_counter() - self._started
        rate = f"{self._done} steps, {took:.1f} s, {1000 * took / max(self._done, 1):.3g} ms a step"
        print(" - ".join(filter(None, [self._title, rate, line(logs)])), flush=True)


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
