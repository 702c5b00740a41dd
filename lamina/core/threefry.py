"""`jax.random`'s own numbers, computed on the host with NumPy.

Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011),
a counter an element, as jax does it with ``jax_threefry_partitionable``. Compiling the same draw
takes XLA some 200 ms for each shape; here a layer's weights take less than a millisecond.
"""

import math

import numpy as np

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_BLOCK = 1 << 14  # words worked on at a time, so that they stay in the cache


def bits(key: np.ndarray, size: int) -> np.ndarray:
    """``size`` words of 32 random bits: ``jax.random.bits(key, (size,))``."""
    out = np.empty(size, np.uint32)
    k0, k1 = (int(word) for word in key)
    keys = (np.uint32(k0), np.uint32(k1), np.uint32(k0 ^ k1 ^ 0x1BD11BDA))
    with np.errstate(over="ignore"):
        for start in range(0, size, _BLOCK):
            stop = min(start + _BLOCK, size)
            low = np.arange(start, stop, dtype=np.uint32)
            out[start:stop] = _mixed(keys, low)
    return out


def _mixed(keys: tuple[np.uint32, np.uint32, np.uint32], low: np.ndarray) -> np.ndarray:
    x = np.full(low.shape, keys[0], np.uint32)
    y = low + keys[1]
    high = np.empty_like(y)
    for group in range(5):
        for turn in _ROTATIONS[group % 2]:
            x += y
            np.right_shift(y, np.uint32(32 - turn), out=high)
            np.left_shift(y, np.uint32(turn), out=y)
            y |= high
            y ^= x
        x += keys[(group + 1) % 3]
        y += keys[(group + 2) % 3]
        y += np.uint32(group + 1)
    return x ^ y


def uniform(
    key: np.ndarray, shape: tuple[int, ...], minval: float = 0.0, maxval: float = 1.0
) -> np.ndarray:
    """float32 draws from [minval, maxval): 23 bits as the mantissa of a number from 1 to 2."""
    words = bits(key, int(np.prod(shape)))
    ones = (words >> np.uint32(9)) | np.uint32(0x3F800000)
    unit = ones.view(np.float32) - np.float32(1)
    low, high = np.float32(minval), np.float32(maxval)
    return np.maximum(low, unit * (high - low) + low).reshape(shape)


def normal(key: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """float32 draws from the standard normal distribution, by the inverse of its integral."""
    low = np.nextafter(np.float32(-1), np.float32(0))
    return np.float32(np.sqrt(2)) * erf_inv(uniform(key, shape, low, 1.0))


def truncated_normal(
    key: np.ndarray, shape: tuple[int, ...], lower: float, upper: float
) -> np.ndarray:
    """float32 draws from the standard normal distribution between ``lower`` and ``upper``."""
    ends = [math.erf(each / math.sqrt(2)) for each in (lower, upper)]
    drawn = np.float32(np.sqrt(2)) * erf_inv(uniform(key, shape, *ends))
    inner = np.nextafter(np.float32(lower), np.float32(np.inf))
    return np.clip(drawn, inner, np.nextafter(np.float32(upper), np.float32(-np.inf)))


_CENTRAL = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
            -0.00125372503, -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
_TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
         -0.0076224613, 0.00943887047, 1.00167406, 2.83297682)  # fmt: skip


def erf_inv(x: np.ndarray) -> np.ndarray:
    """Inverse error function in float32 (Giles, "Approximating the erfinv function", 2010)."""
    w = -np.log1p(-x * x)
    central = w < 5
    t = np.where(central, w - np.float32(2.5), np.sqrt(w) - np.float32(3))
    p = np.where(central, np.float32(_CENTRAL[0]), np.float32(_TAIL[0]))
    for a, b in zip(_CENTRAL[1:], _TAIL[1:], strict=True):
        p = np.where(central, np.float32(a), np.float32(b)) + p * t
    return (p * x).astype(np.float32)
