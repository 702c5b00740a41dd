"""Recurrent layers: states, masks, users' cells, encoder and decoder, training, errors."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rows import ids, x

import lamina
from lamina import Input, Model, Sequential, layers
from lamina.core.masking import get_mask

S = x(2, 4, 3)


class Leaky(layers.Layer):
    """A user's cell: its output is not the size of its state, and training changes it by chance."""

    def __init__(self, units: int, rate: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.rate = units, rate
        self.state_size = units
        self.output_size = 1
        self.inner = layers.Dense(units)
        self.drop = layers.Dropout(rate, seed=1)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        state = 0.5 * states[0] + self.drop(self.inner(inputs), training=training)
        return jnp.sum(state, -1, keepdims=True), [state]


class Nested(layers.Layer):
    """A user's cell whose states are nested, and begin with ones."""

    state_size = ([2, 2], 3)

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((input_shape[-1], 2), name="kernel")

    def get_initial_state(self, batch_size: int) -> Any:
        pair = [jnp.ones((batch_size, 2)), jnp.zeros((batch_size, 2))]
        return pair, jnp.ones((batch_size, 3))

    def call(self, inputs: Any, states: Any) -> Any:
        (a, b), c = states
        a = a + inputs @ self.kernel.value
        return a, ([a, b + a], c * 2)


class Plain:
    """A cell that is no layer."""

    state_size = 3

    def call(self, inputs: Any, states: Any) -> Any:
        return inputs + states[0], [inputs + states[0]]


def test_cells_of_users() -> None:
    layer = layers.RNN(Leaky(3), return_sequences=True, return_state=True)
    outputs, state = layer(S)
    assert outputs.shape == (2, 4, 1) and state.shape == (2, 3)
    kernel, bias = layer.get_weights()
    expected = np.zeros((2, 3))
    for step in range(4):
        expected = 0.5 * expected + S[:, step] @ kernel + bias
        assert_allclose(outputs[:, step, 0], expected.sum(-1), atol=1e-5)
    assert_allclose(state, expected, atol=1e-5)
    paths = [re.sub(r"_\d+", "", v.path) for v in layer.weights]
    assert paths == ["rnn/leaky/dense/kernel", "rnn/leaky/dense/bias"]


def test_what_a_cell_writes_reaches_the_next_step() -> None:
    layer = layers.RNN(Leaky(3, rate=0.5), return_sequences=True)
    first, second = layer(S, training=True), layer(S, training=True)
    assert not np.allclose(first, second)
    state = layer.cell.drop.seed_generator.state
    assert_array_equal(state.value, [1, 8])
    frozen = layers.RNN(layers.StackedRNNCells([Leaky(3, rate=0.5)]), return_sequences=True)
    frozen.build(S.shape)
    frozen.set_weights(layer.get_weights())
    assert_allclose(frozen(S, training=True), first, atol=1e-6)


def test_nested_states() -> None:
    layer = layers.RNN(Nested(), return_state=True)
    output, pair, c = layer(S)
    assert output.shape == (2, 2) and [each.shape for each in pair] == [(2, 2), (2, 2)]
    assert_allclose(c, np.full((2, 3), 16.0))
    assert_allclose(output, 1 + S.sum(1) @ layer.get_weights()[0], atol=1e-5)
    described = layer(Input((None, 3)))
    assert described[1][0].shape == (None, 2)


def test_cells_that_are_no_layers() -> None:
    assert_allclose(layers.RNN(Plain())(S), S.sum(1), atol=1e-5)
    assert layers.RNN([Plain(), layers.GRUCell(2)])(S).shape == (2, 2)


def test_masks_hold_states_and_outputs() -> None:
    mask = np.array([[True, True, False, True], [False, False, True, False]])
    for name in ("SimpleRNN", "LSTM", "GRU"):
        layer = getattr(layers, name)(3, return_sequences=True, seed=0)
        outputs = np.asarray(layer(S, mask=mask))
        for row in range(2):
            kept = S[row : row + 1, mask[row]]
            assert_allclose(outputs[row, mask[row]], layer(kept)[0], atol=1e-6)
        assert_array_equal(outputs[0, 2], outputs[0, 1])
        assert_array_equal(outputs[1, 1], np.zeros(3))
        layer.zero_output_for_mask = True
        zeroed = np.asarray(layer(S, mask=mask))
        assert_array_equal(zeroed[~mask], np.zeros_like(zeroed[~mask]))
        assert_array_equal(zeroed[mask], outputs[mask])
    held = layers.RNN(Leaky(3), return_sequences=True)(S, mask=mask)
    assert_array_equal(held[0, 2], held[0, 1])


def test_masks_travel() -> None:
    embedding = layers.Embedding(7, 3, mask_zero=True)
    words = ids(2, 4, below=7)
    outputs = layers.LSTM(3, return_sequences=True)(embedding(words))
    assert_array_equal(get_mask(outputs), words != 0)
    assert get_mask(layers.LSTM(3)(embedding(words))) is None
    both = layers.Bidirectional(layers.GRU(2, return_sequences=True))(embedding(words))
    assert_array_equal(get_mask(both), words != 0)
    assert_array_equal(np.asarray(both)[words == 0], np.zeros((np.sum(words == 0), 4)))


def seq2seq() -> tuple[Any, Any, Any]:
    """A model of encoder and decoder for training, and the two for inference."""
    source, target = Input((None, 3), name="source"), Input((None, 2), name="target")
    _, h, c = layers.LSTM(4, return_state=True, name="encoder")(source)
    decoder = layers.LSTM(4, return_sequences=True, return_state=True, name="decoder")
    decoded, _, _ = decoder(target, initial_state=[h, c])
    dense = layers.Dense(2, activation="softmax", name="words")
    model = Model([source, target], dense(decoded))
    states = [Input((4,), name="h"), Input((4,), name="c")]
    step, *after = decoder(target, initial_state=states)
    return model, Model(source, [h, c]), Model([target, *states], [dense(step), *after])


def test_encoder_and_decoder(tmp_path: Any) -> None:
    model, encoder, decoder = seq2seq()
    inputs = [x(6, 5, 3), x(6, 4, 2)]
    labels = np.eye(2, dtype="float32")[ids(6, 4, below=2)]
    assert model.output.shape == (None, None, 2)
    model.compile("adam", "categorical_crossentropy")
    losses = model.fit(inputs, labels, epochs=30, batch_size=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    whole = model.predict(inputs, verbose=0)
    states = encoder.predict(inputs[0], verbose=0)
    for step in range(4):
        output, *states = decoder.predict([inputs[1][:, step : step + 1], *states], verbose=0)
        assert_allclose(output[:, 0], whole[:, step], atol=1e-5)
    path = str(tmp_path / "model.keras")
    model.save(path)
    assert_allclose(lamina.saving.load_model(path).predict(inputs, verbose=0), whole, atol=1e-6)
    copy = lamina.models.clone_model(model)
    copy.set_weights(model.get_weights())
    assert_allclose(copy.predict(inputs, verbose=0), whole, atol=1e-6)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "ConvLSTM1D"])
def test_stateful_training(name: str) -> None:
    inner = layers.ConvLSTM1D(2, 2, stateful=True) if name == "ConvLSTM1D" else getattr(
        layers, name)(3, stateful=True)  # fmt: skip
    data = x(4, 5, 3, 2) if name == "ConvLSTM1D" else x(4, 5, 3)
    model = Sequential([Input(batch_shape=(2, *data.shape[1:])), inner, layers.Flatten(),
                        layers.Dense(1)])  # fmt: skip
    model.compile(lamina.optimizers.SGD(0.0), "mse")
    expected = [np.zeros_like(v.value) for v in inner.states]
    labels = np.zeros((4, 1), "float32")
    for batches in (data, data):
        model.fit(batches, labels, batch_size=2, shuffle=False, verbose=0)
        for batch in (batches[:2], batches[2:]):
            free = type(inner).from_config({**inner.get_config(), "stateful": False,
                                            "return_state": True})  # fmt: skip
            free.build(batch.shape)
            free.set_weights(inner.get_weights())
            _, *expected = free(batch, initial_state=expected)
    for variable, value in zip(inner.states, expected, strict=True):
        assert np.any(np.asarray(value))
        assert_allclose(variable.value, value, atol=1e-5)
    assert len(inner.weights) == 3
    assert [v.name for v in inner.variables].count("rnn_state") == len(inner.states)
    inner.reset_state()
    assert not any(np.any(np.asarray(v.value)) for v in inner.states)


def test_stateful_layers_called_one_batch_after_the_other() -> None:
    layer, whole = layers.GRU(3, stateful=True), layers.GRU(3, return_sequences=True)
    layer(S[:, :2])
    whole.build(S.shape)
    whole.set_weights(layer.get_weights())
    layer.reset_states()
    for half in (0, 1):
        part = layer(S[:, 2 * half : 2 * half + 2])
        assert_allclose(part, whole(S)[:, 2 * half + 1], atol=1e-6)
    model = Sequential([layers.Bidirectional(layers.LSTM(2, stateful=True))])
    assert not np.allclose(model(S), model.predict(S, batch_size=2, verbose=0))
    wrapper = model.layers[0]
    assert len(wrapper.states) == 4
    wrapper.reset_state()
    assert not np.any(np.asarray(wrapper.states[0].value))
    with pytest.raises(AttributeError, match="not stateful"):
        layers.Bidirectional(layers.LSTM(2)).reset_state()


def test_dropout_is_the_same_in_all_steps() -> None:
    ones = np.ones((1, 6, 8), "float32")
    layer = layers.SimpleRNN(8, "linear", kernel_initializer="identity", dropout=0.5, seed=2,
                             recurrent_initializer="zeros", return_sequences=True)  # fmt: skip
    outputs = np.asarray(layer(ones, training=True))
    assert set(np.unique(outputs)) == {0.0, 2.0}
    assert_array_equal(outputs, np.broadcast_to(outputs[:, :1], outputs.shape))
    assert not np.array_equal(layer(ones, training=True), outputs)
    assert_array_equal(layer(ones), ones)


def test_a_subclass_of_a_cell_keeps_its_own_call() -> None:
    class Negative(layers.SimpleRNNCell):
        def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
            output, states = super().call(inputs, states, training)
            return -output, states

    layer = layers.RNN(Negative(3, dropout=0.3, seed=1))
    plain = layers.RNN(layers.SimpleRNNCell(3, dropout=0.3, seed=1))
    layer.build(S.shape), plain.build(S.shape)
    plain.set_weights(layer.get_weights())
    assert_allclose(layer(S, training=True), -plain(S, training=True), atol=1e-6)


def test_wrapped_layers_are_patterns() -> None:
    pattern = layers.LSTM(3, activation=lambda v: v * 0.5, name="lstm")
    pattern(S)
    both = layers.Bidirectional(pattern)
    both(S)
    assert [both.forward_layer.name, both.backward_layer.name] == ["forward_lstm", "backward_lstm"]
    assert both.forward_layer is not pattern and both.backward_layer.go_backwards
    for each in (both.forward_layer, both.backward_layer):
        assert not np.allclose(each.get_weights()[0], pattern.get_weights()[0])
    weights = [np.full_like(w, i) for i, w in enumerate(both.get_weights())]
    again = layers.Bidirectional(pattern, weights=weights)
    again(S)
    assert_array_equal(again.get_weights()[5], weights[5])
    assert layers.Bidirectional(layers.RNN(Leaky(3)))(S).shape == (2, 2)


def test_time_distributed() -> None:
    layer = layers.TimeDistributed(layers.Dense(2, activity_regularizer="l2"))
    plain = layers.Dense(2)
    plain.build((None, 3))
    outputs = layer(S)
    plain.set_weights(layer.get_weights())
    assert_allclose(outputs, plain(S), atol=1e-6)
    assert_allclose(layer.losses[0], 0.01 * np.sum(np.square(plain(S))) / 2, rtol=1e-5)
    inner = Sequential([layers.Flatten(), layers.Dense(2)])
    assert layers.TimeDistributed(inner)(Input((None, 3, 2))).shape == (None, None, 2)
    words = layers.Embedding(7, 3, mask_zero=True)(ids(2, 4, below=7))
    assert get_mask(layers.TimeDistributed(layers.Dense(2))(words)) is not None


def test_mixed_precision() -> None:
    for layer in (layers.LSTM(3, dtype="mixed_bfloat16", return_state=True),
                  layers.RNN(Nested(dtype="mixed_bfloat16"), dtype="mixed_bfloat16"),
                  layers.RNN(layers.GRUCell(3), dtype="mixed_bfloat16")):  # fmt: skip
        outputs = layer(S)
        first = outputs[0] if isinstance(outputs, tuple) else outputs
        assert first.dtype == "bfloat16"
        assert {v.dtype for v in layer.trainable_variables} == {"float32"}


def stateful_of_unknown_size() -> None:
    layers.LSTM(3, stateful=True, name="a")(Input((4, 3)))


def stateful_of_another_size() -> None:
    layer = layers.LSTM(3, stateful=True, name="a")
    layer(S)
    layer(S[:1])


ERRORS: dict[str, tuple[Any, list[str]]] = {
    "rank": (lambda: layers.GRU(3, name="a")(S[0]), ["GRU 'a'", "(None, 3)", "3 axes"]),
    "rank of RNN": (lambda: layers.RNN(layers.GRUCell(3))(S[0]), ["RNN", "(None, 3)", "3 axes"]),
    "units": (lambda: layers.LSTM(0), ["LSTMCell", "units=0"]),
    "no call": (lambda: layers.RNN(object()), ["RNN", "without `call`", "state_size"]),
    "no state_size": (lambda: layers.RNN(layers.Dense(3)), ["Dense without `state_size`"]),
    "state_size": (
        lambda: layers.RNN(type("Odd", (Plain,), {"state_size": "3"})()),
        ["state_size='3'"],
    ),
    "cells": (lambda: layers.StackedRNNCells([layers.Dense(3)]), ["StackedRNNCells", "Dense"]),
    "number of states": (
        lambda: layers.LSTM(3, name="a")(S, initial_state=[x(2, 3)]),
        ["LSTM 'a'", "initial_state", "2 state(s)", "(None, 3)"],
    ),
    "shape of states": (
        lambda: layers.GRU(3, name="a")(S, initial_state=[x(2, 4)]),
        ["GRU 'a'", "shapes (None, 4)", "(None, 3)"],
    ),
    "mask": (lambda: layers.GRU(3)(S, mask=np.ones((2, 3), bool)), ["mask (None, 3)", "(None, 4)"]),
    "unknown batch": (stateful_of_unknown_size, ["LSTM 'a'", "batch size", "batch_size="]),
    "other batch": (stateful_of_another_size, ["LSTM 'a'", "batch of 1", "states for 2"]),
    "states of a cell": (
        lambda: layers.RNN(type("Odd", (Plain,), {"state_size": [3, 3]})())(S),
        ["gives other states", "(None, 3), (None, 3)"],
    ),
    "use_cudnn": (lambda: layers.LSTM(3, use_cudnn="yes"), ["use_cudnn='yes'"]),
    "merge_mode": (
        lambda: layers.Bidirectional(layers.LSTM(3), merge_mode="concatenate"),
        ["merge_mode", "'concat'"],
    ),
    "no layer": (lambda: layers.Bidirectional("lstm"), ["Bidirectional", "`layer`"]),
    "directions": (
        lambda: layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3)),
        ["go_backwards", "False forwards, False backwards"],
    ),
    "time axis": (lambda: layers.TimeDistributed(layers.Dense(2))(S[0]), ["(None, 3)", "3 axes"]),
    "no layer at each step": (lambda: layers.TimeDistributed(3), ["TimeDistributed", "`layer`"]),
    "mask at each step": (
        lambda: layers.TimeDistributed(layers.Dense(2))(S, mask=np.ones((2, 3), bool)),
        ["mask (None, 3)", "input (None, 4, 3)"],
    ),
    "kernel_size": (lambda: layers.ConvLSTM2D(2, (3,)), ["kernel_size=(3,)", "2 of them"]),
    "strides": (
        lambda: layers.ConvLSTM1D(2, 3, strides=2, dilation_rate=2),
        ["strides=(2,)", "dilation_rate=(2,)"],
    ),
    "padding": (lambda: layers.ConvLSTM1D(2, 3, padding="full"), ["padding", "'full'"]),
    "spatial sizes": (
        lambda: layers.ConvLSTM1D(2, 3)(Input((4, None, 3))),
        ["spatial sizes", "(None, None, 3)"],
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case: str) -> None:
    function, parts = ERRORS[case]
    with pytest.raises(ValueError) as caught:
        function()
    for part in parts:
        assert part in str(caught.value)
