"""Under `jax.jit` everything gives what it gives outside; layers as arguments or closed over."""

import jax
import pytest
from catalogue import LayerRow, each_layer_once
from catalogue_losses import LossRow, each_loss
from catalogue_ops import OpRow, each_op_once
from numpy.testing import assert_allclose


@each_layer_once
def test_built_inside(row: LayerRow) -> None:
    layer = row.make()
    inside = jax.jit(lambda *x: layer(*x))(*row.args())
    assert_allclose(layer(*row.args()), inside, atol=1e-6)


@each_layer_once
def test_as_arguments_layers_built_alike_share_one_compilation(row: LayerRow) -> None:
    count = 0

    @jax.jit
    def call(layer, *x):
        nonlocal count
        count += 1
        return layer(*x)

    for layer in (row.make(), row.make()):
        expected = layer(*row.args())
        assert_allclose(call(layer, *row.args()), expected, atol=1e-6)
    assert count == 1


@each_op_once
def test_op(row: OpRow) -> None:
    if row.by_value:
        pytest.skip("its result has a shape that depends on values")
    found = jax.tree.leaves(jax.jit(row)(row.arrays))
    for a, b in zip(found, jax.tree.leaves(row()), strict=True):
        assert_allclose(a, b, rtol=2e-5, atol=1e-5)


@each_loss
def test_loss(row: LossRow) -> None:
    loss = row.make()
    assert_allclose(jax.jit(loss)(row.true, row.pred), loss(row.true, row.pred), rtol=1e-5)
