"""Initial values of variables, as objects that make an array from a shape and a dtype.

Those that draw take a ``seed``; an int gives the same numbers as Keras on JAX. Without one the key
is that of the variable being made, so that two variables never start alike.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from lamina.core import lookup, random, registry
from lamina.core.configurable import Configurable
from lamina.core.dtypes import canonical
from lamina.core.errors import ArgumentError, ShapeError, unknown
from lamina.core.types import (
    Array,
    ArrayLike,
    Config,
    CustomObjects,
    DTypeLike,
    InitializerLike,
    SeedLike,
)


class Initializer(Configurable):
    """What makes the initial array of a variable. Subclasses define ``__call__``."""

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = None) -> Array:
        """An array of this shape and dtype (``floatx`` when left out)."""
        raise ArgumentError(f"The initializer {type(self).__name__} does not define __call__.")

    def clone(self) -> "Initializer":
        """An initializer with the same config."""
        return type(self).from_config(self.get_config())


# --- the same each time -------------------------------------------------------------------------


class Constant(Initializer):
    """One value everywhere, or an array that broadcasts to the shape.

    >>> Constant(2.0)((2,))
    Array([2., 2.], dtype=float32)
    """

    def __init__(self, value: ArrayLike = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = None) -> Array:
        value = np.asarray(self.value).astype(canonical(dtype))
        try:
            return jax.device_put(np.array(np.broadcast_to(value, _sizes(shape))))
        except ValueError:
            raise _other_shape(value, shape) from None


class Zeros(Initializer):
    """0 everywhere."""

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = None) -> Array:
        return jax.device_put(np.zeros(_sizes(shape), canonical(dtype)))


class Ones(Initializer):
    """1 everywhere."""

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = None) -> Array:
        return jax.device_put(np.ones(_sizes(shape), canonical(dtype)))


class Identity(Initializer):
    """``gain`` on the diagonal of a matrix, 0 elsewhere.

    Raises:
        ShapeError: for a shape that is no matrix's.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = None) -> Array:
        if len(shape) != 2:
            raise ShapeError(f"The Identity initializer makes matrices, not the shape {shape}.")
        rows, columns = _sizes(shape)
        return jax.device_put((self.gain * np.eye(rows, columns)).astype(canonical(dtype)))


class STFT(Initializer):
    """Kernels of a 1D convolution that computes a short-time Fourier transform.

    Args:
        side: "real" or "imag": which part of the transform.
        window: Name of a window of `scipy.signal.get_window`, its values, or None.
        scaling: "density" or "spectrum" divides by the window's L2 or L1 norm; None does not.
        periodic: Whether the window is one period of a periodic function.

    The shape is (frame length, 1, frequencies), for a transform of 2 * (frequencies - 1) points.
    """

    def __init__(
        self,
        side: str = "real",
        window: str | ArrayLike = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        if side not in ("real", "imag"):
            raise unknown("side of STFT", side, ("real", "imag"))
        if scaling not in (None, "density", "spectrum"):
            raise unknown("scaling of STFT", scaling, ("density", "spectrum"))
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = periodic
        if isinstance(window, str):
            self._window(1)  # an unknown name is an error now, not when the weights are made

    def _window(self, length: int) -> np.ndarray:
        if not isinstance(self.window, str):
            values = np.asarray(self.window, np.float64)
            if values.shape != (length,):
                raise _other_shape(values, (length,))
            return values
        from scipy.signal import get_window  # slow to import, seldom needed

        try:
            return np.asarray(get_window(self.window, length, self.periodic))
        except ValueError:
            raise unknown(
                "window", self.window, ("hann", "hamming", "blackman", "bartlett")
            ) from None

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = None) -> Array:
        length, _, frequencies = _sizes(shape)
        turns = np.outer(np.arange(length), np.arange(frequencies)) / (2 * (frequencies - 1))
        kernel = (np.cos if self.side == "real" else np.sin)(-2 * np.pi * turns)
        if self.window is not None:
            window = self._window(length)
            norms = {"density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(np.abs(window))}
            kernel = kernel * window[:, None] / norms.get(self.scaling, 1.0)  # type: ignore[arg-type]
        kernel = np.broadcast_to(kernel[:, None, :], _sizes(shape))
        return jax.device_put(kernel.astype(canonical(dtype)))


# --- drawn --------------------------------------------------------------------------------------


class RandomInitializer(Initializer):
    """What the initializers that draw have in common: a seed."""

    def __init__(self, seed: SeedLike = None) -> None:
        if seed is not None and not isinstance(seed, (int, np.integer, random.SeedGenerator)):
            raise ArgumentError(
                f"{type(self).__name__}: seed={seed!r} is no int, SeedGenerator or None."
            )
        self.seed = seed


class RandomNormal(RandomInitializer):
    """Draws from the normal distribution.

    >>> RandomNormal(seed=1)((2, 3)).shape
    (2, 3)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: SeedLike = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = None) -> Array:
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)


class TruncatedNormal(RandomNormal):
    """Draws from the normal distribution without what is beyond two standard deviations."""

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = None) -> Array:
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)


class RandomUniform(RandomInitializer):
    """Draws from the uniform distribution on [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: SeedLike = None) -> None:
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = None) -> Array:
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)


MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")
_TRUNCATED_STDDEV = 0.87962566103423978
"""Standard deviation of the standard normal distribution cut off at -2 and 2."""


class VarianceScaling(RandomInitializer):
    """Draws with the variance ``scale / n``, n the number of a unit's inputs, outputs, or both.

    Args:
        scale: Positive number.
        mode: n is "fan_in", "fan_out", or their mean, "fan_avg".
        distribution: "truncated_normal", "untruncated_normal" or "uniform".
        input_axes, output_axes: The axes that count as inputs and outputs, where they are not the
            last two with all axes before them.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: SeedLike = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        if not scale > 0:
            raise ArgumentError(f"VarianceScaling: scale={scale} is not above 0.")
        if mode not in MODES:
            raise unknown("mode of VarianceScaling", mode, MODES)
        distribution = "truncated_normal" if distribution == "normal" else distribution.lower()
        if distribution not in DISTRIBUTIONS:
            raise unknown("distribution of VarianceScaling", distribution, DISTRIBUTIONS)
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = None) -> Array:
        fan_in, fan_out = fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return random.uniform(shape, -limit, limit, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, math.sqrt(variance), dtype, self.seed)
        stddev = math.sqrt(variance) / _TRUNCATED_STDDEV
        return random.truncated_normal(shape, 0.0, stddev, dtype, self.seed)


def fans(
    shape: Sequence[int],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """How many inputs and outputs a unit has, whose weights have this shape.

    >>> fans((3, 3, 16, 32))
    (144, 288)
    """
    sizes = _sizes(shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(sizes[i] for i in input_axes), math.prod(sizes[i] for i in output_axes)
    if len(sizes) < 2:
        return (sizes or (1,)) * 2  # type: ignore[return-value]
    *window, inputs, outputs = sizes
    return math.prod(window) * inputs, math.prod(window) * outputs


class _Scaled(VarianceScaling):
    """A `VarianceScaling` that has a name of its own."""

    rule: tuple[float, str, str]

    def __init__(
        self,
        seed: SeedLike = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(*self.rule, seed, input_axes, output_axes)


class GlorotUniform(_Scaled):
    """Uniform draws with variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""

    rule = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal draws with variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""

    rule = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform draws with variance 2 / fan_in, for relu (He et al., 2015)."""

    rule = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal draws with variance 2 / fan_in, for relu (He et al., 2015)."""

    rule = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform draws with variance 1 / fan_in (LeCun et al., "Efficient BackProp", 1998)."""

    rule = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal draws with variance 1 / fan_in (LeCun et al., 1998)."""

    rule = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """``gain`` times a random matrix with orthonormal rows or columns (Saxe et al., 2013).

    Axes before the last count as one.

    Raises:
        ShapeError: for a shape of less than two axes.
    """

    def __init__(self, gain: float = 1.0, seed: SeedLike = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = None) -> Array:
        sizes = _sizes(shape)
        if len(sizes) < 2:
            raise ShapeError(f"The Orthogonal initializer needs two axes or more, not {sizes}.")
        rows, columns = math.prod(sizes[:-1]), sizes[-1]
        drawn = random.normal((max(rows, columns), min(rows, columns)), seed=self.seed)
        q, r = np.linalg.qr(np.asarray(drawn, np.float32))
        q = q * np.sign(np.diag(r))  # makes the draw uniform, and the same on every machine
        q = self.gain * (q.T if rows < columns else q).reshape(sizes)
        return jax.device_put(q.astype(canonical(dtype)))


# --- by name ------------------------------------------------------------------------------------

IdentityInitializer = identity = Identity
OrthogonalInitializer = orthogonal = Orthogonal
STFTInitializer = stft = STFT
constant, zeros, ones = Constant, Zeros, Ones
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling = VarianceScaling
glorot_normal, glorot_uniform = GlorotNormal, GlorotUniform
he_normal, he_uniform = HeNormal, HeUniform
lecun_normal, lecun_uniform = LecunNormal, LecunUniform

__all__ = [
    "STFT", "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity",
    "IdentityInitializer", "Initializer", "LecunNormal", "LecunUniform", "Ones", "Orthogonal",
    "OrthogonalInitializer", "RandomNormal", "RandomUniform", "STFTInitializer", "TruncatedNormal",
    "VarianceScaling", "Zeros", "constant", "deserialize", "get", "glorot_normal", "glorot_uniform",
    "he_normal", "he_uniform", "identity", "lecun_normal", "lecun_uniform", "ones", "orthogonal",
    "random_normal", "random_uniform", "serialize", "stft", "truncated_normal", "variance_scaling",
    "zeros",
]  # fmt: skip
_KNOWN = {
    **{name: found for name, found in globals().items() if name in __all__},
    "normal": RandomNormal, "uniform": RandomUniform, "zero": Zeros, "one": Ones,
}  # fmt: skip


def get(identifier: InitializerLike) -> Callable[..., Array] | None:
    """The initializer that a name, config, class, array or callable stands for.

    >>> get("he_normal").mode
    'fan_in'
    """
    if isinstance(identifier, (np.ndarray, np.generic, jax.Array)):
        return _Exactly(np.asarray(identifier))
    return lookup.find(identifier, "initializer", _KNOWN)


def serialize(initializer: Any) -> Config:
    """The config of an initializer."""
    return registry.serialize(initializer)


def deserialize(config: Config, custom_objects: CustomObjects = None) -> Any:
    """The initializer of a config."""
    return lookup.from_config(config, _KNOWN, custom_objects)


class _Exactly(Constant):
    """An array as the initial value of a variable of just its shape."""

    keras_class_name = "Constant"

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = None) -> Array:
        if np.shape(self.value) != _sizes(shape):
            raise _other_shape(self.value, shape)
        return super().__call__(shape, dtype)


def _other_shape(value: Any, shape: Sequence[int]) -> ShapeError:
    return ShapeError(
        "The initial value has another shape than the variable.",
        met=f"value shape {np.shape(value)}, variable shape {tuple(shape)}",
    )


def _sizes(shape: Sequence[int] | int) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)  # type: ignore[arg-type]
