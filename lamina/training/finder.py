"""`model.find_learning_rate`: the loss while the learning rate grows, step by step."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.errors import ArgumentError
from lamina.core.registry import late
from lamina.core.types import Array, ArrayLike
from lamina.optimizers.schedules import LearningRateSchedule
from lamina.training.callback import to_numbers
from lamina.training.data import ArrayData, StreamData
from lamina.training.loop import Runner, interruptible
from lamina.training.rehearsal import preserved
from lamina.training.step import Batch

SMOOTHING = 0.9
"""Share of the old mean in the new one."""


@dataclass(frozen=True)
class RateCurve:
    """What `find_learning_rate` saw.

    Attributes:
        rates: The learning rate of each step.
        losses: The running mean of the loss after each step.
        suggestion: The rate at which the loss falls most steeply, before its lowest point; a good
            maximal rate.
    """

    rates: np.ndarray
    losses: np.ndarray

    @property
    def suggestion(self) -> float:
        """The rate of the steepest fall; the lowest rate when there were too few steps."""
        if len(self.rates) < 2:
            return float(self.rates[0]) if len(self.rates) else math.nan
        end = max(int(np.argmin(self.losses)) + 1, 2)
        slopes = np.gradient(self.losses[:end], np.log(self.rates[:end]))
        width = len(self.rates) // 8 + 1  # single batches are noise
        padded = np.pad(slopes, (width // 2, (width - 1) // 2), "edge")
        steepest = np.argmin(np.convolve(padded, np.ones(width) / width, "valid"))
        return float(self.rates[int(steepest)])

    def plot(self, theme: str = "light") -> Any:
        """The loss over the power of ten of the rate, drawn as `History.plot` draws."""
        curve = list(zip(np.log10(self.rates).tolist(), self.losses.tolist(), strict=True))
        return late("view.history.Chart")({"loss by log10 of the rate": curve}, None, theme)


class _Ramp(LearningRateSchedule):
    """``lowest`` at step ``start``, growing by a factor with each one."""

    def __init__(self, lowest: float, factor: float, start: Any) -> None:
        self.lowest, self.factor, self.start = lowest, factor, start

    def __call__(self, step: ArrayLike) -> Array:
        return self.lowest * self.factor ** jnp.asarray(step - self.start, jnp.float32)


def find(
    model: Any,
    draws: int,
    data: Any,
    lowest: float,
    highest: float,
    steps: int,
    divergence: float,
) -> RateCurve:
    """Train for some steps with growing rates, and leave the model as it was."""
    if not 0 < lowest < highest or steps < 3:
        raise ArgumentError(
            "The learning rate cannot be ramped so.",
            met=f"lowest={lowest!r}, highest={highest!r}, steps={steps!r}",
            rule="0 < lowest < highest, in 3 steps or more",
        )
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    before, rates, losses, mean = optimizer._rate, [], [], 0.0
    factor = (highest / lowest) ** (1 / (steps - 1))
    with preserved(model, draws, {"train": data}), interruptible() as gate:
        model.optimizer.learning_rate = _Ramp(lowest, factor, int(optimizer.iterations))
        try:
            runner = Runner(model, "train", data, gate)
            for count, batch in enumerate(itertools.islice(_batches(data), steps), 1):
                rate = float(optimizer.learning_rate)
                model.reset_metrics()
                runner.exposed = True  # a run resets them in variables that it has just filled
                runner._run(runner.program.single, batch)
                mean = SMOOTHING * mean + (1 - SMOOTHING) * to_numbers(runner.logs)["loss"]
                smooth = mean / (1 - SMOOTHING**count)
                if not math.isfinite(smooth) or smooth > divergence * min([smooth, *losses]):
                    break
                rates.append(rate)
                losses.append(smooth)
        finally:
            optimizer._rate = before
    return RateCurve(np.array(rates), np.array(losses))


def _batches(data: ArrayData | StreamData) -> Iterator[Batch]:
    """Batches of one size, epoch after epoch."""
    while True:
        found = False
        for each in data.epoch():
            found = True
            yield data.take(each) if isinstance(data, ArrayData) else each
        if not found:
            return


__all__ = ["RateCurve", "find"]
