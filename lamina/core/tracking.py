"""The one walker that finds variables and sub-layers in attributes, lists, tuples and dicts.

A process-wide counter is bumped by every change that could make a compiled program stale; what is
derived from a layer's structure (see `lamina.core.fingerprint`) is remembered with the count.
"""

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import jax

_count = 0


def bump() -> None:
    """Say that the structure of some layer changed."""
    global _count
    _count += 1


def count() -> int:
    """How often structure changed in this process."""
    return _count


class TrackedList(list[Any]):
    """A list attribute of a layer: changing it in place is noticed."""

    owner: Any = None

    def __reduce__(self) -> Any:
        return list, (list(self),)


class TrackedDict(dict[Any, Any]):
    """A dict attribute of a layer: changing it in place is noticed."""

    owner: Any = None

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


def _noticing(cls: type, name: str) -> None:
    original = getattr(cls.__bases__[0], name)
    plain = getattr(original, "__objclass__", cls.__bases__[0])

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        changed(self)
        return result

    method.__name__ = name
    method.__doc__ = f"As `{plain.__name__}.{name}`."
    setattr(cls, name, method)


for _name in ("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse",
              "__setitem__", "__delitem__", "__iadd__", "__imul__"):  # fmt: skip
    _noticing(TrackedList, _name)
for _name in ("update", "pop", "popitem", "clear", "setdefault", "__setitem__", "__delitem__"):
    _noticing(TrackedDict, _name)


def _list_from(_: None, items: Any) -> Any:
    return list(items)


def _dict_from(keys: Any, items: Any) -> Any:
    return dict(zip(keys, items, strict=True))


def _keyed(tracked: TrackedDict) -> Any:
    keys = tuple(sorted(tracked))
    return tuple((jax.tree_util.DictKey(key), tracked[key]) for key in keys), keys


jax.tree_util.register_pytree_node(TrackedList, lambda self: (tuple(self), None), _list_from)
jax.tree_util.register_pytree_with_keys(TrackedDict, _keyed, _dict_from)


def changed(container: TrackedList | TrackedDict) -> None:
    """Note that a container was changed in place: wrap what is new, tell the owner, bump."""
    owner = container.owner() if container.owner is not None else None
    if owner is None:
        return
    pairs = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in list(pairs):
        if type(value) in (list, dict):
            type(container).__bases__[0].__setitem__(container, key, track(value, owner))
    owner._attach(container)
    bump()


def track(value: Any, owner: Any) -> Any:
    """A value as a layer keeps it: lists and dicts, at any depth, in their noticing form."""
    kind = type(value)
    if kind not in (list, dict, tuple, TrackedList, TrackedDict):
        return value
    if kind is tuple:
        items = [track(each, owner) for each in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else tuple(items)
    if kind in (list, TrackedList):
        tracked: Any = TrackedList(track(each, owner) for each in value)
    else:
        tracked = TrackedDict({key: track(each, owner) for key, each in value.items()})
    tracked.owner = weakref.ref(owner)
    return tracked


def walk(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """``(path, thing)`` for each Variable, Layer or owner of variables inside nested containers."""
    if is_tracked(value):
        yield path, value
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from walk(each, (*path, index))
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from walk(each, (*path, key))


def is_variable(value: Any) -> bool:
    """Whether a value is a Variable."""
    return getattr(type(value), "is_variable", False)


def is_layer(value: Any) -> bool:
    """Whether a value is a Layer."""
    return getattr(type(value), "is_layer", False)


def is_tracked(value: Any) -> bool:
    """Whether a value is, or owns, what the walker looks for."""
    return is_layer(value) or is_variable(value) or is_owner(value)


def is_owner(value: Any) -> bool:
    """Whether a value owns variables without being a layer: a SeedGenerator, a metric."""
    return hasattr(type(value), "owned_variables")


def unique(things: Any) -> list[Any]:
    """Things in order, each object once."""
    return list({id(each): each for each in things}.values())


def map_tracked(function: Callable[[Any], Any], value: Any) -> Any:
    """A value with ``function`` applied to each Variable, Layer and owner in its containers."""
    if is_tracked(value):
        return function(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tracked(function, each) for each in value))
    if isinstance(value, (list, tuple)):
        items = [map_tracked(function, each) for each in value]
        return tuple(items) if isinstance(value, tuple) else TrackedList(items)
    if isinstance(value, dict):
        return TrackedDict({key: map_tracked(function, each) for key, each in value.items()})
    return value
