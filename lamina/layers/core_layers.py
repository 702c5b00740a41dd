"""Layers that pass their input on: as it is, or with a mask."""

from typing import Any

import jax.numpy as jnp

from lamina.core.layer import Layer
from lamina.core.types import Array, Nest


class Identity(Layer):
    """The input.

    >>> import numpy as np
    >>> Identity()(np.float32([1, 2]))
    Array([1., 2.], dtype=float32)
    """

    supports_masking = True

    def call(self, inputs: Nest) -> Nest:
        return inputs


class Masking(Layer):
    """Masks the steps of a sequence whose features all equal ``mask_value``, and sets them to 0.

    Input and output have the shape (batch, steps, features), the mask (batch, steps).
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value

    def call(self, inputs: Array) -> Array:
        return jnp.where(self.compute_mask(inputs)[..., None], inputs, 0)

    def compute_mask(  # type: ignore[override]
        self, inputs: Array, mask: Any = None
    ) -> Any:
        return jnp.any(inputs != self.mask_value, axis=-1)
