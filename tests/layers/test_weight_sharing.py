"""One variable in several layers, one layer in several places: counted, trained and saved once."""

import io
import pickle
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rows import ids, x

import lamina as keras
from lamina import layers


@keras.saving.register_keras_serializable("tests")
class TiedHead(layers.Layer):
    """Logits by the table of an embedding."""

    def __init__(self, embedding: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.embedding = embedding

    def call(self, inputs: Any) -> Any:
        return jnp.matmul(inputs, self.embedding.embeddings.value.T)


@keras.saving.register_keras_serializable("tests")
class Tied(keras.Model):
    """A language model whose last layer is its first, transposed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.embedding = layers.Embedding(7, 4)
        self.hidden = layers.Dense(4, activation="tanh")
        self.head = TiedHead(self.embedding)

    def call(self, inputs: Any) -> Any:
        return self.head(self.hidden(self.embedding(inputs)))


def functional_twice() -> Any:
    """A functional model that calls one layer at two places."""
    shared = layers.Dense(3, name="shared")
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    return keras.Model([a, b], layers.Add()([shared(a), shared(shared(b))]))


def test_a_layer_in_several_places_of_a_functional_model() -> None:
    model, inputs = functional_twice(), [x(4, 3), x(4, 3) + 1]
    assert model.count_params() == 12 and len(model.trainable_variables) == 2
    kernel, bias = model.get_weights()
    once = [v @ kernel + bias for v in inputs]
    assert_allclose(model(inputs), once[0] + once[1] @ kernel + bias, rtol=1e-5, atol=1e-6)
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert "12" in "".join(lines) and "Total params: 12" in "".join(lines)


def test_gradients_of_all_places_add_up() -> None:
    model, inputs = functional_twice(), [x(4, 3), x(4, 3) + 1]
    grads = keras.grad(lambda model, x: model(x).sum())(model, inputs)
    kernel = model.get_weights()[0]
    (grad,) = [g for g in grads.values() if g.shape == (3,)]
    # d/db of sum(a K + b + (b' K + b) K + b)
    assert_allclose(grad, 4 * (2 + kernel.sum(1)), rtol=1e-4)


def test_a_layer_twice_in_a_sequential_model_is_refused_or_shared() -> None:
    shared = layers.Dense(3)
    with pytest.raises(ValueError, match="layer"):
        keras.Sequential([shared, layers.ReLU(), shared])
    first = keras.Sequential([keras.Input((3,)), shared])
    second = keras.Sequential([keras.Input((3,)), layers.ReLU(), shared])
    first.compile("sgd", "mse")
    before = second.predict(x(4, 3), verbose=0)
    first.fit(x(4, 3), x(4, 3) + 1, verbose=0)
    assert not np.allclose(before, second.predict(x(4, 3), verbose=0))
    both = keras.Sequential([first, second])
    assert both.count_params() == 12 and len(both.weights) == 2


@pytest.mark.parametrize("make", [functional_twice, Tied])
def test_files_keep_the_sharing(make: Any) -> None:
    model = make()
    inputs: Any = ids(8, 5, below=7) if make is Tied else [x(8, 3), x(8, 3) + 1]
    targets: Any = ids(8, 5, below=7) if make is Tied else x(8, 3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if make is Tied else "mse"
    model.compile(keras.optimizers.Adam(0.05), loss)
    losses = model.fit(inputs, targets, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert len(model.optimizer.variables) == 2 + 2 * len(model.trainable_variables)
    model.save(file := io.BytesIO())
    expected = model.predict(inputs, verbose=0)
    for twin in (keras.saving.load_model(file), pickle.loads(pickle.dumps(model))):
        assert_allclose(twin.predict(inputs, verbose=0), expected, rtol=1e-5, atol=1e-6)
        assert len(twin.weights) == len(model.weights)
        assert twin.count_params() == model.count_params()
        before = twin.get_weights()
        twin.fit(inputs, targets, verbose=0)
        assert all(not np.allclose(*p) for p in zip(before, twin.get_weights(), strict=True))


def test_tied_embeddings_are_one_variable() -> None:
    model = Tied()
    inputs = ids(2, 5, below=7)
    model(inputs)
    table = model.embedding.embeddings
    assert sum(v is table for v in model.weights) == 1 and len(model.weights) == 3
    assert model.head.embedding is model.embedding
    view = model.merge(*model.split())
    assert view.head.embedding is view.embedding
    grads = keras.grad(lambda model, x: model(x).sum())(model, inputs)
    assert len(grads) == 3
    table.assign(jnp.zeros(table.shape))
    assert not np.asarray(model(inputs)).any()


def test_one_variable_in_two_layers() -> None:
    class Uses(layers.Layer):
        def __init__(self, variable: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.factor = variable

        def call(self, inputs: Any) -> Any:
            return inputs * self.factor

    variable = keras.Variable(np.float32([2.0]), name="factor")
    model = keras.Sequential([keras.Input((3,)), Uses(variable), Uses(variable)])
    assert_allclose(model(x(2, 3)), 4 * x(2, 3), rtol=1e-6)
    assert len(model.weights) == len(model.trainable_variables) == 1
    assert model.count_params() == 1
    model.compile(keras.optimizers.SGD(0.01), "mse")
    model.fit(x(4, 3), 9 * x(4, 3), epochs=3, verbose=0)
    assert float(variable.value[0]) > 2
    variable.assign([3.0])
    assert_allclose(model.predict(x(2, 3), verbose=0), 9 * x(2, 3), rtol=1e-5)


def test_a_shared_layer_against_keras() -> None:
    theirs = pytest.importorskip("keras")
    results = []
    for library in (keras, theirs):
        shared = library.layers.Dense(3, name="shared")
        a, b = library.Input((3,), name="a"), library.Input((3,), name="b")
        outputs = library.layers.Add()([shared(a), shared(shared(b))])
        model = library.Model([a, b], outputs)
        model.set_weights([x(3, 3), x(3)])
        model.compile("sgd", "mse")
        model.fit([x(4, 3), x(4, 3) + 1], x(4, 3), epochs=2, verbose=0, shuffle=False)
        results.append(model.get_weights())
    for a, b in zip(*results, strict=True):
        assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_frozen_in_one_place_is_frozen_in_all() -> None:
    model = functional_twice()
    model.get_layer("shared").trainable = False
    assert model.trainable_variables == []
    before = model.get_weights()
    model.compile("sgd", "mse")
    model.fit([x(4, 3), x(4, 3)], x(4, 3), verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        assert_array_equal(a, b)
