"""What the checks before the first step see of a run, and what they say.

Arrays of up to a million numbers are looked at whole, larger ones at evenly spaced samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from lamina.core import nest
from lamina.core.fingerprint import structure
from lamina.core.types import Nest
from lamina.training.endings import Ending, endings
from lamina.training.program import overridden

NUMBERS = 1 << 20
"""Numbers of an array that are looked at, about."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a run.

    Attributes:
        code: What it is, the same for all cases of a kind.
        message: What, where, and the fix.
        certain: Whether it is wrong for sure: an error in `fit`, which else warns.
    """

    code: str
    message: str
    certain: bool = False

    def __str__(self) -> str:
        return f"{'error' if self.certain else 'warning'} [{self.code}]: {self.message}"


class Findings(list[Finding]):
    """Findings, which print as a line each.

    >>> Findings()
    Nothing found.
    """

    def __repr__(self) -> str:
        return "\n".join(map(str, self)) or "Nothing found."


@dataclass(frozen=True, eq=False)
class Sample:
    """An array as far as it is looked at: samples 0, stride, 2 * stride ..."""

    name: str
    values: np.ndarray
    stride: int

    @property
    def whole(self) -> bool:
        """Whether these are all samples there are to see."""
        return self.stride == 1


class Term(NamedTuple):
    """A loss, or a metric, with what it compares.

    Attributes:
        name: Of the output, or of the loss.
        thing: The loss or metric.
        kind: Name of its formula; empty for one of a user's own.
        target: The targets; None when there are none.
        shape: Of the output, with the rows of a batch.
        ending: The activation that the output comes from; None when it is not known.
        weights: Sample weights; None without them.
    """

    name: str
    thing: Any
    kind: str
    target: Sample | None
    shape: tuple[int, ...]
    ending: Ending | None
    weights: Sample | None

    def option(self, name: str, default: Any = None) -> Any:
        """An option of the formula."""
        return getattr(self.thing, name, default)


class Seen:
    """A model, its losses and metrics, some samples of the data, and the callbacks of a run."""

    def __init__(self, model: Any, data: Any, check: Any = None, callbacks: Any = ()) -> None:
        self.model, self.callbacks = model, list(callbacks)
        self.x, self.y, self.weights = _samples(data)
        self.class_weight = data.class_weight
        self.listed = hasattr(data, "arrays")
        """Whether the data is arrays, seen from end to end; else one batch."""
        self.validated = check is not None
        self.own_step = overridden(model, "train_step", "compute_loss")
        self.layers: list[Any] = structure(model).layers
        self.terms = [] if self.own_step else _losses(self, self.y)
        self.metrics = [] if self.own_step else _metrics(self)
        listed = check is not None and hasattr(check, "arrays") and not self.own_step
        self.held_out: list[Term] = _losses(self, _samples(check)[1]) if listed else []

    def arrays(self) -> Iterator[Sample]:
        """All samples of the data."""
        for part in (self.x, self.y, self.weights):
            yield from (leaf for leaf in nest.flatten(part) if leaf is not None)


def _samples(data: Any) -> tuple[Nest, Nest, Nest]:
    batch = data.arrays if hasattr(data, "arrays") else data.first()
    names = ("x", "y", "sample_weight")
    return tuple(_sampled(part, name) for part, name in zip(batch[:3], names, strict=True))  # type: ignore[return-value]


def _sampled(part: Nest, name: str) -> Nest:
    if isinstance(part, dict):
        return {key: _sampled(each, f"{name}[{key!r}]") for key, each in part.items()}
    if isinstance(part, (list, tuple)):
        return [_sampled(each, f"{name}[{i}]") for i, each in enumerate(part)]
    if part is None:
        return None
    stride = max(1, min(part.size // NUMBERS, len(part) // 64))
    on_host = not isinstance(part, jax.Array) or jax.default_backend() == "cpu"
    rows = np.asarray(part)[::stride] if on_host else np.asarray(part[::stride])
    return Sample(name, rows, stride)


def _kind(thing: Any) -> str:
    """The name of the formula that a loss or metric computes; empty if it is not one of ours."""
    if type(thing).__module__.partition(".")[0] != "lamina":
        return ""
    found = getattr(thing, "function", None) or getattr(thing, "fn", None)
    found = found or getattr(type(thing), "formula", None)
    ours = getattr(found, "__module__", "").partition(".")[0] == "lamina"
    return found.__name__ if found is not None and ours else ""


def _losses(seen: Seen, y: Nest) -> list[Term]:
    loss = seen.model.compiled_loss
    if loss is None or not loss.built or y is None:
        return []
    targets = loss._targets(y)
    return [_term(seen, loss, index, name, each, targets) for index, name, each, _ in loss.terms]


def _metrics(seen: Seen) -> list[Term]:
    metrics = seen.model.compiled_metrics
    if metrics is None or not metrics.built or seen.y is None:
        return []
    targets = metrics.outputs.spread(seen.y, "y")
    return [_term(seen, metrics, i, name, each, targets) for name, i, each, _ in metrics.entries]


def _term(seen: Seen, part: Any, index: int, name: str, thing: Any, targets: list[Any]) -> Term:
    found, weights = endings(seen.model), seen.weights
    ending = found[index] if len(found) == part.outputs.size else None
    if nest.is_nested(weights):
        weights = part.outputs.spread(weights, "sample_weight")[index]
    shape = part.outputs.shapes[index]
    return Term(name, thing, _kind(thing), targets[index], shape, ending, weights)
