"""Keys and draws: the host's draws are jax's, and order of reading does not matter."""

import jax
import numpy as np
import pytest

import lamina as keras
from lamina.core import random, threefry
from lamina.core.errors import LaminaError, StateError

KEY = np.array([12, 5], np.uint32)


@pytest.mark.parametrize("size", [1, 7, 1000, 40_000])
def test_uniform_bits_are_those_of_jax(size):
    want = jax.random.uniform(KEY, (size,), minval=-0.3, maxval=0.7)
    np.testing.assert_array_equal(threefry.uniform(KEY, (size,), -0.3, 0.7), want)


def test_normals_are_those_of_jax_to_the_last_bits():
    shape = (5000, 3)
    np.testing.assert_allclose(
        threefry.normal(KEY, shape), jax.random.normal(KEY, shape), atol=1e-6
    )
    np.testing.assert_allclose(
        threefry.truncated_normal(KEY, shape, -2.0, 2.0),
        jax.random.truncated_normal(KEY, -2, 2, shape),
        atol=2e-6,
    )


def test_host_and_program_agree(monkeypatch):
    host = [f((64, 3), seed=4) for f in (random.uniform, random.normal, random.truncated_normal)]
    monkeypatch.setattr(random, "HOST_LIMIT", 0)
    for f, want in zip((random.uniform, random.normal, random.truncated_normal), host, strict=True):
        np.testing.assert_allclose(f((64, 3), seed=4), want, atol=2e-6)
        traced = jax.jit(lambda f=f: f((64, 3), seed=4))()
        np.testing.assert_allclose(traced, want, atol=2e-6)


def test_weights_depend_on_the_order_of_creation_not_of_reading():
    def make():
        keras.utils.set_random_seed(3)
        a, b = keras.layers.Dense(3), keras.layers.Dense(3)
        a.build((None, 4))
        b.build((None, 4))
        return a, b

    a, b = make()
    first, second = a.kernel.numpy(), b.kernel.numpy()
    a, b = make()
    assert np.array_equal(b.kernel.numpy(), second)
    assert np.array_equal(a.kernel.numpy(), first)
    assert not np.array_equal(first, second)


def test_one_initializer_for_two_weights_draws_twice():
    initializer = keras.initializers.GlorotUniform()
    a = keras.Variable(initializer, (3, 3))
    b = keras.Variable(initializer, (3, 3))
    assert not np.array_equal(a.numpy(), b.numpy())


def test_seed_generators_move_on_and_can_be_restored():
    source = keras.random.SeedGenerator(9)
    keys = [np.asarray(source.next()).tolist() for _ in range(3)]
    assert keys == [[9, 0], [9, 1], [9, 2]]
    assert keras.random.SeedGenerator.from_config(source.get_config()).seed == 9
    for wrong in (-1, "x", 1.5):
        with pytest.raises(LaminaError):
            keras.random.SeedGenerator(wrong)


def test_draws_have_their_distributions():
    n = 20_000
    checks = {
        "uniform": (random.uniform((n,), 2, 4, seed=1), 3, np.sqrt(1 / 3)),
        "normal": (random.normal((n,), 1, 2, seed=1), 1, 2),
        "gamma": (random.gamma((n,), 2.0, seed=1), 2, np.sqrt(2)),
        "beta": (random.beta((n,), 2.0, 2.0, seed=1), 0.5, np.sqrt(1 / 20)),
        "binomial": (random.binomial((n,), 10.0, 0.3, seed=1), 3, np.sqrt(2.1)),
        "randint": (random.randint((n,), 0, 10, seed=1), 4.5, np.sqrt(99 / 12)),
        "categorical": (random.categorical(np.log([[0.25, 0.75]]), n, seed=1), 0.75, None),
        "dropout": (random.dropout(np.ones(n, np.float32), 0.4, seed=1), 1, None),
    }
    for name, (drawn, mean, deviation) in checks.items():
        assert abs(float(np.mean(drawn)) - mean) < 0.05, name
        assert deviation is None or abs(float(np.std(drawn)) - deviation) < 0.05, name
    assert sorted(np.asarray(random.shuffle(np.arange(9), seed=2))) == list(range(9))


def test_a_draw_without_a_seed_inside_jit_is_refused():
    with pytest.raises(StateError, match="same in every call"):
        jax.jit(lambda: random.normal((2,)))()
    assert jax.vmap(lambda x: x + random.normal(()))(np.zeros(2)).shape == (2,)
    draw = jax.jit(lambda key: random.normal((2,), seed=key))
    first, second = draw(KEY), draw(KEY + 1)
    assert not np.allclose(first, second)
