"""`TrainState`: all arrays that a step of training reads and changes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lamina.core import binding
from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.variable import materialize


class TrainState(NamedTuple):
    """The arrays of a run between two steps, in the order that overridden steps know from Keras.

    Attributes:
        trainable: Of ``model.trainable_variables``, in that order.
        non_trainable: Of ``model.non_trainable_variables``: moving statistics, states of random
            generators, frozen weights.
        optimizer: Of ``model.optimizer.variables``: count of steps, learning rate, moments.
        metrics: Of ``model.metrics_variables``: the running sums behind the logs.
    """

    trainable: Sequence[Any]
    non_trainable: Sequence[Any]
    optimizer: Sequence[Any]
    metrics: Sequence[Any]


def variables_of(model: Any, kind: str = "train") -> TrainState:
    """The variables whose arrays make up the model's state; to predict, those of layers alone."""
    trainable, others, _ = model._found()
    if kind == "predict":
        return TrainState(trainable, others, [], [])
    memory = list(getattr(model.optimizer, "variables", ()))
    return TrainState(trainable, others, memory, model.metrics_variables)


def pairs(variables: TrainState, state: TrainState) -> list[tuple[Any, Any]]:
    """Each variable with its array."""
    for name, own, given in zip(TrainState._fields, variables, state, strict=True):
        if len(own) != len(given):
            raise ArgumentError(
                f"The state does not belong to this model: {name} has {len(given)} arrays.",
                rule=f"the model has {len(own)} variables there",
                fix="take the state from model.state() after compiling and building",
            )
    return [pair for part in zip(variables, state, strict=True)
            for pair in zip(*part, strict=True)]  # fmt: skip


def read(variables: TrainState) -> TrainState:
    """The arrays that the variables stand for here."""
    materialize(v for part in variables for v in part)
    return TrainState(*([binding.read(v) for v in part] for part in variables))


def write(variables: TrainState, state: TrainState) -> None:
    """Make the variables hold the arrays of a state.

    Raises:
        ShapeError: when an array does not fit; nothing is written then.
    """
    matched = pairs(variables, state)
    for variable, array in matched:
        if jnp.shape(array) != variable.shape:
            raise ShapeError(
                f"'{variable.path}' has the shape {variable.shape}; the state has "
                f"{jnp.shape(array)} there. Nothing was changed."
            )
    for variable, array in matched:
        variable.assign(array)


def own_copies(variables: TrainState) -> TrainState:
    """Give each variable a copy of its array that nobody else holds, and return the copies.

    Steps give the memory of their input to their output, so arrays that a user may have kept
    (``layer.kernel.value``, ``model.split()``) must not go in.
    """
    state = jax.device_put(read(variables), may_alias=False)
    for variable, array in pairs(variables, state):
        variable.store(array)
    return state
