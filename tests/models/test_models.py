"""Functional, sequential and subclassed models, their mixtures, and features inside them."""

import pickle

import jax.numpy as jnp
import numpy as np
import pytest

import lamina as keras
from lamina import layers, ops
from lamina.core.errors import ArgumentError, GraphError, LaminaError, ShapeError, StateError

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


class Net(keras.Model):
    def __init__(self, width=5, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.first = layers.Dense(width, activation="relu", name="first")
        self.blocks = [layers.Dense(width, name=f"block{n}") for n in range(2)]
        self.head = layers.Dense(2, name="head")

    def call(self, x, training=False):
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


def graph():
    x = keras.Input((4,), name="x")
    h = layers.Dense(5, name="first")(x)
    return keras.Model(x, layers.Dense(2, name="head")(h + 1), name="graph")


def chain():
    return keras.Sequential([layers.Dense(5, name="first"), layers.Dense(2, name="head")])


def mixture():
    x = keras.Input((4,))
    return keras.Model(x, chain()(Net(4)(x)))


MODELS = {"graph": graph, "chain": chain, "subclass": Net, "mixture": mixture}


def test_a_bare_model_exists_and_says_what_it_lacks():
    model = keras.Model()
    assert type(model) is keras.Model
    assert model.layers == model.weights == []
    with pytest.raises(StateError, match="define call"):
        model(X)
    with pytest.raises(StateError, match="no inputs or outputs yet"):
        _ = model.output


@pytest.mark.parametrize("kind", MODELS)
def test_inputs_outputs_and_features_exist_on_every_built_model(kind):
    model = MODELS[kind]()
    y = model(X)
    assert model.output_shape == (None, 2)
    assert model.input_shape == (None, 4)
    twin = keras.Model(model.input, model.output)
    np.testing.assert_allclose(twin(X), y, atol=1e-6)
    if kind != "mixture":
        features = keras.models.extract(model, ["first", "head"])(X)
        assert [f.shape for f in features] == [(3, 5), (3, 2)]
        np.testing.assert_allclose(features[1], y, atol=1e-6)
        layer = model.get_layer("first")
        single = keras.Model(model.input, layer.output)(X)
        np.testing.assert_allclose(single, features[0], atol=1e-6)
        np.testing.assert_allclose(layer(X), features[0], atol=1e-6)


def test_features_deep_inside():
    model = mixture()
    model(X)
    block = keras.models.extract(model, "block1")
    assert block(X).shape == (3, 4)
    with pytest.raises(LaminaError, match="Did you mean 'block1'"):
        keras.models.extract(model, "blok1")


@pytest.mark.parametrize("kind", MODELS)
def test_pickles(kind):
    if kind == "mixture":
        pytest.skip("its parts are pickled above")
    model = MODELS[kind]()
    y = model(X)
    twin = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(twin(X), y)
    assert [w.path for w in twin.weights] == [w.path for w in model.weights]


def test_nests_of_inputs_and_outputs():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    model = keras.Model({"a": a, "b": [b]}, {"sum": a + b, "pair": (a, [b * 2])})
    out = model({"a": X[:, :2], "b": [X[:, 2:]]})
    np.testing.assert_allclose(out["sum"], X[:, :2] + X[:, 2:])
    np.testing.assert_allclose(out["pair"][1][0], 2 * X[:, 2:])
    by_name = keras.Model([a, b], a - b)
    np.testing.assert_allclose(by_name({"b": X[:, 2:], "a": X[:, :2]}), X[:, :2] - X[:, 2:])


def test_ops_and_arithmetic_on_symbolic_tensors():
    x = keras.Input((4,))
    y = ops.concatenate([x, 2 * x - 1], axis=-1)
    y = ops.reshape(y, (-1, 2, 4))[:, 1, ::2]
    y = ops.where(y > 0, y, -y) ** 2 / 4
    model = keras.Model(x, y)
    want = np.concatenate([X, 2 * X - 1], -1).reshape(-1, 2, 4)[:, 1, ::2]
    np.testing.assert_allclose(model(X), want**2 / 4, atol=1e-6)
    twin = keras.models.model_from_json(model.to_json())
    np.testing.assert_allclose(twin(X), want**2 / 4, atol=1e-6)


def test_a_graph_is_cut_to_what_the_outputs_need():
    x = keras.Input((4,))
    a = layers.Dense(3, name="a")(x)
    layers.Dense(3, name="unused")(a)
    model = keras.Model(x, a)
    assert [layer.name for layer in model.layers][1:] == ["a"]


def test_a_model_from_the_middle_of_another():
    x = keras.Input((4,))
    middle = layers.Dense(3, name="m")(x)
    end = layers.Dense(2, name="e")(middle)
    tail = keras.Model(middle, end)
    assert tail.input_shape == (None, 3)
    whole = keras.Model(x, end)
    np.testing.assert_allclose(tail(keras.Model(x, middle)(X)), whole(X), atol=1e-6)


def test_a_functional_subclass_with_its_own_step():
    class Custom(keras.Model):
        def extra(self):
            return len(self.layers)

    x = keras.Input((4,))
    model = Custom(inputs=x, outputs=layers.Dense(2)(x), name="custom")
    assert type(model) is Custom
    assert model.extra() == 2
    assert model(X).shape == (3, 2)

    class Named(keras.Model):
        def __init__(self, units):
            x = keras.Input((4,))
            super().__init__(inputs=x, outputs=layers.Dense(units)(x))
            self.units = units

    assert Named(3)(X).shape == (3, 3)
    clone = keras.models.clone_model(Named(3))
    assert clone(X).shape == (3, 3)


def test_sequential_grows_and_shrinks():
    model = keras.Sequential()
    model.add(layers.Dense(3, input_shape=(4,)))
    model.add(layers.Dense(2))
    assert model.output_shape == (None, 2)
    assert model.pop().units == 2
    assert model.output_shape == (None, 3)
    assert model(X).shape == (3, 3)
    late = keras.Sequential([layers.Dense(3), layers.Dense(2)])
    assert late.weights == []
    late.build((None, 4))
    assert len(late.weights) == 4
    assert keras.Sequential([layers.Dense(2, input_dim=4)]).built
    nested = keras.Sequential([late, layers.Dense(1)])
    assert nested(X).shape == (3, 1)


def test_inputs_are_fitted_to_what_the_model_was_described_for():
    x = keras.Input((4,))
    model = keras.Model(x, x * 1)
    assert model(np.ones((2, 4), np.uint8)).dtype == "float32"
    assert model([[1.0, 2, 3, 4]]).shape == (1, 4)
    one = keras.Input((1,))
    assert keras.Model(one, one * 2)(np.ones(5)).shape == (5, 1)


def test_clone_with_a_function():
    def wider(layer):
        if isinstance(layer, layers.Dense) and layer.name == "first":
            return layers.Dense(9, name="first")
        return type(layer).from_config(layer.get_config())

    clone = keras.models.clone_model(graph(), clone_function=wider)
    assert clone.get_layer("first").units == 9
    assert keras.models.clone_model(Net(7)).width == 7


def test_deep_graphs_need_no_recursion():
    x = inputs = keras.Input((2,))
    for _ in range(1500):
        x = layers.Activation("relu")(x)
    model = keras.Model(inputs, x)
    assert len(model.layers) == 1501
    assert len(keras.models.model_from_json(model.to_json()).layers) == 1501


BAD = {
    "another model's tensor": (lambda: keras.Model(keras.Input((4,)), graph().output), GraphError,
                               "disconnected"),
    "an array as output": (lambda: keras.Model(keras.Input((4,)), X), ArgumentError, "symbolic"),
    "a wrong width": (lambda: graph()(np.ones((2, 3))), ShapeError, "input 'x'"),
    "no batch axis": (lambda: graph()(np.ones(4)), ShapeError, r"x\[None\]"),
    "too many inputs": (lambda: graph()([X, X]), ShapeError, "takes 1 input"),
    "a misspelt layer": (lambda: graph().get_layer("frist"), LaminaError, "Did you mean 'first'"),
    "a class": (lambda: keras.Sequential([layers.Dense]), ArgumentError, r"Dense\(...\)"),
    "one object twice": (lambda: keras.Sequential([layers.Dense(4)] * 2), ArgumentError,
                         "different objects"),
    "two names": (lambda: twice_named(), ArgumentError, "two layers named 'd'"),
    "a missing input": (lambda: two_inputs()({"a": X}), ShapeError, r"\['b'\]"),
    "weights of another": (lambda: graph().set_weights(Net().get_weights()), ShapeError, "weights"),
    "NumPy in a symbolic call": (lambda: NumpyLayer()(keras.Input((4,))), ShapeError, "not NumPy"),
}  # fmt: skip


def twice_named():
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(2, name="d")(layers.Dense(2, name="d")(x)))


def two_inputs():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    return keras.Model([a, b], a + b)


class NumpyLayer(layers.Layer):
    def call(self, x):
        return jnp.asarray(np.sin(np.asarray(x)))


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_explained(case):
    run, error, text = BAD[case]
    with pytest.raises(error, match=text):
        run()


def test_a_clone_needs_no_name_for_a_cell_of_ours():
    class Cell(layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = self.state_size = units

        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], self.units))

        def call(self, x, states):
            state = x @ self.kernel + states[0]
            return state, [state]

    model = keras.Sequential([keras.Input((4, 3)), layers.RNN(Cell(2))])
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    x = np.ones((1, 4, 3), np.float32)
    np.testing.assert_array_equal(clone(x), model(x))
