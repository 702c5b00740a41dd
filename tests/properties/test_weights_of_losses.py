"""Weights and masks of losses: what is masked counts for nothing."""

import jax.numpy as jnp
import numpy as np
import pytest
from catalogue_losses import LossRow, each_loss
from numpy.testing import assert_allclose

from lamina.core.masking import set_mask

INSIDE = {"Circle", "CTC"}


@each_loss
def test_weights(row: LossRow) -> None:
    loss = row.make(reduction="none")
    if type(loss).__name__ in INSIDE or getattr(loss, "ignore_class", None) is not None:
        pytest.skip("weights enter before the sum over positions, as in Keras")
    values = np.asarray(loss(row.true, row.pred))
    rng = np.random.default_rng(0)
    for rank in range(values.ndim + 1):
        weight = rng.uniform(0.5, 2, values.shape[:rank]).astype("float32")
        expected = values * weight.reshape(weight.shape + (1,) * (values.ndim - rank))
        assert_allclose(loss(row.true, row.pred, weight), expected, rtol=1e-5)
        for reduction, number in (("sum", expected.sum()), ("mean", expected.mean())):
            reduced = row.make(reduction=reduction)(row.true, row.pred, weight)
            assert reduced.shape == ()
            assert_allclose(reduced, number, rtol=1e-4)


@each_loss
def test_masks(row: LossRow) -> None:
    loss = row.make(reduction="none")
    values = np.asarray(loss(row.true, row.pred))
    mask = np.arange(values.size).reshape(values.shape) % 3 > 0
    masked = jnp.asarray(row.pred)
    set_mask(masked, jnp.asarray(mask))
    assert_allclose(loss(row.true, masked), np.where(mask, values, 0), rtol=1e-5)
    counted = row.make(reduction="sum")(row.true, masked)
    assert_allclose(counted, values[mask].sum(), rtol=1e-4, atol=1e-5)
