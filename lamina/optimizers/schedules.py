"""Learning rates as functions of the step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from lamina.core import registry
from lamina.core.configurable import Configurable
from lamina.core.errors import ArgumentError, StateError
from lamina.core.settings import settings
from lamina.core.types import Array, ArrayLike, Config, CustomObjects

__all__ = [
    "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay",
    "LearningRateSchedule", "PiecewiseConstantDecay", "PolynomialDecay", "deserialize", "serialize",
]  # fmt: skip


class LearningRateSchedule(Configurable):
    """A learning rate for each step, counted from 0. Subclasses define ``__call__(step)``.

    >>> class Halving(LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.5 ** step
    >>> Halving()(2)
    0.25
    """

    def __call__(self, step: ArrayLike) -> Array:
        """The learning rate at a step, which may be a traced array."""
        raise StateError(f"{type(self).__name__} defines no __call__(step).")


def _count(step: ArrayLike) -> Array:
    return jnp.asarray(step).astype(settings.floatx)


def _check_positive(owner: object, name: str) -> None:
    value = getattr(owner, name)
    if value <= 0:
        raise ArgumentError(f"{type(owner).__name__} needs {name} above 0.", met=f"{name}={value}")


@dataclass(eq=False, repr=False)
class ExponentialDecay(LearningRateSchedule):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``.

    With ``staircase`` the exponent is rounded down.

    >>> float(ExponentialDecay(1.0, decay_steps=10, decay_rate=0.5)(20))
    0.25
    """

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False
    name: str = "ExponentialDecay"

    def __post_init__(self) -> None:
        _check_positive(self, "decay_steps")

    def __call__(self, step: ArrayLike) -> Array:
        """The learning rate at a step."""
        periods = _count(step) / self.decay_steps
        return self._decayed(jnp.floor(periods) if self.staircase else periods)

    def _decayed(self, periods: Array) -> Array:
        return self.initial_learning_rate * self.decay_rate**periods


@dataclass(eq=False, repr=False)
class InverseTimeDecay(ExponentialDecay):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``."""

    name: str = "InverseTimeDecay"

    def _decayed(self, periods: Array) -> Array:
        return self.initial_learning_rate / (1 + self.decay_rate * periods)


@dataclass(eq=False, repr=False)
class PiecewiseConstantDecay(LearningRateSchedule):
    """The first of ``values`` up to the first of ``boundaries`` (included), then the next.

    >>> float(PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.25])(11))
    0.5
    """

    boundaries: Sequence[float]
    values: Sequence[float]
    name: str = "PiecewiseConstant"

    def __post_init__(self) -> None:
        if len(self.boundaries) != len(self.values) - 1:
            raise ArgumentError(
                "PiecewiseConstantDecay needs one value more than boundaries.",
                met=f"{len(self.boundaries)} boundaries, {len(self.values)} values",
            )

    def __call__(self, step: ArrayLike) -> Array:
        """The learning rate at a step."""
        passed = jnp.sum(jnp.asarray(step) > jnp.asarray(self.boundaries))
        return jnp.asarray(self.values, settings.floatx)[passed]


@dataclass(eq=False, repr=False)
class PolynomialDecay(LearningRateSchedule):
    """From the initial to the end learning rate, by ``(1 - step / decay_steps)**power``.

    With ``cycle`` the span grows by ``decay_steps`` whenever it has been walked through.
    """

    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False
    name: str = "PolynomialDecay"

    def __post_init__(self) -> None:
        _check_positive(self, "decay_steps")

    def __call__(self, step: ArrayLike) -> Array:
        """The learning rate at a step."""
        count = _count(step)
        rounds = jnp.maximum(jnp.ceil(count / self.decay_steps), 1) if self.cycle else 1
        done = jnp.minimum(count / (self.decay_steps * rounds), 1)
        span = self.initial_learning_rate - self.end_learning_rate
        return span * (1 - done) ** self.power + self.end_learning_rate


@dataclass(eq=False, repr=False)
class CosineDecay(LearningRateSchedule):
    """Half a cosine from ``initial_learning_rate`` down to ``alpha`` times it, after a warmup.

    With a ``warmup_target``, the rate first rises to it in ``warmup_steps`` steps, in a line, and
    the cosine starts there. Loshchilov and Hutter, "SGDR" (2017).
    """

    initial_learning_rate: float
    decay_steps: float
    alpha: float = 0.0
    name: str = "CosineDecay"
    warmup_target: float | None = None
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        _check_positive(self, "decay_steps")

    def __call__(self, step: ArrayLike) -> Array:
        """The learning rate at a step."""
        count, start, peak = _count(step), self.initial_learning_rate, self.warmup_target
        if peak is None:
            return start * self._fraction(count)
        rising = start + (peak - start) * count / max(self.warmup_steps, 1)
        falling = peak * self._fraction(count - self.warmup_steps)
        return jnp.where(count < self.warmup_steps, rising, falling)

    def _fraction(self, count: Array) -> Array:
        done = jnp.minimum(count / self.decay_steps, 1)
        return (1 - self.alpha) * (1 + jnp.cos(math.pi * done)) / 2 + self.alpha


@dataclass(eq=False, repr=False)
class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decays one after the other, each ``t_mul`` times longer and ``m_mul`` times as high.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017).
    """

    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0
    name: str = "SGDRDecay"

    def __post_init__(self) -> None:
        _check_positive(self, "first_decay_steps")

    def __call__(self, step: ArrayLike) -> Array:
        """The learning rate at a step."""
        periods, growth = _count(step) / self.first_decay_steps, self.t_mul
        if growth == 1:
            restarts = jnp.floor(periods)
            done = periods - restarts
        else:  # the first n periods last (1 - growth**n) / (1 - growth)
            restarts = jnp.floor(jnp.log(1 - periods * (1 - growth)) / math.log(growth))
            done = (periods - (1 - growth**restarts) / (1 - growth)) / growth**restarts
        cosine = self.m_mul**restarts * (1 + jnp.cos(math.pi * done)) / 2
        return self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha)


def serialize(learning_rate_schedule: LearningRateSchedule) -> Config:
    """The config of a schedule, as files hold it."""
    return registry.serialize(learning_rate_schedule)


def deserialize(config: Config, custom_objects: CustomObjects = None) -> Any:
    """The schedule that `serialize` wrote."""
    return registry.deserialize({"module": "keras.optimizers.schedules", **config}, custom_objects)
