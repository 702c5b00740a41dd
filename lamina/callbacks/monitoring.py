"""Callbacks that follow one log: stop early, keep the best model, lower the learning rate."""

import math
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from lamina.core.errors import ArgumentError, LaminaWarning, UnknownNameError, nearest
from lamina.training.callback import Callback, Kind, Logs

Mode: TypeAlias = Literal["auto", "min", "max"]


class MonitorCallback(Callback):
    """Follows a log and tells whether it improved.

    Attributes:
        monitor: Name of the log.
        mode: Whether less ("min") or more ("max") is better; "auto" asks the metric.
        min_delta: What counts as an improvement.
        best: The best value so far.
    """

    runs_user_code = False
    monitor: str
    mode: Mode | str
    min_delta: float = 0
    best: float | None = None
    _warned = False

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "min", "max"):
            raise ArgumentError(f"mode={self.mode!r} is none of 'auto', 'min' and 'max'.")

    def value(self, logs: Logs) -> float | None:
        """The log that is followed; warns once, with the nearest name, when it is missing."""
        logs = logs or {}
        if self.monitor not in logs and not self._warned:
            self._warned = True
            warnings.warn(f"{self._missing(logs)} [monitor-missing]", LaminaWarning, stacklevel=3)
        return logs.get(self.monitor)

    def mistakes(self, names: list[str] | None) -> Iterator[tuple[str, str]]:
        if names is not None and self.follows() and self.monitor not in (*names, "learning_rate"):
            self._warned = True
            yield "monitor-missing", self._missing(names)

    def follows(self) -> bool:
        """Whether the log is needed."""
        return True

    def _missing(self, names: Iterable[str]) -> str:
        names = list(names)
        hint = nearest(self.monitor, names)
        if self.monitor.removeprefix("val_") in names and self.monitor.startswith("val_"):
            hint = "Give fit validation_data or validation_split."
        what = f"{type(self).__name__} follows '{self.monitor}', which an epoch does not give."
        return f"{what} {hint} There are: {', '.join(names)}.".replace("  ", " ")

    def improved(self, value: float, reference: float | None) -> bool:
        """Whether a value is better than another by more than ``min_delta``."""
        if reference is None:
            return not math.isnan(value)
        if self._direction() == "min":
            return value + abs(self.min_delta) < reference
        return value - abs(self.min_delta) > reference

    def _direction(self) -> str:
        if self.mode != "auto":
            return self.mode
        name = self.monitor.removeprefix("val_")
        if name == "loss" or name.endswith("_loss"):
            return "min"
        for log, metric in self.model._named_metrics():
            direction = getattr(metric, "_direction", None)
            if log == name and direction is not None:
                return "max" if direction == "up" else "min"
        raise ArgumentError(
            f"{type(self).__name__} cannot tell whether more or less of '{self.monitor}' is "
            "better.",
            fix='give mode="max" or mode="min"',
        )


@dataclass(eq=False, repr=False)
class EarlyStopping(MonitorCallback):
    """Ends training when a log has stopped improving.

    Args:
        monitor: Name of the log.
        min_delta: What counts as an improvement.
        patience: For how many epochs to wait for one.
        verbose: 1 says when training is stopped.
        mode: Whether less ("min") or more ("max") is better; "auto" asks the metric.
        baseline: A value that has to be beaten too, before patience starts anew.
        restore_best_weights: Whether the model ends with the weights of its best epoch, also when
            training was not stopped early.
        start_from_epoch: Epochs before this one do not count.
    """

    monitor: str = "val_loss"
    min_delta: float = 0
    patience: int = 0
    verbose: int = 0
    mode: Mode | str = "auto"
    baseline: float | None = None
    restore_best_weights: bool = False
    start_from_epoch: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.on_train_begin()

    def on_train_begin(self, logs: Logs = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        better = self.improved(current, self.best)
        if self.restore_best_weights and (better or self.best_weights is None):
            self.best_weights = self.model.get_weights()
            self.best_epoch = epoch
        if better:
            self.best, self.best_epoch = current, epoch
            if self.baseline is None or self.improved(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        if self.verbose and self.stopped_epoch:
            print(f"Epoch {self.stopped_epoch + 1}: stopped early.")
        if self.best_weights is not None:
            if self.verbose:
                print(f"The weights are those of epoch {self.best_epoch + 1}, the best one.")
            self.model.set_weights(self.best_weights)

    def get_monitor_value(self, logs: Logs) -> float | None:
        """The value to follow; None where there is none."""
        return self.value(logs)


@dataclass(eq=False, repr=False)
class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when a log has stopped improving.

    Args:
        monitor: Name of the log.
        factor: What the rate is multiplied by, below 1.
        patience: After how many epochs without improvement.
        verbose: 1 says when the rate is lowered.
        mode: Whether less ("min") or more ("max") is better; "auto" asks the metric.
        min_delta: What counts as an improvement.
        cooldown: Epochs after a change in which nothing is counted.
        min_lr: The rate stays above this.
    """

    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 10
    verbose: int = 0
    mode: Mode | str = "auto"
    min_delta: float = 1e-4
    cooldown: int = 0
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.factor < 1.0:
            raise ArgumentError(f"factor={self.factor} must be below 1, to lower the rate.")
        self.on_train_begin()

    def on_train_begin(self, logs: Logs = None) -> None:
        self.best = None
        self.wait = self.cooldown_counter = 0

    def in_cooldown(self) -> bool:
        """Whether epochs are not counted now."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if isinstance(logs, dict):
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        current = self.value(logs)
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improved(current, self.best):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._lower(epoch):
                self.cooldown_counter, self.wait = self.cooldown, 0

    def _lower(self, epoch: int) -> bool:
        optimizer = self.model.optimizer
        old = float(optimizer.learning_rate)
        if old <= self.min_lr:
            return False
        optimizer.learning_rate = max(old * self.factor, self.min_lr)
        if self.verbose:
            print(f"Epoch {epoch + 1}: the learning rate is now {float(optimizer.learning_rate)}.")
        return True


@dataclass(eq=False, repr=False)
class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, on the way.

    Args:
        filepath: Where to; may hold ``{epoch}``, ``{batch}`` and names of logs, with formats.
        monitor: Name of the log that tells which model is best.
        verbose: 1 says what is saved.
        save_best_only: Whether only a better model is saved.
        save_weights_only: Whether only the weights are saved, to a ``.weights.h5`` file.
        mode: Whether less ("min") or more ("max") is better; "auto" asks the metric.
        save_freq: ``"epoch"``, or after how many batches to save.
        initial_value_threshold: The value that the first model has to beat.
    """

    filepath: str | os.PathLike[str]
    monitor: str = "val_loss"
    verbose: int = 0
    save_best_only: bool = False
    save_weights_only: bool = False
    mode: Mode | str = "auto"
    save_freq: int | Literal["epoch"] = "epoch"
    initial_value_threshold: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.best = self.initial_value_threshold
        self.filepath = os.fspath(self.filepath)
        if self.save_freq != "epoch" and not isinstance(self.save_freq, int):
            raise ArgumentError(f"save_freq={self.save_freq!r} is neither 'epoch' nor a number.")
        endings = (".weights.h5",) if self.save_weights_only else (".keras", ".h5")
        if not self.filepath.endswith(endings):
            what = "weights" if self.save_weights_only else "a whole model"
            raise ArgumentError(
                f"ModelCheckpoint cannot save {what} under this name.",
                met=f"'{self.filepath}'",
                rule=f"the name ends in {' or '.join(endings)}",
            )
        self._epoch = self._seen = 0
        self._last: int | None = None

    def follows(self) -> bool:
        return self.save_best_only

    def mistakes(self, names: list[str] | None) -> Iterator[tuple[str, str]]:
        yield from super().mistakes(names)
        if names is not None:
            self._path({name: 0.0 for name in [*names, "learning_rate"]} | {"batch": 1})
        folder = Path(str(self.filepath)).absolute().parent
        while "{" in str(folder) or not folder.exists():
            folder = folder.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            yield (
                "cannot-write",
                f"ModelCheckpoint cannot write '{self.filepath}': '{folder}' is no directory "
                "that may be written to. Give another filepath.",
            )

    def uses_batches(self, kind: Kind) -> bool:
        return kind == "train" and self.save_freq != "epoch"

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch
        self._last = None

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self.save_freq == "epoch":
            return
        self._seen += batch - (-1 if self._last is None else self._last)
        self._last = batch
        if self._seen >= int(self.save_freq):
            self._seen = 0
            self._save({"batch": batch + 1, **(logs or {})}, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.save_freq == "epoch":
            self._save(dict(logs or {}), logs)

    def _save(self, names: dict[str, Any], logs: Logs) -> None:
        if not self._wanted(logs):
            return
        path = self._path(names)
        path.parent.mkdir(parents=True, exist_ok=True)
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(str(path), overwrite=True)
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: saved to {path}.")

    def _path(self, names: dict[str, Any]) -> Path:
        try:
            return Path(str(self.filepath).format(epoch=self._epoch + 1, **names))
        except KeyError as error:
            name = str(error.args[0])
            hint = nearest(name, names)
            raise UnknownNameError(
                f"'{self.filepath}' names '{name}', which is no log. {hint}".rstrip()
            ) from error
        except (ValueError, IndexError) as error:
            raise ArgumentError(
                f"'{self.filepath}' is no format of a name: {error}.",
                fix="write {epoch:02d} or {val_loss:.3f}",
            ) from error

    def _wanted(self, logs: Logs) -> bool:
        if not self.save_best_only:
            return True
        current = self.value(logs)
        if current is None:
            return True
        if not self.improved(current, self.best):
            return False
        self.best = current
        return True
