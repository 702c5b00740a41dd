"""Metrics against Keras: state by state over three batches, results, resets, configs."""

import jax.numpy as jnp
import numpy as np
import pytest
from catalogue_metrics import BITS, METRICS, N

keras = pytest.importorskip("keras")

from lamina import metrics  # noqa: E402

RNG = np.random.default_rng(1)
CASES = [(row.name, row.options, row.data) for row in METRICS]
SMALL = {"rtol": 1e-5, "atol": 1e-5}


@pytest.mark.filterwarnings("ignore:More independent", "ignore:Explicitly requested")
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(("name", "options", "data"), CASES, ids=map(str, METRICS))
def test_state_by_state(name, options, data, weighted):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    whole = "IoU" in name
    for y_true, y_pred in data:
        y_pred = jnp.asarray(y_pred, None if whole or name == "Accuracy" else "float32")
        weight = None
        if weighted:
            weight = RNG.integers(0, 3, N) if whole else RNG.uniform(size=N).astype("float32")
        ours.update_state(y_true, y_pred, weight)
        theirs.update_state(jnp.asarray(y_true), y_pred, weight)
        assert [v.shape for v in ours.variables] == [v.shape for v in theirs.variables]
        for mine, other in zip(ours.variables, theirs.variables, strict=True):
            assert mine.name == other.name
            np.testing.assert_allclose(mine, other, **SMALL)
        np.testing.assert_allclose(ours.result(), theirs.result(), **SMALL)
    ours.reset_state()
    assert all((v.numpy() == 0).all() for v in ours.variables)


@pytest.mark.parametrize(("name", "options", "data"), CASES, ids=map(str, METRICS))
def test_config_both_ways(name, options, data):
    ours, theirs = (getattr(m, name)(**options, name="m") for m in (metrics, keras.metrics))
    stored, foreign = metrics.serialize(ours), keras.metrics.serialize(theirs)
    foreign["config"].pop("label_weights", None)  # Keras writes a list as an array
    same = {key: stored["config"][key] for key in foreign["config"]}
    assert same == foreign["config"]
    assert {**stored, "config": None} == {**foreign, "config": None}
    assert metrics.serialize(metrics.deserialize(stored)) == stored
    metrics.deserialize(foreign)
    keras.metrics.deserialize(stored)


def test_wrapper():
    ours = metrics.MeanMetricWrapper(metrics.binary_crossentropy, "m", label_smoothing=0.1)
    theirs = keras.metrics.MeanMetricWrapper(
        keras.losses.binary_crossentropy, "m", label_smoothing=0.1
    )
    y = BITS[0][0], jnp.asarray(BITS[0][1], "float32")
    expected = theirs(*y)
    for each in (
        ours,
        metrics.deserialize(metrics.serialize(ours)),
        metrics.deserialize(keras.metrics.serialize(theirs)),
        keras.metrics.deserialize(metrics.serialize(ours)),
    ):
        np.testing.assert_allclose(each(*y), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["Mean", "Sum"])
@pytest.mark.parametrize(
    ("values", "weight"),
    [((), None), ((4,), None), ((4, 3), None), ((4,), (4,)), ((4, 3), (4,)), ((4, 3), (4, 1)),
     ((4, 3), (4, 3)), ((4, 3, 2), (4, 3))],
)  # fmt: skip
def test_reductions(name, values, weight):
    x = RNG.normal(size=values).astype("float32")
    w = None if weight is None else RNG.uniform(size=weight).astype("float32")
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for _ in range(2):
        np.testing.assert_allclose(ours(x, sample_weight=w), theirs(x, sample_weight=w), **SMALL)
    for mine, other in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(mine, other, **SMALL)
