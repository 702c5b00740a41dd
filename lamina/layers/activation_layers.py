"""Activation functions as layers."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina import activations
from lamina.core import types as t
from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.layers.arguments import known_size
from lamina.layers.weighted import WeightedLayer


class Activation(Layer):
    """``activation(x)``, for a function or its name.

    >>> import numpy as np
    >>> Activation("relu")(np.float32([-1, 2]))
    Array([0., 2.], dtype=float32)
    """

    supports_masking = True

    def __init__(self, activation: t.ActivationLike, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: t.Array) -> t.Array:
        return self.activation(inputs)


class ReLU(Layer):
    """``x`` above the threshold, up to ``max_value``; ``negative_slope * (x - threshold)`` below.

    >>> import numpy as np
    >>> ReLU(max_value=1.0, negative_slope=0.5)(np.float32([-2, 0.5, 3]))
    Array([-1. ,  0.5,  1. ], dtype=float32)
    """

    supports_masking = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else _not_negative(self, "max_value", max_value)
        self.negative_slope = _not_negative(self, "negative_slope", negative_slope)
        self.threshold = _not_negative(self, "threshold", threshold)

    def call(self, inputs: t.Array) -> t.Array:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(Layer):
    """``x`` where positive, ``negative_slope * x`` elsewhere (Maas et al., 2013)."""

    supports_masking = True

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        negative_slope = kwargs.pop("alpha", negative_slope)
        self._given.pop("alpha", None)
        super().__init__(**kwargs)
        self.negative_slope = _not_negative(self, "negative_slope", negative_slope)

    def call(self, inputs: t.Array) -> t.Array:
        return activations.leaky_relu(inputs, self.negative_slope)


class PReLU(WeightedLayer):
    """``x`` where positive, ``alpha * x`` elsewhere, with a trained ``alpha`` (He et al., 2015).

    Args:
        shared_axes: Axes along which one ``alpha`` serves, for instance (1, 2) for images.
    """

    supports_masking = True

    def __init__(
        self,
        alpha_initializer: t.InitializerLike = "Zeros",
        alpha_regularizer: t.RegularizerLike = None,
        alpha_constraint: t.ConstraintLike = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_rules("alpha", alpha_initializer, alpha_regularizer, alpha_constraint)
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes
        if self.shared_axes is not None:
            self.shared_axes = list(self.shared_axes)

    def build(self, input_shape: t.Shape) -> None:
        shared = self.shared_axes or ()
        own = [axis for axis in range(1, len(input_shape)) if axis not in shared]
        sizes: dict[int, int | None] = {i: known_size(self, input_shape, i) for i in own}
        self.alpha = self.weight("alpha", [sizes.get(i, 1) for i in range(1, len(input_shape))])
        self.input_spec = InputSpec(ndim=len(input_shape), axes=sizes if shared else {})

    def call(self, inputs: t.Array) -> t.Array:
        return jax.nn.relu(inputs) - self.alpha.value * jax.nn.relu(-inputs)


class ELU(Layer):
    """``x`` where positive, ``alpha * (exp(x) - 1)`` elsewhere (Clevert et al., 2016)."""

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs: t.Array) -> t.Array:
        return activations.elu(inputs, self.alpha)


class Softmax(Layer):
    """``exp(x)`` divided by its sum along an axis, or several.

    Call arguments:
        mask: Positions that count, of a shape that broadcasts to the input's; the others get 0.

    >>> import numpy as np
    >>> Softmax()(np.float32([[0, 0, 9]]), mask=np.array([[True, True, False]]))
    Array([[0.5, 0.5, 0. ]], dtype=float32)
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else tuple(axis)

    def call(self, inputs: t.Array, mask: Any = None) -> t.Array:
        if mask is None:
            return jax.nn.softmax(inputs, self.axis)
        keep = mask if mask.dtype == bool else mask > 0.5
        self._check_broadcast(inputs.shape, keep.shape)
        lowest = -3e4 if inputs.dtype == jnp.float16 else -1e9
        scores = jax.nn.softmax(jnp.where(keep, inputs, lowest), self.axis)
        return jnp.where(keep, scores, 0)  # rows that are masked whole become 0, not uniform

    def _check_broadcast(self, shape: t.Shape, mask: t.Shape) -> None:
        pairs = zip(reversed(shape), reversed(mask), strict=False)
        if len(mask) > len(shape) or any(m not in (1, size) for size, m in pairs):
            raise ShapeError(
                f"{self._who()} cannot use this mask.",
                met=f"input {tuple(shape)}, mask {tuple(mask)}",
                rule="a mask's sizes are the input's or 1, counted from the last axis",
            )


def _not_negative(layer: Layer, name: str, value: Any) -> float:
    if value is None or value < 0:
        raise ArgumentError(f"{type(layer).__name__} needs a `{name}` of 0 or more, not {value!r}.")
    return value
