"""Activations: names, custom functions, symbolic tensors, large inputs."""

import jax
import numpy as np
import pytest

from lamina import activations
from lamina.core.registry import CustomObjectScope
from lamina.core.symbolic import SymbolicTensor


def test_names_and_callables():
    function = lambda x: x  # noqa: E731
    assert activations.get(None) is activations.linear
    assert activations.get("swish") is activations.silu
    assert activations.get(function) is function
    with pytest.raises(ValueError, match="Did you mean 'relu'"):
        activations.get("relo")
    with pytest.raises(ValueError, match="no activation"):
        activations.get(3)


def twice(x):
    return 2 * x


def test_custom_functions():
    with CustomObjectScope({"twice": twice}):
        assert activations.get("twice") is twice
    stored = activations.serialize(twice)
    assert stored["config"] == "twice"
    assert activations.deserialize(stored, {"twice": twice}) is twice
    with pytest.raises(ValueError, match="lambda"):
        activations.serialize(lambda x: x)


def test_one_step_on_a_symbolic_tensor():
    x = SymbolicTensor((None, 3))
    y = activations.relu(x, max_value=6.0)
    assert y.shape == (None, 3)
    assert y.record[0]._nodes[0].inputs == [x]


@pytest.mark.parametrize("name", sorted(set(activations._KNOWN) - {"threshold", "exponential"}))
def test_no_overflow(name):
    x = np.array([-1e4, -50.0, 0.0, 50.0, 1e4, 1.0], "float32")
    function = activations.get(name)
    assert np.isfinite(function(x)).all()
    assert np.isfinite(jax.grad(lambda x: function(x).sum())(x)).all()


def test_sparsemax_is_a_projection():
    x = np.array([[0.1, 0.3, 2.0], [1.0, 1.2, -5.0], [0.5, 0.5, 0.5]], "float32")
    y = np.asarray(activations.sparsemax(x))
    np.testing.assert_allclose(y, [[0, 0, 1], [0.4, 0.6, 0], [1 / 3] * 3], rtol=1e-5)
    np.testing.assert_allclose(activations.sparsemax(x.T, axis=0), y.T)
