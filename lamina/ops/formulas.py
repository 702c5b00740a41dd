"""The formulas of losses, one value for each position, which losses and metrics share.

Files name these functions as members of ``keras.losses``.
"""

import functools
import inspect
import math
import types
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from lamina.core import masking
from lamina.core.errors import ShapeError
from lamina.core.settings import settings
from lamina.core.types import Array, ArrayLike
from lamina.ops.ctc import losses as ctc_losses
from lamina.ops.targets import align_targets, as_array, class_labels, mismatch, together

F = TypeVar("F", bound=Callable[..., Array])


def formula(function: Callable[..., Array] | None = None, *, same_shape: bool = False) -> Any:
    """Hand float arrays of one dtype and of shapes that fit together to a formula.

    Args:
        function: ``(y_true, y_pred, options...)`` to one value for each position.
        same_shape: Whether targets must have the shape of predictions, not only broadcast to it.
    """
    if function is None:
        return functools.partial(formula, same_shape=same_shape)

    @functools.wraps(function)
    def wrapper(y_true: ArrayLike, y_pred: ArrayLike, *args: Any, **kwargs: Any) -> Array:
        y_true, y_pred = align_targets(y_true, y_pred)
        fits = y_true.shape == y_pred.shape or not same_shape
        if not fits or together(y_true.shape, y_pred.shape) is None:
            raise mismatch(function.__name__, y_true, y_pred)
        return function(y_true, y_pred, *args, **kwargs)

    return public(wrapper)


def public(function: F) -> F:
    """Mark a function as the member of ``keras.losses`` that files name."""
    function.__module__ = "lamina.losses"
    return function


def named(init: Callable[..., None], name: str) -> Callable[..., None]:
    """A copy of a constructor whose argument ``name`` is another when it is left out."""
    copy = types.FunctionType(init.__code__, init.__globals__, closure=init.__closure__)
    arguments = inspect.signature(init).parameters.values()
    defaults = {each.name: each.default for each in arguments if each.default is not each.empty}
    copy.__defaults__ = tuple({**defaults, "name": name}.values())
    copy.__annotations__ = init.__annotations__
    return copy


# --- regression ---------------------------------------------------------------------------------


@formula
def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean over the last axis of the squared differences.

    >>> float(mean_squared_error([0.0, 1.0], [1.0, 1.0]))
    0.5
    """
    return jnp.mean(jnp.square(y_true - y_pred), axis=-1)


@formula
def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean over the last axis of the absolute differences."""
    return jnp.mean(jnp.abs(y_true - y_pred), axis=-1)


@formula
def mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean over the last axis of the absolute differences, in percent of the targets."""
    scale = jnp.maximum(jnp.abs(y_true), settings.epsilon)
    return 100 * jnp.mean(jnp.abs((y_true - y_pred) / scale), axis=-1)


@formula
def mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean over the last axis of the squared differences of ``log(1 + y)``; below 0 counts as 0."""
    log_true, log_pred = (jnp.log1p(jnp.maximum(y, settings.epsilon)) for y in (y_true, y_pred))
    return jnp.mean(jnp.square(log_true - log_pred), axis=-1)


@formula
def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> Array:
    """Mean over the last axis of half the squared error, linear where it exceeds ``delta``.

    Huber, "Robust estimation of a location parameter" (1964).
    """
    error = jnp.abs(y_true - y_pred)
    return jnp.mean(jnp.where(error <= delta, error**2 / 2, delta * error - delta**2 / 2), axis=-1)


@formula
def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean over the last axis of ``log(cosh(error))``: squared when small, absolute when large."""
    error = y_pred - y_true
    return jnp.mean(error + jax.nn.softplus(-2 * error) - math.log(2), axis=-1)


def _unit(x: Array, axis: int) -> Array:
    """``x`` scaled to length 1 along an axis; a zero vector stays zero, with a finite gradient."""
    return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(x * x, axis=axis, keepdims=True), 1e-12))


@formula
def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """Minus the cosine of the angle between targets and predictions, from -1 (alike) to 1."""
    return -jnp.sum(_unit(y_true, axis) * _unit(y_pred, axis), axis=axis)


# --- margins ------------------------------------------------------------------------------------


def _signs(y_true: Array) -> Array:
    """Labels of 0 and 1 as -1 and 1; others unchanged."""
    binary = jnp.all((y_true == 0) | (y_true == 1))
    return jnp.where(binary, 2 * y_true - 1, y_true)


@formula
def hinge(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean over the last axis of how far predictions are from a margin of 1; labels -1 or 1."""
    return jnp.mean(jnp.maximum(1 - _signs(y_true) * y_pred, 0), axis=-1)


@formula
def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean over the last axis of the squares of what `hinge` averages."""
    return jnp.mean(jnp.square(jnp.maximum(1 - _signs(y_true) * y_pred, 0)), axis=-1)


@formula
def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """How far the target class is from leading the best other class by 1; targets one-hot."""
    target = jnp.sum(y_true * y_pred, axis=-1)
    other = jnp.max((1 - y_true) * y_pred, axis=-1)
    return jnp.maximum(other - target + 1, 0)


# --- probabilities ------------------------------------------------------------------------------


@formula
def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Kullback-Leibler divergence of predicted from target probabilities along the last axis."""
    y_true, y_pred = (jnp.clip(y, settings.epsilon, 1) for y in (y_true, y_pred))
    return jnp.sum(y_true * jnp.log(y_true / y_pred), axis=-1)


@formula
def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Mean over the last axis of the negative log-likelihood of counts, without its constant."""
    return jnp.mean(y_pred - y_true * jnp.log(y_pred + settings.epsilon), axis=-1)


def _clip(probabilities: Array) -> Array:
    return jnp.clip(probabilities, settings.epsilon, 1 - settings.epsilon)


def _binary_losses(y_true: Array, y_pred: Array, from_logits: bool) -> Array:
    if from_logits:
        return y_true * jax.nn.softplus(-y_pred) + (1 - y_true) * jax.nn.softplus(y_pred)
    y_pred = _clip(y_pred)
    return -(y_true * jnp.log(y_pred) + (1 - y_true) * jnp.log(1 - y_pred))


@formula(same_shape=True)
def binary_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Mean over ``axis`` of minus the log-probability of labels that are 0 or 1.

    Args:
        y_true: Labels, or probabilities of 1.
        y_pred: Probabilities of 1, or their logits if ``from_logits``.
        from_logits: Whether predictions have not passed a sigmoid.
        label_smoothing: How much of a label moves towards one half.
        axis: The axis to average over.
    """
    y_true = y_true * (1 - label_smoothing) + label_smoothing / 2
    return jnp.mean(_binary_losses(y_true, y_pred, from_logits), axis=axis)


@formula(same_shape=True)
def binary_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """`binary_crossentropy` with easy positions weighted down by ``(1 - p)**gamma``.

    ``p`` is the probability given to the label. With class balancing, ones weigh ``alpha`` and
    zeros ``1 - alpha``. Lin et al., "Focal Loss for Dense Object Detection" (2017).
    """
    y_true = y_true * (1 - label_smoothing) + label_smoothing / 2
    y_pred = jax.nn.sigmoid(y_pred) if from_logits else y_pred
    given = y_true * y_pred + (1 - y_true) * (1 - y_pred)
    losses = (1 - given) ** gamma * _binary_losses(y_true, y_pred, from_logits=False)
    if apply_class_balancing:
        losses = losses * (y_true * alpha + (1 - y_true) * (1 - alpha))
    return jnp.mean(losses, axis=axis)


def _probabilities(y_pred: Array, axis: int) -> Array:
    return _clip(y_pred / jnp.sum(y_pred, axis=axis, keepdims=True))


def _log_probabilities(y_pred: Array, from_logits: bool, axis: int) -> Array:
    if from_logits:
        return jax.nn.log_softmax(y_pred, axis=axis)
    return jnp.log(_probabilities(y_pred, axis))


def _smoothed(y_true: Array, smoothing: float, name: str) -> Array:
    if y_true.shape[-1] == 1:
        warnings.warn(
            f"{name} of a single class is always 0; for yes or no use 'binary_crossentropy'.",
            SyntaxWarning,
            stacklevel=4,
        )
    return y_true * (1 - smoothing) + smoothing / y_true.shape[-1]


@formula(same_shape=True)
def categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Minus the log-probability of one-hot targets along ``axis``.

    Args:
        y_true: One-hot targets, or probabilities of the classes.
        y_pred: Probabilities of the classes, scaled to sum to 1; or logits if ``from_logits``.
        from_logits: Whether predictions have not passed a softmax.
        label_smoothing: How much of a target is spread evenly over all classes.
        axis: The axis of the classes.
    """
    y_true = _smoothed(y_true, label_smoothing, "categorical_crossentropy")
    return -jnp.sum(y_true * _log_probabilities(y_pred, from_logits, axis), axis=axis)


@formula(same_shape=True)
def categorical_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """`categorical_crossentropy` with each class weighted by ``alpha * (1 - p)**gamma``.

    Lin et al., "Focal Loss for Dense Object Detection" (2017).
    """
    y_true = _smoothed(y_true, label_smoothing, "categorical_focal_crossentropy")
    y_pred = jax.nn.softmax(y_pred, axis=axis) if from_logits else y_pred
    given = _probabilities(y_pred, axis)
    return -jnp.sum(alpha * (1 - given) ** gamma * y_true * jnp.log(given), axis=axis)


@public
def sparse_categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    """Minus the log-probability of integer labels.

    Args:
        y_true: Labels, of the shape of ``y_pred`` without ``axis`` or with size 1 there.
        y_pred: Probabilities of the classes, scaled to sum to 1; or logits if ``from_logits``.
        from_logits: Whether predictions have not passed a softmax.
        ignore_class: A label whose positions give 0 and are masked in the result.
        axis: The axis of the classes.

    >>> sparse_categorical_crossentropy([1], [[0.0, 0.0]], from_logits=True).round(3)
    Array([0.693], dtype=float32)
    """
    y_pred = as_array(y_pred)
    labels = class_labels("sparse_categorical_crossentropy", y_true, y_pred, axis)
    labels = labels.astype(jnp.int32)
    valid = None if ignore_class is None else labels != ignore_class
    if valid is not None:
        labels = jnp.where(valid, labels, 0)
        y_pred = jnp.where(jnp.expand_dims(valid, axis), y_pred, 1)
    chosen = jax.nn.one_hot(labels, y_pred.shape[axis], axis=axis, dtype=bool)
    # Selecting, not multiplying: a class whose logit is -inf must not turn 0 into NaN.
    losses = -jnp.sum(jnp.where(chosen, _log_probabilities(y_pred, from_logits, axis), 0), axis)
    if valid is None:
        return losses
    losses = jnp.where(valid, losses, 0)
    masking.set_mask(losses, valid)
    return losses


@public
def categorical_generalized_cross_entropy(y_true: ArrayLike, y_pred: ArrayLike, q: float) -> Array:
    """``(1 - p**q) / q`` for the probability ``p`` given to integer labels.

    Between cross-entropy (q near 0) and absolute error (q = 1), to withstand wrong labels.
    Zhang and Sabuncu, "Generalized Cross Entropy Loss" (2018).
    """
    y_pred = as_array(y_pred)
    labels = class_labels("sparse categorical_generalized_cross_entropy", y_true, y_pred)
    chosen = jax.nn.one_hot(labels.astype(jnp.int32), y_pred.shape[-1], dtype=y_pred.dtype)
    return (1 - jnp.sum(y_pred * chosen, axis=-1) ** q) / q


# --- regions, similarity, sequences --------------------------------------------------------------


@formula
def dice(y_true: ArrayLike, y_pred: ArrayLike, axis: Any = None) -> Array:
    """1 minus the Dice coefficient: twice the overlap over the sum of both sizes."""
    axis = tuple(axis) if isinstance(axis, list) else axis  # as a file gives it
    overlap = jnp.sum(y_true * y_pred, axis=axis)
    sizes = jnp.sum(y_true, axis=axis) + jnp.sum(y_pred, axis=axis)
    return 1 - 2 * overlap / (sizes + settings.epsilon)


@formula
def tversky(
    y_true: ArrayLike, y_pred: ArrayLike, alpha: float = 0.5, beta: float = 0.5, axis: Any = None
) -> Array:
    """1 minus the Tversky index: the overlap, with misses weighing ``alpha``, extras ``beta``.

    Salehi et al., "Tversky loss function for image segmentation" (2017).
    """
    axis = tuple(axis) if isinstance(axis, list) else axis  # as a file gives it
    overlap = jnp.sum(y_true * y_pred, axis=axis)
    missed = jnp.sum(y_true * (1 - y_pred), axis=axis)
    extra = jnp.sum((1 - y_true) * y_pred, axis=axis)
    return 1 - overlap / (overlap + alpha * missed + beta * extra + settings.epsilon)


@public
def circle(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    ref_labels: ArrayLike = None,
    ref_embeddings: ArrayLike = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Array:
    """Circle loss of unit-length embeddings, one value for each; 0 values are masked.

    Args:
        y_true: Integer labels, (batch,) or (batch, 1).
        y_pred: Embeddings, (batch, features).
        ref_labels: Labels of what to compare with; ``y_true`` when left out.
        ref_embeddings: Embeddings of what to compare with; ``y_pred`` when left out.
        remove_diagonal: Whether an embedding is not compared with that of its own row.
        gamma: Scale of the distances.
        margin: Distance at which pairs stop to count.

    Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization" (2020).
    """
    y_pred, labels = as_array(y_pred), jnp.asarray(y_true).reshape(-1)
    others = y_pred if ref_embeddings is None else as_array(ref_embeddings)
    other_labels = labels if ref_labels is None else jnp.asarray(ref_labels).reshape(-1)
    distance = jnp.maximum(1 - y_pred @ others.T, 0)
    alike = labels[:, None] == other_labels
    apart = ~alike
    if remove_diagonal:
        alike &= ~jnp.eye(*alike.shape, dtype=bool)
    near = -gamma * jnp.maximum(margin + distance, 0) * (margin - distance)
    far = gamma * jnp.maximum(1 + margin - distance, 0) * (1 - margin - distance)
    sums = [
        jax.nn.logsumexp(jnp.where(which, pull, -jnp.inf), axis=1)
        for which, pull in ((alike, near), (apart, far))
    ]
    losses = jax.nn.softplus(sum(sums))
    masking.set_mask(losses, losses > 0)
    return losses


@public
def ctc(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Minus the log-probability of label sequences under all their alignments; class 0 is blank.

    Args:
        y_true: Labels, (batch, length), filled up with 0.
        y_pred: Logits, (batch, time, classes).
    """
    labels, y_pred = jnp.asarray(y_true).astype(jnp.int32), as_array(y_pred)
    if labels.ndim != 2 or y_pred.ndim != 3 or len(labels) != len(y_pred):
        raise ShapeError(
            "ctc: targets and predictions do not fit together.",
            met=f"y_true of shape {labels.shape}, y_pred of shape {y_pred.shape}",
            rule="(batch, length) labels and (batch, time, classes) logits",
        )
    frames = jnp.full(len(labels), y_pred.shape[1])
    return ctc_losses(labels, y_pred, jnp.sum(labels != 0, axis=1), frames)


FORMULAS: dict[str, Callable[..., Array]] = {
    name: thing
    for name, thing in list(vars().items())
    if inspect.isfunction(thing) and thing.__module__ == "lamina.losses"
}
"""The loss functions by name."""

ALIASES = {
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
}
"""Short names, as they are or in capitals."""
