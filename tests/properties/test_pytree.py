"""A layer is a JAX value: flattening and unflattening, equal structures, split and merge."""

import jax
import numpy as np
from catalogue import LayerRow, each_layer_once
from numpy.testing import assert_allclose, assert_array_equal


@each_layer_once
def test_flatten_and_unflatten(row: LayerRow) -> None:
    layer = row.make()
    expected = layer(*row.args())
    leaves, structure = jax.tree.flatten(layer)
    assert len(leaves) == len(layer.variables)
    view = jax.tree.unflatten(structure, leaves)
    assert type(view) is type(layer)
    assert_array_equal(view(*row.args()), expected)
    assert jax.tree.structure(view) == structure


@each_layer_once
def test_layers_built_alike_have_equal_structures(row: LayerRow) -> None:
    layers = [row.make(), row.make()]
    for layer in layers:
        layer(*row.args())
    first, second = map(jax.tree.structure, layers)
    assert first == second
    assert hash(first) == hash(second)


@each_layer_once
def test_a_view_is_apart_from_the_layer(row: LayerRow) -> None:
    layer = row.make()
    expected = layer(*row.args())
    jax.tree.map(np.zeros_like, layer)(*row.args())
    assert_array_equal(layer(*row.args()), expected)


@each_layer_once
def test_split_and_merge(row: LayerRow) -> None:
    layer = row.make()
    expected = layer(*row.args())
    params, rest = layer.split()
    assert len(params) == len(layer.trainable_variables)
    assert_allclose(layer.merge(params, rest)(*row.args()), expected)
    assert all(array.dtype == "float32" for array in params.values())
