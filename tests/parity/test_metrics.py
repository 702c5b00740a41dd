"""Metrics against Keras: state by state over three batches, results, resets, configs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

keras = pytest.importorskip("keras")

from lamina import metrics  # noqa: E402

RNG = np.random.default_rng(1)
N, C, BATCHES = 16, 5, 3


def batches(make):
    return [make() for _ in range(BATCHES)]


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


REAL = batches(lambda: (RNG.normal(size=(N, C)), RNG.normal(size=(N, C))))
POSITIVE = batches(lambda: (RNG.uniform(0.1, 2, (N, C)), RNG.uniform(0.1, 2, (N, C))))
BITS = batches(lambda: (RNG.integers(0, 2, (N, C)), RNG.uniform(size=(N, C))))
YESNO = batches(lambda: (RNG.integers(0, 2, (N, 1)), RNG.uniform(size=(N, 1))))
FLAT = batches(lambda: (RNG.integers(0, 2, N), RNG.uniform(size=N)))
HOT = batches(lambda: (np.eye(C)[RNG.integers(0, C, N)], softmax(RNG.normal(size=(N, C)))))
SPARSE = batches(lambda: (RNG.integers(0, C, N), softmax(RNG.normal(size=(N, C)))))
COLUMN = [(y[:, None], p) for y, p in SPARSE]
TIME = batches(lambda: (RNG.integers(0, C, (N, 4)), softmax(RNG.normal(size=(N, 4, C)))))
IDS = batches(lambda: (RNG.integers(0, C, N), RNG.integers(0, C, N)))
LOGITS = [(y, np.log(p)) for y, p in SPARSE]
BEST = batches(lambda: (RNG.integers(0, C, N), np.argsort(RNG.normal(size=(N, C)))))

CASES = [
    ("Accuracy", {}, IDS),
    ("BinaryAccuracy", {}, YESNO),
    ("BinaryAccuracy", {"threshold": 0.3}, BITS),
    ("CategoricalAccuracy", {}, HOT),
    ("SparseCategoricalAccuracy", {}, SPARSE),
    ("SparseCategoricalAccuracy", {}, COLUMN),
    ("SparseCategoricalAccuracy", {}, TIME),
    ("TopKCategoricalAccuracy", {"k": 2}, HOT),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, SPARSE),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, TIME),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, BEST),
    ("MeanSquaredError", {}, REAL),
    ("RootMeanSquaredError", {}, REAL),
    ("MeanAbsoluteError", {}, REAL),
    ("MeanAbsolutePercentageError", {}, REAL),
    ("MeanSquaredLogarithmicError", {}, POSITIVE),
    ("CosineSimilarity", {}, REAL),
    ("LogCoshError", {}, REAL),
    ("Hinge", {}, BITS),
    ("SquaredHinge", {}, BITS),
    ("CategoricalHinge", {}, HOT),
    ("KLDivergence", {}, POSITIVE),
    ("Poisson", {}, POSITIVE),
    ("BinaryCrossentropy", {}, BITS),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, YESNO),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, HOT),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LOGITS),
    ("PearsonCorrelation", {}, REAL),
    ("ConcordanceCorrelation", {}, REAL),
    ("R2Score", {}, REAL),
    ("R2Score", {"class_aggregation": "variance_weighted_average", "num_regressors": 3}, REAL),
    ("R2Score", {"class_aggregation": None}, REAL),
    ("TruePositives", {}, YESNO),
    ("FalsePositives", {"thresholds": [0.9, 0.2]}, BITS),
    ("TrueNegatives", {"thresholds": [0.0, 0.5, 1.0]}, FLAT),
    ("FalseNegatives", {"thresholds": 0.7}, FLAT),
    ("Precision", {}, YESNO),
    ("Precision", {"thresholds": [0.2, 0.8]}, BITS),
    ("Precision", {"top_k": 2}, BITS),
    ("Precision", {"class_id": 1, "top_k": 3}, BITS),
    ("Recall", {}, FLAT),
    ("Recall", {"class_id": 2}, BITS),
    ("SensitivityAtSpecificity", {"specificity": 0.6}, FLAT),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "num_thresholds": 7}, YESNO),
    ("PrecisionAtRecall", {"recall": 0.8}, YESNO),
    ("RecallAtPrecision", {"precision": 0.5, "num_thresholds": 1}, YESNO),
    ("AUC", {}, YESNO),
    ("AUC", {"curve": "PR"}, BITS),
    ("AUC", {"curve": "PRGAIN", "num_thresholds": 11}, YESNO),
    ("AUC", {"curve": "PR", "summation_method": "majoring"}, YESNO),
    ("AUC", {"thresholds": [0.3, 0.35, 0.9], "summation_method": "minoring"}, YESNO),
    ("AUC", {"multi_label": True, "num_labels": C, "label_weights": [1, 2, 0.5, 1, 1]}, BITS),
    ("AUC", {"multi_label": True, "curve": "PR"}, BITS),
    ("AUC", {"from_logits": True}, [(y, p * 8 - 4) for y, p in YESNO]),
    ("FBetaScore", {"beta": 2.0}, HOT),
    ("FBetaScore", {"average": "micro", "threshold": 0.4}, BITS),
    ("F1Score", {"average": "macro"}, HOT),
    ("F1Score", {"average": "weighted", "threshold": 0.5}, BITS),
    ("IoU", {"num_classes": C, "target_class_ids": [0, 2]}, IDS),
    ("IoU", {"num_classes": 3, "target_class_ids": [0], "ignore_class": 1}, IDS),
    ("BinaryIoU", {"threshold": 0.3}, FLAT),
    ("MeanIoU", {"num_classes": C, "sparse_y_pred": False}, SPARSE),
    ("OneHotIoU", {"num_classes": C, "target_class_ids": [1]}, HOT),
    ("OneHotMeanIoU", {"num_classes": C}, HOT),
]  # fmt: skip
NAMES = [f"{name}-{index}" for index, (name, *_) in enumerate(CASES)]
SMALL = {"rtol": 1e-5, "atol": 1e-5}


@pytest.mark.filterwarnings("ignore:More independent", "ignore:Explicitly requested")
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(("name", "options", "data"), CASES, ids=NAMES)
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


@pytest.mark.parametrize(("name", "options", "data"), CASES, ids=NAMES)
def test_pure_form(name, options, data):
    stateful, pure = getattr(metrics, name)(**options), getattr(metrics, name)(**options)
    pure.build(data[0][0].shape, data[0][1].shape)
    state = pure.stateless_reset_state()
    update = jax.jit(pure.stateless_update_state)
    for y_true, y_pred in data:
        state = update(state, jnp.asarray(y_true), jnp.asarray(y_pred))
        stateful.update_state(jnp.asarray(y_true), jnp.asarray(y_pred))
    np.testing.assert_allclose(jax.jit(pure.stateless_result)(state), stateful.result(), **SMALL)
    assert all((v.numpy() == 0).all() for v in pure.variables)


@pytest.mark.parametrize(("name", "options", "data"), CASES, ids=NAMES)
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
