"""Layers that bring activations to mean 0 and variance 1, or to length 1."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina import initializers, ops
from lamina.core import types as t
from lamina.core.errors import ArgumentError, ShapeError, unknown
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.settings import settings
from lamina.layers.arguments import axes as checked_axes
from lamina.layers.arguments import known_size
from lamina.layers.weighted import WeightedLayer

_CLIPS = ("rmax", "rmin", "dmax")


class BatchNormalization(WeightedLayer):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` for each channel.

    In training, mean and variance are those of the batch, and their moving averages are kept; at
    inference, and in a frozen layer, the moving averages are used (Ioffe and Szegedy, 2015).

    Args:
        axis: The axis of the channels.
        momentum: Weight of the old value in a moving average.
        center, scale: Whether there is a ``beta``, a ``gamma``.
        renorm: Whether to correct the batch's statistics by moving ones (Ioffe, 2017), with the
            limits "rmax", "rmin" and "dmax" in ``renorm_clipping``.
        synchronized: Accepted: in one program over several devices, statistics always are the
            whole batch's.

    Call arguments:
        mask: Positions that count, of the input's shape without its last axis.
    """

    supports_masking = True

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: t.InitializerLike = "zeros",
        gamma_initializer: t.InitializerLike = "ones",
        moving_mean_initializer: t.InitializerLike = "zeros",
        moving_variance_initializer: t.InitializerLike = "ones",
        beta_regularizer: t.RegularizerLike = None,
        gamma_regularizer: t.RegularizerLike = None,
        beta_constraint: t.ConstraintLike = None,
        gamma_constraint: t.ConstraintLike = None,
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = int(axis)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.set_rules("beta", beta_initializer, beta_regularizer, beta_constraint)
        self.set_rules("gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.renorm = renorm
        self.renorm_clipping = _clipping(renorm_clipping) if renorm else renorm_clipping
        self.renorm_momentum = renorm_momentum
        self.synchronized = synchronized

    def build(self, input_shape: t.Shape) -> None:
        size = known_size(self, input_shape, self.axis)
        fixed: dict[str, Any] = {"trainable": False, "autocast": False}
        self.gamma = self.weight("gamma", (size,), autocast=False) if self.scale else None
        self.beta = self.weight("beta", (size,), autocast=False) if self.center else None
        self.moving_mean = self.weight("moving_mean", (size,), **fixed)
        self.moving_variance = self.weight("moving_variance", (size,), **fixed)
        if self.renorm:
            mean, deviation = self.moving_mean_initializer, self._initial_deviation
            self.moving_stddev = self.add_weight((size,), deviation, name="moving_stddev", **fixed)
            self.renorm_mean = self.add_weight((size,), mean, name="renorm_mean", **fixed)
            self.renorm_stddev = self.add_weight((size,), deviation, name="renorm_stddev", **fixed)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size})

    def call(self, inputs: t.Array, training: bool | None = None, mask: Any = None) -> t.Array:
        x = inputs.astype(jnp.promote_types(inputs.dtype, "float32"))
        gamma = 1.0 if self.gamma is None else self.gamma.value.astype(x.dtype)
        beta = 0.0 if self.beta is None else self.beta.value.astype(x.dtype)
        if training and self.trainable:
            mean, variance = self._moments(x, mask)
            if self.renorm:
                r, d = self._corrections(mean, variance)
                gamma, beta = r * gamma, d * gamma + beta
                self._update_renorm(mean, variance)
            else:
                self._move(self.moving_mean, mean, self.momentum)
                self._move(self.moving_variance, variance, self.momentum)
        else:
            mean = self.moving_mean.value.astype(x.dtype)
            variance = self.moving_variance.value.astype(x.dtype)
        outputs = ops.batch_normalization(x, mean, variance, self.axis, beta, gamma, self.epsilon)
        return outputs.astype(self.compute_dtype)

    def _along(self, x: t.Array, vector: t.Array) -> t.Array:
        """A value for each channel, in a shape that broadcasts to ``x``."""
        return jnp.expand_dims(vector, [i for i in range(x.ndim) if i != self.axis % x.ndim])

    def _moments(self, x: t.Array, mask: Any) -> tuple[t.Array, t.Array]:
        axes = tuple(i for i in range(x.ndim) if i != self.axis % x.ndim)
        if mask is None:
            return ops.moments(x, axes)
        if mask.ndim != x.ndim - 1:
            raise ShapeError(
                f"{self._who()} cannot use this mask.",
                met=f"input {x.shape}, mask {mask.shape}",
                rule="a mask has the input's shape without its last axis",
            )
        keep = jnp.broadcast_to(mask[..., None], x.shape).astype(bool)
        count = jnp.sum(keep, axes, dtype=x.dtype) + settings.epsilon
        mean = jnp.sum(jnp.where(keep, x, 0), axes) / count
        differences = jnp.where(keep, x - self._along(x, mean), 0)
        return mean, jnp.sum(jnp.square(differences), axes) / count

    def _move(self, average: Any, value: t.Array, momentum: float) -> None:
        average.assign(average.value.astype(value.dtype) * momentum + value * (1 - momentum))

    def _initial_deviation(self, shape: t.ShapeLike, dtype: t.DTypeLike = None) -> t.Array:
        variance: Any = self.moving_variance_initializer
        return jnp.sqrt(variance(shape, dtype=dtype))

    def _corrections(self, mean: t.Array, variance: t.Array) -> tuple[t.Array, t.Array]:
        """The factor and the offset that bring the batch's statistics to the moving ones."""
        moving = self.renorm_mean.value.astype(mean.dtype)
        deviation = jnp.maximum(self.renorm_stddev.value.astype(mean.dtype), self.epsilon**0.5)
        clip = self.renorm_clipping or {}
        r = jnp.sqrt(variance + self.epsilon) / deviation
        r = jnp.clip(r, clip.get("rmin"), clip.get("rmax"))
        d = (mean - moving) / deviation
        if clip.get("dmax") is not None:
            d = jnp.clip(d, -clip["dmax"], clip["dmax"])
        return jax.lax.stop_gradient(r), jax.lax.stop_gradient(d)

    def _update_renorm(self, mean: t.Array, variance: t.Array) -> None:
        deviation = jnp.sqrt(variance + self.epsilon)
        self._move(self.renorm_mean, mean, self.renorm_momentum)
        self._move(self.renorm_stddev, deviation, self.renorm_momentum)
        self._move(self.moving_mean, mean, self.momentum)
        self._move(self.moving_stddev, deviation, self.momentum)
        squared = jnp.square(self.moving_stddev.value)
        self.moving_variance.assign(jax.nn.relu(squared - self.epsilon))


class LayerNormalization(WeightedLayer):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` over axes of each example.

    Ba et al., 2016.

    Args:
        axis: The axis, or axes, over which mean and variance are taken.
        center, scale: Whether there is a ``beta``, a ``gamma``, of the shape of these axes.
        rms_scaling: Whether only to divide, without taking the mean away.

    >>> import numpy as np
    >>> LayerNormalization(epsilon=0.0)(np.float32([[1, 3]]))
    Array([[-1.,  1.]], dtype=float32)
    """

    supports_masking = True

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: t.InitializerLike = "zeros",
        gamma_initializer: t.InitializerLike = "ones",
        beta_regularizer: t.RegularizerLike = None,
        gamma_regularizer: t.RegularizerLike = None,
        beta_constraint: t.ConstraintLike = None,
        gamma_constraint: t.ConstraintLike = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.autocast = False  # statistics of the input as it comes, in float32 at least
        self.axis = checked_axes(self, axis)
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.set_rules("beta", beta_initializer, beta_regularizer, beta_constraint)
        self.set_rules("gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        self.rms_scaling = rms_scaling

    def build(self, input_shape: t.Shape) -> None:
        axes = [self.axis] if isinstance(self.axis, int) else sorted(self.axis)
        shape = [known_size(self, input_shape, axis) for axis in axes]
        scale, center = self.scale or self.rms_scaling, self.center and not self.rms_scaling
        self.gamma = self.weight("gamma", shape, autocast=False) if scale else None
        self.beta = self.weight("beta", shape, autocast=False) if center else None
        self.input_spec = InputSpec(axes=dict(zip(axes, shape, strict=True)))

    def call(self, inputs: t.Array) -> t.Array:
        x = inputs.astype(jnp.promote_types(inputs.dtype, "float32"))
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        reduced = tuple(sorted(axis % x.ndim for axis in axes))
        others = [i for i in range(x.ndim) if i not in reduced]
        factor = jax.lax.rsqrt(jnp.var(x, reduced, keepdims=True) + self.epsilon)
        if self.gamma is not None:
            factor = factor * jnp.expand_dims(self.gamma.value.astype(x.dtype), others)
        if not self.rms_scaling:
            x = x - jnp.mean(x, reduced, keepdims=True)
        x = x * factor
        if self.beta is not None:
            x = x + jnp.expand_dims(self.beta.value.astype(x.dtype), others)
        return x.astype(self.compute_dtype)


class UnitNormalization(Layer):
    """The input scaled to length 1 along an axis, or several.

    >>> import numpy as np
    >>> UnitNormalization()(np.float32([[3, 4]]))
    Array([[0.6, 0.8]], dtype=float32)
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = checked_axes(self, axis)
        self.built = not self._builds_itself()  # there are no weights to wait for

    def call(self, inputs: t.Array) -> t.Array:
        axes: Any = self.axis if isinstance(self.axis, int) else tuple(self.axis)
        return ops.normalize(inputs, axes, order=2, epsilon=1e-12)


def _clipping(limits: dict[str, float] | None) -> dict[str, float]:
    limits = dict(limits or {})
    for name in limits:
        if name not in _CLIPS:
            raise unknown("limit in renorm_clipping", name, _CLIPS)
    rmin, rmax, dmax = (limits.get(name) for name in ("rmin", "rmax", "dmax"))
    if (rmin is not None and rmax is not None and rmax < rmin) or (dmax is not None and dmax < 0):
        raise ArgumentError(
            "The limits of renorm_clipping exclude each other.",
            met=str(limits),
            rule="rmin is at most rmax, and dmax is 0 or more",
        )
    return limits
