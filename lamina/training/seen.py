"""What the checks before the first step see of a run, and what they say.

A check is a predicate whose docstring is its message: ``error`` or ``warning``, a code, and a text
with places for attributes of what it looks at (``it``) and for what it returned (``more``).
Arrays of up to a million numbers are looked at whole, larger ones at evenly spaced samples.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from lamina.core import nest
from lamina.core.fingerprint import structure
from lamina.core.types import Nest
from lamina.training.data import PARTS
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


def judge(checks: Iterable[Callable[[Any], Any]], subjects: Iterable[Any]) -> Iterator[Finding]:
    """The findings of checks about each of some subjects."""
    for it in subjects:
        for check in checks:
            more = check(it)
            if more:
                kind, code, text = " ".join((check.__doc__ or "").split()).split(" ", 2)
                yield Finding(code[1:-2], text.format(it=it, more=more), kind == "error")


@dataclass(frozen=True, eq=False)
class Sample:
    """An array as far as it is looked at: samples 0, stride, 2 * stride ..."""

    name: str
    values: np.ndarray
    stride: int

    @cached_property
    def low(self) -> Any:
        """The least number; NaN if there is one."""
        return self.values.min().item() if self.values.size else 0

    @cached_property
    def high(self) -> Any:
        """The largest number; NaN if there is one."""
        return self.values.max().item() if self.values.size else 0


@dataclass(eq=False)
class Term:
    """A loss, or a metric, with what it compares.

    Attributes:
        name: Of the output, or of the loss.
        thing: The loss or metric.
        kind: Name of its formula; empty for one of a user's own.
        target: The targets, of samples that count.
        shape: Of the output, with the rows of a batch.
        ending: The activation that the output comes from.
        seen: The run.
    """

    name: str
    thing: Any
    kind: str
    target: Sample
    shape: tuple[int, ...]
    ending: Ending
    seen: "Seen"

    def option(self, name: str, default: Any = None) -> Any:
        """An option of the formula."""
        return getattr(self.thing, name, default)

    @property
    def who(self) -> str:
        """The loss or metric, in words."""
        name = self.thing.name or self.kind
        return name if self.name == name else f"{name} (of the output '{self.name}')"

    @property
    def output(self) -> str:
        """The output, in words."""
        return "the output" if self.name == self.thing.name else f"the output '{self.name}'"


class Seen:
    """A model, its losses and metrics, some samples of the data, and the callbacks of a run."""

    def __init__(self, model: Any, data: Any, check: Any = None, callbacks: Any = ()) -> None:
        self.model, self.data, self.callbacks = model, data, list(callbacks)
        self.x, self.y, self.weights = _samples(data)
        self.validated = check is not None
        self.listed = hasattr(data, "arrays")
        """Whether the data is arrays, seen from end to end; else one batch."""
        self.own_step = overridden(model, "train_step", "compute_loss")
        self.layers: list[Any] = structure(model).layers
        self.terms = list(self._terms(model.compiled_loss, self.y, self.weights))
        self.metrics = list(self._terms(model.compiled_metrics, self.y, self.weights))
        _, y, weights = _samples(check) if hasattr(check, "arrays") else (None, None, None)
        self.held_out = list(self._terms(model.compiled_loss, y, weights))

    def _terms(self, part: Any, y: Nest, weights: Nest) -> Iterator[Term]:
        if part is None or not part.built or y is None or self.own_step:
            return
        outputs, found = part.outputs, endings(self.model)
        targets = part._targets(y) if hasattr(part, "terms") else outputs.spread(y, "y")
        given = [(i, name, thing) for i, name, thing, _ in getattr(part, "terms", ())]
        given += [(i, name, thing) for name, i, thing, _ in getattr(part, "entries", ())]
        spread = outputs.spread(weights, PARTS[2]) if nest.is_nested(weights) else None
        for index, name, thing in given:
            weight = spread[index] if spread else weights
            target = _counted(targets[index], weight)
            ending = found[index] if len(found) == outputs.size else None
            known = ending or Ending("", "")
            yield Term(name, thing, _kind(thing), target, outputs.shapes[index], known, self)

    def arrays(self) -> list[Sample]:
        """All samples of the data."""
        return [each for each in nest.flatten((self.x, self.y, self.weights)) if each is not None]


def _samples(data: Any) -> list[Nest]:
    batch = data.arrays if hasattr(data, "arrays") else data.first()
    return [_sampled(part, name) for part, name in zip(batch[:3], PARTS, strict=True)]


def _sampled(part: Nest, name: str) -> Nest:
    if isinstance(part, dict):
        return {key: _sampled(each, f"{name}[{key!r}]") for key, each in part.items()}
    if isinstance(part, (list, tuple)):
        return [_sampled(each, f"{name}[{i}]") for i, each in enumerate(part)]
    if part is None:
        return None
    stride = max(1, min(part.size // NUMBERS, len(part) // 64))
    on_host = not isinstance(part, jax.Array) or jax.default_backend() == "cpu"
    return Sample(
        name, np.asarray(part)[::stride] if on_host else np.asarray(part[::stride]), stride
    )


def _counted(target: Sample, weight: Sample | None) -> Sample:
    """Targets without those whose weight is 0."""
    if weight is None or weight.stride != target.stride:
        return target
    rank = min(weight.values.ndim, target.values.ndim)
    counts = weight.values.reshape(*weight.values.shape[:rank], -1).any(axis=-1)
    fits = counts.shape == target.values.shape[:rank] and not counts.all()
    return Sample(target.name, target.values[counts], target.stride) if fits else target


def _kind(thing: Any) -> str:
    """The name of the formula that a loss or metric computes; empty if it is not one of ours."""
    found = getattr(thing, "function", None) or getattr(thing, "fn", None)
    found = found or getattr(type(thing), "formula", None)
    both = (type(thing).__module__, getattr(found, "__module__", ""))
    return found.__name__ if all(each.startswith("lamina.") for each in both) else ""  # type: ignore
