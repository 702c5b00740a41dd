"""Pictures pixel by pixel and in patches: colours, borders, filters, similarity.

Pictures are (height, width, channels), (channels, height, width) for "channels_first"; an axis
of a batch may stand before.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.errors import ArgumentError, DTypeError, ShapeError, describe_value, unknown
from lamina.core.settings import DATA_FORMATS, settings
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Array, ArrayLike
from lamina.ops._rules import array_op
from lamina.ops.signal import pieces


def check(name: str, images: Any, data_format: str | None, rank: int = 2) -> tuple[bool, int]:
    """Whether channels come first, and the axis of the height, counted from the end.

    Raises:
        ShapeError: when images are neither one picture nor a batch of them.
        UnknownNameError: for a ``data_format`` that does not exist.
    """
    if len(images.shape) not in (rank + 1, rank + 2):
        kind = "picture" if rank == 2 else "volume"
        raise ShapeError(
            f"ops.image.{name} takes one {kind} or a batch of them.",
            met=f"shape {tuple(images.shape)}",
            rule=f"{rank + 1} axes, {rank + 2} with that of a batch",
        )
    known = data_format or settings.image_data_format
    if known not in DATA_FORMATS:
        raise unknown("data format", known, DATA_FORMATS)
    first = known == "channels_first"
    return first, (-rank if first else -rank - 1)


# --- colours ------------------------------------------------------------------------------------


@array_op()
def rgb_to_grayscale(images: ArrayLike, data_format: str | None = None) -> Array:
    """The luma of red, green and blue (ITU-R BT.601), as one channel of the same dtype."""
    images = jnp.asarray(images)
    axis = -3 if check("rgb_to_grayscale", images, data_format)[0] else -1
    if images.shape[axis] not in (1, 3):
        raise ShapeError(
            "ops.image.rgb_to_grayscale takes pictures of 3 channels, or of 1.",
            met=f"shape {images.shape}, so {images.shape[axis]} channels",
            fix="say data_format= where the channels come first",
        )
    if images.shape[axis] == 1:
        return images
    weights = jnp.asarray([0.2989, 0.5870, 0.1140], jnp.result_type(images.dtype, 1.0))
    gray = jnp.tensordot(images.astype(weights.dtype), weights, (axis, 0))
    return jnp.expand_dims(gray, axis).astype(images.dtype)


def _planes(name: str, images: ArrayLike, data_format: str | None) -> tuple[list[Array], int]:
    images = jnp.asarray(images)
    axis = -3 if check(name, images, data_format)[0] else -1
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise ArgumentError(f"ops.image.{name} takes floats, not {images.dtype.name}.")
    if images.shape[axis] != 3:
        raise ShapeError(f"ops.image.{name} takes 3 channels.", met=f"shape {images.shape}")
    return [jnp.take(images, channel, axis) for channel in range(3)], axis


@array_op()
def rgb_to_hsv(images: ArrayLike, data_format: str | None = None) -> Array:
    """Hue, saturation and value, from 0 to 1, of red, green and blue (Smith, 1978).

    >>> rgb_to_hsv(jnp.array([[[0.0, 1.0, 0.0]]])).round(3).tolist()
    [[[0.3330000042915344, 1.0, 1.0]]]
    """
    planes, axis = _planes("rgb_to_hsv", images, data_format)
    tiny = jnp.finfo(planes[0].dtype).eps
    red, green, blue = (jnp.where(jnp.abs(x) < tiny, 0, x) for x in planes)
    value = jnp.maximum(jnp.maximum(red, green), blue)
    spread = value - jnp.minimum(jnp.minimum(red, green), blue)
    colourful = spread > 0
    sixth = 1 / (6 * jnp.where(colourful, spread, 1))
    hue = jnp.where(
        value == red,
        (green - blue) * sixth,
        jnp.where(value == green, (blue - red) * sixth + 1 / 3, (red - green) * sixth + 2 / 3),
    )
    hue = jnp.where(colourful, hue, 0)
    saturation = jnp.where(value > 0, spread / jnp.where(value > 0, value, 1), 0)
    return jnp.stack([hue + (hue < 0), saturation, value], axis)


@array_op()
def hsv_to_rgb(images: ArrayLike, data_format: str | None = None) -> Array:
    """The inverse of `rgb_to_hsv`."""
    (hue, saturation, value), axis = _planes("hsv_to_rgb", images, data_format)
    sector = hue % 1 * 6
    ramps = (jnp.abs(sector - 3) - 1, 2 - jnp.abs(sector - 2), 2 - jnp.abs(sector - 4))
    return jnp.stack([value * (1 - saturation * (1 - jnp.clip(x, 0, 1))) for x in ramps], axis)


# --- borders ------------------------------------------------------------------------------------

_SIDES = (("top", "bottom", "target_height"), ("left", "right", "target_width"))


def _margins(
    name: str, what: str, sign: int, size: int | None, margins: Sequence[int | None], side: int
) -> tuple[Any, Any, int | None]:
    """What to add (sign 1) or cut (-1) before and after an axis, and the size that results."""
    before, after, target = margins
    first, last, whole = _SIDES[side]
    names = f"{first}_{what}", f"{last}_{what}", whole
    shown = ", ".join(f"{key}={value}" for key, value in zip(names, margins, strict=True))
    if sum(each is None for each in margins) != 1:
        what = f"ops.image.{name} needs exactly two of {', '.join(names)}."
        raise ArgumentError(what, met=shown)
    if size is None:
        if target is None and sign < 0:
            axis = whole.removeprefix("target_")
            raise ArgumentError(f"ops.image.{name} needs {whole}, for the {axis} is not known.")
    elif target is None:
        target = size + sign * (before + after)  # type: ignore[operator]
    elif before is None:
        before = sign * (target - size) - after  # type: ignore[operator]
    else:
        after = sign * (target - size) - before
    if any(each is not None and each < 0 for each in (before, after, target)):
        raise ArgumentError(
            f"ops.image.{name}: these sizes are impossible.",
            met=f"{whole.removeprefix('target_')} {size}, {shown}",
            rule="borders and sizes are 0 or more",
        )
    return before, after, target


def _rule(name: str, what: str, sign: int) -> Any:
    def rule(
        images: Any,
        top: Any = None,
        left: Any = None,
        bottom: Any = None,
        right: Any = None,
        target_height: Any = None,
        target_width: Any = None,
        data_format: Any = None,
        **named: Any,
    ) -> SymbolicTensor:
        axis = check(name, images, data_format)[1]
        top, left, bottom, right = (
            named.get(f"{side}_{what}", given)
            for side, given in zip(("top", "left", "bottom", "right"), (top, left, bottom, right),
                                   strict=True)
        )  # fmt: skip
        shape = list(images.shape)
        asked = (top, bottom, target_height), (left, right, target_width)
        for side, margins in enumerate(asked):
            size = shape[axis + side]
            shape[axis + side] = _margins(name, what, sign, size, margins, side)[2]
        return SymbolicTensor(shape, images.dtype)

    return rule


@array_op(shape=_rule("pad_images", "padding", 1))
def pad_images(
    images: ArrayLike,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Array:
    """Pictures with borders of 0; two of the three numbers of each direction say how large."""
    images = jnp.asarray(images)
    axis = check("pad_images", images, data_format)[1]
    asked = (
        (top_padding, bottom_padding, target_height),
        (left_padding, right_padding, target_width),
    )
    widths: list[tuple[int, int]] = [(0, 0)] * images.ndim
    for side, margins in enumerate(asked):
        size = images.shape[axis + side]
        widths[axis + side] = _margins("pad_images", "padding", 1, size, margins, side)[:2]
    return jnp.pad(images, widths)


@array_op(shape=_rule("crop_images", "cropping", -1))
def crop_images(
    images: ArrayLike,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Array:
    """Pictures without their borders; two of the three numbers of each direction say how much."""
    images = jnp.asarray(images)
    axis = check("crop_images", images, data_format)[1]
    asked = (
        (top_cropping, bottom_cropping, target_height),
        (left_cropping, right_cropping, target_width),
    )
    kept = [slice(None)] * images.ndim
    for side, margins in enumerate(asked):
        size = images.shape[axis + side]
        start, _, target = _margins("crop_images", "cropping", -1, size, margins, side)
        kept[axis + side] = slice(start, start + target)
    return images[tuple(kept)]


# --- patches ------------------------------------------------------------------------------------


def _each(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


@array_op()
def extract_patches(
    images: ArrayLike,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Patches of pictures (for a ``size`` of 3 numbers: of volumes), each as one long channel.

    Args:
        strides: Distance of neighbouring patches; ``size`` when left out.
        dilation_rate: Distance of neighbouring pixels in a patch.
        padding: "valid", or "same" for ceil(size / stride) patches, 0 beyond the borders.

    >>> extract_patches(jnp.zeros((2, 10, 10, 3)), (3, 3)).shape
    (2, 3, 3, 27)
    """
    if not isinstance(size, (int, tuple, list)):
        raise DTypeError(f"ops.image.extract_patches: size is {describe_value(size)}, no int(s).")
    rank = 2 if isinstance(size, int) else len(size)
    if rank not in (2, 3):
        raise ArgumentError(f"ops.image.extract_patches: size={size!r} is not 2 or 3 numbers.")
    images = jnp.asarray(images)
    first, _ = check("extract_patches", images, data_format, rank)
    if padding not in ("valid", "same"):
        raise unknown("padding", padding, ("valid", "same"))
    sizes, steps = _each(size, rank), _each(strides or size, rank)
    rates = _each(dilation_rate, rank)
    if not len(sizes) == len(steps) == len(rates):
        raise ArgumentError(
            f"ops.image.extract_patches: {strides=} and {dilation_rate=} do not fit {size=}."
        )
    x = jnp.moveaxis(images, -rank - 1, -1) if first else images
    batch = x.ndim - rank - 1
    for done, (length, step, rate) in enumerate(zip(sizes, steps, rates, strict=True)):
        place = batch + 2 * done
        if padding == "same":
            n, span = x.shape[place], (length - 1) * rate + 1
            missing = max((-(-n // step) - 1) * step + span - n, 0)
            widths = [(0, 0)] * x.ndim
            widths[place] = (missing // 2, missing - missing // 2)
            x = jnp.pad(x, widths)
        x = pieces(x, place, length, step, rate)
    counts = [batch + 2 * done for done in range(rank)]
    places = [each + 1 for each in counts]
    x = jnp.transpose(x, (*range(batch), *counts, *places, x.ndim - 1))
    x = x.reshape(*x.shape[: batch + rank], int(np.prod(sizes)) * x.shape[-1])
    return jnp.moveaxis(x, -1, -rank - 1) if first else x


def extract_patches_3d(
    volumes: ArrayLike,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """`extract_patches` of volumes: (depth, height, width, channels), with or without a batch."""
    sizes = (size,) * 3 if isinstance(size, int) else size
    if len(sizes) != 3:
        raise DTypeError(f"ops.image.extract_patches_3d: size={size!r} is not 3 numbers.")
    return extract_patches(volumes, sizes, strides, dilation_rate, padding, data_format)


# --- filters ------------------------------------------------------------------------------------


def _bell(size: int, sigma: Any, dtype: Any) -> Array:
    """``size`` values of a Gaussian, which sum to 1."""
    x = jnp.arange(size, dtype=dtype) - jnp.asarray((size - 1) / 2, dtype)
    bell = jnp.exp(-0.5 * jnp.square(x / sigma))
    return bell / jnp.sum(bell)


def _filter(x: Array, taps: Any, axis: int, same: bool = True) -> Array:
    """The correlation with a few factors along an axis, with 0 beyond the borders if ``same``.

    As a sum of shifted arrays, which XLA fuses into one loop: its convolutions with a filter for
    each channel are many times slower on CPUs.
    """
    size = len(taps)
    if same:
        widths = [(0, 0)] * x.ndim
        widths[axis] = ((size - 1) // 2, size // 2)
        x = jnp.pad(x, widths)
    count = x.shape[axis] - size + 1
    shifted = (jnp.take(x, np.arange(i, i + count), axis) for i in range(size))
    return sum(
        (tap * part for tap, part in zip(taps, shifted, strict=True)), jnp.zeros((), x.dtype)
    )


def blur(x: Array, axis: int, kernel_size: Sequence[int], sigma: Any) -> Array:
    """`gaussian_blur`, where ``axis`` is that of the height."""
    x = _filter(x, _bell(kernel_size[0], sigma[0], x.dtype), axis + 1)
    return _filter(x, _bell(kernel_size[1], sigma[1], x.dtype), axis)


def _unchanged(images: Any, *args: Any, data_format: Any = None, **kwargs: Any) -> SymbolicTensor:
    check("gaussian_blur", images, data_format)
    return SymbolicTensor(images.shape, images.dtype)


@array_op(shape=_unchanged)
def gaussian_blur(
    images: ArrayLike,
    kernel_size: Sequence[int] = (3, 3),
    sigma: Any = (1.0, 1.0),
    data_format: str | None = None,
) -> Array:
    """Pictures smoothed by a Gaussian; both pairs are for the width, then the height."""
    images = jnp.asarray(images)
    axis = check("gaussian_blur", images, data_format)[1]
    return blur(images, axis, kernel_size, jnp.asarray(sigma, images.dtype))


@array_op()
def sobel_edges(images: ArrayLike, data_format: str | None = None) -> Array:
    """The slopes of brightness downwards and to the right (Sobel), along a new last axis."""
    images = jnp.asarray(images)
    axis = check("sobel_edges", images, data_format)[1]
    if images.ndim != 4:
        raise ShapeError(f"ops.image.sobel_edges takes a batch: 4 axes, not {images.ndim}.")
    slopes = (_filter(_filter(images, (1, 2, 1), b), (-1, 0, 1), a) for a, b in _both(axis))
    return jnp.stack(list(slopes), -1)


def _both(axis: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (axis, axis + 1), (axis + 1, axis)


@array_op(2)
def ssim(
    image1: ArrayLike,
    image2: ArrayLike,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Array:
    """The structural similarity of pictures: 1 for equal ones, less for others.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment" (2004), section III.B.

    Args:
        max_val: The distance of the largest from the smallest possible pixel.
        filter_size, filter_sigma: The Gaussian window in which pictures are compared.
        k1, k2: What keeps the quotients finite.

    Returns:
        One number for each picture: shape (batch,), or () without a batch.
    """
    image1, image2 = jnp.asarray(image1), jnp.asarray(image2)
    axis = check("ssim", image1, data_format)[1]
    check("ssim", image2, data_format)
    dtype = jnp.result_type(image1.dtype, 1.0)
    a, b = image1.astype(dtype), image2.astype(dtype)
    taps = _bell(filter_size, filter_sigma, dtype)

    def mean(x: Array) -> Array:
        return _filter(_filter(x, taps, axis, same=False), taps, axis + 1, same=False)

    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) - mean_a**2 + mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    likeness /= (mean_a**2 + mean_b**2 + c1) * (variances + c2)
    return jnp.mean(likeness, (-3, -2, -1)).astype(image1.dtype)
