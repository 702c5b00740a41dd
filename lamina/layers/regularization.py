"""Noise that is there in training only, and a penalty on activity."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina import regularizers
from lamina.core import random
from lamina.core.errors import ArgumentError
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.types import Array, Config, Shape, ShapeLike
from lamina.layers.arguments import data_format as standard_data_format


class RandomLayer(Layer):
    """A layer that changes its input by chance in training, and passes it on otherwise.

    ``seed_generator`` holds the state of its random numbers; a layer whose amount of noise is 0
    has none, until the amount is set to something else.
    """

    supports_masking = True
    amount = "rate"
    largest = 1.0

    def __init__(self, seed: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed

    def __setattr__(self, name: str, value: Any) -> None:
        if name != self.amount:
            super().__setattr__(name, value)
            return
        if not isinstance(value, (int, float, np.number)) or not 0 <= value <= self.largest:
            raise ArgumentError(
                f"{type(self).__name__} needs a number from 0 to {self.largest:g} as `{name}`.",
                met=f"{name}={value!r}",
            )
        super().__setattr__(name, value)
        if value > 0 and not hasattr(self, "seed_generator"):
            self.seed_generator = random.SeedGenerator(self.seed)

    def call(self, inputs: Array, training: bool = False) -> Array:
        return self.disturb(inputs) if training and getattr(self, self.amount) > 0 else inputs

    def disturb(self, inputs: Array) -> Array:
        """The input with noise."""
        return inputs


class Dropout(RandomLayer):
    """In training, elements are 0 with probability ``rate``, the rest scaled by 1 / (1 - rate).

    Args:
        rate: From 0 to 1.
        noise_shape: The shape of the mask; axes of size 1 are dropped together, None stands for
            the input's size.
        seed: For equal numbers in each run.

    Srivastava et al., 2014.

    >>> import numpy as np
    >>> Dropout(0.5, seed=1)(np.ones((1, 4)), training=True)
    Array([[2., 0., 0., 2.]], dtype=float32)
    """

    def __init__(
        self,
        rate: float,
        noise_shape: ShapeLike | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        self.rate = rate
        self.noise_shape = _noise_shape(self, noise_shape)

    def disturb(self, inputs: Array) -> Array:
        shape = self.mask_shape(inputs.shape)
        return random.dropout(inputs, self.rate, shape, self.seed_generator)

    def mask_shape(self, shape: Shape) -> Any:
        """The shape of the mask for inputs of this shape."""
        return self.noise_shape


class SpatialDropout(Dropout):
    """Dropout of whole channels: base of the three below (Tompson et al., 2014)."""

    rank = 0

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.data_format = standard_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def mask_shape(self, shape: Shape) -> Any:
        ones = (1,) * self.rank
        last = self.data_format == "channels_last"
        return (shape[0], *ones, shape[-1]) if last else (*shape[:2], *ones)

    def get_config(self) -> Config:
        return {**super().get_config(), "dtype": self.dtype_policy.name}


class SpatialDropout1D(SpatialDropout):
    """Dropout of whole channels of (batch, steps, channels)."""

    rank = 1

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(rate, "channels_last", seed, name, dtype)


class SpatialDropout2D(SpatialDropout):
    """Dropout of whole channels of images: (batch, rows, columns, channels)."""

    rank = 2


class SpatialDropout3D(SpatialDropout):
    """Dropout of whole channels of volumes: (batch, 3 axes, channels)."""

    rank = 3


class GaussianNoise(RandomLayer):
    """In training, adds noise of the normal distribution with mean 0.

    Args:
        stddev: Its standard deviation, from 0 to 1.
    """

    amount = "stddev"

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.stddev = stddev

    def disturb(self, inputs: Array) -> Array:
        dtype = self.compute_dtype
        return inputs + random.normal(inputs.shape, 0.0, self.stddev, dtype, self.seed_generator)


class GaussianDropout(RandomLayer):
    """In training, multiplies by noise of mean 1 and variance rate / (1 - rate).

    Srivastava et al., 2014, section 10.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.rate = rate

    def disturb(self, inputs: Array) -> Array:
        if self.rate == 1:
            raise ArgumentError(f"{self._who()}: rate=1 means noise of infinite variance.")
        stddev = math.sqrt(self.rate / (1 - self.rate))
        dtype = self.compute_dtype
        return inputs * random.normal(inputs.shape, 1.0, stddev, dtype, self.seed_generator)


class AlphaDropout(RandomLayer):
    """Dropout that keeps mean and variance of activations made by SELU (Klambauer et al., 2017).

    Args:
        noise_shape: As that of `Dropout`.
    """

    saturated = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946

    def __init__(
        self,
        rate: float,
        noise_shape: ShapeLike | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        self.rate = rate
        self.noise_shape = _noise_shape(self, noise_shape)

    def disturb(self, inputs: Array) -> Array:
        if self.rate == 1:
            return jnp.zeros_like(inputs)
        pairs = zip(self.noise_shape or inputs.shape, inputs.shape, strict=True)
        shape = [size if own is None else own for own, size in pairs]
        keep = random.uniform(shape, seed=self.seed_generator) >= self.rate
        scale = ((1 - self.rate) * (1 + self.rate * self.saturated**2)) ** -0.5
        shift = -scale * self.saturated * self.rate
        return scale * jnp.where(keep, inputs, self.saturated) + shift


class ActivityRegularization(Layer):
    """Passes its input on, and adds ``l1 * sum(|x|) + l2 * sum(x**2)`` an example to the loss."""

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.l1 = l1
        self.l2 = l2

    @property
    def activity_regularizer(self) -> regularizers.L1L2:  # type: ignore[override]
        return regularizers.L1L2(self.l1, self.l2)

    def call(self, inputs: Array) -> Array:
        return inputs

    def get_config(self) -> Config:
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return config


def _noise_shape(layer: Layer, shape: Any) -> Shape | None:
    if shape is None:
        return None
    sizes = tuple(shape) if isinstance(shape, (list, tuple)) else (0,)
    if not all(size is None or (isinstance(size, int) and size > 0) for size in sizes):
        raise ArgumentError(
            f"{type(layer).__name__} needs sizes of 1 or more, or None, as `noise_shape`.",
            met=f"noise_shape={shape!r}",
        )
    return sizes
