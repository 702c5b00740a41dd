"""Moments, and arrays brought to a common scale."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.errors import ArgumentError
from lamina.core.settings import settings
from lamina.core.types import Array, ArrayLike
from lamina.ops._rules import array_op, as_floats, axes_tuple

Axes = int | Sequence[int]


@array_op()
def moments(
    x: ArrayLike, axes: Axes, keepdims: bool = False, synchronized: bool = False
) -> tuple[Array, Array]:
    """The mean and the variance over axes; those of half-width floats computed in float32.

    A sharded array is always seen whole, so ``synchronized`` changes nothing.
    """
    x = jnp.asarray(x)
    wide = x.astype(jnp.promote_types(x.dtype, "float32"))
    mean = jnp.mean(wide, axes_tuple(axes), keepdims=keepdims)
    variance = jnp.var(wide, axes_tuple(axes), keepdims=keepdims)
    if wide.dtype == x.dtype or not jnp.issubdtype(x.dtype, jnp.floating):
        return mean, variance
    limit = jnp.finfo("float16")
    clipped = (jnp.clip(each, limit.min, limit.max) for each in (mean, variance))
    return tuple(each.astype(x.dtype) for each in clipped)  # type: ignore[return-value]


@array_op()
def normalize(
    x: ArrayLike, axis: int | None = -1, order: int = 2, epsilon: float | None = None
) -> Array:
    """x divided by its norm of this order along an axis, which counts as at least epsilon."""
    if not isinstance(order, int) or order < 1:
        raise ArgumentError(f"ops.normalize: order={order!r} is no int above 0.")
    x = jnp.atleast_1d(as_floats(x))
    epsilon = settings.epsilon if epsilon is None else epsilon
    if order == 2:
        squares = jnp.sum(jnp.square(x), axis, keepdims=True)
        least = max(epsilon**2, float(jnp.finfo(x.dtype).tiny))  # 1e-14 is 0 in float16
        return x * jax.lax.rsqrt(jnp.maximum(squares, jnp.asarray(least, x.dtype)))
    return x / jnp.maximum(jnp.linalg.norm(x, order, axis, keepdims=True), epsilon)


@array_op(3)
def batch_normalization(
    x: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    axis: int,
    offset: ArrayLike = None,
    scale: ArrayLike = None,
    epsilon: float = 1e-3,
) -> Array:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset (Ioffe and Szegedy, 2015).

    Args:
        mean, variance, offset, scale: Vectors along ``axis`` of ``x``.
    """
    shape = [1] * jnp.ndim(x)
    shape[axis] = -1
    factor = jax.lax.rsqrt(jnp.asarray(variance).reshape(shape) + epsilon)
    if scale is not None:
        factor = factor * jnp.asarray(scale).reshape(shape)
    shift = -jnp.asarray(mean).reshape(shape) * factor
    if offset is not None:
        shift = shift + jnp.asarray(offset).reshape(shape)
    return x * factor + shift


@array_op()
def layer_normalization(
    x: ArrayLike,
    gamma: ArrayLike = None,
    beta: ArrayLike = None,
    axis: Axes = -1,
    epsilon: float | None = None,
    **kwargs: Any,
) -> Array:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta over axes (Ba et al., 2016).

    Moments are computed in float32 at least; the result has the dtype of ``x``.
    """
    if kwargs.pop("rms_scaling", False):
        raise ArgumentError("layer_normalization: for rms_scaling use ops.rms_normalization.")
    x, wide, axes = _prepared(x, axis)
    mean = jnp.mean(wide, axes, keepdims=True)
    factor = jax.lax.rsqrt(jnp.var(wide, axes, keepdims=True) + _epsilon(epsilon))
    if gamma is not None:
        factor = factor * _along(gamma, wide, axes)
    shift = -mean * factor
    if beta is not None:
        shift = shift + _along(beta, wide, axes)
    return (wide * factor + shift).astype(x.dtype)


@array_op()
def rms_normalization(
    x: ArrayLike, scale: ArrayLike = None, axis: Axes = -1, epsilon: float | None = None
) -> Array:
    """x / sqrt(mean(x²) + epsilon) * scale over axes (Zhang and Sennrich, 2019).

    Computed in float32 at least; the result has the dtype of ``x``.
    """
    x, wide, axes = _prepared(jnp.atleast_1d(jnp.asarray(x)), axis)
    mean = jnp.mean(jnp.square(wide), axes, keepdims=True)
    result = wide * jax.lax.rsqrt(mean + _epsilon(epsilon))
    if scale is not None:
        result = result * jnp.asarray(scale, wide.dtype)
    return result.astype(x.dtype)


def _prepared(x: ArrayLike, axis: Axes | None) -> tuple[Array, Array, tuple[int, ...]]:
    x = jnp.asarray(x)
    axis = range(x.ndim) if axis is None else axis
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    wide = x.astype(jnp.promote_types(x.dtype, "float32"))
    return x, wide, tuple(sorted(each % x.ndim for each in axes))


def _along(weights: ArrayLike, x: Array, axes: tuple[int, ...]) -> Array:
    """Weights of the normalised axes, shaped so that they broadcast against ``x``."""
    weights = jnp.asarray(weights, x.dtype)
    if weights.ndim == x.ndim or axes == (x.ndim - 1,):
        return weights
    return weights.reshape([n if i in axes else 1 for i, n in enumerate(x.shape)])


def _epsilon(epsilon: float | None) -> float:
    return settings.epsilon if epsilon is None else epsilon
