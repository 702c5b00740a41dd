"""`fit(dry_run=True)`: a batch of everything, and nothing kept of it."""

import contextlib
import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lamina.core import nest
from lamina.core.fingerprint import structure
from lamina.core.settings import settings
from lamina.training import loop
from lamina.training.callback import Callback, CallbackList, History, Kind
from lamina.training.program import prepare
from lamina.training.state import pairs, read, variables_of

PLACES = ("filepath", "filename", "log_dir", "backup_dir", "directory", "path")
"""Attributes of callbacks that say where files go."""


@contextlib.contextmanager
def preserved(model: Any, draws: int, sources: dict[Kind, Any]) -> Iterator[None]:
    """Leave a model as it was once built: weights, optimizer, metrics, seeds, history, bit by bit.

    Steps put new arrays into variables and leave those that somebody else holds alone, so holding
    the arrays is enough.

    Args:
        model: The model, which is built for the sources first.
        draws: How many keys were drawn before the sources were made. What building the
            layers draws stays drawn, so that no later layer begins with the same weights.
        sources: The source of data of each kind of step.
    """
    built = structure(model).built
    for kind, source in sources.items():
        prepare(model, kind, source.first())
    draws = draws if built else settings.draws
    variables = variables_of(model)
    arrays, kept = pairs(variables, read(variables)), model._training
    history, found = kept.history, list(kept.compilations)
    stops = kept.stop_training, kept.stop_evaluating
    try:
        yield
    finally:
        for variable, array in arrays:
            variable.store(array)
        settings.draws, kept.history, kept.compilations = draws, history, found
        kept.stop_training, kept.stop_evaluating = stops


class _Once(Callback):
    """Ends each part of a run after its first program."""

    runs_user_code = False

    def observe(self, kind: Kind, batch: int, logs: Any) -> None:
        setattr(self.model, loop.FLAGS[kind], True)


def rehearse(
    model: Any, draws: int, data: Any, check: Any, callbacks: Any, verbose: Any
) -> History:
    """Run `fit` with one batch of training and of validation, and with all events.

    Callbacks take part as copies whose files lie in a folder that is deleted afterwards.

    Returns:
        A `History` with the logs of the batch.
    """
    sources: dict[Kind, Any] = {"train": data}
    if check is not None:
        sources["test"] = check
    if isinstance(callbacks, CallbackList):
        callbacks = callbacks.callbacks
    with preserved(model, draws, sources), tempfile.TemporaryDirectory() as folder:
        copies = [_understudy(each, folder) for each in nest.flatten(callbacks or [])]
        return loop.fit(model, data, check, [*copies, _Once()], verbose, range(1), 1)


def _understudy(callback: Any, folder: str) -> Any:
    """A copy of a callback with containers of its own, which writes into ``folder``."""
    if not isinstance(callback, Callback):
        return callback
    double = copy.copy(callback)
    for name, value in vars(callback).items():
        if isinstance(value, (list, dict, set)):
            value = copy.copy(value)
        elif name in PLACES and value is not None:
            value = str(Path(folder, *[p for p in Path(value).parts if p not in ("/", "..")]))
        double.__dict__[name] = value
    for value in vars(double).values():
        if isinstance(value, str) and value.startswith(folder):
            Path(value).parent.mkdir(parents=True, exist_ok=True)
    return double


__all__ = ["preserved", "rehearse"]
