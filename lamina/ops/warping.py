"""Pictures resampled: other sizes, and other places for their pixels."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy import ndimage

from lamina.core.dtypes import is_float
from lamina.core.errors import ArgumentError, ShapeError, unknown
from lamina.core.operation import op
from lamina.core.random import make_key
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Array, ArrayLike, SeedLike, ShapeLike
from lamina.ops._rules import array_op
from lamina.ops.core import saturate_cast
from lamina.ops.pictures import blur, check

RESIZING = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")
ORDERS = {"nearest": 0, "bilinear": 1}
FILLING = ("constant", "nearest", "wrap", "mirror", "reflect")
SCALING = ("linear", "bilinear", "trilinear", "cubic", "bicubic", "tricubic", "lanczos3",
           "lanczos5")  # fmt: skip


def _known(what: str, name: Any, names: Any) -> Any:
    if name not in names:
        raise unknown(what, name, names)
    return name


@array_op()
def resize(
    images: ArrayLike,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Array:
    """Pictures in another size (height, width), in their dtype.

    Args:
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
        antialias: Whether to smooth pictures that become smaller.
        crop_to_aspect_ratio: Cut off what does not fit ``size``'s proportions, instead of
            stretching.
        pad_to_aspect_ratio: Add borders of ``fill_value`` instead of stretching.

    >>> resize(jnp.ones((2, 4, 4, 3)), (2, 3)).shape
    (2, 2, 3, 3)
    """
    images = jnp.asarray(images)
    axis = check("resize", images, data_format)[1]
    _known("interpolation of ops.image.resize", interpolation, RESIZING)
    _known("fill_mode of ops.image.resize", fill_mode, ("constant",))
    if len(size) != 2 or min(size) <= 0:
        raise ArgumentError(f"ops.image.resize: size={size!r} is no (height, width) above 0.")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ArgumentError("ops.image.resize: crop or pad to the aspect ratio, not both.")
    whole = images.shape[axis], images.shape[axis + 1]
    fitting = [int(float(whole[1 - i] * size[i]) / size[1 - i]) for i in (0, 1)]
    if crop_to_aspect_ratio:
        for i in (0, 1):
            kept = max(min(whole[i], fitting[i]), 1)
            start = int((whole[i] - kept) / 2)
            place = images.ndim + axis + i
            images = jax.lax.slice_in_dim(images, start, start + kept, axis=place)
    if pad_to_aspect_ratio:
        border = [int((max(whole[i], fitting[i]) - whole[i]) / 2) for i in (0, 1)]
        border[1] = 0 if border[0] else border[1]
        widths = [(0, 0)] * images.ndim
        widths[axis], widths[axis + 1] = ((border[0],) * 2, (border[1],) * 2)
        images = jnp.pad(images, widths, constant_values=fill_value)
    shape = list(images.shape)
    shape[axis], shape[axis + 1] = size
    resized = jax.image.resize(images, shape, interpolation, antialias)
    if resized.dtype == images.dtype:
        return resized
    return saturate_cast(
        resized if is_float(images.dtype) else jnp.round(resized), images.dtype.name
    )


def _of_shape(images: Any, output_shape: ShapeLike, *args: Any, **kwargs: Any) -> SymbolicTensor:
    return SymbolicTensor(output_shape, images.dtype)


@op(shape=_of_shape)
def scale_and_translate(
    images: ArrayLike,
    output_shape: ShapeLike,
    scale: ArrayLike,
    translation: ArrayLike,
    spatial_dims: Sequence[int],
    method: str,
    antialias: bool = True,
) -> Array:
    """Arrays scaled, then moved, along some axes, and cut to a shape.

    Args:
        scale, translation: A number for each of ``spatial_dims``.
        method: "linear", "cubic", "lanczos3" or "lanczos5".
    """
    _known("method of ops.image.scale_and_translate", method, SCALING)
    images, scale, translation = (jnp.asarray(x) for x in (images, scale, translation))
    return jax.image.scale_and_translate(
        images, tuple(output_shape), spatial_dims, scale, translation, method, antialias
    )


# --- other places for pixels --------------------------------------------------------------------


def _mapped(inputs: Any, coordinates: Any, *args: Any, **kwargs: Any) -> SymbolicTensor:
    _check_coordinates(inputs, coordinates)
    return SymbolicTensor(coordinates.shape[1:], inputs.dtype)


def _check_coordinates(inputs: Any, coordinates: Any) -> None:
    if coordinates.shape[0] != len(inputs.shape) or len(coordinates.shape) < 2:
        raise ShapeError(
            "ops.image.map_coordinates: these coordinates do not point into the array.",
            met=f"inputs of shape {inputs.shape}, coordinates of shape {coordinates.shape}",
            rule="coordinates are (axes of inputs, ...), with 2 axes or more",
        )


@array_op(2, shape=_mapped)
def map_coordinates(
    inputs: ArrayLike,
    coordinates: ArrayLike,
    order: int,
    fill_mode: str = "constant",
    fill_value: float = 0,
) -> Array:
    """The values of an array at any coordinates, between its elements too.

    Args:
        coordinates: Shape (axes of inputs, ...).
        order: 0 for the nearest element, 1 for linear interpolation.
        fill_mode: What is beyond the borders: "constant", "nearest", "wrap", "mirror", "reflect".

    >>> map_coordinates(jnp.array([1.0, 2.0]), jnp.array([[0.5]]), 1)
    Array([1.5], dtype=float32)
    """
    inputs, coordinates = jnp.asarray(inputs), jnp.asarray(coordinates)
    _check_coordinates(inputs, coordinates)
    _known("fill_mode of ops.image.map_coordinates", fill_mode, FILLING)
    if order not in (0, 1):
        raise ArgumentError(f"ops.image.map_coordinates: order={order!r} is neither 0 nor 1.")
    return ndimage.map_coordinates(inputs, list(coordinates), order, fill_mode, fill_value)


def _moved(images: Array, first: bool, places: Array, order: int, mode: str, fill: Any) -> Array:
    """Pictures whose pixels come from ``places``, (batch, 2, height, width): rows and columns."""
    single = images.ndim == 3
    x = images[None] if single else images
    x = x if first else jnp.moveaxis(x, -1, 1)
    places = jnp.broadcast_to(places, (x.shape[0], *places.shape[1:]))

    def pick(plane: Array, place: Array) -> Array:
        return ndimage.map_coordinates(plane, [place[0], place[1]], order, mode, fill)

    x = jax.vmap(jax.vmap(pick, (0, None)))(x, places)
    x = x if first else jnp.moveaxis(x, 1, -1)
    return x[0] if single else x


def _grid(images: Array, axis: int) -> tuple[Array, Array]:
    """The rows and columns of all pixels."""
    height, width = images.shape[axis], images.shape[axis + 1]
    return jnp.arange(height)[:, None], jnp.arange(width)[None]


def _projected(images: Array, axis: int, transform: Array) -> Array:
    """Where a projective map takes each pixel: (batch, 2, height, width)."""
    rows, columns = _grid(images, axis)
    a0, a1, a2, b0, b1, b2, c0, c1 = jnp.moveaxis(transform, -1, 0)[..., None, None]
    scale = c0 * columns + c1 * rows + 1
    x, y = a0 * columns + a1 * rows + a2, b0 * columns + b1 * rows + b2
    return jnp.stack([y / scale, x / scale], 1)


@array_op(2)
def affine_transform(
    images: ArrayLike,
    transform: ArrayLike,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Array:
    """Pictures moved, turned, stretched, sheared.

    Args:
        transform: The rows of a 3 by 3 matrix without its last element, which is 1: shape (8,)
            or (batch, 8). It takes (column, row, 1) of a pixel to where its value comes from, in
            homogeneous coordinates.
        interpolation: "nearest" or "bilinear".
        fill_mode: What is beyond the borders: "constant", "nearest", "wrap", "mirror", "reflect".
    """
    images, transform = jnp.asarray(images), jnp.asarray(transform)
    first, axis = check("affine_transform", images, data_format)
    order = ORDERS[_known("interpolation", interpolation, ORDERS)]
    _known("fill_mode", fill_mode, FILLING)
    if transform.ndim not in (1, 2) or transform.shape[-1] != 8:
        raise ShapeError(
            "ops.image.affine_transform takes 8 numbers, for all pictures or for each.",
            met=f"transform of shape {transform.shape}",
            rule="(8,) or (batch, 8)",
        )
    places = _projected(images, axis, jnp.atleast_2d(transform))
    return _moved(images, first, places, order, fill_mode, fill_value)


def homography(start_points: Array, end_points: Array) -> Array:
    """The 8 numbers of the projective maps that take end points to start points, (batch, 8).

    They solve two linear equations for each of the four points.
    """
    u, v = jnp.moveaxis(start_points, -1, 0)
    x, y = jnp.moveaxis(end_points, -1, 0)
    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    for_u = jnp.stack([x, y, one, zero, zero, zero, -u * x, -u * y], -1)
    for_v = jnp.stack([zero, zero, zero, x, y, one, -v * x, -v * y], -1)
    right = jnp.concatenate([u, v], -1)[..., None]
    return jnp.linalg.solve(jnp.concatenate([for_u, for_v], -2), right)[..., 0]


@array_op(3)
def perspective_transform(
    images: ArrayLike,
    start_points: ArrayLike,
    end_points: ArrayLike,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Array:
    """Pictures warped so that four points come to other places.

    Args:
        start_points, end_points: (x, y) of four points, shape (4, 2) or (batch, 4, 2).
        interpolation: "nearest" or "bilinear".
        fill_value: What is beyond the borders.
    """
    images = jnp.asarray(images)
    first, axis = check("perspective_transform", images, data_format)
    order = ORDERS[_known("interpolation", interpolation, ORDERS)]
    start, end = (jnp.asarray(each, jnp.float32) for each in (start_points, end_points))
    if start.shape != end.shape or start.ndim not in (2, 3) or start.shape[-2:] != (4, 2):
        raise ShapeError(
            "ops.image.perspective_transform takes four points and where they go.",
            met=f"start_points of shape {start.shape}, end_points of shape {end.shape}",
            rule="(4, 2) or (batch, 4, 2)",
        )
    transform = jnp.atleast_2d(homography(start, end))
    places = _projected(images, axis, transform)
    return _moved(images, first, places, order, "constant", fill_value)


@array_op()
def elastic_transform(
    images: ArrayLike,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: SeedLike = None,
    data_format: str | None = None,
) -> Array:
    """Pictures whose pixels wander at random, neighbours together (Simard et al., 2003).

    Args:
        alpha: How far they go.
        sigma: How smooth the field of their ways is, in pixels.
        interpolation: "nearest" or "bilinear".
        fill_mode: What is beyond the borders: "constant", "nearest", "wrap", "mirror", "reflect".
    """
    images = jnp.asarray(images)
    first, axis = check("elastic_transform", images, data_format)
    order = ORDERS[_known("interpolation", interpolation, ORDERS)]
    _known("fill_mode", fill_mode, FILLING)
    rows, columns = _grid(images, axis)
    shape = (images.shape[0] if images.ndim == 4 else 1, rows.shape[0], columns.shape[1])
    dtype = images.dtype if is_float(images.dtype) else jnp.dtype("float32")
    drawn = jax.random.normal(jnp.asarray(make_key(seed), jnp.uint32), shape, dtype) * sigma
    size = int(6 * sigma) | 1
    way = alpha * blur(drawn, 1, (size, size), (sigma, sigma))  # one for both axes, as in Keras
    places = jnp.stack([rows + way, columns + way], 1)
    return _moved(images, first, places, order, fill_mode, fill_value).astype(images.dtype)
