"""Projections of weights, applied after each step of an optimizer."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from lamina.core import lookup, registry
from lamina.core.configurable import Configurable
from lamina.core.errors import ArgumentError
from lamina.core.settings import settings
from lamina.core.types import Array, ArrayLike, Config, ConstraintLike, CustomObjects

Axis = int | Sequence[int]


class Constraint(Configurable):
    """What maps an array to the nearest allowed one. Subclasses define ``__call__``."""

    def __call__(self, w: ArrayLike) -> Array:
        """The allowed array for ``w``."""
        raise ArgumentError(f"The constraint {type(self).__name__} does not define __call__.")


class MaxNorm(Constraint):
    """Norms over ``axis`` of at most ``max_value``.

    Args:
        axis: For a Dense kernel 0: the weights that lead into a unit.

    >>> MaxNorm(1.0)([[3.0], [4.0]]).round(3).tolist()
    [[0.6000000238418579], [0.800000011920929]]
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: ArrayLike) -> Array:
        norms = _norms(w, self.axis)
        return _rescaled(w, norms, jnp.clip(norms, 0, self.max_value))


class NonNeg(Constraint):
    """Weights of 0 or more."""

    def __call__(self, w: ArrayLike) -> Array:
        return jnp.maximum(jnp.asarray(w), 0)


class UnitNorm(Constraint):
    """Norms over ``axis`` of 1."""

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def __call__(self, w: ArrayLike) -> Array:
        return _rescaled(w, _norms(w, self.axis), 1.0)


class MinMaxNorm(Constraint):
    """Norms over ``axis`` from ``min_value`` to ``max_value``.

    Args:
        rate: The share of the way to the allowed norm that is gone in a step.
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0
    ) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: ArrayLike) -> Array:
        norms = _norms(w, self.axis)
        allowed = jnp.clip(norms, self.min_value, self.max_value)
        return _rescaled(w, norms, self.rate * allowed + (1 - self.rate) * norms)


def _norms(w: ArrayLike, axis: Axis) -> Array:
    axis = axis if isinstance(axis, int) else tuple(axis)
    return jnp.sqrt(jnp.sum(jnp.square(jnp.asarray(w)), axis, keepdims=True))


def _rescaled(w: ArrayLike, norms: Array, wanted: Array | float) -> Array:
    return jnp.asarray(w) * (wanted / (settings.epsilon + norms))


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm

__all__ = ["Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "deserialize", "get",
           "max_norm", "min_max_norm", "non_neg", "serialize", "unit_norm"]  # fmt: skip
_KNOWN = {name: found for name, found in globals().items() if name in __all__}


def get(identifier: ConstraintLike) -> Callable[..., Array] | None:
    """The constraint that a name, config, class or callable stands for.

    >>> get("max_norm").max_value
    2
    """
    return lookup.find(identifier, "constraint", _KNOWN)


def serialize(constraint: Any) -> Config:
    """The config of a constraint."""
    return registry.serialize(constraint)


def deserialize(config: Config, custom_objects: CustomObjects = None) -> Any:
    """The constraint of a config."""
    return lookup.from_config(config, _KNOWN, custom_objects)
