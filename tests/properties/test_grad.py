"""Gradients by weights and inputs: the everyday form, the stateless form, and differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalogue import LayerRow, each_layer_once
from numpy.testing import assert_allclose

from lamina.core.pytree import value_and_grad


def loss(layer, *inputs, **kwargs):
    return jnp.sum(jnp.sin(layer(*inputs, **kwargs)))


@each_layer_once
def test_by_weights_equals_the_stateless_form(row: LayerRow) -> None:
    layer = row.make()
    layer(*row.args())
    value, grads = value_and_grad(loss)(layer, *row.args())
    rest = [v.value for v in layer.non_trainable_variables]

    def pure(params):
        outputs, _ = layer.stateless_call(params, rest, *row.args())
        return jnp.sum(jnp.sin(outputs))

    params = [v.value for v in layer.trainable_variables]
    expected, gradients = jax.value_and_grad(pure)(params)
    assert_allclose(value, expected, rtol=1e-5)
    for path, wanted in zip(layer.split()[0], gradients, strict=True):
        assert_allclose(grads[path], wanted, atol=1e-5)


@each_layer_once
def test_by_inputs_equals_differences(row: LayerRow) -> None:
    if not row.floats:
        pytest.skip("of one float input only")
    if len(np.unique(row.inputs)) < row.inputs.size:
        pytest.skip("where inputs are equal, a maximum has no derivative")
    layer = row.make()
    layer(*row.args())
    gradient = np.asarray(jax.grad(lambda x: loss(layer, x))(jnp.asarray(row.inputs)))
    direction = np.random.default_rng(0).normal(size=row.inputs.shape).astype("float32")
    step = 1e-2
    ahead, behind = (loss(layer, row.inputs + sign * step * direction) for sign in (1, -1))
    slope = (ahead - behind) / (2 * step)
    assert_allclose(slope, np.sum(gradient * direction), rtol=0.05, atol=0.05)


@each_layer_once
def test_training_writes_state_back(row: LayerRow) -> None:
    layer = row.make()
    layer(*row.args())
    before = [np.asarray(v.value) for v in layer.non_trainable_variables]
    value_and_grad(lambda layer, *x: loss(layer, *x, training=True))(layer, *row.args())
    after = [np.asarray(v.value) for v in layer.non_trainable_variables]
    changed = any((a != b).any() for a, b in zip(before, after, strict=True))
    assert changed == (row.random or row.name in ("BatchNormalization", "SpectralNormalization"))
