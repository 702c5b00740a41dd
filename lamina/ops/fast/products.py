"""`rows_times`: what a layer's kernel is multiplied with, in the form that XLA computes quickly."""

import jax
import jax.numpy as jnp

from lamina.core.types import Array


def rows_times(x: Array, kernel: Array) -> Array:
    """``x @ kernel`` for a matrix ``kernel``, as a product of two matrices.

    The gradients of a product of more axes contract several of them at once, for which XLA leaves
    its fast path on a CPU: (32, 64, 128) by (128, 512) with gradients takes 5.2 ms instead of 9.4
    (2 cores of an AMD EPYC, jax 0.10.2). Arrays whose types say how they are sharded stay as they
    are: axes may not be merged then.

    >>> rows_times(jnp.ones((2, 3, 4)), jnp.ones((4, 5))).shape
    (2, 3, 5)
    """
    if x.ndim < 3 or not jax.typeof(x).sharding.mesh.empty:
        return jnp.matmul(x, kernel)
    return jnp.dot(x.reshape(-1, x.shape[-1]), kernel).reshape(*x.shape[:-1], kernel.shape[-1])
