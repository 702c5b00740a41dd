"""Shapes, axes, indexing, joining and splitting."""

import contextlib
import math
from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.dtypes import canonical
from lamina.core.errors import ArgumentError, ShapeError, unknown
from lamina.core.operation import op, refused
from lamina.core.symbolic import (
    PROBES,
    SymbolicTensor,
    declared_shape,
    evaluate,
    evaluate_fitting,
)
from lamina.core.types import Array, ArrayLike, DTypeLike, Shape, ShapeLike
from lamina.ops._rules import array_op, axes_tuple, broadcast_shapes, checked_axis, common_sizes
from lamina.ops.core import dtype


def _reshaped(x: Any, newshape: Any) -> Any:
    """Sizes that are themselves symbolic, or follow from unknown ones, are unknown."""
    if isinstance(newshape, SymbolicTensor):
        return SymbolicTensor((None,) * (newshape.shape[0] or 0), x.dtype)
    sizes = (newshape,) if isinstance(newshape, int) else tuple(newshape)
    if any(size is None or isinstance(size, SymbolicTensor) for size in (*x.shape, *sizes)):
        sizes = tuple(n if isinstance(n, int) and n != -1 else None for n in sizes)
        return SymbolicTensor(sizes, x.dtype)
    return evaluate(lambda array: jnp.reshape(array, sizes), x)


@array_op(shape=_reshaped)
def reshape(x: ArrayLike, newshape: ShapeLike | int) -> Array:
    """The elements in row-major order in another shape; one size may be -1 and follows.

    >>> reshape([[1, 2], [3, 4]], (4,))
    Array([1, 2, 3, 4], dtype=int32)
    """
    return jnp.reshape(x, newshape)


@array_op()
def ravel(x: ArrayLike) -> Array:
    """The elements in row-major order along one axis."""
    return jnp.ravel(x)


@array_op()
def transpose(x: ArrayLike, axes: Sequence[int] | None = None) -> Array:
    """The axes in the given order; reversed without one."""
    return jnp.transpose(x, axes)


@array_op()
def moveaxis(x: ArrayLike, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """The axes ``source`` moved to ``destination``, the others in their order."""
    return jnp.moveaxis(x, source, destination)


@array_op()
def swapaxes(x: ArrayLike, axis1: int, axis2: int) -> Array:
    """Two axes exchanged."""
    return jnp.swapaxes(x, axis1, axis2)


def _squeezed(x: SymbolicTensor, axis: Any = None) -> SymbolicTensor:
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = {checked_axis("squeeze", each, x.ndim) for each in axes}
    kept = [n for i, n in enumerate(x.shape) if i not in axes or (axis is None and n != 1)]
    if axis is not None and any(x.shape[each] != 1 for each in axes):
        what = f"ops.squeeze cannot remove the axes {axis} of the shape {x.shape}."
        raise ShapeError(what, rule="only axes of size 1 can be removed")
    return SymbolicTensor(kept, x.dtype)


@array_op(shape=_squeezed)
def squeeze(x: ArrayLike, axis: int | Sequence[int] | None = None) -> Array:
    """The array without axes of size 1: those given, or all."""
    return jnp.squeeze(x, axes_tuple(axis))


@array_op()
def expand_dims(x: ArrayLike, axis: int | Sequence[int]) -> Array:
    """The array with an axis of size 1 put in at each of these places of the result."""
    return jnp.expand_dims(x, axes_tuple(axis))


def _broadcasted(x: SymbolicTensor, shape: ShapeLike) -> SymbolicTensor:
    result = SymbolicTensor(shape, x.dtype)
    if len(broadcast_shapes("broadcast_to", [x.shape, result.shape])) > result.ndim:
        raise ShapeError(f"ops.broadcast_to cannot bring the shape {x.shape} to {result.shape}.")
    return result


@array_op(shape=_broadcasted)
def broadcast_to(x: ArrayLike, shape: ShapeLike) -> Array:
    """The array repeated along axes of size 1 until it has this shape."""
    return jnp.broadcast_to(x, shape)


@array_op()
def flip(x: ArrayLike, axis: int | Sequence[int] | None = None) -> Array:
    """The elements along axes (all without any given) in reverse order."""
    return jnp.flip(x, axes_tuple(axis))


@array_op()
def fliplr(x: ArrayLike) -> Array:
    """The columns in reverse order."""
    return jnp.fliplr(x)


@array_op()
def flipud(x: ArrayLike) -> Array:
    """The rows in reverse order."""
    return jnp.flipud(x)


@array_op()
def rot90(array: ArrayLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """The plane of two axes turned by 90 degrees ``k`` times, from the first to the second."""
    return jnp.rot90(array, k, (axes[0], axes[1]))


@array_op()
def roll(
    x: ArrayLike, shift: int | Sequence[int], axis: int | Sequence[int] | None = None
) -> Array:
    """The elements moved by ``shift`` places; those pushed out come in at the other end."""
    return jnp.roll(x, axes_tuple(shift), axes_tuple(axis))


@array_op()
def repeat(x: ArrayLike, repeats: Any, axis: int | None = None) -> Array:
    """Each element along an axis ``repeats`` times (a number, or one for each element)."""
    return jnp.repeat(x, np.asarray(repeats) if isinstance(repeats, list) else repeats, axis)


@array_op()
def tile(x: ArrayLike, repeats: int | Sequence[int]) -> Array:
    """The array beside itself, this many times along each axis."""
    return jnp.tile(x, repeats)


@array_op()
def pad(
    x: ArrayLike, pad_width: Any, mode: str = "constant", constant_values: ArrayLike = None
) -> Array:
    """The array with borders: ``(before, after)`` for each axis, one pair, or one number.

    Args:
        mode: "constant", "edge", "reflect", "symmetric", "wrap" or another of numpy.pad's.
        constant_values: What fills a constant border; 0 when left out.
    """
    if constant_values is None:
        return jnp.pad(x, pad_width, mode=mode)
    if mode != "constant":
        raise ArgumentError(f"ops.pad: constant_values go with mode='constant', not {mode!r}.")
    return jnp.pad(x, pad_width, mode=mode, constant_values=constant_values)


# --- joining and splitting ----------------------------------------------------------------------


def _joined(xs: Sequence[Any], axis: int | None = 0) -> SymbolicTensor:
    if axis is None:
        xs = [SymbolicTensor((None,), x.dtype) for x in xs]
        axis = 0
    axis = checked_axis("concatenate", axis, len(xs[0].shape))
    shape = common_sizes("concatenate", [tuple(x.shape) for x in xs], free=axis)
    sizes = [x.shape[axis] for x in xs]
    shape[axis] = None if None in sizes else sum(sizes)
    return SymbolicTensor(shape, jnp.result_type(*(canonical(x.dtype) for x in xs)))


@op(shape=_joined)
def concatenate(xs: Sequence[ArrayLike], axis: int | None = 0) -> Array:
    """Arrays one after the other along an axis; their other sizes are equal.

    >>> concatenate([[1, 2], [3]])
    Array([1, 2, 3], dtype=int32)
    """
    return jnp.concatenate([jnp.asarray(x) for x in xs], axis)


def _stacked(x: Sequence[Any], axis: int = 0) -> SymbolicTensor:
    shape = common_sizes("stack", [tuple(each.shape) for each in x])
    shape.insert(checked_axis("stack", axis, len(shape) + 1), len(x))
    return SymbolicTensor(shape, jnp.result_type(*(canonical(each.dtype) for each in x)))


@op(shape=_stacked)
def stack(x: Sequence[ArrayLike], axis: int = 0) -> Array:
    """Arrays of one shape one after the other along a new axis."""
    return jnp.stack([jnp.asarray(each) for each in x], axis)


@op
def hstack(xs: Sequence[ArrayLike]) -> Array:
    """Arrays one after the other along the second axis, the only one of vectors."""
    return jnp.hstack([jnp.asarray(x) for x in xs])


@op
def vstack(xs: Sequence[ArrayLike]) -> Array:
    """Arrays one after the other along the first axis; vectors are rows."""
    return jnp.vstack([jnp.asarray(x) for x in xs])


@op
def dstack(xs: Sequence[ArrayLike]) -> Array:
    """Arrays one after the other along the third axis."""
    return jnp.dstack([jnp.asarray(x) for x in xs])


@array_op(2)
def append(x1: ArrayLike, x2: ArrayLike, axis: int | None = None) -> Array:
    """x2 after x1 along an axis; both flat without one."""
    return jnp.append(x1, x2, axis)


@array_op()
def split(x: ArrayLike, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Parts along an axis: this many equal ones, or cut before each of the indices."""
    axis = checked_axis("split", axis, jnp.ndim(x))
    return list(jnp.split(x, indices_or_sections, axis))


@array_op()
def array_split(x: ArrayLike, indices_or_sections: int, axis: int = 0) -> list[Array]:
    """This many parts along an axis, as equal as can be."""
    return list(jnp.array_split(x, indices_or_sections, axis))


@array_op()
def hsplit(x: ArrayLike, indices_or_sections: Any) -> list[Array]:
    """`split` along the second axis, the only one of vectors."""
    return list(jnp.hsplit(x, indices_or_sections))


@array_op()
def vsplit(x: ArrayLike, indices_or_sections: Any) -> list[Array]:
    """`split` along the first axis."""
    return list(jnp.vsplit(x, indices_or_sections))


@array_op()
def dsplit(x: ArrayLike, indices_or_sections: Any) -> list[Array]:
    """`split` along the third axis."""
    return list(jnp.dsplit(x, indices_or_sections))


@array_op()
def unstack(x: ArrayLike, num: int | None = None, axis: int = 0) -> list[Array]:
    """The slices along an axis, without it; ``num`` is how many where that is not known."""
    x = jnp.asarray(x)
    count = declared_shape(x)[checked_axis("unstack", axis, x.ndim)] if num is None else num
    if count is None:
        raise ArgumentError(
            "ops.unstack: the number of slices is not known.",
            met=f"shape {declared_shape(x)}, axis {axis}",
            fix="give it as `num`",
        )
    return [jnp.take(x, index, axis) for index in range(count)]


@op
def meshgrid(*x: ArrayLike, indexing: str = "xy") -> list[Array]:
    """The coordinates of all points of a grid, one array for each vector.

    ``indexing="xy"`` puts the first vector along the second axis, "ij" along the first.
    """
    if indexing not in ("xy", "ij"):
        raise unknown("indexing of ops.meshgrid", indexing, ("xy", "ij"))
    return list(jnp.meshgrid(*map(jnp.ravel, map(jnp.asarray, x)), indexing=indexing))


# --- indexing -----------------------------------------------------------------------------------


def _item(x: Any, key: Any) -> Any:
    """As NumPy has it, of an array of one byte; a slice of an unknown size has an unknown one."""
    key = tuple(key) if isinstance(key, list) else key
    parts = key if isinstance(key, tuple) else (key,)
    if not all(part is None or isinstance(part, (int, slice, EllipsisType)) for part in parts):
        function: Any = get_item
        return evaluate_fitting(function.plain, x, key)

    def shape(unknown: int) -> Shape:
        sizes = [unknown if size is None else size for size in x.shape]
        return np.broadcast_to(np.int8(0), sizes)[key].shape

    try:
        found = shape(PROBES[0])
    except IndexError as error:
        raise refused("get_item", (x, key), error) from error
    ends = (end for part in parts if isinstance(part, slice) for end in (part.start, part.stop))
    others = [found]
    near = [abs(abs(end) + by) for end in ends if end is not None for by in (-1, 0, 1)]
    for size in (PROBES[1], 0, *near):
        with contextlib.suppress(IndexError):
            others.append(shape(size))
    sizes = [set(each) for each in zip(*others, strict=True)]
    return SymbolicTensor([n.pop() if len(n) == 1 else None for n in sizes], x.dtype)


@array_op(shape=_item)
def get_item(x: ArrayLike, key: Any) -> Array:
    """x[key]: ints, slices, None, Ellipsis, or integer or bool arrays."""
    return x[tuple(key) if isinstance(key, list) else key]  # type: ignore[index]


def _taken(x: Any, indices: Any, axis: int | None = None) -> SymbolicTensor:
    if axis is None:
        return SymbolicTensor(shape(indices), dtype(x))
    sizes, axis = shape(x), checked_axis("take", axis, ndim(x))
    return SymbolicTensor((*sizes[:axis], *shape(indices), *sizes[axis + 1 :]), dtype(x))


@array_op(2, _taken)
def take(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> Array:
    """The elements (slices along ``axis``) at these indices; negative ones count from the end.

    Indices beyond the array give NaN, or the smallest integer.
    """
    return jnp.take(x, jnp.asarray(indices), axis)


@array_op(2)
def take_along_axis(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> Array:
    """The elements at indices along an axis, an index for each place of the result."""
    return jnp.take_along_axis(x, jnp.asarray(indices), axis)


@array_op(shape=lambda x: tuple(SymbolicTensor((None,), "int32") for _ in x.shape))
def nonzero(x: ArrayLike) -> tuple[Array, ...]:
    """The indices of the elements that are not 0, one array for each axis."""
    return tuple(each.astype("int32") for each in jnp.nonzero(x))


@array_op()
def unravel_index(indices: ArrayLike, shape: ShapeLike) -> tuple[Array, ...]:
    """Positions in the flat array as coordinates in ``shape``, one array for each axis."""
    return jnp.unravel_index(indices, shape)


@op
def select(
    condlist: Sequence[ArrayLike], choicelist: Sequence[ArrayLike], default: ArrayLike = 0
) -> Array:
    """The element of the first choice whose condition is true, or the default."""
    choices = [jnp.asarray(each) for each in choicelist]
    return jnp.select([jnp.asarray(each) for each in condlist], choices, default)


def _diagonals(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> SymbolicTensor:
    axes = [checked_axis("diagonal", axis, x.ndim) for axis in (axis1, axis2)]
    sides = [x.shape[axis] for axis in axes]
    rest = [n for i, n in enumerate(x.shape) if i not in axes]
    if None in sides:
        return SymbolicTensor((*rest, None), x.dtype)
    rows, columns = sides[0] + min(offset, 0), sides[1] - max(offset, 0)
    return SymbolicTensor((*rest, max(0, min(rows, columns))), x.dtype)


def _diag_matrix(x: Any, k: int = 0) -> SymbolicTensor:
    size = None if None in x.shape else math.prod(x.shape) + abs(k)
    return SymbolicTensor((size, size), x.dtype)


def _diag(x: Any, k: int = 0) -> SymbolicTensor:
    if x.ndim not in (1, 2):
        raise ShapeError(f"ops.diag takes a vector or a matrix, not the shape {x.shape}.")
    return (_diag_matrix if x.ndim == 1 else _diagonals)(x, k)


@array_op(shape=_diag)
def diag(x: ArrayLike, k: int = 0) -> Array:
    """The ``k``-th diagonal of a matrix, or the matrix with a vector on it."""
    return jnp.diag(x, k)


@array_op(shape=_diag_matrix)
def diagflat(x: ArrayLike, k: int = 0) -> Array:
    """The matrix with the elements on its ``k``-th diagonal."""
    return jnp.diagflat(x, k)


@array_op(shape=_diagonals)
def diagonal(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The diagonals of the matrices that two axes form, along a new last axis."""
    return jnp.diagonal(x, offset, axis1, axis2)


@array_op()
def tril(x: ArrayLike, k: int = 0) -> Array:
    """The matrices with 0 above the ``k``-th diagonal."""
    return jnp.tril(x, k)


@array_op()
def triu(x: ArrayLike, k: int = 0) -> Array:
    """The matrices with 0 below the ``k``-th diagonal."""
    return jnp.triu(x, k)


# --- what an array is ---------------------------------------------------------------------------


def ndim(x: ArrayLike) -> int:
    """The number of axes."""
    return len(shape(x))


def shape(x: ArrayLike) -> Shape:
    """The sizes of the axes, None where they are not known yet.

    >>> shape([[1, 2, 3]])
    (1, 3)
    """
    return tuple(x.shape) if hasattr(x, "shape") else jnp.shape(jnp.asarray(x))


@array_op(shape=lambda x: SymbolicTensor((), "int32"))
def size(x: ArrayLike) -> int:
    """The number of elements; of a symbolic tensor, a symbolic number."""
    return jnp.size(x)


@array_op()
def view(x: ArrayLike, dtype: DTypeLike = None) -> Array:
    """The bytes of the array read as another dtype; the last axis shrinks or grows to fit."""
    return jnp.asarray(x).view(dtype)
