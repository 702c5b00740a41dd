"""Under `jax.vmap`: ops and layers over examples, and an ensemble of layers built alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalogue import LayerRow, each_layer_once
from catalogue_ops import OpRow, each_op_once
from numpy.testing import assert_allclose


@each_layer_once
def test_over_inputs(row: LayerRow) -> None:
    layer = row.make()
    one = layer(*row.args())
    stacked = row.map(lambda x: np.stack([x, x]))
    found = jax.vmap(lambda *x: layer(*x))(*row.args(stacked))
    assert_allclose(found, jnp.stack([one, one]), atol=1e-5)


@each_layer_once
def test_over_layers(row: LayerRow) -> None:
    layers = [row.make(), row.make()]
    expected = [layer(*row.args()) for layer in layers]
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)
    found = jax.vmap(lambda layer: layer(*row.args()), axis_size=2)(stack)
    assert_allclose(found, jnp.stack(expected), atol=1e-5)


@each_op_once
def test_op_equals_a_loop(row: OpRow) -> None:
    if row.by_value or not row.arrays:
        pytest.skip("of no arrays, or its result has a shape that depends on values")
    examples = [row.arrays, row.map(np.flip)]
    found = jax.jit(jax.vmap(row))([np.stack(each) for each in zip(*examples, strict=True)])
    expected = [jax.tree.leaves(row(each)) for each in examples]
    for a, *each in zip(jax.tree.leaves(found), *expected, strict=True):
        assert_allclose(a, np.stack(each), rtol=2e-5, atol=1e-5)
