"""What was compiled for a model's steps, and why."""

import warnings
from typing import Any, NamedTuple

import jax

KEPT = 256
SHAPES_NOTED = 8


class Compilation(NamedTuple):
    """A program that was compiled.

    Attributes:
        kind: "train", "test" or "predict".
        form: "loop" over arrays on the device, "batch" by itself.
        shapes: Shape and dtype of each array of data.
        cause: Why the programs there were before did not serve.
    """

    kind: str
    form: str
    shapes: tuple[tuple[tuple[int, ...], str], ...]
    cause: str


def note(model: Any, program: Any, form: str, data: Any) -> None:
    """Write down that a program has just been compiled for some data."""
    found = model._training.compilations
    arrays = jax.tree.leaves(data)
    shapes = tuple((tuple(a.shape), str(a.dtype)) for a in arrays)
    before = next((c for c in reversed(found) if c[0].kind == program.kind), None)
    cause = "first"
    if before is not None:
        cause = _cause(before[0], before[1], program, form, shapes)
    found.append((Compilation(program.kind, form, shapes, cause), program.key))
    del found[:-KEPT]
    same = {c.shapes for c, key in found if c.kind == program.kind and key == program.key}
    if len(same) == SHAPES_NOTED and before is not None and shapes != before[0].shapes:
        warnings.warn(
            f"{model._who()}: the step of {program.kind} has been compiled for {SHAPES_NOTED} "
            f"shapes of data, the last for {shapes[0][0]} [many-shapes]. Every new shape compiles "
            "anew: pad samples to a few lengths, and give batches of one size.",
            stacklevel=5,
        )


def _cause(old: Compilation, key: Any, program: Any, form: str, shapes: Any) -> str:
    if key != program.key:
        return difference(key, program.key)
    for (was, dtype), (now, other) in zip(old.shapes, shapes, strict=False):
        if was[1:] != now[1:]:
            return f"shape {now} instead of {was}"
        if dtype != other:
            return f"dtype {other} instead of {dtype}"
        if was != now:
            return f"batch of {now[0]} rows instead of {was[0]}"
    if form != old.form:
        return f"a {form} besides the {old.form}"
    return "other parts of data" if len(old.shapes) != len(shapes) else "arrays placed otherwise"


def difference(old: Any, new: Any, place: str = "the model") -> str:
    """Where two keys of programs part: which attribute, of which layer."""
    if isinstance(new, tuple) and isinstance(old, tuple) and old and new:
        if isinstance(new[0], type) and len(new) == len(old) == 5:  # a layer
            place = new[0].__name__
            if old[0] is new[0] and old[1] != new[1]:
                return f"trainable of {place} changed"
        elif isinstance(new[0], str) and len(new) == 2 and old[0] == new[0]:
            place = f"attribute '{new[0]}' of {place.rpartition(' of ')[2]}"
        if len(old) == len(new):
            for one, other in zip(old, new, strict=True):
                if one != other:
                    return difference(one, other, place)
    return f"{place} changed"


__all__ = ["Compilation", "difference", "note"]
