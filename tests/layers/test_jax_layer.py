"""Functions of JAX and modules of Flax as layers."""

import io
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rows import x

import lamina as keras
from lamina.layers import FlaxLayer, JaxLayer


class Affine(NamedTuple):
    kernel: Any
    bias: Any


@keras.saving.register_keras_serializable("tests")
def init(rng: Any, inputs: Any) -> Any:
    return Affine(jax.random.normal(rng, (inputs.shape[-1], 3)), jnp.zeros(3))


@keras.saving.register_keras_serializable("tests")
def affine(params: Any, inputs: Any) -> Any:
    return inputs @ params.kernel + params.bias


@keras.saving.register_keras_serializable("tests")
def init_counting(inputs: Any) -> Any:
    return {"scale": jnp.float32(2)}, {"calls": jnp.int32(0)}


@keras.saving.register_keras_serializable("tests")
def counting(state: Any, params: Any, rng: Any, inputs: Any, training: Any) -> Any:
    noise = jax.random.normal(rng, inputs.shape) if training else 0
    return inputs * params["scale"] + noise, {"calls": state["calls"] + 1}


def test_parameters_are_variables() -> None:
    layer = JaxLayer(affine, init)
    inputs = x(2, 4)
    outputs = layer(inputs)
    kernel, bias = layer.params
    assert isinstance(layer.params, Affine)
    assert_allclose(outputs, inputs @ kernel.numpy() + bias.numpy(), rtol=1e-5)
    assert [v.shape for v in layer.trainable_variables] == [(4, 3), (3,)]
    assert layer.non_trainable_variables == []
    assert layer(keras.Input((4,))).shape == (None, 3)


def test_state_and_keys() -> None:
    layer = JaxLayer(counting, init_counting, seed=3)
    inputs = x(2, 4)
    assert_allclose(layer(inputs), 2 * inputs)
    first, second = (np.asarray(layer(inputs, training=True)) for _ in range(2))
    assert not np.allclose(first, second) and not np.allclose(first, 2 * inputs)
    assert int(layer.state["calls"]) == 3
    twin = JaxLayer(counting, init_counting, seed=3)
    assert_array_equal(twin(inputs, training=True), first)
    arrays = [[v.value for v in kind] for kind in (
        layer.trainable_variables, layer.non_trainable_variables)]  # fmt: skip
    _, rest = layer.stateless_call(*arrays, inputs)
    assert int(layer.state["calls"]) == 3
    assert 4 in [int(v) for v in rest if v.shape == ()]


def test_given_parameters() -> None:
    params = Affine(np.ones((4, 3), "float32"), np.float32([1, 2, 3]))
    layer = JaxLayer(affine, params=params)
    assert layer.built
    assert_allclose(layer(x(2, 4)), x(2, 4).sum(1, keepdims=True) + params.bias, rtol=1e-5)
    mixed = JaxLayer(affine, params=params, dtype="mixed_bfloat16")
    assert mixed(x(2, 4)).dtype == "bfloat16" and mixed.params.bias.dtype == "float32"


@pytest.mark.parametrize("functions", [(affine, init), (counting, init_counting)])
def test_training_and_files(functions: Any) -> None:
    model = keras.Sequential([keras.Input((4,)), JaxLayer(*functions), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    inputs, targets = x(16, 4), x(16, 1)
    losses = model.fit(inputs, targets, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(file := io.BytesIO())
    loaded = keras.saving.load_model(file)
    assert_allclose(loaded.predict(inputs, verbose=0), model.predict(inputs, verbose=0), rtol=1e-5)
    for a, b in zip(loaded.variables, model.variables, strict=True):
        if "calls" not in a.path:
            assert a.shape == b.shape


def test_views_and_gradients() -> None:
    layer = JaxLayer(affine, init)
    layer(x(2, 4))
    grads = keras.grad(lambda layer, x: layer(x).sum())(layer, x(2, 4))
    assert sorted(grad.shape for grad in grads.values()) == [(3,), (4, 3)]
    doubled = jax.tree.map(lambda leaf: 2 * leaf, layer)
    assert_allclose(doubled(x(2, 4)), 2 * layer(x(2, 4)), rtol=1e-5)
    assert_allclose(jax.jit(lambda layer, x: layer(x))(layer, x(2, 4)), layer(x(2, 4)), rtol=1e-5)


def test_bad_functions() -> None:
    with pytest.raises(ValueError, match="Unsupported argument in `call_fn`: `y`"):
        JaxLayer(lambda inputs, y: inputs)
    with pytest.raises(ValueError, match="its call_fn takes no `inputs`"):
        JaxLayer(lambda params: params)
    with pytest.raises(ValueError, match="Unsupported argument in `init_fn`: `params`"):
        JaxLayer(affine, lambda params, inputs: params)
    with pytest.raises(ValueError, match="nothing to give its call_fn"):
        JaxLayer(affine)
    layer = JaxLayer(lambda state, inputs: (inputs, {"b": state["a"]}), state={"a": np.ones(1)})
    with pytest.raises(ValueError, match="Structure mismatch"):
        layer(x(2, 4))
    model = keras.Sequential([keras.Input((4,)), JaxLayer(lambda inputs: inputs)])
    with pytest.raises(ValueError, match="cannot be saved"):
        model.save(io.BytesIO())
    with pytest.raises(ValueError, match=r"takes a flax\.linen\.Module"):
        FlaxLayer("Dense")


def test_functions_against_keras() -> None:
    theirs = pytest.importorskip("keras").layers
    params = Affine(x(4, 3), x(3))
    pair = [layers.JaxLayer(affine, params=params) for layers in (keras.layers, theirs)]
    assert_allclose(*(np.asarray(layer(x(2, 4))) for layer in pair), rtol=1e-5)
    mine, keras_own = ({**layer.get_config(), "name": ""} for layer in pair)
    assert mine.keys() == keras_own.keys()


def test_flax_modules() -> None:
    linen = pytest.importorskip("flax.linen")

    class Net(linen.Module):
        @linen.compact
        def __call__(self, inputs: Any, training: bool = False) -> Any:
            hidden = linen.BatchNorm(use_running_average=not training)(linen.Dense(5)(inputs))
            return linen.Dense(2)(linen.Dropout(0.5, deterministic=not training)(hidden))

        def get_config(self) -> Any:
            return {}

        @classmethod
        def from_config(cls, config: Any) -> Any:
            return cls(**config)

    module, inputs = Net(), x(8, 4)
    variables = module.init(jax.random.key(0), inputs)
    layer = FlaxLayer(module, variables=variables)
    assert_allclose(layer(inputs), module.apply(variables, inputs), rtol=1e-5)
    assert len(layer.trainable_variables) == 6
    before = np.asarray(layer.state["batch_stats"]["BatchNorm_0"]["mean"].value)
    a, b = (np.asarray(layer(inputs, training=True)) for _ in range(2))
    assert not np.allclose(a, b)
    assert not np.allclose(before, layer.state["batch_stats"]["BatchNorm_0"]["mean"].value)
    model = keras.Sequential([keras.Input((4,)), FlaxLayer(Net())])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    losses = model.fit(inputs, x(8, 2), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(file := io.BytesIO())
    with pytest.raises(ValueError, match="Net"):
        keras.saving.load_model(file)
    loaded = keras.saving.load_model(file, custom_objects={"Net": Net})
    assert_allclose(loaded.predict(inputs, verbose=0), model.predict(inputs, verbose=0), rtol=1e-5)
    theirs = pytest.importorskip("keras").layers.FlaxLayer(Net(), variables=variables)
    assert_allclose(theirs(inputs), module.apply(variables, inputs), rtol=1e-5)
    assert theirs.get_config().keys() == layer.get_config().keys()
