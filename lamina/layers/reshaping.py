"""Layers that rearrange elements."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from lamina.core.dtypes import is_float
from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor, declared_shape
from lamina.core.types import Array, Shape
from lamina.layers.arguments import data_format as standard_data_format
from lamina.layers.arguments import positive


class Flatten(Layer):
    """All axes but the first as one.

    Args:
        data_format: With "channels_first", the channels of axis 1 are moved last before.

    >>> import numpy as np
    >>> Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = standard_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Array) -> Array:
        if self.data_format == "channels_first" and inputs.ndim > 1:
            inputs = jnp.moveaxis(inputs, 1, -1)
        return jnp.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))


class Reshape(Layer):
    """The elements of each example in another shape.

    Args:
        target_shape: Sizes without the batch axis; one of them may be -1, for what is left.

    >>> import numpy as np
    >>> Reshape((-1, 2))(np.ones((3, 4))).shape
    (3, 2, 2)
    """

    def __init__(self, target_shape: Sequence[int | None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)
        sizes = [-1 if size is None else size for size in self.target_shape]
        if any(size < -1 for size in sizes) or self.target_shape.count(-1) > 1:
            raise ArgumentError(
                "Reshape needs sizes of 0 or more as `target_shape`, one of which may be -1.",
                met=f"target_shape={self.target_shape}",
            )

    def call(self, inputs: Array) -> Array:
        shape = self.compute_output_shape(declared_shape(inputs))
        sizes = [-1 if size is None else size for size in shape[1:]]
        return jnp.reshape(inputs, (inputs.shape[0], *sizes))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *rest = input_shape
        target = self.target_shape
        if None in rest or None in target:
            return (batch, *(None if size == -1 else size for size in target))
        total, known = math.prod(rest), math.prod(size for size in target if size != -1)  # type: ignore[arg-type, misc]
        if -1 in target and known and total % known == 0:
            return (batch, *(total // known if size == -1 else size for size in target))
        if -1 in target or total != known:
            raise ShapeError(
                f"{self._who()} cannot give its input the shape {target}.",
                met=f"input {tuple(input_shape)}: {total} elements an example; the target "
                f"takes {'multiples of ' if -1 in target else ''}{known}",
                rule="the number of elements stays the same",
            )
        return (batch, *target)

    def compute_output_spec(self, inputs: SymbolicTensor) -> SymbolicTensor:  # type: ignore[override]
        dtype = self.compute_dtype if is_float(inputs.dtype) else inputs.dtype
        return SymbolicTensor(self.compute_output_shape(inputs.shape), dtype)


class Permute(Layer):
    """The axes of each example in another order.

    Args:
        dims: Which axis comes first, second, ...; axes count from 1, after the batch.

    >>> import numpy as np
    >>> Permute((2, 1))(np.ones((5, 3, 4))).shape
    (5, 4, 3)
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ArgumentError(
                "Permute needs each axis once as `dims`, counted from 1.",
                met=f"dims={self.dims}",
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Array) -> Array:
        return jnp.transpose(inputs, (0, *self.dims))


class RepeatVector(Layer):
    """The input ``n`` times, along a new axis: (batch, features) to (batch, n, features)."""

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(n, int) or isinstance(n, bool):
            raise TypeError(f"RepeatVector needs an int as `n`, not {n!r}.")
        self.n = positive(self, "n", n)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Array) -> Array:
        return jnp.repeat(inputs[:, None], self.n, axis=1)
