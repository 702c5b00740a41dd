"""Fourier transforms, signals cut into overlapping pieces, and complex numbers.

Complex numbers are pairs of real arrays, ``(real, imaginary)``, of one shape.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.dtypes import is_float, standardize_dtype
from lamina.core.errors import ArgumentError, DTypeError, ShapeError, describe_value, unknown
from lamina.core.operation import op
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Array, ArrayLike
from lamina.ops._rules import array_op

Pair = tuple[Array, Array]
WINDOWS = {"hann": 0.5, "hamming": 0.54}
"""The share of the constant in each window, that of the cosine being what is missing to 1."""


def _parts(name: str, x: Any) -> list[Any]:
    """Both parts, arrays or symbolic tensors."""
    pair = isinstance(x, (tuple, list)) and len(x) == 2
    parts = [each if hasattr(each, "shape") else jnp.asarray(each) for each in x] if pair else []
    if not pair or tuple(parts[0].shape) != tuple(parts[1].shape):
        raise ShapeError(
            f"ops.{name} takes complex numbers as a pair of real arrays.",
            met=", ".join(str(each.shape) for each in parts) or describe_value(x),
            rule="a tuple (real, imaginary) of two arrays of one shape",
        )
    dtypes = [standardize_dtype(each.dtype) for each in parts]
    if not all(map(is_float, dtypes)):
        raise ArgumentError(f"ops.{name} takes two arrays of floats.", met=", ".join(dtypes))
    return parts


def _complex(name: str, x: Any) -> Array:
    real, imaginary = map(jnp.asarray, _parts(name, x))
    return jax.lax.complex(real, imaginary)


def _known_axes(name: str, axes: int) -> Callable[[Any], tuple[SymbolicTensor, SymbolicTensor]]:
    def rule(x: Any) -> tuple[SymbolicTensor, SymbolicTensor]:
        shape = _parts(name, x)[0].shape
        if len(shape) < axes or None in shape[-axes:]:
            raise ShapeError(
                f"ops.{name} transforms axes of known sizes.",
                met=f"shape {shape}",
                rule=f"{axes} or more axes, the last {axes} known",
            )
        return SymbolicTensor(shape, x[0].dtype), SymbolicTensor(shape, x[1].dtype)

    return rule


def _pair(x: Array) -> Pair:
    return jnp.real(x), jnp.imag(x)


@op(shape=_known_axes("fft", 1))
def fft(x: tuple[ArrayLike, ArrayLike]) -> Pair:
    """The discrete Fourier transform along the last axis.

    >>> real, imaginary = fft((jnp.array([1.0, 0.0, 0.0]), jnp.zeros(3)))
    >>> real.tolist(), imaginary.tolist()
    ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    """
    return _pair(jnp.fft.fft(_complex("fft", x)))


@op(shape=_known_axes("fft2", 2))
def fft2(x: tuple[ArrayLike, ArrayLike]) -> Pair:
    """The discrete Fourier transform along the last two axes."""
    return _pair(jnp.fft.fft2(_complex("fft2", x)))


@op(shape=_known_axes("ifft2", 2))
def ifft2(x: tuple[ArrayLike, ArrayLike]) -> Pair:
    """The inverse of `fft2`."""
    return _pair(jnp.fft.ifft2(_complex("ifft2", x)))


@array_op()
def rfft(x: ArrayLike, fft_length: int | None = None) -> Pair:
    """The first half, n // 2 + 1 values, of the Fourier transform of real numbers.

    Args:
        fft_length: Cut or fill up with 0 the last axis to this n first.
    """
    return _pair(jnp.fft.rfft(x, fft_length))


@op
def irfft(x: tuple[ArrayLike, ArrayLike], fft_length: int | None = None) -> Array:
    """The inverse of `rfft`; ``fft_length`` values of it, 2 * (size - 1) when left out."""
    return jnp.fft.irfft(_complex("irfft", x), fft_length)


@array_op()
def view_as_complex(x: ArrayLike) -> Array:
    """The complex numbers whose real and imaginary parts are the last axis, of size 2."""
    x = jnp.asarray(x)
    if not x.ndim or x.shape[-1] != 2:
        raise ShapeError(
            "ops.view_as_complex takes pairs along the last axis.",
            met=f"shape {x.shape}",
            rule="the last axis holds the real and the imaginary part, so its size is 2",
        )
    return x[..., 0] + 1j * x[..., 1]


@array_op()
def view_as_real(x: ArrayLike) -> Array:
    """The real and imaginary parts of complex numbers along a new last axis."""
    return jnp.stack(_pair(jnp.asarray(x)), -1)


# --- signals in pieces --------------------------------------------------------------------------


def pieces(x: Array, axis: int, length: int, stride: int, dilation: int = 1) -> Array:
    """All pieces along an axis, which becomes two: the number of the piece, and the place in it."""
    span = (length - 1) * dilation + 1
    count = max((x.shape[axis] - span) // stride + 1, 0)
    starts = np.arange(count)[:, None] * stride
    return jnp.take(x, starts + np.arange(length) * dilation, axis)


@array_op()
def extract_sequences(x: ArrayLike, sequence_length: int, sequence_stride: int) -> Array:
    """The pieces of a signal along the last axis: (..., time) to (..., pieces, length).

    >>> extract_sequences([1, 2, 3, 4, 5], 3, 2).tolist()
    [[1, 2, 3], [3, 4, 5]]
    """
    return pieces(jnp.asarray(x), -1, sequence_length, sequence_stride)


def _window(window: Any, length: int, fft_length: int, dtype: Any) -> Array:
    """The window in the middle of ``fft_length`` places; ones everywhere without one."""
    if window is None:
        return jnp.ones(fft_length, dtype)
    if isinstance(window, str):
        turn = 2 * np.pi * np.arange(length) / length
        constant = WINDOWS[window]
        window = constant - (1 - constant) * np.cos(turn) if length > 1 else np.ones(length)
    window = jnp.asarray(window, dtype)
    if window.shape != (length,):
        raise ShapeError(
            "The window does not fit the pieces.",
            met=f"window of shape {window.shape}, sequence_length={length}",
            rule="one factor for each place of a piece",
        )
    before = (fft_length - length) // 2
    return jnp.pad(window, (before, fft_length - length - before))


def _check_pieces(name: str, length: int, stride: int, fft_length: int, window: Any) -> None:
    if not isinstance(stride, (int, np.integer)) or stride < 1:
        raise ArgumentError(f"ops.{name}: sequence_stride={stride!r} is no int above 0.")
    if fft_length < length:
        raise ArgumentError(
            f"ops.{name}: fft_length={fft_length} is below sequence_length={length}.",
            rule="a piece is filled up with 0 to fft_length, never cut",
        )
    if isinstance(window, str) and window not in WINDOWS:
        raise unknown(f"window of ops.{name}", window, WINDOWS)


@array_op()
def stft(
    x: ArrayLike,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: str | ArrayLike | None = "hann",
    center: bool = True,
) -> Pair:
    """The short-time Fourier transform: `rfft` of overlapping pieces of a signal.

    Args:
        x: Floats of shape (..., time).
        sequence_length, sequence_stride: Size of a piece, and distance of neighbours.
        fft_length: Size of the transforms; pieces stand in the middle.
        window: What pieces are multiplied by: "hann", "hamming", an array, or None for nothing.
        center: Whether the signal is continued by reflection, so that piece t is around the
            time ``t * sequence_stride`` instead of beginning there.

    Returns:
        Real and imaginary parts of shape (..., pieces, fft_length // 2 + 1).
    """
    x = jnp.asarray(x)
    if x.dtype not in (jnp.float32, jnp.float64):
        raise DTypeError(f"ops.stft takes a signal of float32 or float64, not {x.dtype.name}.")
    _check_pieces("stft", sequence_length, sequence_stride, fft_length, window)
    factors = _window(window, sequence_length, fft_length, x.dtype)
    if center:
        ends = [(0, 0)] * (x.ndim - 1) + [(fft_length // 2,) * 2]
        x = jnp.pad(x, ends, mode="reflect")
    return _pair(jnp.fft.rfft(pieces(x, -1, fft_length, sequence_stride) * factors))


@op
def istft(
    x: tuple[ArrayLike, ArrayLike],
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: str | ArrayLike | None = "hann",
    center: bool = True,
) -> Array:
    """The signal of which ``x`` is the `stft`, best in the least squares sense.

    Griffin and Lim, "Signal estimation from modified short-time Fourier transform" (1984).

    Args:
        x: Real and imaginary parts of shape (..., pieces, fft_length // 2 + 1).
        length: Size of the signal; what the pieces cover when left out.

    The other arguments are those of `stft`. Without a window the signal comes scaled by
    ``fft_length / sequence_stride``, as it does in Keras.
    """
    values = _complex("istft", x)
    if values.ndim < 2:
        raise ShapeError(f"ops.istft takes (..., pieces, frequencies), not shape {values.shape}.")
    _check_pieces("istft", sequence_length, sequence_stride, fft_length, window)
    parts = jnp.fft.irfft(values, fft_length)
    factors = _window(window, sequence_length, fft_length, parts.dtype)
    starts = np.arange(values.shape[-2])[:, None] * sequence_stride
    places = starts + np.arange(fft_length)
    total = fft_length + sequence_stride * (values.shape[-2] - 1)
    signal = jnp.zeros((*values.shape[:-2], total), parts.dtype)
    signal = signal.at[..., places].add(parts * factors)
    weight = jnp.zeros(total, parts.dtype).at[places].add(jnp.square(factors))
    signal = signal / jnp.where(weight > 1e-10, weight, 1)
    if window is None:
        signal = signal * (fft_length / sequence_stride)
    start = fft_length // 2 if center else 0
    end = start + length if length is not None else total - start
    return signal[..., start:end]
