"""Normalization over groups of channels, by the root mean square, and of a layer's kernel."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina import initializers, ops
from lamina.core import types as t
from lamina.core.dtypes import is_float
from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.layers.arguments import axes as checked_axes
from lamina.layers.arguments import known_size, positive
from lamina.layers.weighted import WeightedLayer
from lamina.layers.wrapper import Wrapper


class GroupNormalization(WeightedLayer):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` over groups of channels.

    Mean and variance are those of one example: over all positions and the channels of a group (Wu
    and He, 2018). With one group this is layer normalization over all axes, with a group for each
    channel instance normalization.

    Args:
        groups: Number of groups, which divides the number of channels; -1 for one each.
        axis: The axis of the channels.
        center, scale: Whether there is a ``beta``, a ``gamma``, for each channel.

    >>> import numpy as np
    >>> GroupNormalization(2, epsilon=0.0)(np.float32([[1, 3, 10, 10.5]]))
    Array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    supports_masking = True

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: t.InitializerLike = "zeros",
        gamma_initializer: t.InitializerLike = "ones",
        beta_regularizer: t.RegularizerLike = None,
        gamma_regularizer: t.RegularizerLike = None,
        beta_constraint: t.ConstraintLike = None,
        gamma_constraint: t.ConstraintLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.autocast = False  # statistics of the input as it comes, in float32 at least
        self.groups = groups if groups == -1 else positive(self, "groups", groups)
        self.axis = axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.set_rules("beta", beta_initializer, beta_regularizer, beta_constraint)
        self.set_rules("gamma", gamma_initializer, gamma_regularizer, gamma_constraint)

    def build(self, input_shape: t.Shape) -> None:
        size = known_size(self, input_shape, self.axis)
        self.groups = size if self.groups == -1 else self.groups
        if size % self.groups:
            raise ShapeError(
                f"{self._who()} cannot divide the channels into groups of equal size.",
                met=f"input shape {tuple(input_shape)}, axis={self.axis}, groups={self.groups}",
                rule=f"the number of groups divides the number of channels, {size}",
                fix="another number of `groups`, -1 for one each, or the right `axis`",
            )
        self.gamma = self.weight("gamma", (size,), autocast=False) if self.scale else None
        self.beta = self.weight("beta", (size,), autocast=False) if self.center else None
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size})

    def call(self, inputs: t.Array) -> t.Array:
        axis, shape = self.axis % inputs.ndim, inputs.shape
        parts = (self.groups, shape[axis] // self.groups)
        x = inputs.astype(jnp.promote_types(inputs.dtype, "float32"))
        x = x.reshape(*shape[:axis], *parts, *shape[axis + 1 :])
        reduced = tuple(each for each in range(1, x.ndim) if each != axis)
        mean, variance = ops.moments(x, reduced, keepdims=True)
        factor = jax.lax.rsqrt(variance + self.epsilon)
        along = (*parts, *(1,) * (x.ndim - axis - 2))
        if self.gamma is not None:
            factor = factor * self.gamma.value.reshape(along).astype(x.dtype)
        shift = -mean * factor
        if self.beta is not None:
            shift = shift + self.beta.value.reshape(along).astype(x.dtype)
        return (x * factor + shift).reshape(shape).astype(self.compute_dtype)


class RMSNormalization(Layer):
    """``scale * x / sqrt(mean(x²) + epsilon)`` over axes of each example.

    Zhang and Sennrich, 2019.

    Args:
        axis: The axis, or axes, over which the mean is taken; ``scale`` has their shape.

    >>> import numpy as np
    >>> RMSNormalization()(np.float32([[3, 4, 0, 0]])).round(3)
    Array([[1.2, 1.6, 0. , 0. ]], dtype=float32)
    """

    def __init__(
        self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = checked_axes(self, axis)
        self.epsilon = epsilon

    def build(self, input_shape: t.Shape) -> None:
        shape = [known_size(self, input_shape, axis) for axis in self._axes()]
        self.scale = self.add_weight(shape, "ones", name="scale")

    def call(self, x: t.Array) -> t.Array:
        reduced = [axis % x.ndim for axis in self._axes()]
        others = [axis for axis in range(x.ndim) if axis not in reduced]
        scale = jnp.expand_dims(self.scale.value, others)
        return ops.rms_normalization(x, scale, reduced, self.epsilon)

    def _axes(self) -> list[int]:
        return [self.axis] if isinstance(self.axis, int) else sorted(self.axis)


class SpectralNormalization(Wrapper):
    """A layer whose kernel is divided by its largest singular value, in each training call.

    That value comes from power iterations, whose vector is kept from call to call (Miyato et al.,
    2018). The divided kernel replaces the layer's own.

    Args:
        layer: A layer with a ``kernel``, or with ``embeddings``.
        power_iterations: Iterations in each call.

    >>> import numpy as np
    >>> from lamina.layers import Dense
    >>> layer = SpectralNormalization(Dense(2, kernel_initializer="ones"), power_iterations=3)
    >>> layer(np.ones((1, 2)), training=True).round(3)
    Array([[1., 1.]], dtype=float32)
    """

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.power_iterations = positive(self, "power_iterations", power_iterations)

    def build(self, input_shape: t.Shape | None = None) -> None:
        super().build(input_shape)
        assert input_shape is not None
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})
        kernel = getattr(self.layer, "kernel", getattr(self.layer, "embeddings", None))
        if kernel is None:
            raise ArgumentError(
                f"{self._who()} has nothing to normalize in its layer.",
                met=f"a {type(self.layer).__name__}",
                rule="the layer has a `kernel`, or `embeddings`",
            )
        self.kernel = kernel
        self.vector_u = self.add_weight(
            (1, kernel.shape[-1]),
            initializers.TruncatedNormal(stddev=0.02),
            trainable=False,
            name="vector_u",
            dtype=kernel.dtype,
        )

    def call(self, inputs: t.Array, training: bool = False) -> t.Array:
        if training:
            vector, kernel = self.normalized_weights()
            self.vector_u.assign(vector)
            self.kernel.assign(kernel)
        outputs = self.layer(inputs)
        return outputs.astype(inputs.dtype) if is_float(inputs.dtype) else outputs

    def normalized_weights(self) -> tuple[t.Array, t.Array]:
        """The vector after the power iterations, and the divided kernel; a kernel of 0 stays."""
        kernel, u = self.kernel.value, self.vector_u.value
        matrix, v = kernel.reshape(-1, kernel.shape[-1]), u
        for _ in range(self.power_iterations):
            v = ops.normalize(u @ matrix.T, None)
            u = ops.normalize(v @ matrix, None)
        u, v = jax.lax.stop_gradient((u, v))
        empty = jnp.all(kernel == 0)
        value = jnp.where(empty, 1, (v @ matrix @ u.T)[0, 0])
        return jnp.where(empty, self.vector_u.value, u), kernel / value
