"""Reductions over axes, running totals, order statistics and counts.

Everywhere ``axis=None`` means all axes, and ``keepdims`` keeps reduced axes with size 1. Means and
spreads of integers are floats; sums of small integers are 32 bits wide.
"""

import builtins
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from lamina.core.errors import ArgumentError
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Array, ArrayLike, DTypeLike
from lamina.ops._rules import array_op, as_floats, as_numbers, axes_tuple, checked_axis

Axis = int | Sequence[int] | None


@array_op()
def sum(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The sum over axes.

    >>> sum([[1, 2], [3, 4]], axis=1)
    Array([3, 7], dtype=int32)
    """
    return jnp.sum(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def prod(x: ArrayLike, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike = None) -> Array:
    """The product over axes, in ``dtype`` when given."""
    return jnp.prod(x, axis=axes_tuple(axis), keepdims=keepdims, dtype=dtype)


@array_op()
def mean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The arithmetic mean over axes."""
    return jnp.mean(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def var(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The mean squared distance from the mean over axes."""
    return jnp.var(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def std(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The standard deviation over axes: the square root of `var`."""
    return jnp.std(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def max(
    x: ArrayLike, axis: Axis = None, keepdims: bool = False, initial: float | None = None
) -> Array:
    """The largest element over axes, and not less than ``initial``."""
    return jnp.max(x, axis=axes_tuple(axis), keepdims=keepdims, initial=initial)


@array_op()
def min(
    x: ArrayLike, axis: Axis = None, keepdims: bool = False, initial: float | None = None
) -> Array:
    """The smallest element over axes, and not more than ``initial``."""
    return jnp.min(x, axis=axes_tuple(axis), keepdims=keepdims, initial=initial)


@array_op()
def amax(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element over axes."""
    return jnp.max(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def amin(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element over axes."""
    return jnp.min(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def ptp(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The difference between the largest and the smallest element over axes."""
    return jnp.ptp(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def all(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether all elements over axes are true (not 0)."""
    return jnp.all(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def any(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether any element over axes is true (not 0)."""
    return jnp.any(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def average(x: ArrayLike, axis: Axis = None, weights: ArrayLike = None) -> Array:
    """The mean over axes, weighted by ``weights`` of the same shape or of the axis's size."""
    weights = None if weights is None else as_floats(weights)
    return jnp.average(x, axis=axes_tuple(axis), weights=weights)


@array_op()
def count_nonzero(x: ArrayLike, axis: Axis = None) -> Array:
    """How many elements over axes are not 0."""
    return jnp.count_nonzero(x, axis=axes_tuple(axis)).astype("int32")


@array_op()
def logsumexp(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """log(sum(exp(x))) over axes, without overflow."""
    return jax.nn.logsumexp(as_floats(x), axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def argmax(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the largest element along an axis, of the first when there are several."""
    return jnp.argmax(x, axis=axis, keepdims=keepdims).astype("int32")


@array_op()
def argmin(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the smallest element along an axis, of the first when there are several."""
    return jnp.argmin(x, axis=axis, keepdims=keepdims).astype("int32")


# --- order statistics ---------------------------------------------------------------------------


@array_op()
def median(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The middle element over axes, the mean of the two middle ones of an even number."""
    return jnp.median(as_floats(x), axis=axes_tuple(axis), keepdims=keepdims)


@array_op(2)
def quantile(
    x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Array:
    """The values below which a share ``q`` (0 to 1) of the elements lies.

    Args:
        method: Between two elements: "linear", "lower", "higher", "midpoint" or "nearest".

    Returns:
        Shape of ``q``, then the shape that is left of ``x``.
    """
    return jnp.quantile(as_floats(x), q, axis=axes_tuple(axis), method=method, keepdims=keepdims)


@array_op(2)
def percentile(
    x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Array:
    """`quantile` with ``q`` in percent."""
    return jnp.percentile(as_floats(x), q, axis=axes_tuple(axis), method=method, keepdims=keepdims)


@array_op()
def sort(x: ArrayLike, axis: int | None = -1) -> Array:
    """The elements along an axis in ascending order."""
    return jnp.sort(x, axis=axis)


@array_op()
def argsort(x: ArrayLike, axis: int | None = -1) -> Array:
    """The indices that put the elements along an axis into ascending order."""
    return jnp.argsort(x, axis=axis if jnp.ndim(x) else None).astype("int32")


@array_op()
def argpartition(x: ArrayLike, kth: int, axis: int | None = -1) -> Array:
    """Indices that put the ``kth`` smallest element at its place, smaller ones before it."""
    x, axis = (jnp.ravel(x), 0) if axis is None else (x, axis)
    return jnp.argpartition(x, kth, axis).astype("int32")


@array_op()
def top_k(x: ArrayLike, k: int, sorted: bool = True) -> tuple[Array, Array]:
    """The ``k`` largest elements of the last axis, largest first, and their indices.

    >>> values, indices = top_k([3, 9, 5], 2)
    >>> values.tolist(), indices.tolist()
    ([9, 5], [1, 2])
    """
    return tuple(jax.lax.top_k(jnp.asarray(x), k))  # type: ignore[return-value]


@array_op(2, shape=lambda targets, predictions, k: SymbolicTensor(targets.shape, "bool"))
def in_top_k(targets: ArrayLike, predictions: ArrayLike, k: int) -> Array:
    """Whether fewer than ``k`` scores exceed that of the target class.

    Args:
        targets: Class numbers, shape (batch,).
        predictions: Scores, shape (batch, classes).
    """
    own = jnp.take_along_axis(predictions, jnp.expand_dims(targets, -1), axis=-1)
    own = jnp.where(jnp.isnan(own), -jnp.inf, own)
    return jnp.sum(predictions > own, axis=-1) < k


@array_op(2)
def searchsorted(sorted_sequence: ArrayLike, values: ArrayLike, side: str = "left") -> Array:
    """Where to insert values into an ascending sequence so that it stays so."""
    if jnp.ndim(sorted_sequence) != 1:
        raise ArgumentError("ops.searchsorted searches a sequence of one axis.")
    return jnp.searchsorted(sorted_sequence, values, side=side).astype("int32")


@array_op(2)
def digitize(x: ArrayLike, bins: ArrayLike) -> Array:
    """The number of the bin of each element; ``bins`` are the ascending edges."""
    return jnp.digitize(x, bins).astype("int32")


def _counts(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    kind = "int32" if weights is None else jnp.asarray(0, weights.dtype).dtype
    return SymbolicTensor((*x.shape[:-1], minlength or None), kind)


@array_op(shape=_counts)
def bincount(
    x: ArrayLike, weights: ArrayLike = None, minlength: int = 0, sparse: bool = False
) -> Array:
    """How often each integer from 0 occurs, or the sum of its weights.

    Args:
        x: Integers, shape (n,) or (batch, n).
        minlength: Smallest length of the result; inside `jax.jit` and models, its length.
    """
    if sparse:
        raise ArgumentError("ops.bincount: there are no sparse arrays here; leave `sparse` out.")
    x = jnp.asarray(x)
    traced = isinstance(x, Tracer)
    if traced and not minlength:
        raise ArgumentError("ops.bincount: give minlength, as the result's size depends on values.")
    length = minlength if traced or not x.size else builtins.max(minlength, int(x.max()) + 1)
    row = lambda values, w: jnp.bincount(values, weights=w, length=length)  # noqa: E731
    if x.ndim == 2:
        return jax.vmap(row, (0, None if weights is None else 0))(x, weights)
    return row(x, weights)


@array_op()
def histogram(
    x: ArrayLike, bins: int = 10, range: tuple[float, float] | None = None
) -> tuple[Array, Array]:
    """Counts of elements in bins of equal width over ``range``, and the edges of the bins.

    Raises:
        ArgumentError: when ``x`` is no vector, ``bins`` no int of 0 or more, ``range`` no pair.
    """
    if jnp.ndim(x) != 1:
        raise ArgumentError(f"ops.histogram takes arrays of 1 axis, not the shape {jnp.shape(x)}.")
    if not isinstance(bins, int) or bins < 0:
        raise ArgumentError(f"ops.histogram: bins={bins!r} is no non-negative integer.")
    if range is not None and (not isinstance(range, (tuple, list)) or len(range) != 2):
        raise ArgumentError(f"ops.histogram: range={range!r} is no (lowest, highest).")
    return jnp.histogram(x, bins=bins, range=range)


def _distinct(
    x: SymbolicTensor, sorted: bool = True, return_index: bool = False,
    return_inverse: bool = False, return_counts: bool = False, axis: int | None = None,
    size: int | None = None, fill_value: Any = None,
) -> Any:  # fmt: skip
    whole = axis is None
    rest = list(x.shape)
    along = [] if whole else [rest.pop(checked_axis("unique", axis, x.ndim))]
    found = [SymbolicTensor((size,), x.dtype)]
    if not whole:
        found = [SymbolicTensor([*rest[: axis % x.ndim], size, *rest[axis % x.ndim :]], x.dtype)]
    asked = [(return_index, (size,)), (return_inverse, x.shape if whole else along)]
    for wanted, shape in [*asked, (return_counts, (size,))]:
        found += [SymbolicTensor(shape, "int32")] if wanted else []
    return tuple(found) if len(found) > 1 else found[0]


@array_op(shape=_distinct)
def unique(
    x: ArrayLike,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: ArrayLike = None,
) -> Any:
    """The distinct elements (or slices along ``axis``), ascending; with them what is asked for.

    Under `jax.jit` the number of them has to be given as ``size``; ``fill_value`` fills the rest.
    """
    return jnp.unique(
        jnp.asarray(x), return_index, return_inverse, return_counts, axis,
        size=size, fill_value=fill_value, equal_nan=False,
    )  # fmt: skip


@array_op(2)
def isin(x1: ArrayLike, x2: ArrayLike, assume_unique: bool = False, invert: bool = False) -> Array:
    """Whether each element of x1 is among those of x2."""
    return jnp.isin(x1, x2, assume_unique=assume_unique, invert=invert)


@array_op(2)
def allclose(
    x1: ArrayLike, x2: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """Whether all elements differ by at most ``atol + rtol * |x2|``."""
    return jnp.allclose(x1, x2, rtol, atol, equal_nan)


# --- running totals -----------------------------------------------------------------------------


@array_op()
def cumsum(x: ArrayLike, axis: int | None = None, dtype: DTypeLike = None) -> Array:
    """The running sum along an axis; of the flat array without one."""
    return jnp.cumsum(as_numbers(x), axis=axis, dtype=dtype)


@array_op()
def cumprod(x: ArrayLike, axis: int | None = None, dtype: DTypeLike = None) -> Array:
    """The running product along an axis; of the flat array without one."""
    return jnp.cumprod(as_numbers(x), axis=axis, dtype=dtype)


@array_op()
def diff(a: ArrayLike, n: int = 1, axis: int = -1) -> Array:
    """The differences of neighbours along an axis, taken ``n`` times."""
    return jnp.diff(a, n=n, axis=axis)


@array_op(2)
def trapezoid(y: ArrayLike, x: ArrayLike = None, dx: float = 1.0, axis: int = -1) -> Array:
    """The integral by the trapezoidal rule, at points ``x`` or ``dx`` apart."""
    x = None if x is None else as_floats(x)
    return jnp.trapezoid(as_floats(y), x, dx=dx, axis=axis)


# --- without NaN --------------------------------------------------------------------------------


@array_op()
def nansum(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The sum of the elements that are not NaN."""
    return jnp.nansum(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def nanprod(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The product of the elements that are not NaN."""
    return jnp.nanprod(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def nanmean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The mean of the elements that are not NaN."""
    return jnp.nanmean(as_floats(x), axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def nanvar(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The variance of the elements that are not NaN."""
    return jnp.nanvar(as_floats(x), axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def nanstd(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The standard deviation of the elements that are not NaN."""
    return jnp.nanstd(as_floats(x), axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def nanmax(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest of the elements that are not NaN."""
    return jnp.nanmax(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def nanmin(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest of the elements that are not NaN."""
    return jnp.nanmin(x, axis=axes_tuple(axis), keepdims=keepdims)


@array_op()
def nanargmax(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the largest element that is not NaN; -1 where all are."""
    return jnp.nanargmax(x, axis=axis, keepdims=keepdims).astype("int32")


@array_op()
def nanargmin(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the smallest element that is not NaN; -1 where all are."""
    return jnp.nanargmin(x, axis=axis, keepdims=keepdims).astype("int32")


@array_op()
def nancumsum(x: ArrayLike, axis: int | None = None, dtype: DTypeLike = None) -> Array:
    """The running sum along an axis, NaN counted as 0."""
    return jnp.nancumsum(as_numbers(x), axis=axis, dtype=dtype)


@array_op()
def nancumprod(x: ArrayLike, axis: int | None = None, dtype: DTypeLike = None) -> Array:
    """The running product along an axis, NaN counted as 1."""
    return jnp.nancumprod(as_numbers(x), axis=axis, dtype=dtype)


@array_op()
def nanmedian(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """The median of the elements that are not NaN."""
    return jnp.nanmedian(as_floats(x), axis=axes_tuple(axis), keepdims=keepdims)


@array_op(2)
def nanquantile(
    x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Array:
    """`quantile` of the elements that are not NaN."""
    return jnp.nanquantile(as_floats(x), q, axis=axes_tuple(axis), method=method, keepdims=keepdims)


@array_op(2)
def nanpercentile(
    x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Array:
    """`percentile` of the elements that are not NaN."""
    return jnp.nanpercentile(
        as_floats(x), q, axis=axes_tuple(axis), method=method, keepdims=keepdims
    )
