"""Pooling in any number of spatial dimensions.

Arrays are (batch, spatial..., channels), or (batch, channels, spatial...) for "channels_first".
"""

import functools
import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from lamina.core.errors import ShapeError
from lamina.core.types import Array, ArrayLike
from lamina.ops._rules import array_op
from lamina.ops.convolution import Sizes, _check_padding, _layout, _sizes
from lamina.ops.fast.pooling import Window, window_max, window_sum


@array_op()
def max_pool(
    inputs: ArrayLike,
    pool_size: Sizes,
    strides: Sizes | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """The largest element of each window.

    Args:
        strides: Distance of windows; ``pool_size`` when left out.
        padding: "valid" for whole windows alone, "same" for output sizes of input size / stride.

    The gradient of a window goes to its largest element, the first of several.

    Raises:
        ShapeError: when a window is larger than the input, with padding "valid".
    """
    x, window, step = _windows("max_pool", inputs, pool_size, strides, padding, data_format)
    return window_max(x, window, step, padding.upper())


@array_op()
def average_pool(
    inputs: ArrayLike,
    pool_size: Sizes,
    strides: Sizes | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """The mean of each window, of the elements inside the array; arguments as in `max_pool`."""
    x, window, step = _windows("average_pool", inputs, pool_size, strides, padding, data_format)
    return _means(x, window, step, padding.upper())


def _means(x: Array, window: Window, step: Window, padding: str = "VALID") -> Array:
    total = window_sum(x, window, step, padding)
    if padding == "VALID":
        return total / math.prod(window)
    ones = jnp.ones([n if w != 1 else 1 for n, w in zip(x.shape, window, strict=True)], x.dtype)
    return total / window_sum(ones, window, step, padding)


def _windows(
    name: str, inputs: ArrayLike, pool_size: Sizes, strides: Sizes | None, padding: str,
    data_format: str | None,
) -> tuple[Array, Window, Window]:  # fmt: skip
    x = jnp.asarray(inputs)
    rank, first = _layout(x, data_format)
    _check_padding(padding)
    sizes = _sizes(pool_size, rank), _sizes(pool_size if strides is None else strides, rank)
    window, step = ((1, 1, *each) if first else (1, *each, 1) for each in sizes)
    if padding.lower() == "valid" and any(
        isinstance(n, int) and n < size for n, size in zip(x.shape, window, strict=True)
    ):
        raise ShapeError(
            f"ops.{name}: the window is larger than the input.",
            met=f"input shape {x.shape}, pool_size {sizes[0]}",
            rule="with padding='valid' a window fits into the spatial dimensions",
            fix="padding='same', a smaller pool_size, or larger inputs",
        )
    return x, window, step


@array_op()
def adaptive_average_pool(
    inputs: ArrayLike, output_size: Sizes, data_format: str | None = None
) -> Array:
    """The means of windows that divide each spatial dimension into ``output_size`` parts."""
    return _adaptive(inputs, output_size, data_format, _means)


@array_op()
def adaptive_max_pool(
    inputs: ArrayLike, output_size: Sizes, data_format: str | None = None
) -> Array:
    """The maxima of windows that divide each spatial dimension into ``output_size`` parts."""
    pool = functools.partial(window_max, padding="VALID")
    return _adaptive(inputs, output_size, data_format, pool)


def _adaptive(
    inputs: ArrayLike, output_size: Sizes, data_format: str | None,
    pool: Callable[..., Array],
) -> Array:  # fmt: skip
    """Window i of n reaches from floor(i size / n) to ceil((i + 1) size / n).

    Windows have one length if n divides the size, two otherwise: those of each are picked from all
    windows of that length.
    """
    x = jnp.asarray(inputs)
    rank, first = _layout(x, data_format)
    for axis, count in enumerate(_sizes(output_size, rank), 2 if first else 1):
        size, shape = x.shape[axis], functools.partial(_at, x.ndim, axis)
        if size % count == 0:
            x = pool(x, shape(size // count), shape(size // count))
            continue
        starts = np.arange(count) * size // count
        lengths = -(-np.arange(1, count + 1) * size // count) - starts
        both = [pool(x, shape(int(length)), shape(1)) for length in np.unique(lengths)]
        places = starts + (lengths > lengths.min()) * both[0].shape[axis]
        x = jnp.take(jnp.concatenate(both, axis), places, axis)
    return x


def _at(rank: int, axis: int, size: int) -> Window:
    return tuple(size if each == axis else 1 for each in range(rank))
