"""Activations, encodings of classes, cross-entropies, attention: what networks are made of."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.dtypes import canonical
from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.settings import settings
from lamina.core.types import Array, ArrayLike, DTypeLike
from lamina.ops._rules import array_op, as_floats, as_numbers, axes_tuple, elementwise

# --- activations --------------------------------------------------------------------------------


@elementwise
def relu(x: ArrayLike) -> Array:
    """max(x, 0).

    >>> relu([-1.0, 2.0])
    Array([0., 2.], dtype=float32)
    """
    return jax.nn.relu(as_numbers(x))


@elementwise(arrays=1)
def re_lu(
    x: ArrayLike,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Array:
    """x, 0 up to ``threshold``, at most ``max_value``; with a slope below the threshold.

    With a slope s, x is s * (x - threshold) up to the threshold.
    """
    x = jnp.asarray(x)
    result = jnp.where(x > threshold, x, jnp.zeros_like(x)) if threshold else jax.nn.relu(x)
    if max_value is not None:
        result = jnp.minimum(result, jnp.asarray(max_value, result.dtype))
    if negative_slope:
        result = result - negative_slope * jax.nn.relu(threshold - x)
    return result


@elementwise
def mish(x: ArrayLike) -> Array:
    """x * tanh(softplus(x)) (Misra, 2019)."""
    x = as_floats(x)
    return x * jnp.tanh(jax.nn.softplus(x))


@elementwise
def relu6(x: ArrayLike) -> Array:
    """min(max(x, 0), 6)."""
    return jax.nn.relu6(as_floats(x))


@elementwise
def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> Array:
    """x, times ``negative_slope`` where it is negative."""
    return jax.nn.leaky_relu(as_floats(x), negative_slope)


@elementwise
def sigmoid(x: ArrayLike) -> Array:
    """1 / (1 + exp(-x))."""
    return jax.nn.sigmoid(as_floats(x))


@elementwise
def log_sigmoid(x: ArrayLike) -> Array:
    """log(sigmoid(x)) = -softplus(-x)."""
    return jax.nn.log_sigmoid(as_floats(x))


@elementwise
def hard_sigmoid(x: ArrayLike) -> Array:
    """relu6(x + 3) / 6: straight lines near the sigmoid."""
    return jax.nn.hard_sigmoid(as_floats(x))


@elementwise
def silu(x: ArrayLike) -> Array:
    """x * sigmoid(x), also called swish (Elfwing et al., 2017)."""
    return jax.nn.silu(as_floats(x))


@elementwise
def hard_silu(x: ArrayLike) -> Array:
    """x * hard_sigmoid(x), also called hard swish (Howard et al., "MobileNetV3", 2019)."""
    return jax.nn.hard_silu(as_floats(x))


swish = silu
hard_swish = hard_silu


@elementwise
def hard_tanh(x: ArrayLike) -> Array:
    """x, but not below -1 and not above 1."""
    return jnp.clip(as_numbers(x), -1, 1)


@elementwise
def tanh_shrink(x: ArrayLike) -> Array:
    """x - tanh(x)."""
    x = as_floats(x)
    return x - jnp.tanh(x)


@elementwise(arrays=1)
def soft_shrink(x: ArrayLike, threshold: float = 0.5) -> Array:
    """x moved towards 0 by ``threshold``, and 0 where it is nearer than that."""
    x = as_floats(x)
    return jnp.where(x > threshold, x - threshold, jnp.where(x < -threshold, x + threshold, 0.0))


@elementwise(arrays=1)
def hard_shrink(x: ArrayLike, threshold: float = 0.5) -> Array:
    """x, but 0 where it is not farther from 0 than ``threshold``."""
    x = as_floats(x)
    return jnp.where(jnp.abs(x) > threshold, x, 0.0)


@elementwise
def threshold(x: ArrayLike, threshold: float, default_value: float) -> Array:
    """x where it exceeds ``threshold``, else ``default_value``."""
    return jnp.where(jnp.greater(x, threshold), x, default_value)


@elementwise
def elu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """x, and alpha * (exp(x) - 1) where it is negative (Clevert et al., 2015)."""
    return jax.nn.elu(as_floats(x), alpha)


@elementwise
def selu(x: ArrayLike) -> Array:
    """`elu` scaled so that activations keep mean 0 and variance 1 (Klambauer et al., 2017)."""
    return jax.nn.selu(as_floats(x))


@elementwise
def celu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """x, and alpha * (exp(x / alpha) - 1) where it is negative (Barron, 2017)."""
    return jax.nn.celu(as_floats(x), alpha)


@elementwise
def gelu(x: ArrayLike, approximate: bool = True) -> Array:
    """x times the normal distribution's integral up to x, or its tanh approximation.

    Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016. The integral is written with erf:
    its complement, exact far below 0 where the result is nearly 0, takes three times as long.
    """
    x = as_floats(x)
    return jax.nn.gelu(x) if approximate else 0.5 * x * (1 + jax.lax.erf(x * math.sqrt(0.5)))


@elementwise
def softplus(x: ArrayLike) -> Array:
    """log(1 + exp(x)), without overflow."""
    return jax.nn.softplus(as_floats(x))


@elementwise
def softsign(x: ArrayLike) -> Array:
    """x / (1 + |x|)."""
    return jax.nn.soft_sign(as_floats(x))


@elementwise
def squareplus(x: ArrayLike, b: float = 4) -> Array:
    """(x + sqrt(x² + b)) / 2 (Barron, 2021)."""
    return jax.nn.squareplus(as_floats(x), b)


@elementwise
def sparse_plus(x: ArrayLike) -> Array:
    """0 below -1, x above 1, and (x + 1)² / 4 between."""
    return jax.nn.sparse_plus(as_floats(x))


@elementwise
def sparse_sigmoid(x: ArrayLike) -> Array:
    """0 below -1, 1 above 1, and (x + 1) / 2 between: the derivative of `sparse_plus`."""
    return jax.nn.sparse_sigmoid(as_floats(x))


@array_op()
def glu(x: ArrayLike, axis: int = -1) -> Array:
    """The first half of an axis times the sigmoid of the second (Dauphin et al., 2016)."""
    return jax.nn.glu(as_floats(x), axis)


@elementwise(arrays=1)
def softmax(x: ArrayLike, axis: int | Sequence[int] | None = -1) -> Array:
    """exp(x) as shares of their sum over axes (over all for None).

    >>> softmax([0.0, 0.0])
    Array([0.5, 0.5], dtype=float32)
    """
    return _over_axes(jax.nn.softmax, x, axis)


@elementwise(arrays=1)
def log_softmax(x: ArrayLike, axis: int | Sequence[int] | None = -1) -> Array:
    """log(softmax(x)), without overflow."""
    return _over_axes(jax.nn.log_softmax, x, axis)


def _over_axes(function: Any, x: ArrayLike, axis: Any) -> Array:
    x = as_floats(x)
    return function(x, tuple(range(x.ndim)) if axis is None else axes_tuple(axis))


@elementwise(arrays=1)
def sparsemax(x: ArrayLike, axis: int = -1) -> Array:
    """The nearest point of the probability simplex: like `softmax`, but with zeros.

    Martins and Astudillo, "From Softmax to Sparsemax", 2016, algorithm 1.
    """
    x = jnp.moveaxis(as_floats(x), axis, -1)
    falling = jnp.flip(jnp.sort(x, -1), -1)
    rank = jnp.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    totals = jnp.cumsum(falling, -1)
    support = 1 + rank * falling > totals
    count = jnp.sum(support, -1, keepdims=True)
    tau = (jnp.sum(jnp.where(support, falling, 0), -1, keepdims=True) - 1) / count
    return jnp.moveaxis(jnp.maximum(x - tau.astype(x.dtype), 0), -1, axis)


# --- encodings of classes -----------------------------------------------------------------------


@array_op()
def one_hot(
    x: ArrayLike, num_classes: int, axis: int = -1, dtype: DTypeLike = None, sparse: bool = False
) -> Array:
    """1 at the number of the class along a new axis, 0 elsewhere; all 0 outside the range.

    >>> one_hot([0, 2], 3, dtype="int32").tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    _dense("one_hot", sparse)
    return jax.nn.one_hot(jnp.asarray(x, "int32"), num_classes, dtype=canonical(dtype), axis=axis)


@array_op()
def multi_hot(
    inputs: ArrayLike,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: DTypeLike = None,
    sparse: bool = False,
    **kwargs: Any,
) -> Array:
    """1 at the numbers of the classes along the last axis of the input, 0 elsewhere."""
    _dense("multi_hot", sparse)
    num_classes = kwargs.get("num_tokens") if num_classes is None else num_classes
    if num_classes is None:
        raise ArgumentError("ops.multi_hot needs to know how many classes there are: num_classes.")
    labels = jnp.asarray(inputs, "int32")
    hot = jax.nn.one_hot(labels, num_classes, dtype=canonical(dtype), axis=axis)
    return jnp.max(hot, axis=1 if labels.ndim > 1 else 0)


def _dense(name: str, sparse: bool) -> None:
    if sparse:
        raise ArgumentError(f"ops.{name}: there are no sparse arrays here; leave `sparse` out.")


# --- cross-entropies ----------------------------------------------------------------------------


@array_op(2)
def categorical_crossentropy(
    target: ArrayLike, output: ArrayLike, from_logits: bool = False, axis: int = -1
) -> Array:
    """-sum(target * log(output)) over the classes.

    Args:
        target, output: Probabilities, of one shape; ``output`` logits where ``from_logits``.
        axis: That of the classes.
    """
    target, output = jnp.asarray(target), jnp.asarray(output)
    _same_shape("categorical_crossentropy", target, output)
    return -jnp.sum(target * _log_probabilities(output, from_logits, axis), axis)


@array_op(2)
def sparse_categorical_crossentropy(
    target: ArrayLike, output: ArrayLike, from_logits: bool = False, axis: int = -1
) -> Array:
    """-log(output) at the number of the right class.

    Args:
        target: Class numbers, of the shape of ``output`` without the axis of the classes.
        output: Probabilities, or logits where ``from_logits``.
        axis: That of the classes.
    """
    target, output = jnp.asarray(target, "int32"), jnp.asarray(output)
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = jnp.squeeze(target, -1)
    if target.shape != output.shape[:-1]:
        raise ShapeError(
            "ops.sparse_categorical_crossentropy: target and output do not fit together.",
            met=f"target shape {target.shape}, output shape {output.shape}",
            rule="the target has the shape of the output without its last axis",
            fix="for one-hot targets use categorical_crossentropy",
        )
    logs = _log_probabilities(output, from_logits, axis)
    hot = jax.nn.one_hot(target, output.shape[axis], axis=axis, dtype=logs.dtype)
    return -jnp.sum(hot * logs, axis)


@array_op(2)
def binary_crossentropy(target: ArrayLike, output: ArrayLike, from_logits: bool = False) -> Array:
    """-target * log(output) - (1 - target) * log(1 - output), element by element.

    ``target`` and ``output`` are probabilities of one shape; ``output`` logits where
    ``from_logits``.
    """
    target, output = jnp.asarray(target), jnp.asarray(output)
    _same_shape("binary_crossentropy", target, output)
    if from_logits:
        yes, no = jax.nn.log_sigmoid(output), jax.nn.log_sigmoid(-output)
    else:
        output = jnp.clip(output, settings.epsilon, 1 - settings.epsilon)
        yes, no = jnp.log(output), jnp.log(1 - output)
    return -target * yes - (1 - target) * no


def _log_probabilities(output: Array, from_logits: bool, axis: int) -> Array:
    if from_logits:
        return jax.nn.log_softmax(output, axis)
    shares = output / jnp.sum(output, axis, keepdims=True)
    return jnp.log(jnp.clip(shares, settings.epsilon, 1 - settings.epsilon))


def _same_shape(name: str, target: Array, output: Array) -> None:
    if target.shape != output.shape or target.ndim == 0 and name != "binary_crossentropy":
        raise ShapeError(
            f"ops.{name}: target and output have different shapes.",
            met=f"target shape {target.shape}, output shape {output.shape}",
            rule="they have one shape",
            fix="for class numbers use sparse_categorical_crossentropy",
        )


# --- attention, and a measure of pictures -------------------------------------------------------


@array_op(3)
def dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike = None,
    mask: ArrayLike = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Array:
    """softmax(query keyᵀ * scale + bias) value (Vaswani et al., 2017, section 3.2.1).

    Args:
        query: Shape (batch, length, heads, depth).
        key, value: Shape (batch, positions, heads or a divisor of it, depth); the value may have
            another depth.
        bias, mask: Broadcast to (batch, heads, length, positions); a false mask hides.
        scale: 1 / sqrt(depth) when left out.
        is_causal: Hide the positions after one's own.
        flash_attention: Ask for cuDNN's fused kernel (True), or for XLA's (False).
        attn_logits_soft_cap: Keep logits below this by ``x / (1 + |x| / cap)``.

    Returns:
        Shape of ``query``, with the depth of ``value``.
    """
    arrays = [jnp.asarray(x) for x in (query, key, value)]
    if any(x.ndim != 4 for x in arrays):
        raise ShapeError(
            "ops.dot_product_attention takes arrays of 4 axes.",
            met="shapes " + ", ".join(str(x.shape) for x in arrays),
            rule="(batch, length, heads, depth)",
        )
    query, key, value = (x.astype(jnp.result_type(*arrays)) for x in arrays)
    bias = None if bias is None else jnp.asarray(bias, query.dtype)
    mask = None if mask is None else jnp.asarray(mask, bool)
    # jax's own takes one depth only, and on a CPU costs a sixth more in training.
    native = query.shape[-1] == value.shape[-1] and jax.default_backend() != "cpu"
    if attn_logits_soft_cap is None and (native or flash_attention):
        return jax.nn.dot_product_attention(
            query, key, value, bias, mask, scale=scale, is_causal=is_causal,
            implementation={True: "cudnn", False: "xla", None: None}[flash_attention],
        )  # fmt: skip
    return _attention(query, key, value, bias, mask, scale, is_causal, attn_logits_soft_cap)


def _attention(
    query: Array,
    key: Array,
    value: Array,
    bias: Any,
    mask: Any,
    scale: float | None,
    causal: bool,
    cap: float | None,
) -> Array:
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    repeats = query.shape[2] // key.shape[2]
    key, value = (jnp.repeat(x, repeats, 2) for x in (key, value))
    query, key, value = (jnp.swapaxes(x, 1, 2) for x in (query, key, value))
    wide = (x.astype(jnp.float32) if x.dtype == jnp.float16 else x for x in (query, key))
    logits = jnp.einsum("bnth,bnsh->bnts", *wide, preferred_element_type="float32")
    logits = logits * factor if bias is None else logits * factor + bias
    if cap is not None:
        logits = logits / (1 + jnp.abs(logits) / cap)
    if causal:
        past = jnp.tril(jnp.ones(logits.shape[2:], bool))
        mask = past if mask is None else past & mask
    if mask is not None:
        logits = jnp.where(mask, logits, -0.7 * jnp.finfo("float32").max)
    shares = jax.nn.softmax(logits, -1).astype(query.dtype)
    return jnp.swapaxes(shares @ value, 1, 2)


@array_op(2)
def psnr(x1: ArrayLike, x2: ArrayLike, max_val: float) -> Array:
    """The peak signal-to-noise ratio of two pictures, in decibels; ``max_val`` is the peak."""
    x1, x2 = as_floats(x1), as_floats(x2)
    _same_shape("psnr", x1, x2)
    error = jnp.mean(jnp.square(x1 - x2))
    return 20 * jnp.log10(jnp.asarray(max_val, x2.dtype)) - 10 * jnp.log10(error)
