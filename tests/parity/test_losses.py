"""Losses against Keras: values, gradients, weights, masks, reductions, configs."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

keras = pytest.importorskip("keras")

from lamina import losses  # noqa: E402
from lamina.core.masking import set_mask  # noqa: E402

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(4, 3, 5)), RNG.normal(size=(4, 3, 5))
POSITIVE = RNG.uniform(0.1, 2, (4, 3, 5)), RNG.uniform(0.1, 2, (4, 3, 5))
BITS = RNG.integers(0, 2, (4, 3, 5)), RNG.uniform(0.05, 0.95, (4, 3, 5))
SOFT = np.exp(REAL[0]) / np.exp(REAL[0]).sum(-1, keepdims=True)
LABELS = RNG.integers(0, 5, (4, 3))
HOT = np.eye(5)[LABELS], SOFT
SPARSE = LABELS, SOFT
LOGITS = LABELS, REAL[1]
FLAT = LABELS[:, 0], REAL[1][:, 0]
UNIT = LABELS[:, 0], REAL[0][:, 0] / np.linalg.norm(REAL[0][:, 0], axis=-1, keepdims=True)
TEXT = np.array([[1, 2, 0], [3, 3, 1], [4, 0, 0], [0, 0, 0]]), RNG.normal(size=(4, 7, 5))

CASES = [
    ("MeanSquaredError", {}, REAL),
    ("MeanAbsoluteError", {}, REAL),
    ("MeanAbsolutePercentageError", {}, REAL),
    ("MeanSquaredLogarithmicError", {}, REAL),
    ("CosineSimilarity", {}, REAL),
    ("CosineSimilarity", {"axis": 1}, REAL),
    ("Huber", {}, REAL),
    ("Huber", {"delta": 0.3}, REAL),
    ("LogCosh", {}, REAL),
    ("Hinge", {}, BITS),
    ("SquaredHinge", {}, (2 * BITS[0] - 1, REAL[1])),
    ("CategoricalHinge", {}, HOT),
    ("KLDivergence", {}, POSITIVE),
    ("Poisson", {}, POSITIVE),
    ("BinaryCrossentropy", {}, BITS),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, (BITS[0], REAL[1])),
    ("BinaryCrossentropy", {"axis": 1}, BITS),
    ("BinaryFocalCrossentropy", {}, BITS),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "gamma": 1.5}, BITS),
    ("BinaryFocalCrossentropy", {"from_logits": True, "alpha": 0.4}, (BITS[0], REAL[1])),
    ("CategoricalCrossentropy", {}, HOT),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, (HOT[0], REAL[1])),
    ("CategoricalCrossentropy", {"axis": 1}, HOT),
    ("CategoricalFocalCrossentropy", {}, HOT),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "gamma": 1.0}, (HOT[0], REAL[1])),
    ("SparseCategoricalCrossentropy", {}, SPARSE),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LOGITS),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}, LOGITS),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, (FLAT[0][:, None], FLAT[1])),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, SPARSE),
    ("Dice", {}, BITS),
    ("Dice", {"axis": (1, 2)}, BITS),
    ("Tversky", {"alpha": 0.3, "beta": 0.8, "axis": (1,)}, BITS),
    ("Circle", {}, UNIT),
    ("Circle", {"gamma": 2.0, "margin": 0.2, "remove_diagonal": False}, UNIT),
    ("CTC", {}, TEXT),
]  # fmt: skip
IDS = [f"{name}-{index}" for index, (name, *_) in enumerate(CASES)]


def pair(name, options):
    return getattr(losses, name)(**options), getattr(keras.losses, name)(**options)


@pytest.mark.parametrize(("name", "options", "data"), CASES, ids=IDS)
def test_value_and_gradient(name, options, data):
    ours, theirs = pair(name, options)
    y_true, y_pred = data[0], jnp.asarray(data[1], "float32")
    a, da = jax.value_and_grad(lambda y: ours(y_true, y))(y_pred)
    b, db = jax.value_and_grad(lambda y: theirs(y_true, y))(y_pred)
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(da, db, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weighting", ["none", "sample", "position", "mask", "mask and sample"])
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None]
)
def test_reductions(reduction, weighting):
    weight = {"sample": RNG.uniform(size=(4, 1)), "position": RNG.uniform(size=(4, 3))}
    options = {"reduction": reduction}
    results = []
    for loss in pair("MeanSquaredError", options):
        y_pred = jnp.asarray(REAL[1], "float32")
        mask = jnp.asarray(LABELS > 1)
        if "mask" in weighting:
            y_pred._keras_mask = mask
            set_mask(y_pred, mask)
        results.append(loss(REAL[0], y_pred, weight.get(weighting.split()[-1])))
    np.testing.assert_allclose(*results, rtol=1e-5)


@pytest.mark.parametrize(("name", "options", "data"), CASES, ids=IDS)
def test_config_both_ways(name, options, data):
    ours, theirs = pair(name, options)
    stored, foreign = losses.serialize(ours), keras.losses.serialize(theirs)
    foreign = json.loads(json.dumps(foreign))
    assert {key: stored["config"][key] for key in foreign["config"]} == foreign["config"]
    assert {**stored, "config": None} == {**foreign, "config": None}
    y = data[0], jnp.asarray(data[1], "float32")
    expected = ours(*y)
    np.testing.assert_allclose(losses.deserialize(stored)(*y), expected, rtol=1e-6)
    np.testing.assert_allclose(
        keras.saving.deserialize_keras_object(stored)(*y), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("name", ["mse", "MAE", "bce", "kld", "hinge", "Huber"])
def test_names(name):
    ours, theirs = losses.get(name), keras.losses.get(name)
    np.testing.assert_allclose(
        ours(BITS[0], jnp.asarray(BITS[1], "float32")),
        theirs(BITS[0], jnp.asarray(BITS[1], "float32")),
        rtol=1e-5,
    )
    assert losses.deserialize(keras.losses.serialize(theirs)).__class__ is ours.__class__
