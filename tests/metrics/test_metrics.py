"""Metrics: names, errors, and how their state behaves."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import metrics
from lamina.core import tracking
from lamina.core.binding import bind


@pytest.mark.parametrize(
    ("true", "pred", "kind"),
    [
        ((None, 1), (None, 1), "Binary"),
        ((None,), (None, 1), "Binary"),
        ((None,), (None, 10), "SparseCategorical"),
        ((None, 1), (None, 10), "SparseCategorical"),
        ((None, 7), (None, 7, 10), "SparseCategorical"),
        ((None, 10), (None, 10), "Categorical"),
    ],
)
def test_resolved_by_shape(true, pred, kind):
    found = metrics.resolve_accuracy(true, pred)
    assert (type(found).__name__, found.name) == (f"{kind}Accuracy", "accuracy")
    assert type(metrics.resolve_crossentropy(true, pred)).__name__ == f"{kind}Crossentropy"


@pytest.mark.parametrize("name", ["mse", "MSE", "auc", "AUC", "top_k_categorical_accuracy", "kld"])
def test_names(name):
    assert isinstance(metrics.get(name), metrics.Metric)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: metrics.get("acuracy"), "'accuracy'"),
        (lambda: metrics.get(3), "no metric"),
        (lambda: metrics.AUC(curve="POC"), "'ROC'"),
        (lambda: metrics.AUC(num_labels=3), "multi_label"),
        (lambda: metrics.Precision(thresholds=[1.5]), "between 0 and 1"),
        (lambda: metrics.F1Score(average="mikro"), "'micro'"),
        (lambda: metrics.IoU(2, [2]), "0 to 1"),
        (lambda: metrics.R2Score(num_regressors=-1), "0 or more"),
        (lambda: metrics.R2Score()(np.zeros(3), np.zeros(3)), r"\(3,\)"),
        (lambda: metrics.Precision(class_id=0)(np.zeros(3), np.zeros(3)), "last axis"),
        (lambda: metrics.Recall()(np.zeros(3), np.zeros((3, 2))), r"\(3, 2\)"),
        (lambda: metrics.Mean()(np.zeros(3), np.zeros(4)), r"\(4,\)"),
        (lambda: metrics.CategoricalAccuracy()(np.zeros(3), np.zeros((3, 5))), "one-hot"),
        (lambda: metrics.Mean().stateless_result([1.0]), "2 variables"),
        (lambda: metrics.F1Score().stateless_result([1.0]), "build"),
    ],
)
def test_errors(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_forgotten_super():
    class Forgetful(metrics.Metric):
        def __init__(self):
            self.add_weight()

    with pytest.raises(RuntimeError, match="super"):
        Forgetful()


def test_pure_form_changes_nothing():
    mean = metrics.Mean()
    state = mean.stateless_update_state([jnp.float32(1), jnp.float32(1)], jnp.array([3.0]))
    assert [float(x) for x in state] == [4.0, 2.0]
    assert float(mean.stateless_result(state)) == 2.0
    assert float(mean.result()) == 0.0
    with bind(zip(mean.variables, state, strict=True)) as trace:
        mean.reset_state()
    assert [float(x) for x in trace.values.values()] == [0.0, 0.0]


def test_update_in_a_scan():
    mean = metrics.SparseCategoricalAccuracy()
    labels, scores = jnp.arange(6).reshape(3, 2) % 2, jnp.eye(2)[jnp.zeros((3, 2), int)]

    def body(state, batch):
        return mean.stateless_update_state(state, *batch), None

    state, _ = jax.lax.scan(body, mean.stateless_reset_state(), (labels, scores))
    assert float(mean.stateless_result(state)) == 0.5


def test_held_metrics_are_found():
    class Both(metrics.Metric):
        def __init__(self):
            super().__init__(name="both")
            self.parts = [metrics.Mean(name="a"), metrics.Sum(name="b")]
            self.calls = self.add_weight(name="calls")

        def update_state(self, x):
            self.calls.assign_add(1)
            for part in self.parts:
                part.update_state(x)

        def result(self):
            return {part.name: part.result() for part in self.parts}

    both = Both()
    assert [v.path for v in both.variables] == ["both/calls", "a/total", "a/count", "b/total"]
    assert tracking.is_owner(both)
    both.update_state(jnp.array([1.0, 3.0]))
    assert {k: float(v) for k, v in both.result().items()} == {"a": 2.0, "b": 4.0}
    both.reset_state()
    assert float(both.calls) == 0


def test_auc_is_that_of_scipy_like_ranks():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 400), rng.uniform(size=400)
    pairs = scores[labels == 1][:, None] > scores[labels == 0]
    np.testing.assert_allclose(metrics.AUC(2000)(labels, scores), pairs.mean(), atol=1e-3)


def test_ignored_class_counts_as_0_and_with_weights_not_at_all():
    metric = metrics.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    given = jnp.array([0, -1]), jnp.zeros((2, 2))
    np.testing.assert_allclose(metric(*given), np.log(2) / 2, rtol=1e-6)
    metric.reset_state()
    np.testing.assert_allclose(metric(*given, jnp.ones(2)), np.log(2), rtol=1e-6)


def test_direction():
    for name, way in (("AUC", "up"), ("MeanSquaredError", "down"), ("R2Score", "up")):
        assert getattr(metrics, name)()._direction == way
    assert metrics.Mean()._direction is None


def test_copies_are_apart():
    one = metrics.Mean()
    two = copy.deepcopy(one)
    one.update_state(2.0)
    assert (float(one.result()), float(two.result())) == (2.0, 0.0)
