"""Targets, predictions, labels and weights as arrays that fit together, for losses and metrics.

Losses and metrics are siblings that do not import each other, so what both need lies below them.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.dtypes import is_float
from lamina.core.errors import ShapeError
from lamina.core.settings import settings
from lamina.core.types import Array, ArrayLike, DTypeLike


def as_array(x: ArrayLike, dtype: DTypeLike = None) -> Array:
    """``x`` as an array of ``dtype``; numbers that are not floats become ``floatx`` without one."""
    x = jnp.asarray(x)
    if dtype is None:
        dtype = x.dtype if is_float(x.dtype) else settings.floatx
    return x.astype(dtype)


def align_ranks(a: Array, b: Array, widen: bool = True) -> tuple[Array, Array]:
    """Two arrays whose ranks differ by a last axis of size 1, with the same rank.

    A vector grows that axis if ``widen``; otherwise the other array loses it. Arrays that differ
    in another way are returned as they are.

    >>> [x.shape for x in align_ranks(jnp.zeros((2, 1)), jnp.zeros(2))]
    [(2, 1), (2, 1)]
    """
    if b.ndim == a.ndim + 1:
        b, a = align_ranks(b, a, widen)
    elif a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        if b.ndim == 1 and widen:
            return a, b[:, None]
        return a[..., 0], b
    return a, b


def align_weight(weight: Array, values: Array, grow: bool = True) -> tuple[Array, Array]:
    """A weight for each value, or for the leading axes of the values, broadcastable to them.

    With ``grow``, weights of more positions than there are values make the values broadcast too.
    """
    values, weight = align_ranks(values, weight)
    if weight.ndim < values.ndim:
        weight = weight.reshape(weight.shape + (1,) * (values.ndim - weight.ndim))
    shape = together(weight.shape, values.shape)
    if shape is None or not grow and shape != values.shape:
        raise ShapeError(
            "The weights do not fit the values that they are for.",
            met=f"weights of shape {weight.shape}, values of shape {values.shape}",
            rule="one weight for each sample, or for each position that has a value",
        )
    return weight, values


def align_targets(
    y_true: ArrayLike, y_pred: ArrayLike, dtype: DTypeLike = None
) -> tuple[Array, Array]:
    """Targets and predictions as float arrays of one dtype and, where that helps, of one rank."""
    y_pred = as_array(y_pred, dtype)
    return align_ranks(as_array(y_true, y_pred.dtype), y_pred)


def full_weight(weight: Any, values: Array) -> Array:
    """A weight for each of the values: 1 when there are none, else broadcast."""
    weight = as_array(1 if weight is None else weight, values.dtype)
    return jnp.broadcast_to(align_weight(weight, values, grow=False)[0], values.shape)


def masked_weight(weight: Any, mask: Any, dtype: DTypeLike, keep_mean: bool = False) -> Any:
    """Weights that are 0 where ``mask`` is False; None when there is neither weight nor mask.

    With ``keep_mean`` the others grow so that a mean over all positions is one over those that
    count.
    """
    weight = None if weight is None else as_array(weight, dtype)
    if mask is None:
        return weight
    mask = as_array(mask, dtype)
    if keep_mean:
        mask = mask * divide_no_nan(jnp.asarray(mask.size, dtype), mask.sum())
    if weight is None:
        return mask
    weight, mask = align_weight(weight, mask)
    return weight * mask


def divide_no_nan(a: ArrayLike, b: ArrayLike) -> Array:
    """``a / b``, and 0 where ``b`` is 0.

    >>> float(divide_no_nan(1.0, 0.0))
    0.0
    """
    a, b = jnp.asarray(a), jnp.asarray(b)
    return jnp.where(b == 0, 0, a / jnp.where(b == 0, 1, b))


def together(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape that two shapes broadcast to; None where they do not."""
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


def class_labels(name: str, y_true: ArrayLike, y_pred: Array, axis: int = -1) -> Array:
    """Labels of the shape of predictions without their axis of classes, which may have size 1."""
    labels, place = jnp.asarray(y_true), range(y_pred.ndim)[axis]
    if labels.ndim == y_pred.ndim and labels.shape[axis] == 1:
        labels = labels.squeeze(axis)
    if labels.shape != y_pred.shape[:place] + y_pred.shape[place + 1 :]:
        raise mismatch(name, labels, y_pred)
    return labels


def mismatch(name: str, y_true: Array, y_pred: Array) -> ShapeError:
    """The error for targets and predictions whose shapes do not fit, with the likely remedy."""
    classes = y_pred.shape[-1] if y_pred.ndim else 1
    fix = "give targets of the shape of the predictions"
    if name.startswith("sparse") and y_true.shape == y_pred.shape:
        fix = f"for one-hot targets use '{name.removeprefix('sparse_')}'"
    elif classes > 1 and y_true.shape in (y_pred.shape[:-1], (*y_pred.shape[:-1], 1)):
        fix = (
            "for integer labels use 'sparse_categorical_crossentropy', or one-hot them: "
            f"lamina.utils.to_categorical(y, {classes})"
        )
    elif y_pred.ndim > max(y_true.ndim, 2):
        fix = "if a sample has one target: put a Flatten, or a pooling, before the last layer"
    return ShapeError(
        f"{name}: targets and predictions do not fit together.",
        met=f"y_true of shape {y_true.shape}, y_pred of shape {y_pred.shape}",
        fix=fix,
    )
