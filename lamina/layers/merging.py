"""Layers of several inputs and one output."""

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from lamina import ops
from lamina.core.dtypes import is_float
from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor, declared_shape, evaluate
from lamina.core.types import Array, Nest, Shape


class Merge(Layer):
    """Combines a list of arrays of one batch, element by element.

    Shapes broadcast. An input with fewer axes than another gets axes of size 1 after the batch's.
    Where all inputs have masks, the output's mask is where any of them counts.
    """

    supports_masking = True

    def build(self, input_shape: Any) -> None:
        self.compute_output_shape(input_shape)

    def call(self, inputs: Sequence[Array]) -> Array:
        self.compute_output_shape(_shapes(inputs))
        return self.join(list(inputs))

    def join(self, inputs: list[Array]) -> Array:
        """The combination of inputs, element by element."""
        rank = max(x.ndim for x in inputs)
        same = [jnp.expand_dims(x, tuple(range(1, 1 + rank - x.ndim))) for x in inputs]
        return self.combine(same)

    def combine(self, inputs: list[Array]) -> Array:
        """The combination of inputs of equal rank."""
        return functools.reduce(self.pair, inputs)

    @staticmethod
    def pair(a: Array, b: Array) -> Array:
        """The combination of two inputs."""
        return jnp.add(a, b)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shapes = self._checked(input_shape)
        rank = max(map(len, shapes))
        aligned = [(shape[:1] + (1,) * (rank - len(shape)) + shape[1:]) for shape in shapes]
        return tuple(self._broadcast(axis, shapes) for axis in zip(*aligned, strict=True))

    def compute_output_spec(self, inputs: Nest) -> SymbolicTensor:  # type: ignore[override]
        shape = self.compute_output_shape(_shapes(inputs))
        dtypes = [self.compute_dtype if is_float(x.dtype) else x.dtype for x in inputs]
        ones = [
            SymbolicTensor((1,) * x.ndim, dtype) for x, dtype in zip(inputs, dtypes, strict=True)
        ]
        output = SymbolicTensor(shape, evaluate(self.join, ones).dtype)
        masks = [x.symbolic_mask for x in inputs]
        if self._passes_mask(masks):
            rank = max(mask.ndim for mask in masks if mask is not None)
            output.symbolic_mask = SymbolicTensor(shape[:rank], "bool")
        return output

    def compute_mask(self, inputs: Sequence[Array], previous_mask: Any) -> Any:
        if previous_mask is None or not self._passes_mask(previous_mask):
            return None
        return functools.reduce(jnp.logical_or, previous_mask)

    def _passes_mask(self, masks: Sequence[Any]) -> bool:
        return all(mask is not None for mask in masks)

    def _checked(self, shapes: Any) -> list[tuple[int | None, ...]]:
        if isinstance(shapes, dict):
            shapes = list(shapes.values())
        if not shapes or not all(isinstance(shape, (tuple, list)) for shape in shapes):
            raise ShapeError(
                f"{self._who()} combines several inputs, but got one.",
                met=f"shape {shapes}",
                fix="pass the inputs as a list: layer([a, b])",
            )
        return [tuple(shape) for shape in shapes]

    def _broadcast(self, sizes: tuple[int | None, ...], shapes: Any) -> int | None:
        known = {size for size in sizes if size not in (None, 1)}
        if len(known) > 1:
            raise self._mismatch(shapes, "sizes of an axis are equal, or 1")
        return known.pop() if known else (None if None in sizes else 1)

    def _mismatch(self, shapes: Any, rule: str) -> ShapeError:
        return ShapeError(
            f"{self._who()} cannot combine its inputs.",
            met="shapes " + ", ".join(map(str, shapes)),
            rule=rule,
        )


class Add(Merge):
    """The sum of the inputs.

    >>> import numpy as np
    >>> Add()([np.float32([[1, 2]]), np.float32([[10, 20]])])
    Array([[11., 22.]], dtype=float32)
    """


class Subtract(Merge):
    """The first input minus the second."""

    def _checked(self, shapes: Any) -> list[tuple[int | None, ...]]:
        return _two(self, super()._checked(shapes))

    @staticmethod
    def pair(a: Array, b: Array) -> Array:
        return jnp.subtract(a, b)


class Multiply(Merge):
    """The product of the inputs, element by element."""

    @staticmethod
    def pair(a: Array, b: Array) -> Array:
        return jnp.multiply(a, b)


class Average(Merge):
    """The mean of the inputs, element by element."""

    def combine(self, inputs: list[Array]) -> Array:
        return super().combine(inputs) / len(inputs)


class Maximum(Merge):
    """The largest of the inputs, element by element."""

    @staticmethod
    def pair(a: Array, b: Array) -> Array:
        return jnp.maximum(a, b)


class Minimum(Merge):
    """The smallest of the inputs, element by element."""

    @staticmethod
    def pair(a: Array, b: Array) -> Array:
        return jnp.minimum(a, b)


class Concatenate(Merge):
    """The inputs one after the other along an axis; their other sizes are equal.

    >>> import numpy as np
    >>> Concatenate(axis=1)([np.ones((2, 3, 4)), np.ones((2, 1, 4))]).shape
    (2, 4, 4)
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def join(self, inputs: list[Array]) -> Array:
        return jnp.concatenate(inputs, self.axis)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shapes = self._checked(input_shape)
        rank = len(shapes[0])
        if any(len(shape) != rank for shape in shapes) or not -rank <= self.axis < rank:
            raise self._mismatch(shapes, f"all have as many axes, and an axis {self.axis}")
        joined = self.axis % rank
        sizes: list[int | None] = []
        for axis, along in enumerate(zip(*shapes, strict=True)):
            known = {size for size in along if size is not None}
            if axis == joined:
                sizes.append(None if None in along else sum(along))  # type: ignore[arg-type]
            elif len(known) > 1:
                raise self._mismatch(shapes, f"sizes are equal, but on axis {self.axis}")
            else:
                sizes.append(known.pop() if known else None)
        return tuple(sizes)

    def compute_mask(self, inputs: Sequence[Array], previous_mask: Any) -> Any:
        if previous_mask is None or not self._passes_mask(previous_mask):
            return None
        masks = [
            jnp.ones(x.shape, bool)
            if mask is None
            else jnp.broadcast_to(mask if mask.ndim == x.ndim else mask[..., None], x.shape)
            for x, mask in zip(inputs, previous_mask, strict=True)
        ]
        return jnp.concatenate(masks, self.axis).any(-1)

    def _passes_mask(self, masks: Sequence[Any]) -> bool:
        return any(mask is not None for mask in masks)


class Dot(Merge):
    """Dot products of two inputs along one axis of each, for every example of the batch.

    Args:
        axes: The axis of both inputs, or one for each.
        normalize: Whether to scale the inputs to length 1 along it first (cosine similarity).

    >>> import numpy as np
    >>> Dot(axes=(1, 2))([np.ones((2, 3, 4)), np.ones((2, 5, 3))]).shape
    (2, 4, 5)
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pair = (axes, axes) if isinstance(axes, int) else axes
        if not isinstance(pair, (list, tuple)) or [type(each) for each in pair] != [int, int]:
            kind = TypeError if not isinstance(pair, (list, tuple)) else ArgumentError
            raise kind(f"Dot needs an int or two as `axes`, not {axes!r}.")
        self.axes = axes if isinstance(axes, int) else tuple(axes)
        self.normalize = normalize

    def join(self, inputs: list[Array]) -> Array:
        first, second = self._axes([x.shape for x in inputs])
        x, y = inputs
        if self.normalize:
            x, y = ops.normalize(x, first), ops.normalize(y, second)
        x_axes = list(range(x.ndim))
        y_axes = [0, *range(x.ndim, x.ndim + y.ndim - 1)]
        y_axes[second] = first
        rest = [axis for axis in (*x_axes, *y_axes[1:]) if axis != first]
        result = jnp.einsum(x, x_axes, y, y_axes, rest)
        return result if result.ndim > 1 else result[:, None]

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shapes = _two(self, self._checked(input_shape))
        if min(map(len, shapes)) < 2:
            raise self._mismatch(shapes, "both have a batch axis and at least one more")
        first, second = self._axes(shapes)
        x, y = shapes
        for a, b, rule in (
            (x[0], y[0], "both have one batch"),
            (x[first], y[second], f"axes {first} and {second} have one size"),
        ):
            if None not in (a, b) and a != b:
                raise self._mismatch(shapes, rule)
        batch = y[0] if x[0] is None else x[0]
        rest = [*x[1:first], *x[first + 1 :], *y[1:second], *y[second + 1 :]]
        return (batch, *rest) if rest else (batch, 1)

    def _axes(self, shapes: Sequence[Shape]) -> tuple[int, int]:
        """The axis of each input, counted from the front."""
        pair = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        ranks = [len(shape) for shape in shapes]
        for axis, rank in zip(pair, ranks, strict=True):
            if not -rank < axis < rank or axis == 0:
                rule = f"each has its axis of axes={self.axes}, which is not the batch's"
                raise self._mismatch(shapes, rule)
        return pair[0] % ranks[0], pair[1] % ranks[1]

    def _passes_mask(self, masks: Sequence[Any]) -> bool:
        return False


def _two(layer: Merge, shapes: list[tuple[int | None, ...]]) -> list[tuple[int | None, ...]]:
    if len(shapes) != 2:
        raise layer._mismatch(shapes, "there are exactly two inputs")
    return shapes


def _shapes(inputs: Any) -> Any:
    """The shapes of a list of inputs; that of a single one by itself."""
    if isinstance(inputs, dict):
        inputs = list(inputs.values())
    if not isinstance(inputs, (list, tuple)):
        return declared_shape(inputs)
    return [declared_shape(x) for x in inputs]


def add(inputs: Nest, **kwargs: Any) -> Any:
    """The sum of the inputs; see `Add`."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Nest, **kwargs: Any) -> Any:
    """The first input minus the second; see `Subtract`."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Nest, **kwargs: Any) -> Any:
    """The product of the inputs; see `Multiply`."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Nest, **kwargs: Any) -> Any:
    """The mean of the inputs; see `Average`."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Nest, **kwargs: Any) -> Any:
    """The largest of the inputs; see `Maximum`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Nest, **kwargs: Any) -> Any:
    """The smallest of the inputs; see `Minimum`."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Nest, axis: int = -1, **kwargs: Any) -> Any:
    """The inputs joined along an axis; see `Concatenate`."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Nest, axes: int | Sequence[int] = -1, **kwargs: Any) -> Any:
    """Dot products of two inputs; see `Dot`."""
    return Dot(axes=axes, **kwargs)(inputs)
