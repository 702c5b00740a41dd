"""A layer under `jax.vmap`: over examples, and over an ensemble of layers built alike."""

import jax
import jax.numpy as jnp
import numpy as np
from catalogue import LayerRow, each_layer
from numpy.testing import assert_allclose


@each_layer
def test_over_inputs(row: LayerRow) -> None:
    layer = row.make()
    one = layer(row.inputs)
    stacked = row.map(lambda x: np.stack([x, x]))
    assert_allclose(jax.vmap(lambda x: layer(x))(stacked), jnp.stack([one, one]), atol=1e-5)


@each_layer
def test_over_layers(row: LayerRow) -> None:
    layers = [row.make(), row.make()]
    expected = [layer(row.inputs) for layer in layers]
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)
    found = jax.vmap(lambda layer: layer(row.inputs), axis_size=2)(stack)
    assert_allclose(found, jnp.stack(expected), atol=1e-5)
