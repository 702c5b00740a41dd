"""The learning rates of an optimizer by the names that logs have for them."""

from typing import Any

from lamina.training.callback import Logs


def rated(optimizer: Any) -> dict[str, Any]:
    """Optimizers that have a rate, by its name in logs: more than one in a `MultiOptimizer`.

    >>> from lamina.optimizers import SGD
    >>> list(rated(SGD()))
    ['learning_rate']
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    several = getattr(inner, "optimizers", None)
    if several is None:
        return {"learning_rate": inner}
    return {f"learning_rate_{each.name}": each for each in several}


def note_rates(optimizer: Any, logs: Logs) -> None:
    """Write the rates into the logs of an epoch, where callbacks and History find them."""
    if isinstance(logs, dict):
        logs |= {name: float(each.learning_rate) for name, each in rated(optimizer).items()}
