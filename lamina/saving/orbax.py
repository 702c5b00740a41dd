"""Checkpoints in the folders of orbax: what `OrbaxCheckpoint` writes, read by the loaders.

A folder holds steps, ``0``, ``1``, ..., each with a tree of arrays (``pytree``) and, unless only
weights were saved, the model's config as text (``model_config``).
"""

import os
from pathlib import Path
from typing import Any

import jax

from lamina.core.errors import StateError
from lamina.saving.configs import built, parsed
from lamina.saving.refusing import refusal


def library() -> Any:
    """The interface of orbax, imported now.

    Raises:
        StateError: with the command that installs it, where it is missing.
    """
    try:
        from orbax import checkpoint
    except ImportError as error:
        raise StateError("Checkpoints of orbax need the package orbax-checkpoint.",
                         fix="pip install orbax-checkpoint") from error  # fmt: skip
    return checkpoint.v1


def is_checkpoint(path: Any) -> bool:
    """Whether a path is a folder of steps of orbax, or one step of it."""
    folder = Path(path)
    names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    steps = [name for name in names if name.isdigit() and (folder / name).is_dir()]
    return bool(steps) or "_CHECKPOINT_METADATA" in names or "orbax.checkpoint" in names


def _step(path: Any) -> Path:
    """The newest step in a folder, or the step that the folder is."""
    folder = Path(os.path.abspath(path))
    steps = [int(each.name) for each in folder.iterdir() if each.name.isdigit()]
    return folder / str(max(steps)) if steps else folder


def load_model(path: Any, compile: bool) -> Any:
    """The model of the newest step in a folder, with all its state."""
    step = _step(path)
    if not (step / "model_config").is_dir():
        raise refusal(
            f"'{path}' holds weights alone, no model.",
            fix="make the model, and call model.load_weights on the folder",
        )
    stored = library().load_checkpointables(step, {"model_config": None})["model_config"]
    model = built(parsed(stored["config"], str(step)), str(step), compile)
    load_weights(model, step)
    return model


def load_weights(model: Any, path: Any) -> None:
    """Set all variables that a step holds; shapes are compared before an array is read."""
    orbax, step = library(), _step(path)
    stored = orbax.checkpointables_metadata(step).metadata["pytree"]
    if model.optimizer is not None and "optimizer_variables" in stored:
        model.optimizer.build(model.trainable_variables)
    own = model.get_state_tree()
    del own["metrics_variables"]  # an epoch begins with new sums
    if model.optimizer is None:
        del own["optimizer_variables"]
    wanted = {
        group: _specs(tree, own[group], group)
        if group in own
        else jax.tree.map(lambda _: orbax.PLACEHOLDER, tree)
        for group, tree in stored.items()
    }
    found = orbax.load_checkpointables(step, {"pytree": wanted})["pytree"]
    model.set_state_tree({group: found[group] for group in own if group in found})


def _specs(stored: Any, own: Any, place: str) -> Any:
    """What to read for each stored array: its shape, where the model's variable lies."""
    if isinstance(stored, dict):
        known = own if isinstance(own, dict) else {}
        return {key: _specs(each, known.get(key), f"{place}/{key}") for key, each in stored.items()}
    if own is None or stored.shape != own.shape:
        raise refusal(
            f"The checkpoint does not fit the model at '{place}'.",
            met=f"stored {stored.shape}, the model has {'nothing' if own is None else own.shape}",
        )
    return jax.ShapeDtypeStruct(stored.shape, stored.dtype, sharding=own.sharding)
