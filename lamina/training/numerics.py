"""Where NaN or inf came from: the data, a layer, the loss, a gradient, or an update."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import binding, calling, nest
from lamina.core.errors import NumericsError
from lamina.training import step as steps
from lamina.training.program import overridden
from lamina.training.state import TrainState, pairs, variables_of
from lamina.training.step import Batch


class Guard:
    """Runs steps one by one, and does not let through one that gives NaN or inf."""

    def __init__(self, model: Any) -> None:
        self.model, self.number = model, 0
        self.all_finite = jax.jit(_all_finite)

    def __call__(self, function: Any, state: TrainState, batch: Batch) -> tuple[TrainState, Any]:
        """The next state, and logs.

        Raises:
            NumericsError: saying where the first such number is; the model is as it was before
                the step.
        """
        new, logs = function(state, batch)
        losses = [value for name, value in logs.items() if name.endswith("loss")]
        if not self.all_finite((new.trainable, losses)):
            raise NumericsError(
                f"Batch {self.number} of this run gives NaN or inf: {self._where(state, batch)}.",
                rule="check_numerics=True was asked for; the weights are those before this batch",
                fix="look at this batch, lower the learning rate, or clip the gradients "
                "(clipnorm=1.0 in the optimizer)",
            )
        self.number += 1
        return new, logs

    def _where(self, state: TrainState, batch: Batch) -> str:
        for name, part in zip(("x", "y", "sample_weight"), batch, strict=False):
            for path, leaf in jax.tree_util.tree_flatten_with_path(part)[0]:
                values = np.asarray(leaf)
                if values.dtype.kind in "fV" and not np.isfinite(values).all():
                    place = np.argwhere(~np.isfinite(values))[0].tolist()
                    shown = ", ".join(map(str, place))
                    key = jax.tree_util.keystr(path)
                    return f"the data, {name}{key}[{shown}] is {values[tuple(place)]}"
        layer = first_layer(self.model, state, batch)
        if layer is not None:
            return f"in the forward pass, first in the output of {layer._who()}"
        if overridden(self.model, "train_step"):
            return f"in {type(self.model).__name__}.train_step, not in the layers' outputs"
        trainable = list(state.trainable)

        def loss(arrays: list[Any]) -> Any:
            return steps.compute(self.model, state._replace(trainable=arrays), batch, True)[0]

        value, grads = jax.jit(jax.value_and_grad(loss))(trainable)
        if not math.isfinite(value):
            return f"in the loss, which is {float(value)}, though the outputs are finite"
        paths = [variable.path for variable in variables_of(self.model).trainable]
        wrong = [p for p, grad in zip(paths, grads, strict=True) if not np.isfinite(grad).all()]
        if wrong:  # gradients run from the last layer to the first
            return f"in the gradient, first in that of '{wrong[-1]}'; loss and outputs are finite"
        new, _ = steps.train_step(self.model, state, batch)
        wrong = [p for p, a in zip(paths, new.trainable, strict=True) if not np.isfinite(a).all()]
        if wrong:
            return f"in the update of '{wrong[0]}' by the optimizer; the gradients are finite"
        return "in the mean of the losses of this epoch"


def _all_finite(arrays: Any) -> Any:
    floats = [a for a in jax.tree.leaves(arrays) if jnp.issubdtype(a.dtype, jnp.floating)]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(a)) for a in floats] or [jnp.array(True)]))


def first_layer(model: Any, state: TrainState, batch: Batch) -> Any:
    """The layer whose output, of all in the order of their calls, first is not finite."""
    called: list[Any] = []
    wrong: set[int] = set()

    def note(number: int, good: Any) -> None:
        if not good:
            wrong.add(number)

    def watched(layer: Any, call: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            outputs = call(*args, **kwargs)
            called.append(layer)
            jax.debug.callback(functools.partial(note, len(called) - 1), _all_finite(outputs))
            return outputs

        return run

    def forward(state: TrainState, x: Any) -> Any:
        with binding.bind(pairs(variables_of(model), state), training=True):
            return [jnp.asarray(a) for a in nest.flatten(model(x, training=True))]

    with calling.around_calls(model._flatten_layers(), watched):
        jax.block_until_ready(jax.jit(forward)(state, batch.x))
        jax.effects_barrier()
    return called[min(wrong)] if wrong else None
