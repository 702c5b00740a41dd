"""Optimizers: how parameters follow their gradients; `schedules`: rates that change in time."""

from typing import Any

from lamina.core import registry
from lamina.core.errors import ArgumentError, describe_value, unknown
from lamina.core.types import Config, CustomObjects
from lamina.optimizers import schedules
from lamina.optimizers.accumulating import Adadelta, Adafactor, Adagrad, Ftrl, RMSprop
from lamina.optimizers.adaptive import Adam, Adamax, AdamW, Lamb, Nadam, ScheduleFreeAdamW
from lamina.optimizers.momentum import SGD, Lion, Muon
from lamina.optimizers.multiple import MultiOptimizer, OptimizerMap
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.state import OptimizerState as OptimizerState
from lamina.optimizers.wrappers import LossScaleOptimizer, OptaxOptimizer

__all__ = [
    "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion",
    "LossScaleOptimizer", "MultiOptimizer", "Muon", "Nadam", "Optimizer", "OptimizerMap", "RMSprop",
    "ScheduleFreeAdamW", "deserialize", "get", "schedules", "serialize",
]  # fmt: skip

_KNOWN: dict[str, Any] = {
    name.lower(): thing
    for name, thing in list(vars().items())
    if isinstance(thing, type) and issubclass(thing, Optimizer) and name in __all__
}


def get(identifier: Any) -> Any:
    """The optimizer that a name, a config, a class or an optax transformation stands for.

    >>> get("Adam").beta_1
    0.9

    Raises:
        UnknownNameError: for a name that is no optimizer, with the nearest one.
    """
    if identifier is None or isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        found = registry.registered_object(identifier) or _KNOWN.get(identifier.lower())
        if found is None:
            raise unknown("optimizer", identifier, sorted(_KNOWN))
        return found()
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()  # type: ignore[call-arg]
    if callable(getattr(identifier, "init", None)) and callable(
        getattr(identifier, "update", None)
    ):
        return OptaxOptimizer(identifier)
    raise ArgumentError(
        f"This is no optimizer: {describe_value(identifier)}.",
        fix="give a name, an Optimizer, or an optax transformation",
    )


def serialize(optimizer: Optimizer) -> Config:
    """The config of an optimizer, as files hold it."""
    return registry.serialize(optimizer)


def deserialize(config: Config, custom_objects: CustomObjects = None) -> Any:
    """The optimizer that `serialize` wrote; its class may be named in any case."""
    known = _KNOWN.get(str(config.get("class_name")).lower())
    named = {"class_name": known.__name__} if known else {}
    return registry.deserialize({"module": "keras.optimizers", **config, **named}, custom_objects)
