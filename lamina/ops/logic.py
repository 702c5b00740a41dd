"""Comparisons, truth, choices, and the bits of integers; all element by element."""

from typing import Any

import jax.numpy as jnp

from lamina.core.errors import ArgumentError
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Array, ArrayLike
from lamina.ops._rules import array_op, as_numbers, broadcasting, elementwise


@elementwise
def equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether x1 == x2."""
    return jnp.equal(x1, x2)


@elementwise
def not_equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether x1 != x2."""
    return jnp.not_equal(x1, x2)


@elementwise
def greater(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether x1 > x2."""
    return jnp.greater(x1, x2)


@elementwise
def greater_equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether x1 >= x2."""
    return jnp.greater_equal(x1, x2)


@elementwise
def less(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether x1 < x2."""
    return jnp.less(x1, x2)


@elementwise
def less_equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether x1 <= x2."""
    return jnp.less_equal(x1, x2)


@elementwise
def isclose(
    x1: ArrayLike, x2: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """Whether x1 and x2 differ by at most ``atol + rtol * |x2|``."""
    return jnp.isclose(x1, x2, rtol, atol, equal_nan)


@elementwise
def logical_and(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether both are true (not 0)."""
    return jnp.logical_and(x1, x2)


@elementwise
def logical_or(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether one is true (not 0)."""
    return jnp.logical_or(x1, x2)


@elementwise
def logical_xor(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Whether exactly one is true (not 0)."""
    return jnp.logical_xor(x1, x2)


@elementwise
def logical_not(x: ArrayLike) -> Array:
    """Whether x is false (0)."""
    return jnp.logical_not(x)


@elementwise
def isfinite(x: ArrayLike) -> Array:
    """Whether x is neither infinite nor NaN."""
    return jnp.isfinite(x)


@elementwise
def isinf(x: ArrayLike) -> Array:
    """Whether x is infinite."""
    return jnp.isinf(x)


@elementwise
def isnan(x: ArrayLike) -> Array:
    """Whether x is NaN."""
    return jnp.isnan(x)


@elementwise
def isneginf(x: ArrayLike) -> Array:
    """Whether x is negative infinity."""
    return jnp.isneginf(x)


@elementwise
def isposinf(x: ArrayLike) -> Array:
    """Whether x is positive infinity."""
    return jnp.isposinf(x)


def _chosen(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    if x1 is None and x2 is None:
        return tuple(SymbolicTensor((None,), "int32") for _ in condition.shape)
    function: Any = where
    return broadcasting(function.plain)(condition, x1, x2)


@array_op(3, _chosen)
def where(condition: ArrayLike, x1: ArrayLike = None, x2: ArrayLike = None) -> Array:
    """x1 where the condition is true, x2 elsewhere; the indices of the true ones without both.

    >>> where([True, False], 1.0, [5.0, 6.0])
    Array([1., 6.], dtype=float32)
    """
    if (x1 is None) != (x2 is None):
        raise ArgumentError("ops.where takes both x1 and x2, or neither; one of them is None.")
    return jnp.where(condition, x1, x2)


# --- bits ---------------------------------------------------------------------------------------


@elementwise
def bitwise_and(x: ArrayLike, y: ArrayLike) -> Array:
    """The bits set in both integers."""
    return jnp.bitwise_and(x, y)


@elementwise
def bitwise_or(x: ArrayLike, y: ArrayLike) -> Array:
    """The bits set in one integer or both."""
    return jnp.bitwise_or(x, y)


@elementwise
def bitwise_xor(x: ArrayLike, y: ArrayLike) -> Array:
    """The bits set in exactly one of two integers."""
    return jnp.bitwise_xor(x, y)


@elementwise
def bitwise_invert(x: ArrayLike) -> Array:
    """The integer with all its bits flipped."""
    return jnp.invert(x)


@elementwise
def bitwise_not(x: ArrayLike) -> Array:
    """The integer with all its bits flipped."""
    return jnp.invert(x)


@elementwise
def bitwise_left_shift(x: ArrayLike, y: ArrayLike) -> Array:
    """The bits of x moved up by y places."""
    return jnp.left_shift(as_numbers(x, y), y)


@elementwise
def left_shift(x: ArrayLike, y: ArrayLike) -> Array:
    """The bits of x moved up by y places."""
    return jnp.left_shift(as_numbers(x, y), y)


@elementwise
def bitwise_right_shift(x: ArrayLike, y: ArrayLike) -> Array:
    """The bits of x moved down by y places, the sign kept."""
    return jnp.right_shift(as_numbers(x, y), y)


@elementwise
def right_shift(x: ArrayLike, y: ArrayLike) -> Array:
    """The bits of x moved down by y places, the sign kept."""
    return jnp.right_shift(as_numbers(x, y), y)
