"""Convolutions."""

from jax import lax

from lamina.core.types import Array


def convolve(
    x: Array, kernel: Array, strides: tuple[int, ...], padding: str, dilation: tuple[int, ...],
    groups: int, first: bool,
) -> Array:  # fmt: skip
    rank = x.ndim - 2
    spatial = tuple(range(2, rank + 2) if first else range(1, rank + 1))
    data = (0, 1 if first else rank + 1, *spatial)
    numbers = lax.ConvDimensionNumbers(data, (rank + 1, rank, *range(rank)), data)
    return lax.conv_general_dilated(
        x, kernel, strides, padding, rhs_dilation=dilation, dimension_numbers=numbers,
        feature_group_count=groups,
    )  # fmt: skip
