"""The loop of `ops.fast.recurrence` beside the plain one: values and derivatives of every kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers
from lamina.layers.recurrent_cells import RecurrentCell

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
MASK = np.asarray([[1, 1, 0, 1, 1], [0, 0, 1, 1, 1], [1, 1, 1, 0, 0]], bool)
CASES = [
    (layers.LSTM, {"use_bias": False, "zero_output_for_mask": True, "return_state": True}, MASK),
    (layers.GRU, {"return_sequences": True, "go_backwards": True, "dropout": 0.5}, MASK),
    (layers.SimpleRNN, {"return_sequences": True, "activation": "relu"}, None),
]


@pytest.mark.parametrize("make, options, mask", CASES)
def test_all_derivatives_are_those_of_the_plain_loop(make, options, mask, monkeypatch):
    layer = make(3, seed=1, **options)
    layer.build(X.shape)
    rest = [jnp.asarray(v.value) for v in layer.non_trainable_variables]

    def loss(weights, x):
        outputs, _ = layer.stateless_call(weights, rest, x, mask=mask, training=True)
        return sum(jnp.sum(jnp.sin(a) * jnp.arange(a.size).reshape(a.shape)) / a.size
                   for a in jax.tree.leaves(outputs))  # fmt: skip

    @jax.jit
    def derivatives(weights, x):
        value, gradients = jax.value_and_grad(loss, (0, 1))(weights, x)
        _, tangent = jax.jvp(loss, (weights, x), (weights, x))
        along = jax.grad(lambda s: loss([w * s for w in weights], x * s))
        second = jax.vmap(jax.grad(along))(jnp.asarray([1.0, 0.5]))
        return value, gradients, tangent, second

    weights = [jnp.asarray(v.value) + 0.1 for v in layer.trainable_variables]
    assert layer.cell.in_two_parts() is not None
    found = derivatives(weights, X)
    monkeypatch.setattr(RecurrentCell, "in_two_parts", lambda self: None)
    jax.clear_caches()
    wanted = derivatives(weights, X)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def test_an_activation_of_the_users_own_is_differentiated_too():
    def loss(slope):
        step = lambda x: jnp.tanh(slope * x)  # noqa: E731
        layer = layers.SimpleRNN(2, step, False, "ones", "ones")
        return jnp.sum(layer(X[:1]))

    numeric = (loss(0.51) - loss(0.49)) / 0.02
    np.testing.assert_allclose(jax.grad(loss)(0.5), numeric, rtol=1e-3)
