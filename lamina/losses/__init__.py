"""Losses: functions of targets and predictions, and classes that weight, mask and reduce them."""

from collections.abc import Callable
from typing import Any

from lamina.core import registry
from lamina.core.errors import ArgumentError, describe_value, unknown
from lamina.core.types import CustomObjects
from lamina.losses.loss import Loss
from lamina.losses.losses import (
    CTC,
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    CategoricalHinge,
    Circle,
    CosineSimilarity,
    Dice,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    Tversky,
)
from lamina.ops.formulas import (
    ALIASES,
    FORMULAS,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    categorical_hinge,
    circle,
    cosine_similarity,
    ctc,
    dice,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
    tversky,
)

__all__ = [
    "CTC",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]

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
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        found = registry.registered_object(identifier) or _KNOWN.get(identifier)
        if found is None:
            raise unknown("loss", identifier, [n for n in _KNOWN if n.islower()])
        identifier = found
    if not callable(identifier):
        raise ArgumentError(
            f"This is no loss: {describe_value(identifier)}.",
            fix="give a name, a Loss, or a function of y_true and y_pred",
        )
    return identifier() if isinstance(identifier, type) else identifier


def serialize(loss: Loss | Callable[..., Any]) -> Any:
    """The config of a loss, class or function, as files hold it."""
    return registry.serialize(loss)


def deserialize(name: Any, custom_objects: CustomObjects = None) -> Any:
    """The loss that `serialize` wrote; a name stands for itself."""
    if isinstance(name, str):
        return registry.registered_object(name, custom_objects) or get(name)
    if "module" not in name and name.get("class_name") in _KNOWN:
        name = {"module": "keras.losses", **name}
    return registry.deserialize(name, custom_objects)
