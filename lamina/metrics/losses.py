"""Metrics that are means of the formulas of losses."""

from typing import Any

import jax.numpy as jnp

from lamina.core.types import Array, ArrayLike
from lamina.metrics.reduction import AxisMetric, Mean, MeanMetricWrapper, PlainMetric
from lamina.ops import formulas
from lamina.ops.targets import align_targets


class MeanSquaredError(PlainMetric, formula=formulas.mean_squared_error):
    """Mean of the squared differences.

    >>> float(MeanSquaredError()([[0.0], [1.0]], [[1.0], [1.0]]))
    0.5
    """


class RootMeanSquaredError(Mean):
    """Root of the mean of the squared differences."""

    _direction = "down"

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any = None
    ) -> None:
        """Take a batch into account."""
        y_true, y_pred = align_targets(y_true, y_pred, self.dtype)
        super().update_state(jnp.square(y_pred - y_true), sample_weight)

    def result(self) -> Array:
        """The root of the mean."""
        return jnp.sqrt(super().result())


class MeanAbsoluteError(PlainMetric, formula=formulas.mean_absolute_error):
    """Mean of the absolute differences."""


class MeanAbsolutePercentageError(PlainMetric, formula=formulas.mean_absolute_percentage_error):
    """Mean of the absolute differences in percent of the targets."""


class MeanSquaredLogarithmicError(PlainMetric, formula=formulas.mean_squared_logarithmic_error):
    """Mean of the squared differences of ``log(1 + y)``."""


def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """The cosine of the angle between targets and predictions."""
    return -formulas.cosine_similarity(y_true, y_pred, axis=axis)


class CosineSimilarity(AxisMetric, formula=cosine_similarity):
    """Mean cosine of the angle between targets and predictions along ``axis``."""

    _direction = "up"


class LogCoshError(PlainMetric, formula=formulas.log_cosh, name="logcosh"):
    """Mean of ``log(cosh(error))``."""


class Hinge(PlainMetric, formula=formulas.hinge):
    """Mean distance from a margin of 1, for labels -1 and 1."""


class SquaredHinge(PlainMetric, formula=formulas.squared_hinge):
    """Mean squared distance from a margin of 1, for labels -1 and 1."""


class CategoricalHinge(PlainMetric, formula=formulas.categorical_hinge):
    """How far the target class is from leading all others by 1, on average."""


class KLDivergence(PlainMetric, formula=formulas.kl_divergence):
    """Mean Kullback-Leibler divergence of predicted from target probabilities."""


class Poisson(PlainMetric, formula=formulas.poisson):
    """Mean negative log-likelihood of counts under predicted rates."""


class BinaryCrossentropy(MeanMetricWrapper):
    """Mean cross-entropy of labels 0 and 1 with probabilities, or with logits."""

    def __init__(
        self, name: str | None = "binary_crossentropy", dtype: Any = None,
        from_logits: bool = False, label_smoothing: float = 0,
    ) -> None:  # fmt: skip
        super().__init__(
            formulas.binary_crossentropy, name, dtype,
            from_logits=from_logits, label_smoothing=label_smoothing,
        )  # fmt: skip


class CategoricalCrossentropy(MeanMetricWrapper):
    """Mean cross-entropy of one-hot targets with probabilities, or with logits."""

    def __init__(
        self, name: str | None = "categorical_crossentropy", dtype: Any = None,
        from_logits: bool = False, label_smoothing: float = 0, axis: int = -1,
    ) -> None:  # fmt: skip
        super().__init__(
            formulas.categorical_crossentropy, name, dtype,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """Mean cross-entropy of integer labels with probabilities, or with logits.

    Positions labelled ``ignore_class`` count as 0 and, with sample weights, not at all; so it is
    in Keras. The loss of this name never counts them.
    """

    def __init__(
        self, name: str | None = "sparse_categorical_crossentropy", dtype: Any = None,
        from_logits: bool = False, ignore_class: int | None = None, axis: int = -1,
    ) -> None:  # fmt: skip
        super().__init__(
            formulas.sparse_categorical_crossentropy, name, dtype,
            from_logits=from_logits, ignore_class=ignore_class, axis=axis,
        )  # fmt: skip
