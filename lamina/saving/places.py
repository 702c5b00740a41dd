"""Where everything that a model keeps lies in a file.

Keras names things by how they are reached from the model: ``layers/dense_1`` is the second Dense in
its list of layers, ``encoder/dense`` what the attribute ``encoder`` holds. Its order counts too,
since what is reached twice is stored where it was reached first.

Keras has no place for the states of random generators and metrics. They lie in a group of their
own, which Keras does not look at.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lamina.core import tracking
from lamina.core.layer import Layer
from lamina.core.naming import to_snake_case
from lamina.core.registry import class_identity
from lamina.core.variable import Variable

EXTRAS = "_lamina"
"""The place of what Keras has no place for."""

_PASSED_BY = frozenset(dir(Layer)) - {"merge", "seed", "split", "update"} | {"_layers"}
"""Attributes that Keras does not look into."""

_BASES = ("builtins", "lamina.core", "lamina.models", "lamina.training")

Places = dict[int, tuple[str, Any]]
"""``(place, thing)`` by identity of the thing."""


def find(
    root: Layer, present: Callable[[str], bool] = lambda place: True, skip: Iterable[Any] = ()
) -> Places:
    """The layers and optimizers in a model with the places of their variables, in Keras's order.

    Args:
        root: The model.
        present: Whether a file has a place. A thing that is reached in several ways is looked for
            at each of them, since versions of Keras differ in which came first.
        skip: Things to leave out; see `inside`.
    """
    found: Places = {}
    skipped = inside(skip)

    def visit(thing: Any, place: str) -> None:
        if id(thing) in found or id(thing) in skipped or (place and not present(place)):
            return
        found[id(thing)] = place, thing
        for name, child in _children(thing):
            enter(child, f"{place}/{name}" if place else name, ())

    def enter(child: Any, place: str, around: tuple[int, ...]) -> None:
        if keeps_variables(child):
            visit(child, place)
        elif isinstance(child, (list, tuple, dict)) and id(child) not in around:
            taken: Counter[str] = Counter()
            for each in list(child.values()) if isinstance(child, dict) else child:
                if keeps_variables(each):
                    name = to_snake_case(class_identity(type(each))["class_name"])
                elif isinstance(each, (list, tuple, dict)):
                    name = "container"
                else:
                    continue
                number, taken[name] = taken[name], taken[name] + 1
                part = f"{name}_{number}" if number else name
                enter(each, f"{place}/{part}", (*around, id(child)))

    visit(root, "")
    return found


def inside(things: Iterable[Any]) -> set[int]:
    """Identities of things, and of the layers inside them."""
    layers = [each for each in things if isinstance(each, Layer)]
    return {*map(id, things), *(id(each) for top in layers for each in top._flatten_layers())}


def keeps_variables(thing: Any) -> bool:
    """Whether Keras gives a thing a place of its own: a layer or an optimizer."""
    return hasattr(type(thing), "save_own_variables")


def own_variables(thing: Any) -> list[Variable]:
    """The variables of a layer or optimizer that lie at its own place, in the order of files."""
    return thing._stored_weights() if isinstance(thing, Layer) else thing.stored_variables


def extras(places: Places, skip: Iterable[Any] = ()) -> Iterator[tuple[str, Any, list[Variable]]]:
    """``(key, owner, variables)`` of what has no place in Keras's layout."""
    taken = {id(v) for _, thing in places.values() for v in own_variables(thing)} | inside(skip)
    for place, layer in places.values():
        held = layer._attributes() if isinstance(layer, Layer) else {}
        for attribute, value in held.items():
            for path, thing in tracking.walk(value, (attribute,)):
                if id(thing) in places or id(thing) in taken or tracking.is_variable(thing):
                    continue
                taken.add(id(thing))
                own = thing.variables if tracking.is_layer(thing) else thing.owned_variables
                fresh = [variable for variable in own if id(variable) not in taken]
                taken.update(map(id, fresh))
                parts = [*place.split("/"), *map(str, path)]
                yield ":".join(each.replace("/", "|") for each in parts if each), thing, fresh


def _children(thing: Any) -> Iterator[tuple[str, Any]]:
    """What Keras looks at inside a thing, by name: public attributes first."""
    if getattr(thing, "_plan", None) is not None or hasattr(thing, "_chain"):
        yield "layers", thing.layers
    for name in sorted(_names(thing), key=lambda name: f"~{name}" if name[0] == "_" else name):
        try:
            child = getattr(thing, name)
        except Exception:  # a property that cannot be had now holds nothing to keep
            continue
        yield name, child


def _names(thing: Any) -> set[str]:
    if not isinstance(thing, Layer):
        return {name for name in vars(thing) if not name.startswith("__")}
    names = set(thing._attributes())
    for cls in type(thing).__mro__:
        if not cls.__module__.startswith(_BASES):
            names |= vars(cls).keys()
    names |= {name for name in ("layers", "optimizer") if hasattr(type(thing), name)}
    return {name for name in names - _PASSED_BY if not name.startswith("__")}
