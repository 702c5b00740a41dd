"""Losses: functions of targets and predictions, and classes that weight, mask and reduce them."""

# ruff: noqa: I001
from collections.abc import Callable
from typing import Any

from lamina.core import lookup, registry
from lamina.core.types import CustomObjects

# fmt: off
from lamina.losses.loss import Loss
from lamina.losses.losses import (
    CTC, BinaryCrossentropy, BinaryFocalCrossentropy, CategoricalCrossentropy,
    CategoricalFocalCrossentropy, CategoricalGeneralizedCrossEntropy, CategoricalHinge, Circle,
    CosineSimilarity, Dice, Hinge, Huber, KLDivergence, LogCosh, MeanAbsoluteError,
    MeanAbsolutePercentageError, MeanSquaredError, MeanSquaredLogarithmicError, Poisson,
    SparseCategoricalCrossentropy, SquaredHinge, Tversky,
)
from lamina.ops.formulas import (
    ALIASES, FORMULAS, binary_crossentropy, binary_focal_crossentropy, categorical_crossentropy,
    categorical_focal_crossentropy, categorical_generalized_cross_entropy, categorical_hinge,
    circle, cosine_similarity, ctc, dice, hinge, huber, kl_divergence, log_cosh,
    mean_absolute_error, mean_absolute_percentage_error, mean_squared_error,
    mean_squared_logarithmic_error, poisson, sparse_categorical_crossentropy, squared_hinge,
    tversky,
)
# fmt: on

__all__ = [
    "CTC", "BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy", "CategoricalGeneralizedCrossEntropy", "CategoricalHinge",
    "Circle", "CosineSimilarity", "Dice", "Hinge", "Huber", "KLDivergence", "LogCosh", "Loss",
    "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError",
    "MeanSquaredLogarithmicError", "Poisson", "SparseCategoricalCrossentropy", "SquaredHinge",
    "Tversky", "binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy",
    "categorical_focal_crossentropy", "categorical_generalized_cross_entropy", "categorical_hinge",
    "circle", "cosine_similarity", "ctc", "deserialize", "dice", "get", "hinge", "huber",
    "kl_divergence", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error", "poisson", "serialize",
    "sparse_categorical_crossentropy", "squared_hinge", "tversky",
]  # fmt: skip

_KNOWN: dict[str, Any] = {
    **FORMULAS,
    **{name: thing for name, thing in vars().items() if isinstance(thing, type)},
    **{short: FORMULAS[name] for short, name in ALIASES.items()},
    **{short.upper(): FORMULAS[name] for short, name in ALIASES.items()},
}


def get(identifier: Any) -> Any:
    """The loss that a name, a config, a class or a callable stands for; None stays None.

    >>> get("mse") is mean_squared_error, get("CategoricalCrossentropy").from_logits
    (True, False)

    Raises:
        UnknownNameError: for a name that is no loss, with the nearest one.
    """
    return lookup.find(identifier, "loss", _KNOWN)


def serialize(loss: Loss | Callable[..., Any]) -> Any:
    """The config of a loss, class or function, as files hold it."""
    return registry.serialize(loss)


def deserialize(name: Any, custom_objects: CustomObjects = None) -> Any:
    """The loss that `serialize` wrote; a name stands for itself."""
    if isinstance(name, str):
        return registry.registered_object(name, custom_objects) or get(name)
    return lookup.from_config(name, _KNOWN, custom_objects)
