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


class Batches(keras.utils.PyDataset):
    """`data` by number of batch; in a module that worker processes can import."""

    def __init__(self, size=25, fails=None, **kwargs):
        super().__init__(**kwargs)
        self.size, self.fails, self.begun, self.ended = size, fails, 0, 0
        self.asked = []

    def __len__(self):
        return -(-SAMPLES // self.size)

    def __getitem__(self, index):
        if index == self.fails:
            raise ZeroDivisionError("made by the dataset")
        self.asked.append(index)
        rows = slice(index * self.size, (index + 1) * self.size)
        return tuple(part[rows] for part in data())

    def on_epoch_begin(self):
        self.begun += 1

    def on_epoch_end(self):
        self.ended += 1
