"""What Keras does not check: errors, hand-computed values, and what must not become NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import losses
from lamina.core.binding import bind
from lamina.core.masking import get_mask

HOT = "categorical_crossentropy"


@pytest.mark.parametrize(
    ("loss", "true", "pred", "says"),
    [
        (HOT, (4,), (4, 10), ["(4,)", "(4, 10)", "sparse_categorical_crossentropy", "one-hot"]),
        (HOT, (4, 1), (4, 10), ["(4, 1)", "(4, 10)", "to_categorical(y, 10)"]),
        ("sparse_" + HOT, (4, 10), (4, 10), [f"'{HOT}'"]),
        ("sparse_" + HOT, (3,), (4, 10), ["(3,)", "(4, 10)"]),
        ("binary_crossentropy", (4, 1), (4, 3), ["(4, 1)", "(4, 3)"]),
        ("mse", (4, 2), (4, 3), ["mean_squared_error", "(4, 2)", "(4, 3)"]),
        ("ctc", (4,), (4, 3), ["ctc", "(4,)"]),
    ],
)
def test_shapes_that_do_not_fit(loss, true, pred, says):
    with pytest.raises(ValueError) as error:
        losses.get(loss)(np.zeros(true), np.ones(pred))
    assert all(part in str(error.value) for part in says)


@pytest.mark.parametrize(("given", "says"), [("msee", "'mse'"), ("Categoricalcrossentropy", HOT)])
def test_unknown_name(given, says):
    with pytest.raises(ValueError, match=says):
        losses.get(given)


def test_other_bad_arguments():
    with pytest.raises(ValueError, match="sum_over_batch_size"):
        losses.MeanSquaredError(reduction="sum_over_batch")
    with pytest.raises(ValueError, match="no loss"):
        losses.get(3)
    with pytest.raises(ValueError, match="weights of shape"):
        losses.MeanSquaredError()(np.zeros((4, 2)), np.zeros((4, 2)), np.ones(3))
    with pytest.raises(ValueError, match="between 0 and 1"):
        losses.CategoricalGeneralizedCrossEntropy(q=1.0)
    with pytest.warns(SyntaxWarning, match="binary_crossentropy"):
        losses.categorical_crossentropy(np.ones((2, 1)), np.ones((2, 1)))


def test_a_vector_of_targets_meets_a_column_of_predictions():
    flat, column = np.arange(4.0), np.ones((4, 1))
    for name in ("mse", "mae", "hinge", "binary_crossentropy", "poisson"):
        assert losses.get(name)(flat, column).shape == (4,)


def test_weights_for_samples_apply_to_all_positions():
    y_true, y_pred = np.zeros((3, 3, 2)), np.arange(18.0).reshape(3, 3, 2)
    weight = np.array([0.0, 1.0, 2.0])
    loss = losses.MeanAbsoluteError()(y_true, y_pred, weight)
    expected = (y_pred.mean(-1) * weight[:, None]).mean()
    np.testing.assert_allclose(loss, expected)


def test_masked_logits_give_no_nan():
    logits = jnp.array([[0.0, -jnp.inf, 0.0]])
    loss, grad = jax.value_and_grad(
        lambda x: losses.sparse_categorical_crossentropy([0], x, from_logits=True).sum()
    )(logits)
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)
    assert np.isfinite(grad).all()


@pytest.mark.parametrize("x", [-1e3, -50.0, 50.0, 1e3])
def test_binary_logits_far_out(x):
    for label in (0.0, 1.0):
        loss = losses.binary_crossentropy([[label]], [[x]], from_logits=True)
        expected = np.logaddexp(0, -x if label else x)
        np.testing.assert_allclose(loss[0], expected, rtol=1e-6)


def test_zero_vectors_have_a_gradient():
    grad = jax.grad(lambda y: losses.cosine_similarity([[1.0, 0.0]], y).sum())(jnp.zeros((1, 2)))
    assert np.isfinite(grad).all()


def test_ignored_class_under_jit_and_in_a_trace():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    y = jnp.array([0, -1, 1]), jnp.array([[3.0, 0], [9, 9], [1, 1]])
    expected = (np.log1p(np.exp(-3)) + np.log(2)) / 2
    for call in (loss, jax.jit(loss)):
        np.testing.assert_allclose(call(*y), expected, rtol=1e-6)
    with bind():
        values = losses.sparse_categorical_crossentropy(*y, from_logits=True, ignore_class=-1)
        assert get_mask(values).tolist() == [True, False, True]


def test_one_of_ones_own():
    class Weighted(losses.Loss):
        def __init__(self, factor, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, y_true, y_pred):
            return self.factor * abs(y_true["a"] - y_pred["a"])

    loss = Weighted(2.0, reduction="sum")
    y = {"a": np.ones(3)}, {"a": np.zeros(3)}
    assert float(loss(*y)) == 6.0
    assert float(Weighted.from_config(loss.get_config())(*y)) == 6.0


def test_dtype():
    loss = losses.MeanSquaredError(dtype="mixed_bfloat16")
    assert loss(np.ones((2, 2)), np.zeros((2, 2))).dtype == "bfloat16"
    assert loss.get_config()["dtype"] == "bfloat16"
    assert "dtype" not in losses.MeanSquaredError().get_config()


def test_options_are_attributes():
    loss = losses.Huber(1.0)
    loss.delta = 0.5
    assert loss.get_config()["delta"] == 0.5
    np.testing.assert_allclose(loss([[0.0]], [[2.0]]), 0.5 * 2 - 0.125)
