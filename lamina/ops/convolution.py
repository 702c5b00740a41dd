"""Convolutions in any number of spatial dimensions.

Arrays are (batch, spatial..., channels), or (batch, channels, spatial...) for "channels_first";
kernels (spatial..., channels in, channels out) in both.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.core.errors import ArgumentError, ShapeError, unknown
from lamina.core.settings import DATA_FORMATS, settings
from lamina.core.types import Array, ArrayLike
from lamina.ops._rules import array_op
from lamina.ops.fast.convolution import convolve as fast_conv

Sizes = int | Sequence[int]


@array_op(2)
def conv(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> Array:
    """The convolution (a correlation: the kernel is not flipped) of inputs with a kernel.

    Args:
        padding: "valid" for none, "same" for output sizes of input size / stride.
        dilation_rate: Distance of neighbouring kernel elements in the input.

    A kernel with fewer input channels than the input works on groups of channels.
    """
    inputs, kernel, first = _operands("conv", inputs, kernel, data_format)
    channels, (taken, filters) = inputs.shape[1 if first else -1], kernel.shape[-2:]
    groups, rest = divmod(channels, taken) if taken else (1, 1)
    if rest or filters % groups:
        raise _misfit(
            "conv", inputs, kernel,
            f"the input's {channels} channels are a multiple of the kernel's {taken}, and its "
            f"{filters} filters of the number of groups that this makes",
        )  # fmt: skip
    return _conv("conv", inputs, kernel, strides, padding, first, dilation_rate, groups)


@array_op(2)
def depthwise_conv(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> Array:
    """Each channel convolved with filters of its own; arguments as in `conv`.

    Args:
        kernel: Shape (spatial..., channels, filters of each channel).
    """
    inputs, kernel, first = _operands("depthwise_conv", inputs, kernel, data_format)
    channels = inputs.shape[1 if first else -1]
    if kernel.shape[-2] != channels:
        rule = "the kernel's second to last size is the number of channels"
        raise _misfit("depthwise_conv", inputs, kernel, rule)
    kernel = kernel.reshape(*kernel.shape[:-2], 1, -1)
    return _conv("depthwise_conv", inputs, kernel, strides, padding, first, dilation_rate, channels)


@array_op(3)
def separable_conv(
    inputs: ArrayLike,
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> Array:
    """`depthwise_conv`, then `conv` with a kernel of size 1 that mixes the channels."""
    depth = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(depth, pointwise_kernel, data_format=data_format)


@array_op(2)
def conv_transpose(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: Sizes = 1,
    padding: str = "valid",
    output_padding: Sizes | None = None,
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> Array:
    """The transpose of `conv` as a linear map, which enlarges its input.

    Args:
        kernel: Shape (spatial..., channels out, channels in).
        output_padding: Added to the output's sizes at their ends; by default "same" gives
            input size * stride, and "valid" (input size - 1) * stride + max(kernel, stride).
    """
    inputs, kernel, first = _operands("conv_transpose", inputs, kernel, data_format)
    rank = inputs.ndim - 2
    if kernel.shape[-1] != inputs.shape[1 if first else -1]:
        rule = "the kernel's last size is the number of channels"
        raise _misfit("conv_transpose", inputs, kernel, rule)
    strides, dilation = _sizes(strides, rank), _sizes(dilation_rate, rank)
    extra = (None,) * rank if output_padding is None else _sizes(output_padding, rank, least=0)
    _check_padding(padding)
    widths = [
        _transposed_padding((size - 1) * spread + 1, stride, more, padding.lower())
        for size, spread, stride, more in zip(kernel.shape, dilation, strides, extra, strict=False)
    ]
    return lax.conv_transpose(
        inputs, kernel, strides, widths, rhs_dilation=dilation,
        dimension_numbers=_dimensions(rank, first), transpose_kernel=True,
    )  # fmt: skip


def _transposed_padding(size: int, stride: int, extra: int | None, padding: str) -> tuple[int, int]:
    """Padding before and after the spread input that gives the output sizes of Keras."""
    if padding == "valid":
        more = max(size, stride) - size if extra is None else extra
        return size - 1, size - 1 + more
    total = stride + size - 2 if extra is None else size + size % 2 - 2 + extra
    before = min((total + 1) // 2, size - 1)
    return before, total - before


def _operands(
    name: str, inputs: ArrayLike, kernel: ArrayLike, data_format: str | None
) -> tuple[Array, Array, bool]:
    """Both as arrays of the kernel's dtype, and whether channels come first."""
    kernel = jnp.asarray(kernel)
    inputs = jnp.asarray(inputs, kernel.dtype)
    _, first = _layout(inputs, data_format)
    if kernel.ndim != inputs.ndim:
        rule = "a kernel (spatial..., channels, channels) has as many axes as the input"
        raise _misfit(name, inputs, kernel, rule)
    return inputs, kernel, first


def _misfit(name: str, inputs: Array, kernel: Array, rule: str) -> ShapeError:
    met = f"input shape {inputs.shape}, kernel shape {kernel.shape}"
    return ShapeError(f"ops.{name}: the kernel does not fit the input.", met=met, rule=rule)


def _conv(
    name: str, inputs: Array, kernel: Array, strides: Sizes, padding: str, first: bool,
    dilation: Sizes, groups: int,
) -> Array:  # fmt: skip
    _check_padding(padding)
    rank = inputs.ndim - 2
    steps, spread = _sizes(strides, rank), _sizes(dilation, rank)
    result = fast_conv(inputs, kernel, steps, padding.upper(), spread, groups, first)
    if result.size == 0 and inputs.size != 0:
        raise ShapeError(
            f"ops.{name} has no output.",
            met=f"input shape {inputs.shape}, kernel shape {kernel.shape}, {padding=}, "
            f"dilation_rate {spread}",
            rule="the kernel, spread by its dilation, fits into the input",
            fix="padding='same', a smaller kernel, or larger inputs",
        )
    return result


def _dimensions(rank: int, first: bool) -> lax.ConvDimensionNumbers:
    spatial = tuple(range(2, rank + 2) if first else range(1, rank + 1))
    data = (0, 1 if first else rank + 1, *spatial)
    return lax.ConvDimensionNumbers(data, (rank + 1, rank, *range(rank)), data)


def _layout(inputs: Array, data_format: str | None) -> tuple[int, bool]:
    """The number of spatial dimensions, and whether channels come first."""
    data_format = settings.image_data_format if data_format is None else data_format
    if data_format not in DATA_FORMATS:
        raise unknown("data format", data_format, DATA_FORMATS)
    if inputs.ndim < 3:
        raise ShapeError(f"(batch, spatial..., channels) has 3 axes or more, not {inputs.shape}.")
    return inputs.ndim - 2, data_format == "channels_first"


def _sizes(value: Sizes, rank: int, least: int = 1) -> tuple[int, ...]:
    whole = isinstance(value, (int, np.integer))
    sizes = (value,) * rank if whole else tuple(value)  # type: ignore[arg-type]
    if len(sizes) != rank:
        raise ArgumentError(f"{value!r} has not one number for each of {rank} spatial dimensions.")
    if not all(isinstance(each, (int, np.integer)) and each >= least for each in sizes):
        raise ArgumentError(f"{value!r} is no int of {least} or more for each spatial dimension.")
    return tuple(int(each) for each in sizes)  # type: ignore[arg-type]


def _check_padding(padding: str) -> None:
    if not isinstance(padding, str) or padding.lower() not in ("valid", "same"):
        raise unknown("padding", padding, ("valid", "same"))


# --- patches and blocks -------------------------------------------------------------------------


@array_op()
def unfold(
    x: ArrayLike, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Array:
    """The patches of pictures as columns.

    Args:
        x: Shape (batch, channels, height, width).

    Returns:
        Shape (batch, channels * patch elements, patches).
    """
    x = jnp.asarray(x)
    if x.ndim != 4:
        raise ShapeError(f"ops.unfold takes (batch, channels, height, width), not {x.shape}.")
    kernel, spread, step = (_sizes(each, 2) for each in (kernel_size, dilation, stride))
    border = _sizes(padding, 2, least=0)
    patches = lax.conv_general_dilated_patches(
        x, kernel, step, [(each, each) for each in border], rhs_dilation=spread
    )
    return patches.reshape(*patches.shape[:2], -1)


@array_op()
def fold(
    x: ArrayLike,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Array:
    """Pictures from patches as columns: the transpose of `unfold`, overlaps are summed.

    Args:
        x: Shape (batch, channels * patch elements, patches).

    Returns:
        Shape (batch, channels, *output_size).
    """
    x = jnp.asarray(x)
    if x.ndim != 3:
        raise ShapeError(f"ops.fold takes (batch, channels * elements, patches), not {x.shape}.")
    channels = x.shape[1] // math.prod(_sizes(kernel_size, 2))
    picture = jax.ShapeDtypeStruct((x.shape[0], channels, *_sizes(output_size, 2)), x.dtype)
    columns = lambda image: unfold(image, kernel_size, dilation, padding, stride)  # noqa: E731
    return jax.linear_transpose(columns, picture)(x)[0]


@array_op()
def depth_to_space(x: ArrayLike, block_size: int, data_format: str = "channels_last") -> Array:
    """Channels moved into blocks of pixels: (h, w, c) gives (h b, w b, c / b²)."""
    x, first = _blocks(x, block_size, data_format)
    n, h, w, c = x.shape
    depth, block = (c // block_size**2,), (block_size, block_size)
    x = x.reshape(n, h, w, *(depth + block if first else block + depth))
    order = (0, 1, 4, 2, 5, 3) if first else (0, 1, 3, 2, 4, 5)
    x = x.transpose(order).reshape(n, h * block_size, w * block_size, -1)
    return jnp.moveaxis(x, -1, 1) if first else x


@array_op()
def space_to_depth(x: ArrayLike, block_size: int, data_format: str = "channels_last") -> Array:
    """Blocks of pixels moved into channels: (h, w, c) gives (h / b, w / b, b² c)."""
    x, first = _blocks(x, block_size, data_format)
    n, h, w, c = x.shape
    x = x.reshape(n, h // block_size, block_size, w // block_size, block_size, c)
    order = (0, 1, 3, 5, 2, 4) if first else (0, 1, 3, 2, 4, 5)
    x = x.transpose(order).reshape(n, h // block_size, w // block_size, -1)
    return jnp.moveaxis(x, -1, 1) if first else x


def _blocks(x: ArrayLike, block_size: int, data_format: str) -> tuple[Array, bool]:
    if block_size < 2:
        raise ArgumentError(f"block_size={block_size} is less than 2.")
    x = jnp.asarray(x)
    first = _layout(x, data_format)[1]
    return (jnp.moveaxis(x, 1, -1) if first else x), first
