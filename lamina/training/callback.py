"""`Callback`: what is told of each event of a run; and the two that every run has use for."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import jax

from lamina.core.errors import DTypeError, describe_value
from lamina.core.registry import late

Kind = Literal["train", "test", "predict"]
Logs = Mapping[str, Any] | None


class Callback:
    """Something that is told of each event of `fit`, `evaluate` and `predict`.

    Subclasses override the events they want. ``self.model`` is the model, up to date with the
    last step; ``self.params`` has "epochs", "steps" and "verbose".

    A run that has to tell of every batch does one step at a time and reads its logs each time, so
    override the batch events only if you need them.

    >>> class Stop(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.model.stop_training = logs["loss"] < 0.1
    """

    params: dict[str, Any] = {}
    runs_user_code = True
    """Whether code that we do not know runs in its events, which may keep arrays of the model."""
    expects_nan = False
    """Whether it looks after a loss that is NaN, so that nobody else needs to tell of it."""
    comes_last = False
    """Whether events are told to it after all others, so that it finds their work done."""
    _model: Any = None

    def set_params(self, params: dict[str, Any]) -> None:
        """Take the facts of a run."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Take the model of a run."""
        self._model = model

    @property
    def model(self) -> Any:
        """The model of the run."""
        return self._model

    def uses_batches(self, kind: Kind) -> bool:
        """Whether an event of single batches is overridden."""
        names = [f"on_{kind}_batch_begin", f"on_{kind}_batch_end"]
        names += ["on_batch_begin", "on_batch_end"] if kind == "train" else []
        return any(
            getattr(getattr(self, name), "__func__", None) is not getattr(Callback, name)
            for name in names
        )

    def mistakes(self, names: list[str] | None) -> Iterable[tuple[str, str]]:
        """``(code, message)`` of what will go wrong, asked before the first step.

        Args:
            names: Names of all logs that an epoch will give; None when they are not known.
        """
        return ()

    def observe(self, kind: Kind, batch: int, logs: Any) -> None:
        """After each program of one or many batches, for callbacks that need not see each one.

        ``logs`` are on the device: reading them waits for the program to end.
        """

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """As `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """As `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Before an epoch of training."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """After an epoch and its validation; ``logs`` has the means, those of validation too."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of training, counted from 0 in each epoch."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of training; ``logs`` has the means of the epoch so far."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of testing or validation."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of testing or validation."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of predicting."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of predicting; ``logs["outputs"]`` has its outputs."""

    def on_train_begin(self, logs: Logs = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs = None) -> None:
        """After the last epoch; ``logs`` as at its end."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """Before testing or validation."""

    def on_test_end(self, logs: Logs = None) -> None:
        """After testing or validation."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Before predicting."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """After predicting."""


class History(Callback):
    """What each epoch gave: ``history["loss"]`` is a list with a number for each epoch.

    A notebook shows it as curves.

    Attributes:
        history: Lists by name of log.
        epoch: The numbers of the epochs, from 0.
    """

    runs_user_code = False

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self._places: dict[str, list[int]] = {}
        self._last = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        self._last = max(epoch, self._last) + 1  # a second fit may count from 0 again
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self._places.setdefault(name, []).append(self._last)
        self.model.history = self

    def plot(self, names: Iterable[str] | None = None, theme: str = "light") -> Any:
        """The curves, a panel for each metric, with ``svg``, ``png()`` and ``save(path)``.

        Args:
            names: Metrics to draw; all when left out. Each is drawn with its validation.
            theme: "light" or "dark".
        """
        curves = {
            name: list(zip(self._places[name], values, strict=True))
            for name, values in self.history.items()
            if all(isinstance(value, (int, float)) for value in values) and name in self._places
        }
        return late("view.history.Chart")(curves, names, theme)

    def _repr_svg_(self) -> str | None:
        return self.plot().svg if self._places else None

    def __repr__(self) -> str:
        ends = ", ".join(f"{name} {values[0]:.4g} to {values[-1]:.4g}"
                         for name, values in self.history.items()
                         if isinstance(values[-1], float))  # fmt: skip
        many = "" if self._last == 1 else "s"
        return f"<History of {self._last} epoch{many}{ends and ': '}{ends}>"


class CallbackList(Callback):
    """Tells several callbacks of each event, in their order.

    Args:
        callbacks: A callback, or nested lists of them.
        add_history: Whether a `History` is added when there is none.
        add_progbar: Whether a progress line is added when there is none.
        model: Their model.
        params: Facts of the run: epochs, steps, verbose.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        self.callbacks = list(_flat(callbacks))
        if add_history and not any(isinstance(c, History) for c in self.callbacks):
            self.callbacks.append(History())
        progress = late("training.progress.ProgbarLogger")
        if add_progbar and not any(isinstance(c, progress) for c in self.callbacks):
            self.callbacks.append(progress())
        self._sort()
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def append(self, callback: Callback) -> None:
        """Add a callback at the end."""
        self.callbacks.append(callback)
        self._sort()

    def _sort(self) -> None:
        self.callbacks.sort(key=lambda each: getattr(each, "comes_last", False))

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params
        for callback in self.callbacks if params else ():
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        self._model = model
        for callback in self.callbacks:
            callback.set_model(model)
            if isinstance(callback, History):
                model.history = callback

    def uses_batches(self, kind: Kind) -> bool:
        return any(callback.uses_batches(kind) for callback in self.callbacks)

    def watched(self) -> bool:
        """Whether unknown code runs in some event."""
        return any(callback.runs_user_code for callback in self.callbacks)

    def batch_end(self, kind: Kind, batch: int, logs: Any, told: int) -> None:
        """Tell of a batch; ``logs`` are on the device, and read only for those who want them.

        To those, the last batch is ``told``: as in Keras, groups of ``steps_per_execution`` are
        counted whole, though the last one of an epoch may be smaller.
        """
        numbers = None
        for callback in self.callbacks:
            if callback.uses_batches(kind):
                numbers = numbers if numbers is not None else (
                    to_numbers(logs) if kind != "predict" else logs
                )  # fmt: skip
                getattr(callback, f"on_{kind}_batch_end")(told, logs=numbers)
            else:
                callback.observe(kind, batch, logs)


def to_numbers(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Logs on the host, in the order of their names: floats, and arrays where there are more."""
    fetched = jax.device_get(dict(logs or {}))
    return {name: float(value) if getattr(value, "ndim", 0) == 0 else value
            for name, value in sorted(fetched.items())}  # fmt: skip


def _flat(callbacks: Any) -> Iterable[Callback]:
    if callbacks is None:
        return
    if isinstance(callbacks, (list, tuple)):
        for each in callbacks:
            yield from _flat(each)
    elif hasattr(callbacks, "on_epoch_end") and not isinstance(callbacks, type):
        yield callbacks
    else:
        met = describe_value(callbacks)
        fix = f"write {callbacks.__name__}()" if isinstance(callbacks, type) else ""
        raise DTypeError("This is no callback.", met=met, fix=fix)


def _told(name: str) -> Callable[..., None]:
    numbered = name.startswith("on_epoch") or "_batch_" in name

    def tell(self: CallbackList, *given: Any, **named: Any) -> None:
        # The callbacks of users read `logs` without asking whether there are any.
        if len(given) == numbered and named.get("logs") is None:
            named["logs"] = {}
        for callback in self.callbacks:
            getattr(callback, name)(*given, **named)

    tell.__name__, tell.__doc__ = name, f"Tell all callbacks: `{name}`."
    return tell


for _name in [name for name in vars(Callback) if name.startswith("on_")]:
    setattr(CallbackList, _name, _told(_name))
