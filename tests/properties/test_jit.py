"""A layer under `jax.jit`, as an argument and closed over, gives what it gives outside."""

import jax
from catalogue import LayerRow, each_layer
from numpy.testing import assert_allclose


@each_layer
def test_layer_as_an_argument(row: LayerRow) -> None:
    layer = row.make()
    expected = layer(row.inputs)
    assert_allclose(jax.jit(lambda layer, x: layer(x))(layer, row.inputs), expected, atol=1e-6)


@each_layer
def test_layer_closed_over(row: LayerRow) -> None:
    layer = row.make()
    expected = layer(row.inputs)
    assert_allclose(jax.jit(lambda x: layer(x))(row.inputs), expected, atol=1e-6)


@each_layer
def test_built_inside(row: LayerRow) -> None:
    layer = row.make()
    inside = jax.jit(lambda x: layer(x))(row.inputs)
    assert_allclose(layer(row.inputs), inside, atol=1e-6)


@each_layer
def test_layers_built_alike_share_one_compilation(row: LayerRow) -> None:
    count = 0

    @jax.jit
    def call(layer, x):
        nonlocal count
        count += 1
        return layer(x)

    for layer in (row.make(), row.make()):
        layer(row.inputs)
        call(layer, row.inputs)
    assert count == 1
