"""Gradients of ops and losses by their floats: finite, and equal to differences."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalogue_losses import LossRow, each_loss
from catalogue_ops import OpRow, each_op_once
from numpy.testing import assert_allclose

NOT_DIFFERENTIABLE = {"nextafter", "eig", "view"}
NOT_EVERYWHERE = {"power", "segment_prod"}
"""A negative base has no slope by its exponent; JAX has no gradient of a scattered product."""


def total(results: Any) -> jax.Array:
    """A number that depends on each float of the results."""
    kept = [x for x in jax.tree.leaves(results) if jnp.result_type(x) == jnp.float32]
    return sum((jnp.sum(jnp.sin(x + 1)) for x in kept), jnp.zeros(()))


@each_op_once
def test_op(row: OpRow) -> None:
    places = [i for i, x in enumerate(row.arrays) if x.dtype == "float32" and np.isfinite(x).all()]
    if row.by_value or not places or row.name in NOT_DIFFERENTIABLE | NOT_EVERYWHERE:
        pytest.skip("of no floats, or has no gradient")

    def function(floats: list[Any]) -> jax.Array:
        arrays: list[Any] = list(row.arrays)
        for i, x in zip(places, floats, strict=True):
            arrays[i] = x
        return total(row(arrays))

    gradients = jax.jit(jax.grad(function))([jnp.asarray(row.arrays[i]) for i in places])
    for gradient, i in zip(gradients, places, strict=True):
        assert gradient.shape == row.arrays[i].shape
        assert np.isfinite(gradient).all()


@each_loss
def test_loss(row: LossRow) -> None:
    loss = row.make()
    function = jax.jit(lambda y: loss(row.true, y))
    gradient = np.asarray(jax.jit(jax.grad(function))(row.pred))
    assert np.isfinite(gradient).all()
    direction = np.random.default_rng(0).normal(size=gradient.shape).astype("float32")
    step = 1e-3 * direction
    slope = (function(row.pred + step) - function(row.pred - step)) / 2e-3
    assert_allclose(slope, np.sum(gradient * direction), rtol=0.05, atol=0.01)
