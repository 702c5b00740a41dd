"""Keys, seed states, and draws.

A key is two ``uint32``: a seed and a counter, used as a raw threefry key, as Keras on JAX does;
so an initializer or layer with an explicit seed draws the same numbers in both libraries.

Draws are `jax.random`'s. Outside transformations, small ones are computed on the host by
`lamina.core.threefry`, which gives the same bits without compiling a program for every shape.
"""

import contextlib
import contextvars
import random as python_random
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina.core import threefry
from lamina.core.configurable import Configurable
from lamina.core.dtypes import canonical, is_float, is_int
from lamina.core.errors import ArgumentError, ShapeError, StateError
from lamina.core.naming import auto_name, reset_names
from lamina.core.registry import late
from lamina.core.settings import lock, settings
from lamina.core.types import Array, ArrayLike, DTypeLike, SeedLike, ShapeLike

__all__ = ["SeedGenerator", "beta", "binomial", "categorical", "dropout", "gamma", "normal",
           "randint", "shuffle", "truncated_normal", "uniform"]  # fmt: skip

HOST_LIMIT = 1 << 20
"""Draws of more elements than this run as a compiled program."""

_scoped: contextvars.ContextVar[list[Any] | None] = contextvars.ContextVar("key", default=None)


def set_seed(seed: int) -> None:
    """Set the seed that all keys without an explicit one derive from, and start its count anew."""
    with lock:
        settings.seed = int(seed) & 0xFFFFFFFF
        settings.draws = 0


def creation_key() -> np.ndarray:
    """The next key of the global seed: the seed, and how many keys were taken before."""
    with lock:
        key = np.array([settings.seed ^ 0x9E3779B9, settings.draws], np.uint32)
        settings.draws += 1
    return key


@contextlib.contextmanager
def using_key(key: Any) -> Iterator[None]:
    """Draws without a seed inside the block come from ``key``, one after the other."""
    token = _scoped.set([key, 0])
    try:
        yield
    finally:
        _scoped.reset(token)


def make_key(seed: SeedLike = None) -> Any:
    """The raw key of an int, a SeedGenerator (which moves on), a key, or None (the global seed).

    >>> make_key(7)
    array([7, 0], dtype=uint32)
    """
    if seed is None:
        scope = _scoped.get()
        if scope is None:
            if isinstance(jnp.zeros(()), Tracer):
                raise StateError(
                    "A draw without a seed inside jax.jit would be the same in every call.",
                    rule="a program of jax takes all that changes as arguments",
                    fix="pass a key or an int as `seed`, or draw inside a layer's call()",
                )
            return creation_key()
        scope[1] += 1
        return scope[0] if scope[1] == 1 else jax.random.fold_in(jnp.asarray(scope[0]), scope[1])
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, (int, np.integer)):
        return np.array([int(seed) & 0xFFFFFFFF, 0], np.uint32)
    if hasattr(seed, "dtype") and jnp.issubdtype(seed.dtype, jax.dtypes.prng_key):
        return jax.random.key_data(seed)
    if hasattr(seed, "shape") and tuple(seed.shape) == (2,):
        return seed.value if hasattr(seed, "assign") else seed
    raise ArgumentError(
        f"seed={seed!r} is no seed: give an int, a SeedGenerator, a key of two uint32, or None."
    )


class SeedGenerator(Configurable):
    """A source of keys whose state is a variable, so that runs can be saved and resumed.

    Args:
        seed: Where to begin; drawn from the global seed when left out.

    >>> SeedGenerator(5).next()
    Array([5, 0], dtype=uint32)
    """

    keras_module = "keras.random"
    beside_weights = True
    """Whether what it owns counts among a layer's variables, and not among its weights."""

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        if set(kwargs) - {"backend"}:
            raise ArgumentError(f"SeedGenerator knows no argument {sorted(kwargs)}.")
        if seed is not None and (not isinstance(seed, (int, np.integer)) or seed < 0):
            raise ArgumentError(f"SeedGenerator takes a seed of 0 or more, not {seed!r}.")
        self.name = name or auto_name("seed_generator")
        self.seed = seed
        self._given["name"] = self.name
        start = creation_key() if seed is None else np.array([seed & 0xFFFFFFFF, 0], np.uint32)
        self.state = late("core.variable.Variable")(
            start,
            dtype="uint32",
            trainable=False,
            aggregation="only_first_replica",
            name="seed_generator_state",
            path=f"{self.name}/seed_generator_state",
        )

    @property
    def owned_variables(self) -> list[Any]:
        """The state, as the layer that holds this generator saves and binds it."""
        return [self.state]

    def next(self, ordered: bool = True) -> Array:
        """The present key; the state moves on by one."""
        key = self.state.value
        self.state.assign(_advance(key))
        return key

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "name": self.name}


@jax.jit
def _advance(key: Array) -> Array:
    return key + jnp.array([0, 1], jnp.uint32)


def _on_host(key: Any, shape: Sequence[int]) -> bool:
    return (
        not isinstance(key, Tracer)
        and all(isinstance(size, (int, np.integer)) for size in shape)
        and int(np.prod(shape)) <= HOST_LIMIT
        and late("core.compiled.outside_transformations")()
    )


def _float(dtype: DTypeLike, what: str) -> str:
    name = canonical(dtype)
    if not is_float(name):
        raise ArgumentError(f"random.{what} draws floats: dtype={name!r} is none.")
    return name


def uniform(
    shape: Sequence[int],
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
    dtype: DTypeLike = None,
    seed: SeedLike = None,
) -> Array:
    """Draws from the uniform distribution on [minval, maxval).

    >>> uniform((2,), seed=1).shape
    (2,)
    """
    dtype, key = _float(dtype, "uniform"), make_key(seed)
    if dtype == "float32" and _on_host(key, shape) and _numbers(minval, maxval):
        return jax.device_put(threefry.uniform(np.asarray(key), tuple(shape), minval, maxval))
    return jax.random.uniform(_key(key), tuple(shape), dtype, minval, maxval)


def normal(
    shape: Sequence[int],
    mean: ArrayLike = 0.0,
    stddev: ArrayLike = 1.0,
    dtype: DTypeLike = None,
    seed: SeedLike = None,
) -> Array:
    """Draws from the normal distribution of this mean and standard deviation."""
    dtype, key = _float(dtype, "normal"), make_key(seed)
    if dtype == "float32" and _on_host(key, shape) and _numbers(mean, stddev):
        drawn = threefry.normal(np.asarray(key), tuple(shape))
        return jax.device_put(drawn * np.float32(stddev) + np.float32(mean))
    drawn = jax.random.normal(_key(key), tuple(shape), dtype)
    return drawn * jnp.asarray(stddev, dtype) + jnp.asarray(mean, dtype)


def truncated_normal(
    shape: Sequence[int],
    mean: ArrayLike = 0.0,
    stddev: ArrayLike = 1.0,
    dtype: DTypeLike = None,
    seed: SeedLike = None,
) -> Array:
    """Draws from the normal distribution, those beyond two standard deviations drawn again."""
    dtype, key = _float(dtype, "truncated_normal"), make_key(seed)
    if dtype == "float32" and _on_host(key, shape) and _numbers(mean, stddev):
        drawn = threefry.truncated_normal(np.asarray(key), tuple(shape), -2.0, 2.0)
        return jax.device_put(drawn * np.float32(stddev) + np.float32(mean))
    drawn = jax.random.truncated_normal(_key(key), -2.0, 2.0, tuple(shape), dtype)
    return drawn * jnp.asarray(stddev, dtype) + jnp.asarray(mean, dtype)


def _numbers(*values: Any) -> bool:
    return all(isinstance(each, (int, float, np.number)) for each in values)


def _key(key: Any) -> Array:
    return jnp.asarray(key, jnp.uint32)


def randint(
    shape: Sequence[int],
    minval: ArrayLike,
    maxval: ArrayLike,
    dtype: DTypeLike = "int32",
    seed: SeedLike = None,
) -> Array:
    """Draws of integers from minval up to, but without, maxval."""
    name = canonical(dtype)
    if not is_int(name):
        raise ArgumentError(f"random.randint draws integers: dtype={name!r} is none.")
    return jax.random.randint(_key(make_key(seed)), tuple(shape), minval, maxval, name)


def categorical(
    logits: ArrayLike, num_samples: int, dtype: DTypeLike = "int32", seed: SeedLike = None
) -> Array:
    """Draws class numbers from unnormalised log-probabilities.

    Args:
        logits: Shape (batch, classes).
        num_samples: Draws for each row.

    Returns:
        Integers of shape (batch, num_samples).
    """
    logits = jnp.asarray(logits)
    if logits.ndim != 2:
        raise ShapeError(
            "random.categorical takes a row of logits for each draw.",
            met=f"logits of shape {logits.shape}",
            rule="(batch, classes)",
        )
    shape = (num_samples, *logits.shape[:-1])
    drawn = jax.random.categorical(_key(make_key(seed)), logits, shape=shape)
    return jnp.moveaxis(drawn, 0, -1).astype(canonical(dtype))


def dropout(
    inputs: ArrayLike, rate: float, noise_shape: ShapeLike | None = None, seed: SeedLike = None
) -> Array:
    """Each element set to 0 with probability ``rate``, the rest scaled by 1 / (1 - rate).

    ``noise_shape`` broadcasts against the input: axes of size 1 are dropped together.
    """
    inputs = jnp.asarray(inputs)
    key = _key(make_key(seed))
    if not rate > 0:
        return inputs
    if rate >= 1:
        return jnp.zeros_like(inputs)
    shape = inputs.shape
    if noise_shape is not None:
        pairs = zip(noise_shape, inputs.shape, strict=True)
        shape = tuple(size if each is None else each for each, size in pairs)
    keep = jax.random.bernoulli(key, 1.0 - rate, shape)
    keep = jnp.broadcast_to(keep, inputs.shape)
    return jax.lax.select(keep, inputs / (1.0 - rate), jnp.zeros_like(inputs))


def shuffle(x: ArrayLike, axis: int = 0, seed: SeedLike = None) -> Array:
    """The slices of ``x`` along ``axis`` in random order."""
    return jax.random.permutation(_key(make_key(seed)), jnp.asarray(x), axis)


def gamma(
    shape: Sequence[int], alpha: ArrayLike, dtype: DTypeLike = None, seed: SeedLike = None
) -> Array:
    """Draws from the gamma distribution of this shape parameter, and scale 1."""
    return jax.random.gamma(
        _key(make_key(seed)), jnp.asarray(alpha), tuple(shape), _float(dtype, "gamma")
    )


def beta(
    shape: Sequence[int],
    alpha: ArrayLike,
    beta: ArrayLike,
    dtype: DTypeLike = None,
    seed: SeedLike = None,
) -> Array:
    """Draws from the beta distribution of these two concentrations."""
    a, b = jnp.asarray(alpha), jnp.asarray(beta)
    return jax.random.beta(_key(make_key(seed)), a, b, tuple(shape), _float(dtype, "beta"))


def binomial(
    shape: Sequence[int],
    counts: ArrayLike,
    probabilities: ArrayLike,
    dtype: DTypeLike = None,
    seed: SeedLike = None,
) -> Array:
    """Draws of how many of ``counts`` trials succeed, each with this probability."""
    n, p = jnp.asarray(counts), jnp.asarray(probabilities)
    return jax.random.binomial(_key(make_key(seed)), n, p, tuple(shape), _float(dtype, "binomial"))


def set_random_seed(seed: int) -> None:
    """Set the seeds of Python, NumPy and Lamina, so that a program draws the same numbers again."""
    if not isinstance(seed, (int, np.integer)):
        raise ArgumentError(f"A seed is an int, not {seed!r}.")
    python_random.seed(int(seed))
    np.random.seed(int(seed) & 0xFFFFFFFF)
    set_seed(int(seed))


def clear_session(free_memory: bool = True) -> None:
    """Let automatic names count from the beginning. Nothing global holds models."""
    reset_names()
