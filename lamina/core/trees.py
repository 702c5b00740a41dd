"""Nests as `lamina.tree` sees them: Python's containers, one level after the other.

`lamina.core.nest` serves our own code, through `jax.tree`. This walker differs from it: what others
registered with jax is a leaf, a deque is none, and dicts keep the order of their keys.
"""

import warnings
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.types import Nest

Path = tuple[Any, ...]


class MAP_TO_NONE:
    """What a function given to `traverse` returns to put None in place of a subtree."""


def _kind(structure: Any) -> Any:
    """What two containers have to share to be alike; None for a leaf."""
    kind = type(structure)
    if kind in (dict, OrderedDict, defaultdict):
        return dict
    if kind in (list, tuple, deque) or (issubclass(kind, tuple) and hasattr(kind, "_fields")):
        return kind
    return None


def _keys(structure: Any) -> list[Any]:
    """The keys of a container in order: sorted, but for those of an OrderedDict."""
    if _kind(structure) is not dict:
        return list(range(len(structure)))
    if type(structure) is OrderedDict:
        return list(structure)
    try:
        return sorted(structure)
    except TypeError:  # keys of several types
        return sorted(structure, key=lambda key: (str(type(key)), str(key)))


def _rebuilt(structure: Any, values: dict[Any, Any]) -> Any:
    """A container like this one with other values, by key."""
    kind = type(structure)
    if _kind(structure) is dict:
        pairs = ((key, values[key]) for key in structure)
        return defaultdict(structure.default_factory, pairs) if kind is defaultdict else kind(pairs)
    if kind is deque:
        return deque(values.values(), structure.maxlen)
    return kind(*values.values()) if hasattr(kind, "_fields") else kind(values.values())


def is_nested(structure: Any) -> bool:
    """Whether a value is a list, tuple, namedtuple, deque or dict.

    >>> is_nested([]), is_nested("text"), is_nested(None)
    (True, False, False)
    """
    return _kind(structure) is not None


def traverse(func: Callable[[Any], Any], structure: Nest, top_down: bool = True) -> Nest:
    """``func`` of each container and leaf; what it returns, unless None, takes their place.

    Args:
        func: Returns None to go on, `MAP_TO_NONE` to put None there.
        top_down: Containers before what they hold, which is then not visited if they are
            replaced; after it otherwise.

    >>> traverse(lambda x: tuple(x) if isinstance(x, list) else None, [1, [2]], top_down=False)
    (1, (2,))
    """
    result = func(structure) if top_down else None
    if result is None:
        if is_nested(structure):
            values = {key: traverse(func, structure[key], top_down) for key in _keys(structure)}
            structure = _rebuilt(structure, values)
        result = structure if top_down else func(structure)
    if result is None:
        return structure
    return None if result is MAP_TO_NONE else result


def flatten_with_path(structure: Nest) -> list[tuple[Path, Any]]:
    """The leaves, each with the keys and indices that lead to it.

    >>> flatten_with_path({"b": [1, 2], "a": 3})
    [(('a',), 3), (('b', 0), 1), (('b', 1), 2)]
    """
    found: list[tuple[Path, Any]] = []
    _collect(structure, (), found)
    return found


def _collect(structure: Nest, path: Path, found: list[tuple[Path, Any]]) -> None:
    if not is_nested(structure):
        found.append((path, structure))
        return
    for key in _keys(structure):
        _collect(structure[key], (*path, key), found)


def flatten(structure: Nest) -> list[Any]:
    """The leaves, those of dicts in the order of their sorted keys, those of OrderedDicts as
    they are.

    >>> flatten({"b": [1, None], "a": 3})
    [3, 1, None]
    """
    return [leaf for _, leaf in flatten_with_path(structure)]


def _alike(first: Any, others: Sequence[Any]) -> None:
    kind = _kind(first)
    for other in others:
        keys = kind is not dict or _kind(other) is not dict or first.keys() == other.keys()
        if _kind(other) is not kind or not keys or kind and len(first) != len(other):
            raise ShapeError(
                "These nests have different structures.",
                met=f"{_shown(first)} beside {_shown(other)}",
                rule="containers of one type, with the same keys or length, hold one another's "
                "counterparts",
            )


def _shown(value: Any) -> str:
    if not is_nested(value):
        return f"a leaf ({type(value).__name__})"
    named = f" with the keys {_keys(value)[:8]}" if _kind(value) is dict else f" of {len(value)}"
    return f"a {type(value).__name__}{named}"


def map_structure(func: Callable[..., Any], *structures: Nest, none_is_leaf: bool = True) -> Nest:
    """The nest of ``func`` of the leaves that stand at the same place in nests of one structure.

    Args:
        none_is_leaf: Whether ``func`` is called for None; otherwise None stays.

    >>> map_structure(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 10, "y": [20]})
    {'x': 11, 'y': [22]}
    """
    if not structures:
        raise ArgumentError("map_structure needs a nest at least.")
    first, *others = structures
    _alike(first, others)
    if is_nested(first):
        return _each(lambda *nests: map_structure(func, *nests, none_is_leaf=none_is_leaf),
                     first, structures)  # fmt: skip
    if not none_is_leaf and any(each is None for each in structures):
        if any(each is not None for each in structures):
            raise ShapeError("These nests have different structures: None beside a leaf.")
        return None
    return func(*structures)


def _each(func: Callable[..., Any], like: Any, structures: Sequence[Any]) -> Any:
    return _rebuilt(like, {key: func(*(each[key] for each in structures)) for key in _keys(like)})


def map_structure_up_to(
    shallow_structure: Nest, func: Callable[..., Any], *structures: Nest
) -> Nest:
    """`map_structure` no deeper than ``shallow_structure``: what is below is handed on whole.

    >>> map_structure_up_to([None, [None]], str, [[1, 2], [3]])
    ['[1, 2]', ['3']]
    """
    if not structures:
        raise ArgumentError("map_structure_up_to needs a nest at least.")
    if not is_nested(shallow_structure):
        return func(*structures)
    _alike(shallow_structure, structures)
    return _each(lambda shallow, *nests: map_structure_up_to(shallow, func, *nests),
                 shallow_structure, (shallow_structure, *structures))  # fmt: skip


def assert_same_structure(a: Nest, b: Nest, check_types: bool | None = None) -> None:
    """Raise a ShapeError unless both nests have the same containers; leaves may differ.

    Dicts of all kinds are alike; lists, tuples, namedtuples and deques are not.
    """
    if check_types is not None:
        warnings.warn(
            "check_types has no effect any more; assert_same_paths is the looser check.",
            DeprecationWarning,
            stacklevel=2,
        )
    map_structure(lambda *_: None, a, b)


def assert_same_paths(a: Nest, b: Nest) -> None:
    """Raise a ShapeError unless the same keys and indices lead to the leaves of both nests."""
    paths = [{path for path, _ in flatten_with_path(each)} for each in (a, b)]
    if paths[0] != paths[1]:
        only = [sorted(map(str, paths[i] - paths[1 - i])) for i in (0, 1)]
        met = f"only in the first {only[0][:5]}, only in the second {only[1][:5]}"
        raise ShapeError("These nests have different paths.", met=met)


def pack_sequence_as(structure: Nest, flat_sequence: Iterable[Any]) -> Nest:
    """The leaves arranged as ``structure`` is: the inverse of `flatten`.

    >>> pack_sequence_as({"b": 0, "a": [0]}, [1, 2])
    {'b': 2, 'a': [1]}
    """
    leaves = list(flat_sequence)
    count = len(flatten(structure))
    if len(leaves) != count:
        raise ShapeError(f"{len(leaves)} values cannot fill {count} places.")
    rest = iter(leaves)
    return map_structure(lambda _: next(rest), structure)


def lists_to_tuples(structure: Nest) -> Nest:
    """The nest with tuples in place of lists."""
    return traverse(lambda x: tuple(x) if isinstance(x, list) else None, structure, False)


def map_shape_structure(func: Callable[[Any], Any], structure: Nest) -> Nest:
    """`map_structure` where tuples and lists of ints and Nones are leaves.

    >>> map_shape_structure(len, {"a": (None, 3), "b": [(2,), ()]})
    {'a': 2, 'b': [1, 0]}
    """
    shape = isinstance(structure, (list, tuple)) and all(
        each is None or isinstance(each, int) for each in structure
    )
    if shape or not is_nested(structure):
        return func(structure)
    return _each(lambda part: map_shape_structure(func, part), structure, (structure,))
