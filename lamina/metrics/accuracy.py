"""How often predictions are right."""

from typing import Any

import jax.numpy as jnp

from lamina.core.settings import settings
from lamina.core.types import Array, ArrayLike, ShapeLike
from lamina.metrics.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from lamina.metrics.metric import Metric
from lamina.metrics.reduction import MeanMetricWrapper, PlainMetric
from lamina.ops.targets import align_ranks, class_labels, mismatch


def _matches(right: Array) -> Array:
    return right.astype(settings.floatx)


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where a prediction equals its target, else 0."""
    y_pred = jnp.asarray(y_pred)
    y_true, y_pred = align_ranks(jnp.asarray(y_true).astype(y_pred.dtype), y_pred)
    return _matches(y_true == y_pred)


def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> Array:
    """1 where the label (0 or 1) says whether the prediction is above ``threshold``, else 0.

    >>> binary_accuracy([1, 0], [0.7, 0.6])
    Array([1., 0.], dtype=float32)
    """
    y_true, y_pred = align_ranks(jnp.asarray(y_true), jnp.asarray(y_pred))
    return _matches(y_true == (y_pred > threshold).astype(y_true.dtype))


def _alike(name: str, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    if y_true.shape != y_pred.shape:
        raise mismatch(name, y_true, y_pred)
    return y_true, y_pred


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where the largest prediction is at the place of the one-hot target, else 0."""
    y_true, y_pred = _alike("categorical_accuracy", y_true, y_pred)
    return _matches(jnp.argmax(y_true, axis=-1) == jnp.argmax(y_pred, axis=-1))


def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where the largest prediction is at the place of the integer label, else 0.

    >>> sparse_categorical_accuracy([1, 1], [[0.2, 0.8], [0.9, 0.1]])
    Array([1., 0.], dtype=float32)
    """
    y_pred = jnp.asarray(y_pred)
    labels = class_labels("sparse_categorical_accuracy", y_true, y_pred)
    return _matches(labels == jnp.argmax(y_pred, axis=-1).astype(labels.dtype))


def _in_top(labels: Array, y_pred: Array, k: int) -> Array:
    own = jnp.take_along_axis(y_pred, labels[..., None], axis=-1)
    own = jnp.where(jnp.isnan(own), -jnp.inf, own)
    return _matches(jnp.sum(y_pred > own, axis=-1) < k)


def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Array:
    """1 where fewer than ``k`` predictions exceed that at the one-hot target's place, else 0."""
    y_true, y_pred = _alike("top_k_categorical_accuracy", y_true, y_pred)
    return _in_top(jnp.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> Array:
    """1 where fewer than ``k`` predictions exceed that at the integer label's place, else 0.

    With ``from_sorted_ids``, predictions are class numbers, the likeliest first.
    """
    y_pred = jnp.asarray(y_pred)
    labels = class_labels("sparse_top_k_categorical_accuracy", y_true, y_pred).astype(jnp.int32)
    if from_sorted_ids:
        return _matches(jnp.any(labels[..., None] == y_pred[..., :k], axis=-1))
    return _in_top(labels, y_pred, k)


class Accuracy(PlainMetric, formula=accuracy):
    """How often predictions equal their targets.

    >>> float(Accuracy()([1, 2, 3, 4], [0, 2, 3, 4]))
    0.75
    """

    _direction = "up"


class BinaryAccuracy(MeanMetricWrapper):
    """How often predictions are on the side of ``threshold`` that their label, 0 or 1, says."""

    _direction = "up"

    def __init__(
        self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5
    ) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class CategoricalAccuracy(PlainMetric, formula=categorical_accuracy):
    """How often the likeliest class is that of a one-hot target."""

    _direction = "up"


class SparseCategoricalAccuracy(PlainMetric, formula=sparse_categorical_accuracy):
    """How often the likeliest class is the integer label."""

    _direction = "up"


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often a one-hot target's class is among the ``k`` likeliest."""

    _direction = "up"

    def __init__(
        self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the integer label is among the ``k`` likeliest classes."""

    _direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(
            sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids
        )


def _kind(y_true_shape: ShapeLike, y_pred_shape: ShapeLike) -> int:
    """0 for yes or no, 1 for integer labels, 2 for one-hot targets."""
    if y_pred_shape[-1] == 1:
        return 0
    return 1 if len(y_true_shape) < len(y_pred_shape) or y_true_shape[-1] == 1 else 2


def resolve_accuracy(
    y_true_shape: ShapeLike, y_pred_shape: ShapeLike, name: str = "accuracy"
) -> Metric:
    """The accuracy that fits the shapes of targets and predictions.

    >>> type(resolve_accuracy((None,), (None, 10))).__name__
    'SparseCategoricalAccuracy'
    """
    kinds = (BinaryAccuracy, SparseCategoricalAccuracy, CategoricalAccuracy)
    return kinds[_kind(y_true_shape, y_pred_shape)](name)


def resolve_crossentropy(
    y_true_shape: ShapeLike, y_pred_shape: ShapeLike, name: str = "crossentropy"
) -> Metric:
    """The cross-entropy that fits the shapes of targets and predictions."""
    kinds = BinaryCrossentropy, SparseCategoricalCrossentropy, CategoricalCrossentropy
    return kinds[_kind(y_true_shape, y_pred_shape)](name)
