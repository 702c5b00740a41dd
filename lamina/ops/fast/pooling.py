"""Windows reduced to their largest element, or to their sum.

XLA's own `reduce_window` is good on accelerators. On a CPU the gradient of its maximum is a naive
loop, and its overlapping windows are read once for each output. There, windows are joined from
strided slices of the input instead: the first elements of all windows, the second ones, and so on.

Milliseconds forward / forward and backward, float32, on 2 cores (`bench/pooling.py`):

    maximum 2x2                    (32, 56, 56, 64)   native 0.8 / 67    slices 0.7 / 2.5
    maximum 3x3, strides 2, same   (32, 56, 56, 64)   native 4.2 / 90    slices 2.4 / 22
    maximum 3x3, strides 1, same   (32, 28, 28, 32)   native 2.0 / 25    slices 0.5 / 1.6
    sum 2x2                        (32, 56, 56, 64)   native 0.8 / 3.9   slices 0.7 / 1.5
    sum 3x3, strides 2             (32, 56, 56, 64)   native 3.5 / 16    slices 0.7 / 2.0
    sum 7x7, strides 7             (16, 28, 28, 32)   native 0.15 / 4.4  slices 0.04 / 0.5
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.core.types import Array

LONGEST = 16
"""Windows with a longer side are left to XLA: the slices would take long to compile."""

Join = Callable[[Any, Any], Any]
Window = tuple[int, ...]


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def window_max(x: Array, window: Window, strides: Window, padding: str) -> Array:
    """The largest element of each window; ``window`` and ``strides`` have a size for each axis.

    NaN counts as largest. The gradient of a window goes to the first of equal elements.
    """
    lowest = _lowest(x.dtype)

    def native(x: Array) -> Array:
        return lax.reduce_window(x, lowest, lax.max, window, strides, padding)

    def slices(x: Array) -> Array:
        # Slices of the whole window at once have more memory traffic from 5 elements on.
        return _joined(_padded(x, lowest, window, strides, padding), window, strides, _larger, 4)

    return _chosen(x, window, native, slices)


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def window_sum(x: Array, window: Window, strides: Window, padding: str) -> Array:
    """The sum of each window; half-width floats are added in float32."""
    zero = x.dtype.type(0)

    def native(x: Array) -> Array:
        return lax.reduce_window(x, zero, lax.add, window, strides, padding)

    def slices(x: Array) -> Array:
        half = jnp.issubdtype(x.dtype, jnp.floating) and x.dtype.itemsize < 4
        wide = x.astype("float32") if half else x
        wide = _padded(wide, wide.dtype.type(0), window, strides, padding)
        return _joined(wide, window, strides, lax.add, 9).astype(x.dtype)

    return _chosen(x, window, native, slices)


def _chosen(x: Array, window: Window, native: Any, slices: Any) -> Array:
    if max(window) > LONGEST:
        return native(x)
    return lax.platform_dependent(x, cpu=slices, default=native)


def _larger(a: Array, b: Array) -> Array:
    """The larger of two, ``a`` if they are equal: its gradient is not divided among equals."""
    return jnp.where((b > a) | (b != b), b, a)


def _lowest(dtype: Any) -> Any:
    if jnp.issubdtype(dtype, jnp.floating):
        return dtype.type(-jnp.inf)
    return dtype.type(0 if dtype.kind == "b" else jnp.iinfo(dtype).min)


def _padded(x: Array, value: Any, window: Window, strides: Window, padding: str) -> Array:
    widths = lax.padtype_to_pads(x.shape, window, strides, padding)
    return lax.pad(x, value, [(before, after, 0) for before, after in widths])


def _joined(x: Array, window: Window, strides: Window, join: Join, at_once: int) -> Array:
    """Windows over all axes at once if they are small, else over one axis after the other.

    The last axis comes first, so that among equals the first in row-major order still wins.
    """
    pairs = zip(window, strides, strict=True)
    axes = [axis for axis, (size, step) in enumerate(pairs) if size * step > 1]
    if math.prod(window) <= at_once:
        return _over(axes, x, window, strides, join)
    for axis in reversed(axes):
        x = _over([axis], x, window, strides, join)
    return x


def _over(axes: Sequence[int], x: Array, window: Window, strides: Window, join: Join) -> Array:
    counts = {axis: (x.shape[axis] - window[axis]) // strides[axis] + 1 for axis in axes}
    parts = []
    for offsets in itertools.product(*(range(window[axis]) for axis in axes)):
        start, stop, step = [0] * x.ndim, list(x.shape), [1] * x.ndim
        for axis, offset in zip(axes, offsets, strict=True):
            start[axis], step[axis] = offset, strides[axis]
            stop[axis] = offset + (counts[axis] - 1) * strides[axis] + 1
        parts.append(lax.slice(x, start, stop, step))
    return functools.reduce(join, parts)
