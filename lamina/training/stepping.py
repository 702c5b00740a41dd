"""`Stepping`: the step of training as methods to call and to override, pure functions of arrays."""

from typing import Any

from lamina.core import binding
from lamina.core.types import Array, Nest
from lamina.training import loop, program, trees
from lamina.training import step as steps
from lamina.training.state import TrainState, pairs, read, variables_of, write
from lamina.training.step import Batch


class Stepping:
    """Mixed into `Trainer`: states, and steps from one to the next."""

    optimizer: Any

    def state(self) -> TrainState:
        """All arrays of training, of a built and compiled model, as a named tuple."""
        if self.optimizer is not None:
            program._build_optimizer(self)
        return read(variables_of(self))

    def set_state(self, state: TrainState) -> None:
        """Make the variables of model, optimizer and metrics hold the arrays of ``state``."""
        write(variables_of(self), state)

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """All variables as nested dicts by their paths, in four groups.

        Args:
            value_format: ``"backend_tensor"`` for JAX arrays, or ``"numpy_array"``.
        """
        return trees.nested(variables_of(self), value_format)

    def set_state_tree(self, state_tree: dict[str, Any]) -> None:
        """Set the variables that a tree like that of `get_state_tree` names; all or none."""
        trees.assign(variables_of(self), state_tree)

    def step(self, state: TrainState, batch: Any) -> tuple[TrainState, dict[str, Array]]:
        """One step of training as a pure function: the one that `fit` runs.

        Args:
            state: What `state` or the last step gave.
            batch: A tuple of inputs, targets and, if there are some, sample weights.

        Returns:
            The next state, and logs with the means since the metrics in ``state`` were reset. The
            model itself does not change: `set_state` puts a state into it.
        """
        return loop.step(self, state, batch)

    def train_step(self, state: Any, data: Any) -> tuple[dict[str, Array], Any]:
        """One step of training, to be overridden.

        Args:
            state: ``(trainable, non_trainable, optimizer, metrics)`` variables, lists of arrays.
            data: A tuple of inputs, targets and, if there are some, sample weights.

        Returns:
            Logs, and the next state.
        """
        new, logs = steps.train_step(self, TrainState(*state), Batch.of(data))
        return logs, tuple(new)

    def test_step(self, state: Any, data: Any) -> tuple[dict[str, Array], Any]:
        """As `train_step`, without optimizer variables in the state and without training."""
        memory = [binding.read(v) for v in getattr(self.optimizer, "variables", ())]
        full = TrainState(state[0], state[1], memory, state[2])
        new, logs = steps.test_step(self, full, Batch.of(data))
        return logs, (new.trainable, new.non_trainable, new.metrics)

    def predict_step(self, state: Any, data: Any) -> tuple[Nest, list[Array]]:
        """Outputs for ``(trainable, non_trainable)`` arrays, and the non-trainable ones after."""
        full = TrainState(state[0], state[1], [], [])
        new, outputs = steps.predict_step(self, full, Batch.of(data))
        return outputs, list(new.non_trainable)

    def compute_loss_and_updates(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        metrics_variables: Any,
        x: Nest,
        y: Nest,
        sample_weight: Nest,
        training: bool = False,
        optimizer_variables: Any = None,
    ) -> tuple[Array, tuple[Array, Nest, list[Array], list[Array]]]:
        """The loss as a pure function, for ``jax.value_and_grad(..., has_aux=True)``.

        Returns:
            The loss, scaled for the optimizer when training; and the loss itself, predictions, and
            new non-trainable and metric arrays.
        """
        known = variables_of(self)
        if optimizer_variables is None:
            known, optimizer_variables = known._replace(optimizer=[]), []
        given = (trainable_variables, non_trainable_variables, optimizer_variables)
        values = pairs(known, TrainState(*given, metrics_variables))
        with binding.bind(values, training=training) as trace:
            y_pred = self(x, training=training)  # type: ignore[operator]
            loss = steps.total_loss(self, Batch(x, y, sample_weight), y_pred, training)
            scaled = self.optimizer.scale_loss(loss) if training and self.optimizer else loss
            rest = [trace.values[v] for v in known.non_trainable]
            sums = [trace.values[v] for v in known.metrics]
        return scaled, (loss, y_pred, rest, sums)

    def stateless_compute_loss(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        metrics_variables: Any,
        x: Nest = None,
        y: Nest = None,
        y_pred: Nest = None,
        sample_weight: Nest = None,
        training: bool = True,
    ) -> tuple[Array, tuple[list[Array], list[Array], list[Array]]]:
        """`compute_loss` as a pure function: the loss, and the three lists of arrays after it."""
        known = variables_of(self)._replace(optimizer=[])
        given = (trainable_variables, non_trainable_variables, [], metrics_variables)
        with binding.bind(pairs(known, TrainState(*given)), training=training) as trace:
            loss = steps.total_loss(self, Batch(x, y, sample_weight), y_pred, training)
            first, second, _, third = ([trace.values[v] for v in own] for own in known)
        return loss, (first, second, third)
