"""All variables of a model as nested dicts by their paths, as Keras and orbax lay them out."""

from collections.abc import Iterator, Mapping
from typing import Any

from lamina.core.errors import ArgumentError, ShapeError, nearest
from lamina.training.state import TrainState

GROUPS = tuple(f"{name}_variables" for name in TrainState._fields)


def nested(variables: TrainState, value_format: str) -> dict[str, Any]:
    """``{"trainable_variables": {"dense": {"kernel": array}}, ...}`` for the four groups."""
    formats = {"backend_tensor": lambda v: v.value, "numpy_array": lambda v: v.numpy()}
    if value_format not in formats:
        raise ArgumentError(f"value_format={value_format!r} is none of {list(formats)}.")
    tree: dict[str, Any] = {}
    for group, part in zip(GROUPS, variables, strict=True):
        tree[group] = {}
        for variable in part:
            *places, name = variable.path.split("/")
            folder = tree[group]
            for place in places:
                folder = folder.setdefault(place, {})
            if name in folder:
                raise ArgumentError(
                    f"Two variables have the path '{variable.path}'.",
                    fix="give the layers names of their own",
                )
            folder[name] = formats[value_format](variable)
    return tree


def assign(variables: TrainState, tree: Mapping[str, Any]) -> None:
    """Set the variables that a tree names; all of them or, where one does not fit, none.

    Sums of metrics that are not known yet are passed over: an epoch begins with new ones.
    """
    steps = []
    for group, values in tree.items():
        if group not in GROUPS:
            raise ArgumentError(f"A state tree has no '{group}'. {nearest(group, GROUPS)}".rstrip())
        part = {variable.path: variable for variable in variables[GROUPS.index(group)]}
        for path, value in _leaves(values):
            if path in part:
                steps.append((part[path], value))
            elif group != "metrics_variables":
                raise ArgumentError(
                    f"The model has no variable '{path}' in {group}. {nearest(path, part)}".rstrip()
                )
    for variable, value in steps:
        if (shape := tuple(getattr(value, "shape", variable.shape))) != variable.shape:
            raise ShapeError(
                f"'{variable.path}' has the shape {variable.shape}; the tree has {shape} there. "
                "Nothing was changed."
            )
    for variable, value in steps:
        variable.assign(value)


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}/")
        else:
            yield prefix + name, value
