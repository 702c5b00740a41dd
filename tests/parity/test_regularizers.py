"""Regularizers against Keras on JAX: values, gradients, and configs both ways."""

import jax
import numpy as np
import pytest

from lamina import regularizers

keras = pytest.importorskip("keras")

W = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
CASES = [
    ("L1", {}), ("L1", {"l1": 0.5}), ("L2", {}), ("L2", {"l2": 0.5}), ("L1L2", {}),
    ("L1L2", {"l1": 0.1, "l2": 0.2}), ("l1", {}), ("l2", {}), ("l1_l2", {"l1": 0.3}),
    ("OrthogonalRegularizer", {"factor": 0.5}), ("orthogonal_regularizer", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), CASES)
def test_value_gradient_and_config(name, options):
    theirs, ours = (getattr(room, name)(**options) for room in (keras.regularizers, regularizers))
    np.testing.assert_allclose(ours(W), theirs(W), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(ours)(W), jax.grad(theirs)(W), rtol=1e-4, atol=1e-6)
    stored, kept = keras.regularizers.serialize(theirs), regularizers.serialize(ours)
    assert stored["config"] == pytest.approx(kept["config"])
    assert {**stored, "config": None} == {**kept, "config": None}
    np.testing.assert_allclose(regularizers.deserialize(stored)(W), theirs(W), rtol=1e-5)
    np.testing.assert_allclose(keras.regularizers.deserialize(kept)(W), theirs(W), rtol=1e-5)


def test_public_names():
    assert sorted(n for n in dir(keras.regularizers) if n[0] != "_") == sorted(regularizers.__all__)
