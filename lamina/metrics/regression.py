"""How well predictions follow targets: correlations, and the share of variance explained."""

from typing import Any, Literal

import jax.numpy as jnp

from lamina.core.errors import ArgumentError, unknown
from lamina.core.settings import settings
from lamina.core.types import Array, ArrayLike, ShapeLike
from lamina.metrics.metric import Metric, matrix_width
from lamina.metrics.reduction import AxisMetric
from lamina.ops.targets import align_targets, full_weight


def _centered(y_true: ArrayLike, y_pred: ArrayLike, axis: int) -> list[Array]:
    """Targets and predictions without their means along an axis, and the means."""
    pair = align_targets(y_true, y_pred)
    means = [jnp.mean(y, axis=axis, keepdims=True) for y in pair]
    return [*(y - mean for y, mean in zip(pair, means, strict=True)), *means]


def pearson_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """The correlation coefficient along ``axis``, from -1 to 1."""
    true, pred, *_ = _centered(y_true, y_pred, axis)
    scale = jnp.std(true, axis=axis) * jnp.std(pred, axis=axis)
    return jnp.mean(true * pred, axis=axis) / scale


def concordance_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """How near points are to the line of equality along ``axis``, from -1 to 1.

    Lin, "A concordance correlation coefficient to evaluate reproducibility" (1989).
    """
    true, pred, true_mean, pred_mean = _centered(y_true, y_pred, axis)
    spread = jnp.var(true, axis=axis) + jnp.var(pred, axis=axis)
    shift = jnp.square(true_mean - pred_mean).squeeze(axis)
    return 2 * jnp.mean(true * pred, axis=axis) / (spread + shift + settings.epsilon)


class PearsonCorrelation(AxisMetric, formula=pearson_correlation):
    """Mean correlation coefficient of targets and predictions along ``axis``."""

    _direction = "up"


class ConcordanceCorrelation(AxisMetric, formula=concordance_correlation):
    """Mean concordance of targets and predictions along ``axis``."""

    _direction = "up"


Aggregation = Literal["uniform_average", "variance_weighted_average"] | None
AGGREGATIONS = ("uniform_average", "variance_weighted_average", None)


class R2Score(Metric):
    """The share of the targets' variance that predictions explain; at best 1.

    Args:
        class_aggregation: How the scores of several outputs become one: ``"uniform_average"``,
            ``"variance_weighted_average"``, or None to keep them apart.
        num_regressors: If not 0, the score is adjusted for this many input variables (as long as
            there are more samples than that).
        name: Name in logs.
        dtype: Dtype of the computation.
    """

    _direction = "up"

    def __init__(
        self,
        class_aggregation: Aggregation = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if class_aggregation not in AGGREGATIONS:
            raise unknown("class_aggregation", class_aggregation, map(str, AGGREGATIONS))
        if num_regressors < 0:
            raise ArgumentError(f"num_regressors must be 0 or more; it is {num_regressors}.")
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable((), name="num_samples")
        self._built = False

    def build(self, y_true_shape: ShapeLike, y_pred_shape: ShapeLike) -> None:
        """Make the sums, one for each output."""
        if not self._built:
            shape = (matrix_width(self.name, y_true_shape, y_pred_shape),)
            self.squared_sum = self.add_variable(shape, name="squared_sum")
            self.sum = self.add_variable(shape, name="sum")
            self.total_mse = self.add_variable(shape, name="residual")
            self.count = self.add_variable(shape, name="count")
            self._built = True

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        y_true, y_pred = align_targets(y_true, y_pred, self.dtype)
        self.build(y_true.shape, y_pred.shape)
        weight = full_weight(sample_weight, y_true)
        self.sum.assign_add(jnp.sum(y_true * weight, axis=0))
        self.squared_sum.assign_add(jnp.sum(y_true**2 * weight, axis=0))
        self.total_mse.assign_add(jnp.sum((y_true - y_pred) ** 2 * weight, axis=0))
        self.count.assign_add(jnp.sum(weight, axis=0))
        self.num_samples.assign_add(y_true.size)

    def result(self) -> Array:
        """The score."""
        count, sums, samples = self.count.value, self.sum.value, self.num_samples.value
        total = self.squared_sum.value - sums * sums / count
        score = 1 - self.total_mse.value / total
        score = jnp.where(jnp.isinf(score), 0, score)
        if self.class_aggregation == "uniform_average":
            score = jnp.mean(score)
        elif self.class_aggregation == "variance_weighted_average":
            score = jnp.sum(total * score) / jnp.sum(total)
        if self.num_regressors:
            free = samples - self.num_regressors - 1
            adjusted = 1 - (1 - score) * (samples - 1) / jnp.where(free > 0, free, 1)
            score = jnp.where(free > 0, adjusted, score)
        return score
