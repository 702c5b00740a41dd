"""Regularizers: what `get` takes, what is refused."""

import numpy as np
import pytest

from lamina import regularizers


def test_what_get_takes():
    assert regularizers.get(None) is None
    assert regularizers.get("l1l2").get_config() == {"l1": 0.0, "l2": 0.0}
    assert regularizers.get({"class_name": "L2", "config": {"l2": 0.5}}).l2 == 0.5
    assert regularizers.get(abs) is abs
    assert float(regularizers.L1(np.float32(0.5))(np.array([1, -2]))) == 1.5


def test_columns_are_the_rows_of_the_transpose():
    w = np.random.default_rng(0).normal(size=(4, 3))
    cosines = w.T @ w / np.outer(np.linalg.norm(w, axis=0), np.linalg.norm(w, axis=0))
    expected = np.mean(np.abs(cosines[np.triu_indices(3, 1)]))
    columns = regularizers.OrthogonalRegularizer(1.0, "columns")
    np.testing.assert_allclose(columns(w), expected, rtol=1e-5)
    np.testing.assert_allclose(regularizers.OrthogonalRegularizer(1.0)(w.T), expected, rtol=1e-5)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: regularizers.get("l1_2"), "Did you mean"),
    (lambda: regularizers.L1(-1.0), "0 or more"),
    (lambda: regularizers.L2(float("nan")), "finite"),
    (lambda: regularizers.L1L2("a"), "not 'a'"),
    (lambda: regularizers.OrthogonalRegularizer(mode="row"), "Did you mean 'rows'"),
    (lambda: regularizers.OrthogonalRegularizer()(np.ones(3)), "matrices"),
])  # fmt: skip
def test_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
