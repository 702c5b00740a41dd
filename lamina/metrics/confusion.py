"""Counts of true and false positives and negatives at thresholds, and what is made of them."""

from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.errors import ArgumentError, ShapeError, unknown
from lamina.core.settings import settings
from lamina.core.types import Array, ArrayLike, Config, ShapeLike
from lamina.core.variable import Variable
from lamina.metrics.metric import Metric
from lamina.ops.targets import align_targets, as_array, divide_no_nan, full_weight, mismatch

LOWEST = -1e10
KINDS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


def confusion_counts(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    thresholds: ArrayLike,
    sample_weight: Any = None,
    label_weights: Any = None,
    by_label: bool = False,
) -> dict[str, Array]:
    """Weighted counts of `KINDS` when predictions above each threshold are called positive.

    Args:
        y_true: Labels; what is not 0 is positive.
        y_pred: Predictions, of the labels' shape.
        thresholds: One or more numbers.
        sample_weight: One weight for each sample or prediction.
        label_weights: One weight for each place on the last axis.
        by_label: Whether labels on the last axis of a matrix are counted apart.

    Returns:
        Arrays of shape (thresholds,), or (thresholds, labels) if ``by_label``.

    >>> confusion_counts([0, 1, 1], [0.2, 0.4, 0.9], [0.1, 0.5])["true_positives"]
    Array([2., 1.], dtype=float32)
    """
    y_true, y_pred = align_targets(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise mismatch("The metric", y_true, y_pred)
    weight = full_weight(sample_weight, y_pred)
    if label_weights is not None:
        weight *= jnp.asarray(label_weights, y_pred.dtype)
    columns = -1 if by_label else 1
    y_true, y_pred, weight = (
        x.reshape(len(x), columns) if by_label else x.reshape(-1, 1)
        for x in (y_true, y_pred, weight)
    )
    bounds = np.asarray(thresholds, np.float32)
    order = np.argsort(bounds, kind="stable")
    places = np.argsort(order)
    # A prediction is positive at the first `above` of the sorted thresholds: a histogram of
    # `above`, summed from its end, counts for all thresholds at once.
    above = jnp.searchsorted(jnp.asarray(bounds[order]), y_pred, method="scan_unrolled")

    def positives(weights: Array) -> Array:
        empty = jnp.zeros((len(bounds) + 1, y_pred.shape[1]), weights.dtype)
        histogram = empty.at[above, jnp.arange(y_pred.shape[1])].add(weights)
        counts = jnp.cumsum(histogram[::-1], axis=0)[::-1][1:][places]
        return counts if by_label else counts[:, 0]

    is_true = y_true != 0
    of_true, of_false = jnp.where(is_true, weight, 0), jnp.where(is_true, 0, weight)
    found, wrong = positives(of_true), positives(of_false)
    all_true, all_false = (jnp.sum(x, axis=0 if by_label else None) for x in (of_true, of_false))
    return dict(zip(KINDS, (found, wrong, all_false - wrong, all_true - found), strict=True))


class _Counts(Metric):
    """A metric that keeps some of `KINDS` for some thresholds."""

    kinds: tuple[str, ...] = KINDS
    thresholds: Any

    def _keep(self, shape: ShapeLike) -> None:
        for kind in self.kinds:
            vars(self)[kind] = self.add_variable(shape, name=kind)

    def _add(self, y_true: ArrayLike, y_pred: ArrayLike, *args: Any) -> None:
        counts = confusion_counts(y_true, y_pred, self.thresholds, *args)
        for kind in self.kinds:
            getattr(self, kind).assign_add(counts[kind])

    def _share(self, part: str, rest: str) -> Array:
        """Counts of one kind as a share of those of two; 0 of none."""
        counted = getattr(self, part).value
        return divide_no_nan(counted, counted + getattr(self, rest).value)


def _checked_thresholds(thresholds: Any, default: float) -> list[float]:
    if thresholds is None:
        return [default]
    thresholds = list(thresholds) if isinstance(thresholds, (list, tuple)) else [thresholds]
    if not all(each is not None and 0 <= each <= 1 for each in thresholds):
        raise ArgumentError(f"Thresholds must lie between 0 and 1; they are {thresholds}.")
    return thresholds


class _AtThresholds(_Counts):
    """Figures at one or more thresholds that the user may give."""

    def __init__(self, thresholds: Any, default: float, name: str | None, dtype: Any) -> None:
        super().__init__(dtype, name)
        self.init_thresholds = thresholds
        self.thresholds = _checked_thresholds(thresholds, default)

    def result(self) -> Array:
        """The figure; an array when there are several thresholds."""
        figures = self._figures()
        return figures[0] if len(self.thresholds) == 1 else figures

    def _figures(self) -> Array:
        return self._share(*self.kinds)

    def get_config(self) -> Config:
        """The constructor's arguments."""
        return {**super().get_config(), "thresholds": self.init_thresholds}


class _OneCount(_AtThresholds):
    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(thresholds, 0.5, name, dtype)
        self.accumulator = self.add_variable((len(self.thresholds),), name="accumulator")

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        counts = confusion_counts(y_true, y_pred, self.thresholds, sample_weight)
        self.accumulator.assign_add(counts[self.kinds[0]])

    def _figures(self) -> Array:
        return self.accumulator.value


class TruePositives(_OneCount):
    """How many positives are predicted as such, at one or more thresholds.

    >>> float(TruePositives()([1, 1, 0], [0.9, 0.2, 0.9]))
    1.0
    """

    kinds = ("true_positives",)


class FalsePositives(_OneCount):
    """How many negatives are predicted as positive, at one or more thresholds."""

    kinds = ("false_positives",)


class TrueNegatives(_OneCount):
    """How many negatives are predicted as such, at one or more thresholds."""

    kinds = ("true_negatives",)


class FalseNegatives(_OneCount):
    """How many positives are predicted as negative, at one or more thresholds."""

    kinds = ("false_negatives",)


class _Share(_AtThresholds):
    _direction = "up"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(thresholds, 0.5 if top_k is None else LOWEST, name, dtype)
        self.top_k = top_k
        self.class_id = class_id
        self._keep((len(self.thresholds),))

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        y_true, y_pred = align_targets(y_true, y_pred)
        if self.top_k is not None:
            _, best = jax.lax.top_k(y_pred, self.top_k)
            chosen = jax.nn.one_hot(best, y_pred.shape[-1], dtype=bool).any(axis=-2)
            y_pred = jnp.where(chosen, y_pred, LOWEST)
        self._add(*_of_class(y_true, y_pred, self.class_id), sample_weight)


def _of_class(y_true: Any, y_pred: Any, class_id: int | None) -> tuple[Any, Any]:
    if class_id is None:
        return y_true, y_pred
    if jnp.ndim(y_pred) < 2:
        raise ShapeError(
            "class_id chooses on the last axis, which predictions lack.",
            met=f"y_pred of shape {jnp.shape(y_pred)}",
        )
    return jnp.asarray(y_true)[..., class_id, None], jnp.asarray(y_pred)[..., class_id, None]


class Precision(_Share):
    """Which share of predicted positives is positive.

    Args:
        thresholds: What a prediction must exceed to be positive: 0.5, or one or more numbers.
        top_k: If given, only the ``k`` largest predictions of a sample can be positive.
        class_id: If given, only this place on the last axis counts.
        name: Name in logs.
        dtype: Dtype of the computation.

    >>> float(Precision()([0, 1, 1, 1], [1, 0, 1, 1])).__round__(4)
    0.6667
    """

    kinds = ("true_positives", "false_positives")


class Recall(_Share):
    """Which share of the positives is predicted as such; arguments as of `Precision`.

    >>> float(Recall()([0, 1, 1, 1], [1, 0, 1, 1])).__round__(4)
    0.6667
    """

    kinds = ("true_positives", "false_negatives")


class _Constrained(_Counts):
    """The best of one share over thresholds at which another is at least ``value``."""

    _direction = "up"
    best: tuple[str, str]
    bound: tuple[str, str]

    def __init__(
        self, value: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any
    ) -> None:
        super().__init__(dtype, name)
        if not 0 <= value <= 1:
            raise ArgumentError(f"{self.name}: the bound must lie between 0 and 1; it is {value}.")
        if num_thresholds < 1:
            raise ArgumentError(f"{self.name}: num_thresholds must be 1 or more.")
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        even = np.arange(num_thresholds) / max(num_thresholds - 1, 1)
        self.thresholds = [0.5] if num_thresholds == 1 else even.tolist()
        self.value = value
        self._keep((num_thresholds,))

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        y_true, y_pred = _of_class(*align_targets(y_true, y_pred), self.class_id)
        self._add(y_true, jnp.clip(y_pred, 0, 1), sample_weight)

    def result(self) -> Array:
        """The best share; 0 if the bound is met nowhere."""
        met = self._share(*self.bound) >= self.value
        return jnp.max(jnp.where(met, self._share(*self.best), 0))


_PRECISION = ("true_positives", "false_positives")
_RECALL = ("true_positives", "false_negatives")
_SPECIFICITY = ("true_negatives", "false_positives")


class SensitivityAtSpecificity(_Constrained):
    """The best recall of positives at thresholds where that of negatives is ``specificity``."""

    best, bound = _RECALL, _SPECIFICITY

    def __init__(
        self, specificity: float, num_thresholds: int = 200, class_id: int | None = None,
        name: str | None = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(specificity, num_thresholds, class_id, name, dtype)
        self.specificity = specificity


class SpecificityAtSensitivity(_Constrained):
    """The best recall of negatives at thresholds where that of positives is ``sensitivity``."""

    best, bound = _SPECIFICITY, _RECALL

    def __init__(
        self, sensitivity: float, num_thresholds: int = 200, class_id: int | None = None,
        name: str | None = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)
        self.sensitivity = sensitivity


class PrecisionAtRecall(_Constrained):
    """The best precision at thresholds where the recall is at least ``recall``."""

    best, bound = _PRECISION, _RECALL

    def __init__(
        self, recall: float, num_thresholds: int = 200, class_id: int | None = None,
        name: str | None = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(recall, num_thresholds, class_id, name, dtype)
        self.recall = recall


class RecallAtPrecision(_Constrained):
    """The best recall at thresholds where the precision is at least ``precision``."""

    best, bound = _RECALL, _PRECISION

    def __init__(
        self, precision: float, num_thresholds: int = 200, class_id: int | None = None,
        name: str | None = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(precision, num_thresholds, class_id, name, dtype)
        self.precision = precision


CURVES = ("ROC", "PR", "PRGAIN")
SUMMATIONS = ("interpolation", "minoring", "majoring")


class AUC(_Counts):
    """The area under a curve drawn by moving a threshold from 0 to 1.

    Args:
        num_thresholds: How many thresholds the curve is drawn with.
        curve: ``"ROC"`` (recall over false alarms), ``"PR"`` (precision over recall), or
            ``"PRGAIN"`` (their gains over a guess; Flach and Kull, 2015).
        summation_method: How heights between points are taken: ``"interpolation"``, ``"minoring"``
            (the lower) or ``"majoring"`` (the higher).
        name: Name in logs.
        dtype: Dtype of the computation.
        thresholds: The thresholds between 0 and 1, instead of evenly spaced ones.
        multi_label: Whether labels on the last axis have curves of their own, to be averaged.
        num_labels: How many labels, if known before the first batch.
        label_weights: Weights of the labels.
        from_logits: Whether predictions have not passed a sigmoid.

    The PR curve is interpolated as in Davis and Goadrich, "The Relationship Between
    Precision-Recall and ROC Curves" (2006).

    >>> round(float(AUC()([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])), 3)
    0.75
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds: int | None = 200,
        curve: Literal["ROC", "PR", "PRGAIN"] = "ROC",
        summation_method: Literal["interpolation", "minoring", "majoring"] = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(dtype, name)
        self.curve = str(curve).upper()
        self.summation_method = str(summation_method).lower()
        if self.curve not in CURVES:
            raise unknown("curve of AUC", curve, CURVES)
        if self.summation_method not in SUMMATIONS:
            raise unknown("summation_method of AUC", summation_method, SUMMATIONS)
        if num_labels and not multi_label:
            raise ArgumentError("AUC: num_labels is of use only with multi_label=True.")
        if thresholds is not None:
            inner = sorted(_checked_thresholds(thresholds, 0.5))
        elif num_thresholds is None or num_thresholds < 2:
            raise ArgumentError("AUC: num_thresholds must be 2 or more.")
        else:
            inner = np.arange(1, num_thresholds - 1) / (num_thresholds - 1)
        self.thresholds = [-settings.epsilon, *map(float, inner), 1 + settings.epsilon]
        self.num_thresholds = len(self.thresholds)
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = label_weights
        self.from_logits = from_logits
        self._evenly = thresholds is None
        if num_labels or not multi_label:
            self._keep((self.num_thresholds, num_labels) if multi_label else (self.num_thresholds,))

    true_positives: Variable
    false_positives: Variable
    true_negatives: Variable
    false_negatives: Variable

    def build(self, y_true_shape: ShapeLike, y_pred_shape: ShapeLike) -> None:
        """Make the counts of each label, if the labels have curves of their own."""
        if not self._added:
            if len(y_pred_shape) != 2:
                raise ShapeError(
                    f"{self.name}: multi_label needs predictions of shape (batch, labels).",
                    met=f"y_pred of shape {tuple(y_pred_shape)}",
                )
            self._keep((self.num_thresholds, y_pred_shape[-1]))

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        y_pred = as_array(y_pred)
        self.build(y_pred.shape, y_pred.shape)
        y_pred = jax.nn.sigmoid(y_pred) if self.from_logits else jnp.clip(y_pred, 0, 1)
        weights = None if self.multi_label else self.label_weights
        self._add(y_true, y_pred, sample_weight, weights, self.multi_label)

    def result(self) -> Array:
        """The area."""
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._over_labels(self._interpolated_pr())
        x, y = self._points()
        pair = y[:-1], y[1:]
        if self.summation_method == "interpolation":
            heights = (pair[0] + pair[1]) / 2
        else:
            pick = jnp.minimum if self.summation_method == "minoring" else jnp.maximum
            heights = pick(*pair)
        return self._over_labels((x[:-1] - x[1:]) * heights)

    def _points(self) -> tuple[Array, Array]:
        recall = self._share(*_RECALL)
        if self.curve == "ROC":
            return self._share("false_positives", "true_negatives"), recall
        if self.curve == "PR":
            return recall, self._share(*_PRECISION)
        found = self.true_positives.value
        negatives = self.true_negatives.value + self.false_positives.value
        odds = divide_no_nan(found + self.false_negatives.value, negatives)
        gains = [
            1 - odds * divide_no_nan(missed.value, found)
            for missed in (self.false_negatives, self.false_positives)
        ]
        x = jnp.where(found == 0, 0, jnp.maximum(gains[0], 0))
        return x, jnp.where(found == 0, 1, gains[1])

    def _interpolated_pr(self) -> Array:
        found = self.true_positives.value
        called = found + self.false_positives.value
        gain, step = found[:-1] - found[1:], called[:-1] - called[1:]
        slope = divide_no_nan(gain, jnp.maximum(step, 0))
        intercept = found[1:] - slope * called[1:]
        both = (called[:-1] > 0) & (called[1:] > 0)
        ratio = jnp.where(both, divide_no_nan(called[:-1], jnp.maximum(called[1:], 0)), 1)
        positives = jnp.maximum(found[1:] + self.false_negatives[1:], 0)
        return divide_no_nan(slope * (gain + intercept * jnp.log(ratio)), positives)

    def _over_labels(self, terms: Array) -> Array:
        areas = jnp.sum(terms, axis=0)
        if not self.multi_label or self.label_weights is None:
            return jnp.mean(areas)
        weights = jnp.asarray(self.label_weights, areas.dtype)
        return divide_no_nan(jnp.sum(areas * weights), jnp.sum(weights))

    def get_config(self) -> Config:
        """The constructor's arguments; thresholds only if they were given."""
        config = super().get_config()
        del config["thresholds"]
        return config if self._evenly else {**config, "thresholds": self.thresholds[1:-1]}
