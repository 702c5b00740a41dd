"""Constraints against Keras on JAX: values, and configs both ways."""

import numpy as np
import pytest

from lamina import constraints

keras = pytest.importorskip("keras")

W = np.random.default_rng(0).normal(0, 2, (4, 3, 2)).astype("float32")
CASES = [
    ("MaxNorm", {}), ("MaxNorm", {"max_value": 0.5, "axis": [0, 1]}), ("NonNeg", {}),
    ("UnitNorm", {}), ("UnitNorm", {"axis": 1}), ("MinMaxNorm", {}), ("max_norm", {"max_value": 3}),
    ("MinMaxNorm", {"min_value": 0.5, "max_value": 2.0, "rate": 0.3, "axis": [0, 2]}),
    ("non_neg", {}), ("unit_norm", {}), ("min_max_norm", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), CASES)
def test_value_and_config(name, options):
    theirs, ours = (getattr(room, name)(**options) for room in (keras.constraints, constraints))
    np.testing.assert_allclose(ours(W), theirs(W), rtol=1e-5)
    stored = keras.constraints.serialize(theirs)
    assert constraints.serialize(ours) == stored
    np.testing.assert_allclose(constraints.deserialize(stored)(W), theirs(W), rtol=1e-5)
    again = keras.constraints.deserialize(constraints.serialize(ours))
    np.testing.assert_allclose(again(W), theirs(W), rtol=1e-5)


def test_public_names():
    assert sorted(n for n in dir(keras.constraints) if n[0] != "_") == sorted(constraints.__all__)
