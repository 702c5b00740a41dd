"""Losses against Keras: values, gradients, weights, masks, reductions, configs."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalogue_losses import BITS, LABELS, LOSSES, REAL

keras = pytest.importorskip("keras")

from lamina import losses  # noqa: E402
from lamina.core.masking import set_mask  # noqa: E402

RNG = np.random.default_rng(0)
CASES = [(row.name, row.options, row.data) for row in LOSSES]


def pair(name, options):
    return getattr(losses, name)(**options), getattr(keras.losses, name)(**options)


@pytest.mark.parametrize(("name", "options", "data"), CASES, ids=map(str, LOSSES))
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


@pytest.mark.parametrize(("name", "options", "data"), CASES, ids=map(str, LOSSES))
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
