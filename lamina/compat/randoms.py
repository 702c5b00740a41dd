"""``tf.random``: draws from Lamina's keys."""

from typing import Any

from lamina.compat.tape import run
from lamina.compat.tensor import unwrap
from lamina.core import random

_by_seed: dict[int, random.SeedGenerator] = {}


def set_seed(seed: int) -> None:
    """Set the global seed; draws with a seed of their own begin anew too."""
    _by_seed.clear()
    random.set_seed(seed)


def op_seed(seed: Any) -> Any:
    """The source of draws that were given a seed: each call of an op moves it on."""
    if seed is None:
        return None
    return _by_seed.setdefault(int(seed), random.SeedGenerator(int(seed)))


class Generator:
    """A source of draws with a state of its own.

    >>> Generator.from_seed(1).normal((2, 3)).shape
    TensorShape([2, 3])
    """

    def __init__(self, source: random.SeedGenerator) -> None:
        self._source = source

    @classmethod
    def from_seed(cls, seed: int, alg: Any = None) -> "Generator":
        """A generator that draws the same numbers for the same seed."""
        return cls(random.SeedGenerator(seed))

    @classmethod
    def from_non_deterministic_state(cls, alg: Any = None) -> "Generator":
        """A generator seeded from the global seed."""
        return cls(random.SeedGenerator())

    def normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, name: Any = None
    ) -> Any:
        """Draws from a normal distribution."""
        return _draw(random.normal, shape, self._source, mean, stddev, dtype=dtype)

    def uniform(
        self, shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = None, name: Any = None
    ) -> Any:
        """Draws from a uniform distribution on [minval, maxval)."""
        maxval = 1 if maxval is None else maxval
        return _draw(random.uniform, shape, self._source, minval, maxval, dtype=dtype)


def _draw(function: Any, shape: Any, source: Any, *args: Any, dtype: Any) -> Any:
    sizes = tuple(int(size) for size in shape)
    return run(lambda *a: function(sizes, *a, unwrap(dtype), source), args)


def normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None,
    name: Any = None,
) -> Any:  # fmt: skip
    """Draws from a normal distribution."""
    return _draw(random.normal, shape, op_seed(seed), mean, stddev, dtype=dtype)


def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None,
    name: Any = None,
) -> Any:  # fmt: skip
    """Draws from a normal distribution within two standard deviations."""
    return _draw(random.truncated_normal, shape, op_seed(seed), mean, stddev, dtype=dtype)


def uniform(
    shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = None, seed: Any = None,
    name: Any = None,
) -> Any:  # fmt: skip
    """Draws from a uniform distribution on [minval, maxval); integers for an integer dtype."""
    maxval = 1 if maxval is None else maxval
    return _draw(random.uniform, shape, op_seed(seed), minval, maxval, dtype=dtype)


def shuffle(value: Any, seed: Any = None, name: Any = None) -> Any:
    """The rows in random order."""
    return run(lambda x: random.shuffle(x, seed=op_seed(seed)), (value,))


def categorical(
    logits: Any, num_samples: int, dtype: Any = None, seed: Any = None, name: Any = None
) -> Any:
    """Draws of class numbers, ``num_samples`` for each row of logits."""
    dtype = unwrap(dtype) or "int32"
    return run(lambda x: random.categorical(x, num_samples, dtype, op_seed(seed)), (logits,))


TABLE = {
    "Generator": Generator, "categorical": categorical, "normal": normal, "set_seed": set_seed,
    "shuffle": shuffle, "truncated_normal": truncated_normal, "uniform": uniform,
}  # fmt: skip
