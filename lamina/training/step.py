"""One step of training, testing or predicting as a pure function of arrays.

``train_step(model, state, batch) -> (state, logs)`` is what `fit` runs, in whatever number at a
time, and what ``model.step`` gives to users.
"""

from inspect import signature
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lamina.core import binding, masking, nest
from lamina.core.errors import ArgumentError, ShapeError, StateError
from lamina.core.types import Array, Nest
from lamina.core.variable import read_all
from lamina.losses.loss import counting
from lamina.optimizers.state import weighing
from lamina.training.state import TrainState, pairs, variables_of


class Batch(NamedTuple):
    """Samples of one step.

    Attributes:
        x: Inputs, a nest of arrays with a common first axis.
        y: Targets, or None.
        weight: Sample weights, or None.
        real: Which rows count; None when all do. The others fill up the last batch of an epoch.
    """

    x: Nest
    y: Nest = None
    weight: Nest = None
    real: Array | None = None

    @classmethod
    def of(cls, data: Any) -> "Batch":
        """A batch from what data sources yield: ``x``, ``(x,)``, ``(x, y)`` or ``(x, y, weight)``.

        >>> Batch.of((1, 2)).y
        2
        """
        if isinstance(data, cls):
            return data
        if not isinstance(data, (tuple, list)) or not data:
            return cls(data)
        if len(data) > 3:
            raise ArgumentError(
                f"A batch of data has {len(data)} parts.",
                rule="it is x, (x, y) or (x, y, sample_weight)",
                fix="put several inputs into one tuple or dict: ((a, b), y)",
            )
        return cls(*data)

    def data(self) -> tuple[Any, ...]:
        """The batch as overridden steps get it: a tuple without what is missing at its end."""
        if self.weight is not None:
            return self.x, self.y, self.weight
        return (self.x,) if self.y is None else (self.x, self.y)


class Facts:
    """What tracing a step shows about the model, besides the program.

    Attributes:
        rowwise: Whether the result for a row depends on that row alone, as far as statistics
            and losses inside the layers tell.
    """

    def __init__(self) -> None:
        self.rowwise = True


def compute(
    model: Any, state: TrainState, batch: Batch, training: bool, facts: Facts | None = None
) -> tuple[Array, tuple[list[Array], list[Array], dict[str, Array]]]:
    """Loss of a batch; and new non-trainable arrays, metric arrays, and logs.

    All variables stand for the arrays of ``state`` meanwhile, so layers, losses and metrics (a
    user's own ones too) read and assign as they always do.
    """
    variables = variables_of(model)
    with binding.bind(pairs(variables, state), training=training) as trace:
        y_pred = model(batch.x, training=training)
        if facts is not None:
            kept = any(v.dtype != "uint32" for v in trace.written)
            facts.rowwise &= not kept and not trace.losses
        if batch.real is not None:
            _mask_rows(y_pred, batch.real)
        loss = total_loss(model, batch, y_pred, training)
        seen = nest.map_structure(_detached, y_pred)
        if any(model.loss_tracker is metric for metric in model.metrics):
            own = jax.lax.stop_gradient(loss)
            model.loss_tracker.update_state(own, sample_weight=rows_of(batch))
        logs = read_all(model.compute_metrics(batch.x, batch.y, seen, batch.weight))
        non_trainable = [trace.values[v] for v in variables.non_trainable]
        metrics = [trace.values[v] for v in variables.metrics]
    return loss, (non_trainable, metrics, logs)


def rows_of(batch: Batch) -> Any:
    """How many rows of a batch count."""
    if batch.real is not None:
        return jnp.sum(batch.real)
    return nest.flatten(batch.x)[0].shape[0]


def total_loss(model: Any, batch: Batch, y_pred: Nest, training: bool) -> Array:
    """What ``model.compute_loss`` gives, checked to be one number."""
    given = (batch.x, batch.y, y_pred, batch.weight)
    named = {"training": training} if "training" in signature(model.compute_loss).parameters else {}
    loss = model.compute_loss(*given, **named)
    if loss is None or jnp.shape(loss) != ():
        met = "None" if loss is None else f"an array of shape {jnp.shape(loss)}"
        raise ShapeError(
            f"The loss of {model._who()} is not one number.",
            met=met,
            rule="training follows the gradient of a scalar",
            fix="return a scalar from compute_loss, and use losses with a reduction",
        )
    return jnp.asarray(loss)


def _detached(x: Array) -> Array:
    """The same numbers without a gradient, with the same mask."""
    detached, mask = jax.lax.stop_gradient(x), masking.get_mask(x)
    if mask is not None and detached is not x:
        masking.set_mask(detached, mask)
    return detached


def _mask_rows(y_pred: Nest, real: Array) -> None:
    """Add to the masks of the outputs that rows which are not real do not count."""
    for x in nest.flatten(y_pred):
        mask = masking.get_mask(x)
        rows = real if mask is None else real.reshape(real.shape + (1,) * (mask.ndim - 1)) & mask
        masking.set_mask(x, rows)


def train_step(
    model: Any, state: TrainState, batch: Batch, facts: Facts | None = None
) -> tuple[TrainState, dict[str, Array]]:
    """One step of gradient descent: the next state, and the logs with running means."""
    optimizer = model.optimizer
    if optimizer is None:
        raise StateError(f"{model._who()} has no optimizer: compile it with one to train it.")

    def scaled(trainable: list[Array]) -> tuple[Array, Any]:
        with counting() as counts:
            loss, rest = compute(model, state._replace(trainable=trainable), batch, True, facts)
        rest = *rest, counts[0] if len(counts) == 1 else rows_of(batch)
        with binding.bind(list(zip(optimizer.variables, state.optimizer, strict=True))):
            return optimizer.scale_loss(loss), rest

    trainable, memory = list(state.trainable), list(state.optimizer)
    grads, (non_trainable, metrics, logs, count) = jax.grad(scaled, has_aux=True)(trainable)
    if trainable:
        with weighing(count):
            trainable, memory = optimizer.stateless_apply(memory, grads, trainable)
    return TrainState(trainable, non_trainable, memory, metrics), logs


def test_step(
    model: Any, state: TrainState, batch: Batch, facts: Facts | None = None
) -> tuple[TrainState, dict[str, Array]]:
    """Loss and metrics of a batch, as running means; weights stay as they are."""
    _, (non_trainable, metrics, logs) = compute(model, state, batch, False, facts)
    return state._replace(non_trainable=non_trainable, metrics=metrics), logs


def predict_step(
    model: Any, state: TrainState, batch: Batch, facts: Facts | None = None
) -> tuple[TrainState, Nest]:
    """The outputs for a batch."""
    variables = variables_of(model, "predict")
    with binding.bind(pairs(variables, state), training=False) as trace:
        outputs = read_all(model(batch.x, training=False))
        if facts is not None:
            facts.rowwise &= all(v.dtype == "uint32" for v in trace.written)
        non_trainable = [trace.values[v] for v in variables.non_trainable]
    return state._replace(non_trainable=non_trainable), outputs
