"""Arrays in nested lists, tuples and dicts.

Layers, variables, symbolic tensors and None are leaves.
"""

from collections.abc import Callable
from typing import Any

import jax

from lamina.core.types import Nest


def is_leaf(value: Any) -> bool:
    """Whether a value is one leaf, though jax might see a tree in it."""
    kind = type(value)
    return value is None or getattr(kind, "is_layer", False) or getattr(kind, "is_variable", False)


def flatten(structure: Nest) -> list[Any]:
    """The leaves, dicts in the order of their sorted keys.

    >>> flatten({"b": 1, "a": [2, None]})
    [2, None, 1]
    """
    return jax.tree.leaves(structure, is_leaf=is_leaf)


def flatten_with(structure: Nest) -> tuple[list[Any], Any]:
    """The leaves, and the structure that `unflatten` takes."""
    return jax.tree.flatten(structure, is_leaf=is_leaf)


def unflatten(treedef: Any, leaves: list[Any]) -> Nest:
    """The nest of this structure with these leaves."""
    return jax.tree.unflatten(treedef, leaves)


def map_structure(function: Callable[..., Any], structure: Nest, *others: Nest) -> Nest:
    """The nest with ``function`` applied to each leaf (and to those of ``others`` beside it).

    >>> map_structure(lambda a, b: a + b, [1, {"x": 2}], [10, {"x": 20}])
    [11, {'x': 22}]
    """
    return jax.tree.map(function, structure, *others, is_leaf=is_leaf)


def is_nested(structure: Any) -> bool:
    """Whether a value is a list, tuple, dict or other container, not a leaf."""
    return not is_leaf(structure) and not jax.tree_util.all_leaves([structure])


def pack_like(structure: Nest, leaves: list[Any]) -> Nest:
    """``leaves``, as many as ``structure`` has, arranged as it is."""
    return unflatten(flatten_with(structure)[1], leaves)


def is_shape(value: Any) -> bool:
    """Whether a value is one shape: a tuple or list of ints and Nones.

    >>> is_shape((None, 3)), is_shape([(2,), (3,)])
    (True, False)
    """
    return isinstance(value, (tuple, list)) and all(
        size is None or (isinstance(size, int) or hasattr(size, "__index__")) for size in value
    )


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """``function`` applied to each shape in a nest of shapes."""
    return jax.tree.map(function, shapes, is_leaf=lambda value: value is None or is_shape(value))
