"""Functions of one array, element by element, and of several that broadcast.

Dtypes follow Keras: what is not closed on integers gives ``floatx`` for them, Python numbers take
the array's dtype where they can.
"""

import jax
import jax.numpy as jnp

from lamina.core.types import Array, ArrayLike
from lamina.ops._rules import as_floats, as_numbers, elementwise

# --- arithmetic ---------------------------------------------------------------------------------


@elementwise
def add(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 + x2, the logical or for bools.

    >>> add([1, 2], 3)
    Array([4, 5], dtype=int32)
    """
    return jnp.add(x1, x2)


@elementwise
def subtract(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 - x2."""
    return jnp.subtract(x1, x2)


@elementwise
def multiply(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 * x2, the logical and for bools."""
    return jnp.multiply(x1, x2)


@elementwise
def divide(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 / x2 as floats."""
    return jnp.divide(x1, x2)


@elementwise
def true_divide(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 / x2 as floats."""
    return jnp.true_divide(x1, x2)


@elementwise
def divide_no_nan(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 / x2 as floats, and 0 where x2 is 0 (its gradient too).

    >>> divide_no_nan([1.0, 2.0], [0.0, 4.0])
    Array([0. , 0.5], dtype=float32)
    """
    zero = jnp.equal(x2, 0)
    ratio = jnp.divide(x1, jnp.where(zero, jnp.ones_like(x2), x2))
    return jnp.where(zero, jnp.zeros_like(ratio), ratio)


@elementwise
def floor_divide(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The largest whole number not above x1 / x2."""
    return jnp.floor_divide(as_numbers(x1, x2), x2)


@elementwise
def mod(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The remainder of `floor_divide`; it has the sign of x2."""
    return jnp.mod(as_numbers(x1, x2), x2)


@elementwise
def fmod(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The remainder of division rounded towards 0; it has the sign of x1."""
    return jnp.fmod(as_numbers(x1, x2), x2)


@elementwise
def power(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 to the power of x2."""
    return jnp.power(as_numbers(x1, x2), x2)


@elementwise
def maximum(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The larger of x1 and x2; NaN where either is."""
    return jnp.maximum(x1, x2)


@elementwise
def minimum(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The smaller of x1 and x2; NaN where either is."""
    return jnp.minimum(x1, x2)


@elementwise
def fmax(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The larger of x1 and x2; the other one where one is NaN."""
    return jnp.fmax(x1, x2)


@elementwise
def fmin(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The smaller of x1 and x2; the other one where one is NaN."""
    return jnp.fmin(x1, x2)


@elementwise
def negative(x: ArrayLike) -> Array:
    """-x."""
    return jnp.negative(x)


@elementwise
def absolute(x: ArrayLike) -> Array:
    """The distance of x from 0."""
    return jnp.absolute(x)


abs = absolute


@elementwise
def fabs(x: ArrayLike) -> Array:
    """The distance of x from 0, as a float."""
    return jnp.fabs(x)


@elementwise
def sign(x: ArrayLike) -> Array:
    """-1, 0 or 1, as x is negative, zero or positive."""
    return jnp.sign(as_numbers(x))


@elementwise
def signbit(x: ArrayLike) -> Array:
    """Whether the sign bit of x is set: of -0.0 it is."""
    floating = jnp.issubdtype(jnp.result_type(x), jnp.floating)
    return jnp.signbit(x) if floating else jnp.less(x, 0)


@elementwise
def square(x: ArrayLike) -> Array:
    """x * x."""
    return jnp.square(as_numbers(x))


@elementwise
def reciprocal(x: ArrayLike) -> Array:
    """1 / x as a float."""
    return jnp.reciprocal(as_floats(x))


@elementwise
def clip(x: ArrayLike, x_min: ArrayLike, x_max: ArrayLike) -> Array:
    """x, but not below x_min and not above x_max.

    >>> clip([-2, 0, 9], 0, 5)
    Array([0, 0, 5], dtype=int32)
    """
    return jnp.clip(as_numbers(x), x_min, x_max)


@elementwise
def ceil(x: ArrayLike) -> Array:
    """The smallest whole number not below x, as a float."""
    return jnp.ceil(as_floats(x))


@elementwise
def floor(x: ArrayLike) -> Array:
    """The largest whole number not above x, as a float."""
    return jnp.floor(as_floats(x))


@elementwise
def trunc(x: ArrayLike) -> Array:
    """x without its fraction."""
    return jnp.trunc(x)


@elementwise
def round(x: ArrayLike, decimals: int = 0) -> Array:
    """x rounded to ``decimals`` places, halves to the even neighbour."""
    x = jnp.asarray(as_numbers(x))
    wide = as_floats(x) if decimals < 0 else x  # jnp.round takes no ints then
    return jnp.round(wide, decimals).astype(x.dtype)


@elementwise
def gcd(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The greatest common divisor of two integers."""
    return jnp.gcd(x1, x2)


@elementwise
def lcm(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The least common multiple of two integers."""
    return jnp.lcm(x1, x2)


@elementwise
def ldexp(x1: ArrayLike, x2: ArrayLike) -> Array:
    """x1 times 2 to the power of the integer x2."""
    return jnp.ldexp(x1, x2)


@elementwise
def nextafter(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The float next to x1 in the direction of x2."""
    return jnp.nextafter(x1, x2)


@elementwise
def hypot(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The square root of x1² + x2², without overflow on the way."""
    return jnp.hypot(x1, x2)


@elementwise
def heaviside(x1: ArrayLike, x2: ArrayLike) -> Array:
    """0 where x1 is negative, x2 where it is 0, 1 where it is positive; a float."""
    return jnp.heaviside(x1, x2)


@elementwise
def nan_to_num(
    x: ArrayLike, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Array:
    """x with NaN and infinities replaced; infinities by the largest numbers unless given."""
    return jnp.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


# --- exponents, logarithms, roots ---------------------------------------------------------------


@elementwise
def exp(x: ArrayLike) -> Array:
    """e to the power of x."""
    return jnp.exp(x)


@elementwise
def exp2(x: ArrayLike) -> Array:
    """2 to the power of x."""
    return jnp.exp2(x)


@elementwise
def expm1(x: ArrayLike) -> Array:
    """exp(x) - 1, exact for small x."""
    return jnp.expm1(x)


@elementwise
def log(x: ArrayLike) -> Array:
    """The natural logarithm."""
    return jnp.log(x)


@elementwise
def log2(x: ArrayLike) -> Array:
    """The logarithm to base 2."""
    return jnp.log2(x)


@elementwise
def log10(x: ArrayLike) -> Array:
    """The logarithm to base 10."""
    return jnp.log10(x)


@elementwise
def log1p(x: ArrayLike) -> Array:
    """log(1 + x), exact for small x."""
    return jnp.log1p(x)


@elementwise
def logaddexp(x1: ArrayLike, x2: ArrayLike) -> Array:
    """log(exp(x1) + exp(x2)), without overflow."""
    return jnp.logaddexp(x1, x2)


@elementwise
def logaddexp2(x1: ArrayLike, x2: ArrayLike) -> Array:
    """log2(2**x1 + 2**x2), without overflow."""
    return jnp.logaddexp2(x1, x2)


@elementwise
def sqrt(x: ArrayLike) -> Array:
    """The square root."""
    return jnp.sqrt(x)


@elementwise
def rsqrt(x: ArrayLike) -> Array:
    """1 / sqrt(x)."""
    return jax.lax.rsqrt(as_floats(x))


@elementwise
def cbrt(x: ArrayLike) -> Array:
    """The cube root, of negative numbers too."""
    return jnp.cbrt(as_floats(x))


# --- angles -------------------------------------------------------------------------------------


@elementwise
def sin(x: ArrayLike) -> Array:
    """The sine of an angle in radians."""
    return jnp.sin(x)


@elementwise
def cos(x: ArrayLike) -> Array:
    """The cosine of an angle in radians."""
    return jnp.cos(x)


@elementwise
def tan(x: ArrayLike) -> Array:
    """The tangent of an angle in radians."""
    return jnp.tan(x)


@elementwise
def arcsin(x: ArrayLike) -> Array:
    """The angle from -pi/2 to pi/2 whose sine is x."""
    return jnp.arcsin(x)


@elementwise
def arccos(x: ArrayLike) -> Array:
    """The angle from 0 to pi whose cosine is x."""
    return jnp.arccos(x)


@elementwise
def arctan(x: ArrayLike) -> Array:
    """The angle from -pi/2 to pi/2 whose tangent is x."""
    return jnp.arctan(x)


@elementwise
def arctan2(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The angle of the point with ordinate x1 and abscissa x2, from -pi to pi."""
    return jnp.arctan2(x1, x2)


@elementwise
def sinh(x: ArrayLike) -> Array:
    """The hyperbolic sine."""
    return jnp.sinh(x)


@elementwise
def cosh(x: ArrayLike) -> Array:
    """The hyperbolic cosine."""
    return jnp.cosh(x)


@elementwise
def tanh(x: ArrayLike) -> Array:
    """The hyperbolic tangent."""
    return jnp.tanh(x)


@elementwise
def arcsinh(x: ArrayLike) -> Array:
    """The inverse of `sinh`."""
    return jnp.arcsinh(x)


@elementwise
def arccosh(x: ArrayLike) -> Array:
    """The inverse of `cosh`, for x of 1 and more."""
    return jnp.arccosh(x)


@elementwise
def arctanh(x: ArrayLike) -> Array:
    """The inverse of `tanh`, for x between -1 and 1."""
    return jnp.arctanh(x)


@elementwise
def deg2rad(x: ArrayLike) -> Array:
    """Degrees as radians."""
    return jnp.deg2rad(x)


@elementwise
def rad2deg(x: ArrayLike) -> Array:
    """Radians as degrees."""
    return jnp.rad2deg(x)


@elementwise
def sinc(x: ArrayLike) -> Array:
    """sin(pi x) / (pi x), and 1 at 0."""
    return jnp.sinc(x)


# --- special functions --------------------------------------------------------------------------


@elementwise
def erf(x: ArrayLike) -> Array:
    """The error function: 2/sqrt(pi) times the integral of exp(-t²) from 0 to x."""
    return jax.lax.erf(as_floats(x))


@elementwise
def erfc(x: ArrayLike) -> Array:
    """1 - erf(x), exact for large x."""
    return jax.lax.erfc(as_floats(x))


@elementwise
def erfinv(x: ArrayLike) -> Array:
    """The inverse of `erf`, for x between -1 and 1."""
    return jax.lax.erf_inv(as_floats(x))


@elementwise
def i0(x: ArrayLike) -> Array:
    """The modified Bessel function of the first kind, of order 0."""
    return jnp.i0(x)


# --- complex numbers ----------------------------------------------------------------------------


@elementwise
def real(x: ArrayLike) -> Array:
    """The real part."""
    return jnp.real(x)


@elementwise
def imag(x: ArrayLike) -> Array:
    """The imaginary part; 0 of a real number."""
    return jnp.imag(x)


@elementwise
def conjugate(x: ArrayLike) -> Array:
    """The number with its imaginary part negated."""
    return jnp.conj(x)


conj = conjugate


@elementwise
def angle(x: ArrayLike) -> Array:
    """The angle of a complex number, in radians from -pi to pi."""
    return jnp.angle(x)


@elementwise
def isreal(x: ArrayLike) -> Array:
    """Whether the imaginary part is 0."""
    return jnp.isreal(x)


@elementwise
def polar(abs_: ArrayLike, angle: ArrayLike) -> Array:
    """The complex number of this absolute value and angle in radians."""
    return jax.lax.complex(*jnp.broadcast_arrays(abs_ * jnp.cos(angle), abs_ * jnp.sin(angle)))
