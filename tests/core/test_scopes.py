"""Blocks in which variables, names and devices mean something else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina as keras

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")


def test_writes_stay_in_a_stateless_scope():
    layer = keras.layers.BatchNormalization()
    layer(X)
    before = layer.get_weights()
    with keras.StatelessScope() as scope:
        layer(X, training=True)
    for kept, now in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, now)
    np.testing.assert_allclose(
        scope.get_current_value(layer.moving_mean), X.mean(0) * 0.01, atol=1e-6
    )
    assert scope.get_current_value(layer.gamma) is None
    scope.add_update((layer.gamma, jnp.zeros(3)))
    assert not scope.get_current_value(layer.gamma).any()


def test_a_stateless_scope_inside_jit_and_grad():
    layer = keras.layers.Dense(2)
    layer(X)

    @jax.jit
    @jax.grad
    def gradient(kernel):
        with keras.StatelessScope([(layer.kernel, kernel)]):
            return jnp.sum(layer(X) ** 2)

    kernel = jnp.ones((3, 2))
    np.testing.assert_allclose(gradient(kernel), 2 * X.T @ (X @ kernel), rtol=1e-5)


def test_losses_of_a_stateless_scope():
    layer = keras.layers.Dense(2, activity_regularizer="l2")
    with keras.StatelessScope(collect_losses=True) as scope:
        layer(X)
        scope.add_loss(jnp.asarray(3.0))
    assert len(scope.losses) == 2
    assert scope.losses[1] == 3
    with keras.StatelessScope() as scope:
        layer(X)
    assert scope.losses == []


def test_what_a_stateless_scope_refuses():
    variable = keras.Variable(np.zeros(3))
    with pytest.raises(ValueError, match=r"array \(2,\), variable \(3,\)"):
        keras.StatelessScope([(variable, np.zeros(2))])
    with pytest.raises(ValueError, match="no Variable"):
        keras.StatelessScope([("kernel", np.zeros(2))])


def test_a_symbolic_scope_writes_nothing():
    variable = keras.Variable(1.0)
    with keras.SymbolicScope():
        variable.assign(5.0)
    assert float(variable.value) == 1


def test_names_inside_a_scope():
    with keras.name_scope("encoder"):
        layer = keras.layers.Dense(2, name="dense", activity_regularizer="l2")
        outputs = layer(keras.Input((3,)))
    assert layer.kernel.path == "encoder/dense/kernel"
    assert outputs.shape == (None, 2)
    with keras.name_scope("again"):
        layer(X)
    assert len(layer.losses) == 1
    with pytest.raises(ValueError, match="'/'"):
        keras.name_scope("a/b")


def test_names_inside_build():
    class Block(keras.layers.Layer):
        def build(self, input_shape):
            with keras.name_scope("attention"):
                self.scale = self.add_weight(shape=(), name="scale")

        def call(self, x):
            return x * self.scale

    layer = Block(name="block")
    layer(X)
    assert layer.scale.path == "block/attention/scale"


def test_device():
    with keras.device("cpu:0"):
        assert jnp.ones(2).device == jax.devices("cpu")[0]
    with pytest.raises(ValueError, match="no device 'gpu:9'"), keras.device("gpu:9"):
        pass
    with pytest.raises(ValueError, match="3"), keras.device(3):
        pass


def test_function():
    x = keras.Input((3,))
    layer = keras.layers.Dense(2)
    function = keras.Function(x, {"y": layer(x), "x": x * 2})
    outputs = function(X)
    np.testing.assert_allclose(outputs["y"], layer(X), rtol=1e-6)
    assert function.compute_output_shape((None, 3)) == {"x": (None, 3), "y": (None, 2)}
    assert function(keras.Input((3,)))["y"].shape == (None, 2)
    assert [type(op).__name__ for op in function.operations][:1] == ["InputLayer"]
    with pytest.raises(ValueError, match="1 input"):
        function([X, X])
