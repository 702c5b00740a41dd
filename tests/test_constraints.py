"""Constraints: what they hold, what `get` takes."""

import numpy as np
import pytest

from lamina import constraints

W = np.random.default_rng(0).normal(0, 2, (4, 3)).astype("float32")


def test_norms():
    norm = lambda w: np.linalg.norm(w, axis=0)  # noqa: E731
    np.testing.assert_allclose(norm(constraints.UnitNorm()(W)), 1, rtol=1e-5)
    assert (norm(constraints.MaxNorm(1.5)(W)) <= 1.5001).all()
    assert (norm(constraints.MinMaxNorm(3.0, 4.0)(W)) >= 2.999).all()
    assert (np.asarray(constraints.NonNeg()(W)) >= 0).all()
    np.testing.assert_array_equal(constraints.MaxNorm()(np.zeros((2, 2), "float32")), 0)


def test_what_get_takes():
    assert constraints.get(None) is None
    assert constraints.get("UnitNorm").axis == 0
    assert constraints.get({"class_name": "max_norm", "config": {"max_value": 1}}).max_value == 1
    with pytest.raises(ValueError, match="Did you mean 'max_norm'"):
        constraints.get("maxnorm")
