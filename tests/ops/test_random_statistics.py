"""Draws against the distributions of scipy: moments, and the Kolmogorov-Smirnov statistic."""

import jax
import numpy as np
import pytest
from scipy import stats

from lamina import random

N = 4000

CONTINUOUS = [
    (lambda **k: random.uniform((N,), -1.0, 3.0, **k), stats.uniform(-1, 4)),
    (lambda **k: random.normal((N,), 2.0, 0.5, **k), stats.norm(2, 0.5)),
    (lambda **k: random.truncated_normal((N,), 1.0, 2.0, **k), stats.truncnorm(-2, 2, 1, 2)),
    (lambda **k: random.gamma((N,), 2.5, **k), stats.gamma(2.5)),
    (lambda **k: random.gamma((N,), 0.4, **k), stats.gamma(0.4)),
    (lambda **k: random.beta((N,), 0.5, 2.0, **k), stats.beta(0.5, 2.0)),
]
DISCRETE = [
    (lambda **k: random.binomial((N,), 10.0, 0.3, **k), stats.binom(10, 0.3)),
    (lambda **k: random.randint((N,), 3, 11, **k), stats.randint(3, 11)),
    (lambda **k: random.categorical(np.log([[0.2, 0.5, 0.3]]), N, **k)[0],
     stats.rv_discrete(values=([0, 1, 2], [0.2, 0.5, 0.3]))),
]  # fmt: skip
seeds = pytest.mark.parametrize("seed", [1, 2], ids=["seed 1", "seed 2"])


def check_moments(drawn, distribution):
    mean, variance, _, excess = (float(each) for each in distribution.stats(moments="mvsk"))
    assert abs(drawn.mean() - mean) < 5 * np.sqrt(variance / N)
    assert abs(drawn.var() - variance) < 5 * variance * np.sqrt((excess + 2) / N)


@seeds
@pytest.mark.parametrize(("draw", "distribution"), CONTINUOUS)
def test_continuous(draw, distribution, seed):
    drawn = np.asarray(draw(seed=seed), "float64")
    check_moments(drawn, distribution)
    assert stats.kstest(drawn, distribution.cdf).pvalue > 1e-4
    traced = np.asarray(jax.jit(lambda key: draw(seed=key))(np.array([seed, 0], "uint32")))
    np.testing.assert_allclose(traced, drawn, rtol=1e-4, atol=1e-5)


@seeds
@pytest.mark.parametrize(("draw", "distribution"), DISCRETE)
def test_discrete(draw, distribution, seed):
    drawn = np.asarray(draw(seed=seed))
    check_moments(drawn.astype("float64"), distribution)
    values = np.arange(int(drawn.min()), int(drawn.max()) + 1)
    counts = np.array([(drawn == value).sum() for value in values])
    expected = distribution.pmf(values)
    assert stats.chisquare(counts, expected / expected.sum() * N).pvalue > 1e-4


@pytest.mark.parametrize(
    "draw",
    [
        random.uniform,
        random.normal,
        random.truncated_normal,
        lambda shape, **k: random.gamma(shape, 2.0, **k),
        lambda shape, **k: random.beta(shape, 2.0, 3.0, **k),
        lambda shape, **k: random.binomial(shape, 5.0, 0.5, **k),
        lambda shape, dtype, **k: random.randint(shape, 0, 9, dtype.replace("float", "int"), **k),
    ],
    ids="uniform normal truncated_normal gamma beta binomial randint".split(),
)
def test_seeds_shapes_and_dtypes(draw):
    for dtype in ("float16", "float32"):
        first = draw([2, 3], dtype=dtype, seed=4)
        assert first.shape == (2, 3)
        assert first.dtype == dtype or first.dtype == dtype.replace("float", "int")
    assert draw((), dtype="float32", seed=1).shape == ()
    assert draw((0, 2), dtype="float32", seed=1).shape == (0, 2)
    np.testing.assert_array_equal(first, draw((2, 3), dtype="float32", seed=4))
    source = random.SeedGenerator(4)
    drawn = [np.asarray(draw((50,), dtype="float32", seed=source)) for _ in range(2)]
    unseeded = [np.asarray(draw((50,), dtype="float32")) for _ in range(2)]
    assert not np.array_equal(*drawn)
    assert not np.array_equal(*unseeded)


@seeds
def test_dropout(seed):
    x = np.full((100, 40), 3.0, "float32")
    kept = np.asarray(random.dropout(x, 0.3, seed=seed)) > 0
    assert abs(kept.mean() - 0.7) < 5 * np.sqrt(0.21 / x.size)
    np.testing.assert_allclose(np.asarray(random.dropout(x, 0.3, seed=seed))[kept], 3 / 0.7, 1e-6)
    rows = np.asarray(random.dropout(x, 0.5, noise_shape=(None, 1), seed=seed))
    assert (rows == rows[:, :1]).all()


@seeds
def test_shuffle(seed):
    x = np.arange(300).reshape(100, 3)
    mixed = np.asarray(random.shuffle(x, seed=seed))
    assert not np.array_equal(mixed, x)
    np.testing.assert_array_equal(mixed[np.argsort(mixed[:, 0])], x)
    places = np.stack([random.shuffle(np.arange(5), seed=n) for n in range(seed * 300, seed * 600)])
    assert stats.chisquare(np.bincount(places[:, 0], minlength=5)).pvalue > 1e-4


@pytest.mark.parametrize("wrong", [
    lambda: random.uniform((2,), dtype="int32"),
    lambda: random.normal((2,), dtype="bool"),
    lambda: random.randint((2,), 0, 3, dtype="float32"),
    lambda: random.categorical(np.ones(3), 2),
    lambda: random.normal((2,), seed="seven"),
    lambda: random.SeedGenerator("seven"),
    lambda: random.SeedGenerator(sede=7),
])  # fmt: skip
def test_errors(wrong):
    with pytest.raises(ValueError):
        wrong()
