"""Models that have to learn something: digits, copying, a text by heart, a line's coefficients."""

import gc

import jax
import numpy as np
import pytest

import lamina as keras
from lamina import layers


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(1)


def test_digits():
    (x, y), (test_x, test_y) = keras.datasets.digits.load_data()
    x, test_x = (part.reshape(-1, 8, 8, 1) / 16 for part in (x, test_x))
    model = keras.Sequential([
        keras.Input((8, 8, 1)), layers.Conv2D(8, 3, activation="relu"),
        layers.Conv2D(24, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
        layers.Dropout(0.2), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    rate = keras.optimizers.Adam(0.003)
    model.compile(rate, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=14, batch_size=24, verbose=0)
    assert model.evaluate(test_x, test_y, verbose=0)[1] >= 0.97


def test_copying():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (1024, 5))
    model = keras.Sequential([
        keras.Input((5,), dtype="int32"), layers.Embedding(4, 8), layers.LSTM(48),
        layers.RepeatVector(5), layers.LSTM(48, return_sequences=True), layers.Dense(4),
    ])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    model.fit(x, x, epochs=30, verbose=0)
    new = rng.integers(0, 4, (256, 5))
    assert model.evaluate(new, new, verbose=0)[1] >= 0.97


def test_a_transformer_learns_a_text_by_heart():
    text = "the quick brown fox jumps over the lazy dog and runs away"
    letters = sorted(set(text))
    ids = np.array([letters.index(each) for each in text])
    windows = np.stack([ids[i : i + 13] for i in range(len(ids) - 12)])
    tokens = keras.Input((12,), dtype="int32")
    h = layers.Embedding(len(letters), 32)(tokens)
    h = h + layers.Embedding(12, 32)(keras.ops.arange(12))
    attended = layers.MultiHeadAttention(2, 16)(h, h, use_causal_mask=True)
    h = layers.LayerNormalization()(h + attended)
    h = layers.LayerNormalization()(h + layers.Dense(32)(layers.Dense(64, "gelu")(h)))
    model = keras.Model(tokens, layers.Dense(len(letters))(h))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(windows[:, :-1], windows[:, 1:], epochs=60, batch_size=16, verbose=0)
    written = list(ids[:12])
    while len(written) < len(ids):
        written.append(int(np.argmax(model(np.array([written[-12:]]))[0, -1])))
    assert "".join(letters[i] for i in written) == text


def test_linear_regression():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(512, 3)).astype("float32")
    y = x @ np.float32([2, -3, 0.5]) + 0.7
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(x, y, epochs=40, verbose=0)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel[:, 0], [2, -3, 0.5], atol=1e-3)
    np.testing.assert_allclose(bias, 0.7, atol=1e-3)


def test_memory_stays_flat_over_many_models():
    """Bytes that live arrays hold, and megabytes of the process, over 200 fits of new models."""
    x, y = np.ones((64, 4), "float32"), np.ones(64, "float32")

    def fit(width):
        model = keras.Sequential([keras.Input((4,)), layers.Dense(width), layers.Dense(1)])
        model.compile("adam", "mse")
        model.fit(x, y, verbose=0)

    def held():
        gc.collect()
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        return sum(a.nbytes for a in jax.live_arrays()), pages * 4096 / 2**20

    for _ in range(20):
        fit(8)
    arrays, memory = held()
    for _ in range(200):
        fit(8)
    after, grown = held()
    assert after <= arrays + 4096
    assert grown - memory < 60
