"""`OrbaxCheckpoint`: the state of training in the folders of orbax, written in the background."""

import json
import os
from dataclasses import dataclass
from typing import Any, Literal

import jax

from lamina.callbacks.monitoring import Mode, SavingCallback
from lamina.core.registry import serialize
from lamina.saving.orbax import library
from lamina.training.callback import Logs


@dataclass(eq=False, repr=False)
class OrbaxCheckpoint(SavingCallback):
    """Saves model and optimizer with orbax, on all hosts of a run together.

    `lamina.saving.load_model` and ``model.load_weights`` read the newest step of the folder.

    Args:
        directory: The folder; each checkpoint is a folder in it, named by its step.
        monitor: Name of the log that tells which model is best.
        verbose: 1 says what is saved.
        save_best_only: Whether only a better model is saved.
        mode: Whether less ("min") or more ("max") is better; "auto" asks the metric.
        save_freq: ``"epoch"``, where steps are epochs, or after how many batches, where they are
            training steps.
        initial_value_threshold: The value that the first model has to beat.
        max_to_keep: How many checkpoints stay; None keeps all.
        save_on_background: Whether training goes on while files are written.
        save_weights_only: Whether optimizer, metrics and the model's config are left out.

    Raises:
        StateError: if orbax-checkpoint is not installed.
    """

    directory: str | os.PathLike[str]
    monitor: str = "val_loss"
    verbose: int = 0
    save_best_only: bool = False
    mode: Mode | str = "auto"
    save_freq: int | Literal["epoch"] = "epoch"
    initial_value_threshold: float | None = None
    max_to_keep: int | None = 1
    save_on_background: bool = True
    save_weights_only: bool = False
    saves_blindly = False
    # Steps copy the state after an event of ours, so what is being written is not overwritten.
    runs_user_code = True
    _checkpointer: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        library()
        self._total = 0

    @property
    def checkpointer(self) -> Any:
        """The object of orbax that writes; made anew after it was closed."""
        if self._checkpointer is None:
            training, keep = library().training, None
            if self.max_to_keep is not None:
                keep = training.preservation_policies.LatestN(self.max_to_keep)
            self._checkpointer = training.Checkpointer(
                os.path.abspath(self.directory),
                preservation_policy=keep,
                save_decision_policy=training.save_decision_policies.FixedIntervalPolicy(1),
            )
        return self._checkpointer

    def is_multihost_enabled(self) -> bool:
        """Whether several processes train together, and save together."""
        return jax.process_count() > 1

    def is_primary_host(self) -> bool:
        """Whether this is the first process."""
        return jax.process_index() == 0

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        if getattr(model, "optimizer", None) is not None:
            self._total = int(model.optimizer.iterations)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._checkpointer = self.checkpointer  # makes the folder

    def _save(self, epoch: int, batch: int | None, logs: Logs) -> None:
        self._save_checkpoint(epoch if batch is None else self._total + self._batches, logs)

    def _save_checkpoint(self, step: int, logs: Logs = None) -> None:
        tree: dict[str, Any] = self.model.get_state_tree()
        payload: dict[str, Any] = {"pytree": tree}
        if self.save_weights_only:
            payload["pytree"] = {
                name: tree[name] for name in ("trainable_variables", "non_trainable_variables")
            }
        else:
            payload["model_config"] = {"config": json.dumps(serialize(self.model))}
        if self.save_on_background:
            self.checkpointer.save_checkpointables_async(step, payload)
        else:
            self.checkpointer.save_checkpointables(step, payload)
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: saved step {step} to {self.directory}.")

    def wait_until_finished(self) -> None:
        """Wait until all files are written."""
        if self._checkpointer is not None:
            self._checkpointer.wait()

    def on_train_end(self, logs: Logs = None) -> None:
        if self._checkpointer is not None:
            self._checkpointer.close()
            self._checkpointer = None
