"""Penalties on weights or activations, added to the loss."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core import lookup, registry
from lamina.core.configurable import Configurable
from lamina.core.errors import ArgumentError, ShapeError, unknown
from lamina.core.types import Array, ArrayLike, Config, CustomObjects, RegularizerLike


class Regularizer(Configurable):
    """What makes a penalty, a number, from an array. Subclasses define ``__call__``."""

    def __call__(self, x: ArrayLike) -> Array:
        """The penalty for ``x``."""
        raise ArgumentError(f"The regularizer {type(self).__name__} does not define __call__.")


class L1L2(Regularizer):
    """l1 * sum(|x|) + l2 * sum(x²).

    >>> float(L1L2(l1=0.5, l2=1.0)([1.0, -2.0]))
    6.5
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = _factor(0.0 if l1 is None else l1, "l1")
        self.l2 = _factor(0.0 if l2 is None else l2, "l2")

    def __call__(self, x: ArrayLike) -> Array:
        x = jnp.asarray(x)
        penalty = jnp.zeros((), x.dtype)
        if self.l1:
            penalty = penalty + self.l1 * jnp.sum(jnp.abs(x))
        if self.l2:
            penalty = penalty + self.l2 * jnp.sum(jnp.square(x))
        return penalty


class L1(Regularizer):
    """l1 * sum(|x|): drives weights to 0."""

    def __init__(self, l1: float | None = 0.01) -> None:
        self.l1 = _factor(0.01 if l1 is None else l1, "l1")

    def __call__(self, x: ArrayLike) -> Array:
        return self.l1 * jnp.sum(jnp.abs(jnp.asarray(x)))


class L2(Regularizer):
    """l2 * sum(x²): keeps weights small."""

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2 = _factor(0.01 if l2 is None else l2, "l2")

    def __call__(self, x: ArrayLike) -> Array:
        return self.l2 * jnp.sum(jnp.square(jnp.asarray(x)))


class OrthogonalRegularizer(Regularizer):
    """``factor`` times the mean |cosine| of the angles between the rows, or columns, of a matrix.

    Args:
        factor: Number of 0 or more.
        mode: "rows" or "columns".
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise unknown("mode of OrthogonalRegularizer", mode, ("rows", "columns"))
        self.factor = _factor(factor, "factor")
        self.mode = mode

    def __call__(self, x: ArrayLike) -> Array:
        x = jnp.asarray(x)
        if x.ndim != 2:
            raise ShapeError(f"OrthogonalRegularizer is for matrices, not for the shape {x.shape}.")
        vectors = x if self.mode == "rows" else x.T
        squares = jnp.sum(jnp.square(vectors), 1, keepdims=True)
        units = vectors * jax.lax.rsqrt(jnp.maximum(squares, 1e-14))
        count = len(units)
        cosines = (units @ units.T) * (1 - jnp.eye(count, dtype=units.dtype))
        return self.factor * jnp.sum(jnp.abs(cosines)) / (count * (count - 1))


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

__all__ = ["L1", "L1L2", "L2", "OrthogonalRegularizer", "Regularizer", "deserialize", "get", "l1",
           "l1_l2", "l2", "orthogonal_regularizer", "serialize"]  # fmt: skip
_KNOWN = {**{name: found for name, found in globals().items() if name in __all__}, "l1l2": L1L2}


def get(identifier: RegularizerLike) -> Callable[..., Array] | None:
    """The regularizer that a name, config, class or callable stands for.

    >>> get("l2").l2
    0.01
    """
    return lookup.find(identifier, "regularizer", _KNOWN)


def serialize(regularizer: Any) -> Config:
    """The config of a regularizer."""
    return registry.serialize(regularizer)


def deserialize(config: Config, custom_objects: CustomObjects = None) -> Any:
    """The regularizer of a config."""
    return lookup.from_config(config, _KNOWN, custom_objects)


def _factor(value: Any, name: str) -> float:
    if not hasattr(value, "__float__") or not 0 <= float(value) < math.inf:
        raise ArgumentError(
            f"A regularizer's {name} is a finite number of 0 or more, not {value!r}."
        )
    return float(value)
