"""Reductions of the rows that belong to one segment."""

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.errors import ShapeError
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Array, ArrayLike
from lamina.ops._rules import array_op


def _segmented(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> SymbolicTensor:
    return SymbolicTensor((num_segments, *data.shape[1:]), data.dtype)


def _segments(name: str, data: ArrayLike, ids: ArrayLike, *args: Any) -> Array:
    if jnp.shape(data)[:1] != jnp.shape(ids)[:1]:
        raise ShapeError(
            f"ops.{name} takes a segment for each row.",
            met=f"data of shape {jnp.shape(data)}, segment_ids of shape {jnp.shape(ids)}",
            rule="the first sizes are equal",
        )
    return getattr(jax.ops, name)(data, ids, *args)


@array_op(2, shape=_segmented)
def segment_sum(
    data: ArrayLike, segment_ids: ArrayLike, num_segments: int | None = None, sorted: bool = False
) -> Array:
    """The sums of the rows of each segment.

    Args:
        data: Shape (rows, ...).
        segment_ids: The segment of each row, shape (rows,); ascending where ``sorted``.
        num_segments: How many there are; under `jax.jit` it has to be given.

    Returns:
        Shape (num_segments, ...).

    >>> segment_sum([1, 2, 4], [0, 1, 0])
    Array([5, 2], dtype=int32)
    """
    return _segments("segment_sum", data, segment_ids, num_segments, sorted)


@array_op(2, shape=_segmented)
def segment_prod(
    data: ArrayLike, segment_ids: ArrayLike, num_segments: int | None = None, sorted: bool = False
) -> Array:
    """The products of the rows of each segment; arguments as in `segment_sum`."""
    return _segments("segment_prod", data, segment_ids, num_segments, sorted)


@array_op(2, shape=_segmented)
def segment_max(
    data: ArrayLike, segment_ids: ArrayLike, num_segments: int | None = None, sorted: bool = False
) -> Array:
    """The largest elements of each segment; arguments as in `segment_sum`."""
    return _segments("segment_max", data, segment_ids, num_segments, sorted)


@array_op(2, shape=_segmented)
def segment_min(
    data: ArrayLike, segment_ids: ArrayLike, num_segments: int | None = None, sorted: bool = False
) -> Array:
    """The smallest elements of each segment; arguments as in `segment_sum`."""
    return _segments("segment_min", data, segment_ids, num_segments, sorted)
