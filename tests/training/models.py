"""Small models and data for the tests of training."""

import numpy as np

import lamina as keras

SAMPLES = 75


def data(seed: int = 0, samples: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, 4)).astype("float32")
    return x, rng.integers(0, 3, samples)


def classifier(*extra: object) -> keras.Sequential:
    layers = [keras.Input((4,)), keras.layers.Dense(8, "relu"), *extra]
    return keras.Sequential([*layers, keras.layers.Dense(3, "softmax")])


def compiled(*extra: object, optimizer: object = "sgd", **kwargs: object) -> keras.Sequential:
    model = classifier(*extra)
    kwargs = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], **kwargs}
    model.compile(optimizer, **kwargs)
    return model


def two_outputs() -> keras.Model:
    x = keras.Input((4,))
    hidden = keras.layers.Dense(8, "tanh")(x)
    value = keras.layers.Dense(1, name="value")(hidden)
    kind = keras.layers.Dense(3, "softmax", name="kind")(hidden)
    return keras.Model(x, [value, kind])
