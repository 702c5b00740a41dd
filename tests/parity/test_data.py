"""Sources of data beside Keras: order of batches, weights, losses."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import lamina  # noqa: E402

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 6)).astype("float32"), RNG.integers(0, 3, 50)
WEIGHTS = {0: 0.5, 1: 3.0}


def dataset(k):
    class Batches(k.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.seen = []

        def __len__(self):
            return 4

        def __getitem__(self, index):
            self.seen.append(index)
            rows = slice(index * 15, (index + 1) * 15)
            return X[rows], Y[rows]

        def on_epoch_end(self):
            self.seen.append("end")

        def on_epoch_begin(self):
            self.seen.append("begin")

    return Batches()


def generator(k, size=15):
    def batches():
        while True:
            for begin in range(0, 50, size):
                yield X[begin : begin + size], Y[begin : begin + size]

    return batches()


def runs(source, **kwargs):
    """Histories and weights of both after the same run."""
    found, weights = [], None
    for k in (keras, lamina):
        model = k.Sequential([k.Input((6,)), k.layers.Dense(8, "relu"), k.layers.Dense(3)])
        weights = weights or model.get_weights()
        model.set_weights(weights)
        loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, metrics=["accuracy"], weighted_metrics=["accuracy"])
        given = source(k)
        history = model.fit(given, epochs=3, verbose=0, **kwargs).history
        found.append((history, model.get_weights(), getattr(given, "seen", None)))
    return found


@pytest.mark.parametrize(
    ("source", "kwargs"),
    [
        (dataset, {"shuffle": False}),
        (dataset, {"shuffle": False, "class_weight": WEIGHTS}),
        (dataset, {"shuffle": False, "steps_per_epoch": 2}),
        (generator, {"shuffle": False, "steps_per_epoch": 3}),
    ],
)
def test_runs_from_sources(source, kwargs):
    (expected, weights, order), (found, ours, own) = runs(source, **kwargs)
    assert list(expected) == list(found)
    for name in expected:
        assert np.allclose(expected[name], found[name], atol=1e-4), name
    for a, b in zip(weights, ours, strict=True):
        assert np.allclose(a, b, atol=1e-5)
    if order is not None and "steps_per_epoch" not in kwargs:
        # Keras, too, reads a batch beforehand, for its shapes
        assert own[own.index("begin") + (own[0] != "begin") :][-15:] == order[-15:]
