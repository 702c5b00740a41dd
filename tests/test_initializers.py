"""Initializers: who draws from what, what is refused, what `get` takes."""

import jax
import numpy as np
import pytest

from lamina import initializers
from lamina.core import random
from lamina.core.variable import Variable


def test_an_unseeded_initializer_never_gives_two_variables_the_same_numbers():
    shared = initializers.GlorotUniform()
    a, b = Variable(shared, (3, 4)), Variable(shared, (3, 4))
    assert not np.allclose(a.numpy(), b.numpy())


def test_the_seed_decides():
    first, second = (initializers.HeNormal(seed=5)((3, 4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    random.set_seed(1)
    a = initializers.HeNormal()((3, 4))
    random.set_seed(1)
    np.testing.assert_array_equal(a, initializers.HeNormal()((3, 4)))


@pytest.mark.parametrize("shape", [(6, 3), (3, 6), (2, 3, 4)])
def test_orthogonal(shape):
    matrix = np.asarray(initializers.Orthogonal(seed=0)(shape)).reshape(-1, shape[-1])
    rows, columns = matrix.shape
    gram = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    np.testing.assert_allclose(gram, np.eye(min(rows, columns)), atol=1e-5)


@pytest.mark.parametrize("name", ["truncated_normal", "untruncated_normal", "uniform"])
def test_variance(name):
    drawn = initializers.VarianceScaling(3.0, "fan_in", name, seed=0)((300, 200))
    np.testing.assert_allclose(np.var(drawn), 3.0 / 300, rtol=0.02)


def test_arrays_are_initializers_of_their_own_shape():
    array = np.arange(6.0).reshape(2, 3)
    initializer = initializers.get(array)
    np.testing.assert_array_equal(initializer((2, 3)), array)
    assert initializers.serialize(initializer)["class_name"] == "Constant"
    with pytest.raises(ValueError, match=r"\(2, 3\), variable shape \(3,\)"):
        initializer((3,))


def test_what_get_takes():
    function = lambda shape, dtype=None: jax.numpy.zeros(shape, dtype)  # noqa: E731
    assert initializers.get(None) is None
    assert initializers.get(function) is function
    assert isinstance(initializers.get(initializers.Zeros), initializers.Zeros)
    assert initializers.get({"class_name": "he_normal", "config": {"seed": 1}}).seed == 1
    assert initializers.get("ones").clone()((1,)) == 1


@pytest.mark.parametrize(("make", "message"), [
    (lambda: initializers.get("glorot_unifrom"), "Did you mean 'glorot_uniform'"),
    (lambda: initializers.get(3), "no initializer"),
    (lambda: initializers.VarianceScaling(scale=0), "above 0"),
    (lambda: initializers.VarianceScaling(mode="fan"), "fan_in"),
    (lambda: initializers.VarianceScaling(distribution="norm"), "uniform"),
    (lambda: initializers.RandomNormal(seed="a"), "seed='a'"),
    (lambda: initializers.Identity()((2, 2, 2)), "matrices"),
    (lambda: initializers.Orthogonal()((2,)), "two axes"),
    (lambda: initializers.STFT(side="left"), "imag"),
    (lambda: initializers.STFT(window="kaiserr"), "Unknown window"),
])  # fmt: skip
def test_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
