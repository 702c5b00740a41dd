"""Checkpoints in the folders of orbax: what `OrbaxCheckpoint` writes, read by the loaders.

A folder holds steps, ``0``, ``1``, ..., each with a tree of arrays (``pytree``) and, unless only
weights were saved, the model's config as text (``model_config``).
"""

import os
from collections.abc import Iterable, Iterator
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
    wanted = jax.tree.map(lambda _: orbax.PLACEHOLDER, stored)
    places: dict[tuple[str, str], str] = {}
    for group in (group for group in own if group in stored):
        known = dict(_flat(own[group]))
        for path, leaf in _flat(stored[group]):
            place = places[group, path] = _alike(path, known, group)
            array = known.get(place)
            if array is None or leaf.shape != array.shape:
                raise refusal(
                    f"The checkpoint does not fit the model at '{path}' of {group}.",
                    met=f"stored {leaf.shape}, the model has {getattr(array, 'shape', 'nothing')}",
                )
            folder, *names = wanted[group], *path.split("/")
            for name in names[:-1]:
                folder = folder[name]
            spec = jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=array.sharding)
            folder[names[-1]] = spec
    found = orbax.load_checkpointables(step, {"pytree": wanted})["pytree"]
    new: dict[str, Any] = {group: {} for group in own}
    for group in own:
        for path, leaf in _flat(found.get(group, {})):
            new[group][places[group, path]] = leaf
    model.set_state_tree(new)


def _flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, each in tree.items():
        if isinstance(each, dict):
            yield from _flat(each, f"{prefix}{name}/")
        else:
            yield prefix + name, each


def _alike(path: str, known: Iterable[str], group: str) -> str:
    """The variable for a stored path: the same, or the one that differs by an outer name alone.

    A `Sequential` of a file has no part in the paths of its layers, one that is described has.
    """

    def plain(each: str) -> str:
        _, _, below = each.partition("/") if group == "optimizer_variables" else ("", "", each)
        return "_" + below.replace("/", "_")

    given = plain(path)
    near = [x for x in known if given.endswith(plain(x)) or plain(x).endswith(given)]
    return path if path in known or len(near) != 1 else near[0]
