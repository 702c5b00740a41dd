"""Callbacks of a few lines: functions, a schedule by epoch, a CSV file, an end at NaN."""

import csv
import inspect
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamina.core.errors import ArgumentError, DTypeError, StateError, unknown
from lamina.training.callback import Callback, Kind, Logs, to_numbers

EVENTS = [name for name in vars(Callback) if name.startswith("on_")]


class LambdaCallback(Callback):
    """Calls functions at events, given by the events' names.

    >>> seen = []
    >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    >>> callback.on_epoch_end(0); seen
    [0]
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Callable[..., Any],
    ) -> None:
        for name in kwargs:
            if name not in EVENTS:
                raise unknown("event", name, EVENTS)
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in given.items():
            if function is not None:
                setattr(self, name, _with_logs(function))


def _with_logs(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of an event's number and logs, the latter None when they are left out."""

    def event(*args: Any, logs: Logs = None) -> Any:
        number, given = args[:1], args[1:]
        if number and (number[0] is None or isinstance(number[0], dict)):  # an event without number
            return function(number[0])
        return function(*number, *(given or (logs,)))

    return event


@dataclass(eq=False, repr=False)
class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch.

    Args:
        schedule: ``schedule(epoch, rate)`` gives the new rate, a float.
        verbose: 1 says what is set.
    """

    schedule: Callable[..., float]
    verbose: int = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        optimizer = self.model.optimizer
        given = float(optimizer.learning_rate)
        rate = self.schedule(*(epoch, given) if _takes_two(self.schedule) else (epoch,))
        try:
            optimizer.learning_rate = float(rate)
        except (TypeError, ValueError) as error:
            if isinstance(error, DTypeError):
                raise
            raise ArgumentError(
                f"The schedule of LearningRateScheduler gave a {type(rate).__name__}, not a float."
            ) from error
        if self.verbose:
            print(f"Epoch {epoch + 1}: the learning rate is {float(rate)}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if isinstance(logs, dict):
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(0, 0.1)
    except TypeError:
        return False
    except ValueError:  # a built-in without a signature
        pass
    return True


@dataclass(eq=False, repr=False)
class CSVLogger(Callback):
    """Writes the logs of each epoch as a row of a file.

    Args:
        filename: Where to.
        separator: What stands between the columns.
        append: Whether to go on with a file that is there.
    """

    runs_user_code = False

    filename: str | os.PathLike[str]
    separator: str = ","
    append: bool = False
    _file: Any = field(default=None, init=False)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._close()
        path = Path(self.filename)
        self._headed = self.append and path.exists() and path.stat().st_size > 0
        self._file = open(self.filename, "a" if self.append else "w", newline="")  # noqa: SIM115
        self._columns: list[str] = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        writer = csv.writer(self._file, delimiter=self.separator, lineterminator="\n")
        if not self._columns:
            names = sorted(logs)
            validated = any(name.startswith("val_") for name in names)
            self._columns = names + ([] if validated else [f"val_{name}" for name in names])
            if not self._headed:
                writer.writerow(["epoch", *self._columns])
        writer.writerow([epoch, *(logs.get(name, "NA") for name in self._columns)])
        self._file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass(eq=False, repr=False)
class TerminateOnNaN(Callback):
    """Ends training when the loss is no finite number.

    The running mean of the loss stays NaN once it was, so it need not be read after every batch.

    Args:
        raise_error: Whether to end with an error, so that no event of the end follows.
    """

    raise_error: bool = False
    runs_user_code = False
    expects_nan = True

    def observe(self, kind: Kind, batch: int, logs: Any) -> None:
        """Look at the loss after a program."""
        if kind != "train" or "loss" not in logs:
            return
        loss = to_numbers({"loss": logs["loss"]})["loss"]
        if math.isfinite(loss):
            return
        if self.raise_error:
            raise StateError(
                f"The loss is {loss} at batch {batch}.",
                fix="look for NaN or inf in the data, or lower the learning rate",
            )
        print(f"Batch {batch}: the loss is {loss}; training ends.")
        self.model.stop_training = True
