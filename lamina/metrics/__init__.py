"""Metrics: figures of merit, updated batch by batch."""

# ruff: noqa: I001
from collections.abc import Callable
from typing import Any

from lamina.core import lookup, registry
from lamina.core.naming import to_snake_case
from lamina.core.types import CustomObjects

# fmt: off
from lamina.metrics.accuracy import (
    Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy, TopKCategoricalAccuracy, binary_accuracy, categorical_accuracy,
    sparse_categorical_accuracy, sparse_top_k_categorical_accuracy, top_k_categorical_accuracy,
)
from lamina.metrics.accuracy import resolve_accuracy as resolve_accuracy
from lamina.metrics.accuracy import resolve_crossentropy as resolve_crossentropy
from lamina.metrics.confusion import (
    AUC, FalseNegatives, FalsePositives, Precision, PrecisionAtRecall, Recall, RecallAtPrecision,
    SensitivityAtSpecificity, SpecificityAtSensitivity, TrueNegatives, TruePositives,
)
from lamina.metrics.losses import (
    BinaryCrossentropy, CategoricalCrossentropy, CategoricalHinge, CosineSimilarity, Hinge,
    KLDivergence, LogCoshError, MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError,
    MeanSquaredLogarithmicError, Poisson, RootMeanSquaredError, SparseCategoricalCrossentropy,
    SquaredHinge,
)
from lamina.metrics.metric import Metric
from lamina.metrics.overlap import (
    BinaryIoU, F1Score, FBetaScore, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU,
)
from lamina.metrics.reduction import Mean, MeanMetricWrapper, Sum
from lamina.metrics.regression import (
    ConcordanceCorrelation, PearsonCorrelation, R2Score, concordance_correlation,
    pearson_correlation,
)
from lamina.ops.formulas import (
    ALIASES, FORMULAS, binary_crossentropy, binary_focal_crossentropy, categorical_crossentropy,
    categorical_focal_crossentropy, categorical_hinge, hinge, huber, kl_divergence, log_cosh,
    mean_absolute_error, mean_absolute_percentage_error, mean_squared_error,
    mean_squared_logarithmic_error, poisson, sparse_categorical_crossentropy, squared_hinge,
)
# fmt: on

__all__ = [
    "AUC", "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "BinaryIoU", "CategoricalAccuracy",
    "CategoricalCrossentropy", "CategoricalHinge", "ConcordanceCorrelation", "CosineSimilarity",
    "F1Score", "FBetaScore", "FalseNegatives", "FalsePositives", "Hinge", "IoU", "KLDivergence",
    "LogCoshError", "Mean", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanIoU",
    "MeanMetricWrapper", "MeanSquaredError", "MeanSquaredLogarithmicError", "Metric", "OneHotIoU",
    "OneHotMeanIoU", "PearsonCorrelation", "Poisson", "Precision", "PrecisionAtRecall", "R2Score",
    "Recall", "RecallAtPrecision", "RootMeanSquaredError", "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy", "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity", "SquaredHinge", "Sum", "TopKCategoricalAccuracy", "TrueNegatives",
    "TruePositives", "binary_accuracy", "binary_crossentropy", "binary_focal_crossentropy",
    "categorical_accuracy", "categorical_crossentropy", "categorical_focal_crossentropy",
    "categorical_hinge", "concordance_correlation", "deserialize", "get", "hinge", "huber",
    "kl_divergence", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error", "pearson_correlation", "poisson",
    "serialize", "sparse_categorical_accuracy", "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy", "squared_hinge", "top_k_categorical_accuracy",
]  # fmt: skip

_CLASSES = [
    thing for name, thing in list(vars().items()) if isinstance(thing, type) and name in __all__
]
_KNOWN: dict[str, Any] = {
    **FORMULAS,
    **{each.__name__: each for each in _CLASSES},
    **{to_snake_case(each.__name__): each for each in _CLASSES},
}
_KNOWN |= {
    alias: _KNOWN[name] for short, name in ALIASES.items() for alias in (short, short.upper())
}


def get(identifier: Any) -> Any:
    """The metric that a name, a config, a class or a callable stands for; None stays None.

    ``"accuracy"`` alone stands for equality; `resolve_accuracy` chooses by the shapes of data.

    >>> get("mse").name, get("AUC").curve
    ('mean_squared_error', 'ROC')

    Raises:
        UnknownNameError: for a name that is no metric, with the nearest one.
    """
    return lookup.find(identifier, "metric", _KNOWN)


def serialize(metric: Metric | Callable[..., Any]) -> Any:
    """The config of a metric, class or function, as files hold it."""
    return registry.serialize(metric)


def deserialize(config: Any, custom_objects: CustomObjects = None) -> Any:
    """The metric that `serialize` wrote; a name stands for itself."""
    if isinstance(config, str):
        return registry.registered_object(config, custom_objects) or get(config)
    return lookup.from_config(config, _KNOWN, custom_objects)
