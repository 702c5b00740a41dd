"""How far predicted and true classes overlap: F scores and intersections over unions."""

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import jax.numpy as jnp

from lamina.core.dtypes import is_float, is_int
from lamina.core.errors import ArgumentError, unknown
from lamina.core.settings import settings
from lamina.core.types import Array, ArrayLike, ShapeLike
from lamina.metrics.metric import Metric, matrix_width
from lamina.ops.targets import as_array, full_weight

Average = Literal["micro", "macro", "weighted"] | None
AVERAGES = ("micro", "macro", "weighted", None)


class FBetaScore(Metric):
    """Weighted harmonic mean of precision and recall.

    Args:
        average: How classes become one number: ``"micro"`` counts all together, ``"macro"``
            averages the classes, ``"weighted"`` by how many of each there are; None keeps them
            apart.
        beta: How many times as much recall weighs as precision.
        threshold: What a prediction must exceed to be positive; the largest one when None.
        name: Name in logs.
        dtype: Dtype of the computation.
    """

    _direction = "up"

    def __init__(
        self,
        average: Average = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if average not in AVERAGES:
            raise unknown("average", average, map(str, AVERAGES))
        if not isinstance(beta, float) or not beta > 0:
            raise ArgumentError(f"beta must be a float above 0; it is {beta!r}.")
        if threshold is not None and not (isinstance(threshold, float) and 0 < threshold <= 1):
            raise ArgumentError(
                f"threshold must be a float above 0, at most 1.0; it is {threshold!r}."
            )
        self.average = average
        self.beta = beta
        self.threshold = threshold

    def build(self, y_true_shape: ShapeLike, y_pred_shape: ShapeLike) -> None:
        """Make the counts, one for each class."""
        if not self._added:
            width = matrix_width(self.name, y_true_shape, y_pred_shape)
            shape = () if self.average == "micro" else (width,)
            self.true_positives, self.false_positives, self.false_negatives, self.support = (
                self.add_variable(shape, dtype=self.dtype, name=name)
                for name in ("true_positives", "false_positives", "false_negatives",
                             "intermediate_weights")
            )  # fmt: skip

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        y_true, y_pred = as_array(y_true, self.dtype), as_array(y_pred, self.dtype)
        self.build(y_true.shape, y_pred.shape)
        if self.threshold is None:
            largest = y_pred >= jnp.max(y_pred, axis=-1, keepdims=True)
            called = as_array(largest & (jnp.abs(y_pred) > 1e-9), self.dtype)
        else:
            called = as_array(y_pred > self.threshold, self.dtype)
        weight = full_weight(sample_weight, y_true)
        axis = None if self.average == "micro" else 0
        for variable, values in (
            (self.true_positives, called * y_true),
            (self.false_positives, called * (1 - y_true)),
            (self.false_negatives, (1 - called) * y_true),
            (self.support, y_true),
        ):
            variable.assign_add(jnp.sum(values * weight, axis=axis))

    def result(self) -> Array:
        """The score, or one for each class."""
        found, tiny, square = self.true_positives.value, settings.epsilon, self.beta**2
        precision = found / (found + self.false_positives.value + tiny)
        recall = found / (found + self.false_negatives.value + tiny)
        score = (1 + square) * precision * recall / (square * precision + recall + tiny)
        if self.average == "weighted":
            return jnp.sum(score * self.support.value / (jnp.sum(self.support.value) + tiny))
        return score if self.average is None else jnp.mean(score)


class F1Score(FBetaScore):
    """Harmonic mean of precision and recall; arguments as of `FBetaScore`.

    >>> f1 = F1Score(threshold=0.5)
    >>> f1(jnp.array([[1, 1], [1, 0]]), jnp.array([[0.6, 0.2], [0.8, 0.7]])).round(3)
    Array([1., 0.], dtype=float32)
    """

    def __init__(
        self, average: Average = None, threshold: float | None = None,
        name: str | None = "f1_score", dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(average, 1.0, threshold, name, dtype)


class IoU(Metric):
    """Intersection over union of true and predicted regions, averaged over some classes.

    Args:
        num_classes: How many classes there are; labels outside them do not count.
        target_class_ids: The classes to average over.
        name: Name in logs.
        dtype: Dtype of the counts; an integer one makes weights whole.
        ignore_class: A label whose positions do not count.
        sparse_y_true: Whether targets are integers; else they have an axis of classes.
        sparse_y_pred: Whether predictions are integers; else they have an axis of classes.
        axis: The axis of classes.
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(dtype or "int32", name)
        self.num_classes = num_classes
        self.target_class_ids = list(target_class_ids)
        if max(self.target_class_ids) >= num_classes:
            raise ArgumentError(
                f"{self.name}: the classes {self.target_class_ids} are not all among the "
                f"{num_classes} classes, 0 to {num_classes - 1}."
            )
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        shape = (num_classes, num_classes)
        self.total_cm = self.add_variable(shape, dtype=self.dtype, name="total_confusion_matrix")

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        true, pred = (
            jnp.asarray(y if sparse else jnp.argmax(jnp.asarray(y), axis=self.axis)).reshape(-1)
            for y, sparse in ((y_true, self.sparse_y_true), (y_pred, self.sparse_y_pred))
        )
        true, pred = true.astype(jnp.int32), pred.astype(jnp.int32)
        weight = jnp.asarray(1 if sample_weight is None else sample_weight)
        if is_float(weight.dtype) and is_int(self.dtype):
            warnings.warn(
                f"{self.name} counts in {self.dtype}, so fractions of weights are lost; "
                "give dtype='float32'.",
                stacklevel=2,
            )
        weight = weight.astype(self.dtype)
        weight = jnp.broadcast_to(weight.reshape(-1) if weight.ndim else weight, true.shape)
        inside = (true >= 0) & (true < self.num_classes) & (pred >= 0) & (pred < self.num_classes)
        if self.ignore_class is not None:
            inside &= true != self.ignore_class
        places = jnp.where(inside, true, 0), jnp.where(inside, pred, 0)
        self.total_cm.assign(self.total_cm.value.at[places].add(jnp.where(inside, weight, 0)))

    def result(self) -> Array:
        """The mean over those target classes that occur."""
        counts, ids = self.total_cm.value, jnp.asarray(self.target_class_ids)
        both = jnp.diagonal(counts)
        union = jnp.sum(counts, axis=0) + jnp.sum(counts, axis=1) - both
        both, union = both[ids].astype("float32"), union[ids].astype("float32")
        occurs = union > 1e-9
        shares = jnp.where(occurs, both / (union + settings.epsilon), 0)
        return jnp.sum(shares) / (jnp.sum(occurs) + settings.epsilon)


class BinaryIoU(IoU):
    """`IoU` of labels 0 and 1 with predictions that are 1 from ``threshold`` on."""

    def __init__(
        self, target_class_ids: Sequence[int] = (0, 1), threshold: float = 0.5,
        name: str | None = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        super().update_state(y_true, jnp.asarray(y_pred) >= self.threshold, sample_weight)


class MeanIoU(IoU):
    """`IoU` averaged over all classes."""

    def __init__(
        self, num_classes: int, name: str | None = None, dtype: Any = None,
        ignore_class: int | None = None, sparse_y_true: bool = True, sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:  # fmt: skip
        ids, sparse = range(num_classes), (sparse_y_true, sparse_y_pred)
        super().__init__(num_classes, ids, name, dtype, ignore_class, *sparse, axis)


class OneHotIoU(IoU):
    """`IoU` of one-hot targets."""

    def __init__(
        self, num_classes: int, target_class_ids: Sequence[int], name: str | None = None,
        dtype: Any = None, ignore_class: int | None = None, sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:  # fmt: skip
        ids, sparse = target_class_ids, (False, sparse_y_pred)
        super().__init__(num_classes, ids, name, dtype, ignore_class, *sparse, axis)


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` of one-hot targets."""

    def __init__(
        self, num_classes: int, name: str | None = None, dtype: Any = None,
        ignore_class: int | None = None, sparse_y_pred: bool = False, axis: int = -1,
    ) -> None:  # fmt: skip
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
