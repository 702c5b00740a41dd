"""Arrays made from numbers; float ones in ``floatx`` unless a dtype is given."""

from typing import Any

import jax.numpy as jnp

from lamina.core.dtypes import canonical, result_type
from lamina.core.operation import op
from lamina.core.types import Array, ArrayLike, DTypeLike, ShapeLike
from lamina.ops._rules import array_op


def zeros(shape: ShapeLike | int, dtype: DTypeLike = None) -> Array:
    """Zeros.

    >>> zeros((2,))
    Array([0., 0.], dtype=float32)
    """
    return jnp.zeros(shape, canonical(dtype))


def ones(shape: ShapeLike | int, dtype: DTypeLike = None) -> Array:
    """Ones."""
    return jnp.ones(shape, canonical(dtype))


def empty(shape: ShapeLike | int, dtype: DTypeLike = None) -> Array:
    """An array whose elements are not to be relied on (they are 0)."""
    return jnp.zeros(shape, canonical(dtype))


@op
def full(shape: ShapeLike | int, fill_value: ArrayLike, dtype: DTypeLike = None) -> Array:
    """An array filled with a value, which broadcasts to ``shape``."""
    return jnp.full(shape, fill_value, canonical(dtype))


@array_op()
def zeros_like(x: ArrayLike, dtype: DTypeLike = None) -> Array:
    """Zeros in the shape of ``x``, and in its dtype unless one is given."""
    return jnp.zeros_like(x, dtype=_given(dtype))


@array_op()
def ones_like(x: ArrayLike, dtype: DTypeLike = None) -> Array:
    """Ones in the shape of ``x``, and in its dtype unless one is given."""
    return jnp.ones_like(x, dtype=_given(dtype))


@array_op()
def empty_like(x: ArrayLike, dtype: DTypeLike = None) -> Array:
    """An array like ``x`` whose elements are not to be relied on (they are 0)."""
    return jnp.zeros_like(x, dtype=_given(dtype))


@array_op(2)
def full_like(x: ArrayLike, fill_value: ArrayLike, dtype: DTypeLike = None) -> Array:
    """A value in the shape of ``x``, and in its dtype unless one is given."""
    return jnp.full_like(x, fill_value, dtype=_given(dtype))


@array_op()
def array(x: ArrayLike, dtype: DTypeLike = None) -> Array:
    """The numbers as an array."""
    return jnp.asarray(x, _given(dtype))


@array_op()
def copy(x: ArrayLike) -> Array:
    """A copy of the array."""
    return jnp.array(x)


def eye(N: int, M: int | None = None, k: int = 0, dtype: DTypeLike = None) -> Array:
    """The matrix of N rows and M columns with ones on its ``k``-th diagonal."""
    return jnp.eye(N, M, k, canonical(dtype))


def identity(n: int, dtype: DTypeLike = None) -> Array:
    """The n by n identity matrix."""
    return jnp.eye(n, dtype=canonical(dtype))


def tri(N: int, M: int | None = None, k: int = 0, dtype: DTypeLike = None) -> Array:
    """The matrix of N rows and M columns with ones on and below its ``k``-th diagonal."""
    return jnp.tri(N, M, k, canonical(dtype))


@op
def arange(
    start: ArrayLike, stop: ArrayLike = None, step: ArrayLike = None, dtype: DTypeLike = None
) -> Array:
    """The numbers from ``start`` up to, but without, ``stop``, ``step`` (1) apart.

    With one number alone, those from 0 up to it. Integers give int32.

    >>> arange(3)
    Array([0, 1, 2], dtype=int32)
    """
    if dtype is None:
        given = [each for each in (start, stop, step) if each is not None]
        # What is neither an array nor a number is an unknown size of one.
        kinds = [type(each) if isinstance(each, (int, float)) else int for each in given]
        dtype = result_type(
            *(getattr(each, "dtype", kind) for each, kind in zip(given, kinds, strict=True))
        )
    return jnp.arange(start, stop, step, canonical(dtype))


@array_op(2)
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike = None,
    axis: int = 0,
) -> Any:
    """``num`` numbers from ``start`` to ``stop``, equally far apart; with ``retstep`` how far."""
    return jnp.linspace(
        start, stop, num, endpoint=endpoint, retstep=retstep, dtype=_given(dtype), axis=axis
    )


@array_op(2)
def logspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10,
    dtype: DTypeLike = None,
    axis: int = 0,
) -> Array:
    """``base`` to the powers of ``num`` equally distant exponents."""
    return jnp.logspace(start, stop, num, endpoint, base, dtype=_given(dtype), axis=axis)


@array_op(2)
def geomspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    dtype: DTypeLike = None,
    axis: int = 0,
) -> Array:
    """``num`` numbers from ``start`` to ``stop``, each a constant multiple of the one before."""
    return jnp.geomspace(start, stop, num, endpoint, dtype=_given(dtype), axis=axis)


@array_op()
def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Array:
    """The matrix whose N columns are powers of the vector, falling unless ``increasing``."""
    return jnp.vander(jnp.asarray(x), N, increasing)


def bartlett(x: int) -> Array:
    """The triangular window of this many points."""
    return jnp.bartlett(int(x)).astype(canonical(None))


def blackman(x: int) -> Array:
    """The Blackman window of this many points."""
    return jnp.blackman(int(x)).astype(canonical(None))


def hamming(x: int) -> Array:
    """The Hamming window of this many points."""
    return jnp.hamming(int(x)).astype(canonical(None))


def hanning(x: int) -> Array:
    """The Hann window of this many points."""
    return jnp.hanning(int(x)).astype(canonical(None))


def kaiser(x: int, beta: float) -> Array:
    """The Kaiser window of this many points; a larger ``beta`` makes it narrower."""
    return jnp.kaiser(int(x), beta).astype(canonical(None))


def _given(dtype: DTypeLike) -> str | None:
    return None if dtype is None else canonical(dtype)
