"""What the catalogue's rows do not reach."""

import numpy as np

from lamina import layers
from lamina.core.fingerprint import structure

X = np.ones((2, 3), "float32")


def test_an_input_is_a_layer_with_a_node() -> None:
    x = layers.Input((3,), name="image", dtype="int32")
    assert (x.name, x.shape, x.dtype) == ("image", (None, 3), "int32")
    layer = x.record[0]
    assert layer.is_input and layer.output is x and layer.built


def test_dropout_of_0_has_no_state_until_it_has_a_rate() -> None:
    layer = layers.Dropout(0.0)
    assert layer.variables == []
    assert np.array_equal(layer(X, training=True), X)
    layer.rate = 0.9
    assert len(layer.variables) == 1
    assert not np.array_equal(layer(X, training=True), X)


def test_random_states_are_saved_with_the_layer() -> None:
    layer = layers.Dropout(0.5, seed=1)
    first, second = (np.asarray(layer(np.ones((1, 64)), training=True)) for _ in range(2))
    assert not np.array_equal(first, second)
    twin = layers.Dropout(0.5, seed=1)
    twin(np.ones((1, 64)), training=True)
    assert np.array_equal(twin(np.ones((1, 64)), training=True), second)


def test_a_frozen_batch_normalization_uses_moving_statistics() -> None:
    layer = layers.BatchNormalization()
    layer(X, training=True)
    layer.trainable = False
    before = layer.get_weights()
    assert np.allclose(layer(X, training=True), layer(X))
    assert all(map(np.array_equal, before, layer.get_weights()))


def test_embedding_starts_from_given_weights() -> None:
    table = np.arange(6.0).reshape(3, 2)
    layer = layers.Embedding(3, 2, weights=[table])
    assert np.array_equal(layer(np.array([2])), table[2:])
    assert "weights" not in layer.get_config()


def test_functions_that_merge() -> None:
    for name in ("add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate"):
        assert getattr(layers, name)([X, X]).shape == ((2, 6) if name == "concatenate" else (2, 3))
        tensors = [layers.Input((3,)), layers.Input((3,))]
        assert getattr(layers, name)(tensors, name="merged").record[0].name == "merged"
    assert layers.dot([X, X], axes=1).shape == (2, 1)


def test_unknown_sizes_take_the_known_ones_they_meet() -> None:
    tensors = [layers.Input((None, 3)), layers.Input((5, 1))]
    assert layers.add(tensors).shape == (None, 5, 3)
    assert layers.concatenate(tensors[:1] * 2, axis=1).shape == (None, None, 3)
    fixed = [layers.Input((3,)), layers.Input((3,), batch_size=7)]
    assert layers.add(fixed).shape == (7, 3)


def test_only_layers_of_a_users_function_are_not_compiled() -> None:
    for name in layers.__all__:
        thing = getattr(layers, name)
        if isinstance(thing, type) and issubclass(thing, layers.Layer):
            assert thing.compilable == (name not in ("Lambda", "JaxLayer", "FlaxLayer"))
    assert structure(layers.Dense(2, activation="relu")).ours


def test_the_face_lists_what_is_there() -> None:
    assert all(hasattr(layers, name) for name in layers.__all__)
    assert len(set(layers.__all__)) == len(layers.__all__)
