"""Checkpoints in the folders of orbax: what `OrbaxCheckpoint` writes, read by the loaders.

A folder holds steps, ``0``, ``1``, ..., each with a tree of arrays (``pytree``) and, unless only
weights were saved, the model's config as text (``model_config``).
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import jax

from lamina.core.errors import StateError
from lamina.saving.configs import built, parsed
from lamina.saving.refusing import refusal

Key: TypeAlias = tuple[str, str]
"""A group of variables, and a path in it."""


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
    known = {_key(path): array for path, array in jax.tree.leaves_with_path(own)}
    places: dict[Key, Key] = {}

    def spec(path: Any, leaf: Any) -> Any:
        group, name = key = _key(path)
        if group not in own:
            return orbax.PLACEHOLDER
        places[key] = place = _alike(key, known)
        array: Any = known.get(place)
        if array is None or leaf.shape != array.shape:
            raise refusal(
                f"The checkpoint does not fit the model at '{name}' of {group}.",
                met=f"stored {leaf.shape}, the model has {getattr(array, 'shape', 'nothing')}",
            )
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=array.sharding)

    wanted = jax.tree.map_with_path(spec, stored)
    found = orbax.load_checkpointables(step, {"pytree": wanted})["pytree"]
    new: dict[str, Any] = {group: {} for group in own}
    for path, leaf in jax.tree.leaves_with_path(found):
        if _key(path) in places:
            group, name = places[_key(path)]
            new[group][name] = leaf
    model.set_state_tree(new)


def _key(path: Any) -> Key:
    group, *names = (str(each.key) for each in path)
    return group, "/".join(names)


def _alike(key: Key, known: Iterable[Key]) -> Key:
    """The variable for a stored one: the same, or the one that differs by an outer name alone.

    A `Sequential` of a file has no part in the paths of its layers, one that is described has.
    """

    def plain(key: Key) -> str:
        group, path = key
        below = path.partition("/")[2] if group == "optimizer_variables" else path
        return f"_{below.replace('/', '_')}"

    near = [x for x in known if x[0] == key[0]
            and (plain(key).endswith(plain(x)) or plain(x).endswith(plain(key)))]  # fmt: skip
    return key if key in known or len(near) != 1 else near[0]
