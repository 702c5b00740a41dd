"""What Lamina keeps about a layer, and the attributes that hold its variables and sub-layers."""

from collections.abc import Iterator
from typing import Any, Self

from lamina.core import binding, pytree, tracking
from lamina.core.dtypes import DTypePolicy, get_policy
from lamina.core.errors import StateError
from lamina.core.types import Array
from lamina.core.variable import Variable


class LayerState:
    """What Lamina keeps about a layer, apart from the layer's own attributes."""

    def __init__(self) -> None:
        self.initialised = False
        self.name = ""
        self.path: str | None = None
        self.trainable = True
        self.built = False
        self.building = False
        self.given_policy: DTypePolicy = get_policy(None)
        self.policy: DTypePolicy = self.given_policy
        """The one for the layer's path, where `given_policy` has several."""
        self.variables: list[Variable] = []
        self.attached: dict[int, int] = {}
        self.losses: list[Array] = []
        self.lossy = False
        self.build_shapes: dict[str, Any] = {}
        self.given_input_shape: tuple[int | None, ...] | None = None
        self.given_input_dtype: str | None = None
        self.remat: Any = None
        self.warned_mask = False
        self.root: Any = None
        """A weak reference to the outermost layer that called this one, the first time."""
        self.last: Any = None
        """A weak reference to the layer inside whose outputs were those of the last call."""
        self.forget()

    def forget(self) -> None:
        """Drop what is derived from the layer's structure."""
        self.structure: Any = None
        self.programs: dict[Any, Any] = {}
        self.fast: Any = None

    def remember_shapes(self, shapes: dict[str, Any]) -> None:
        """Keep the shapes that the layer was built with, for its build config."""
        self.build_shapes = {
            name if name.endswith("_shape") else f"{name}_shape": shape
            for name, shape in shapes.items()
        }

    def __getstate__(self) -> dict[str, Any]:
        derived = {"programs": {}, "fast": None, "structure": None, "attached": {}}
        return {**vars(self), **derived, "root": None, "last": None}


class Holder:
    """An object whose attributes are watched for variables and layers, also inside containers."""

    is_layer = True
    _lamina: LayerState
    _nodes: list[Any]
    _given: dict[str, Any]
    _hidden = frozenset({"_lamina", "_given", "_nodes"})

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(getattr(type(self), name, None), property):
            object.__setattr__(self, name, value)
            return
        if type(value) in _CONTAINERS or tracking.is_tracked(value):
            value = tracking.track(value, self)
            self._attach(value)
        elif binding.current() is None or self._changes_program(name, value):
            tracking.bump()
        old = self.__dict__.get(name)
        object.__setattr__(self, name, value)
        if old is not value and tracking.is_variable(old):
            self._drop(old)

    def __delattr__(self, name: str) -> None:
        old = self.__dict__.get(name)
        object.__delattr__(self, name)
        self._drop(old)
        tracking.bump()

    def _drop(self, old: Any) -> None:
        """Forget variables that no attribute holds any more."""
        held = {id(v) for value in self._attributes().values() for _, v in tracking.walk(value)}
        gone = {id(v) for _, v in tracking.walk(old)} - held
        self._lamina.variables = [v for v in self._lamina.variables if id(v) not in gone]

    def _attach(self, value: Any) -> None:
        """Take in the variables and layers of a new attribute, in the order of their coming."""
        state = self._lamina
        for _, thing in tracking.walk(value):
            if tracking.is_variable(thing):
                if not any(thing is each for each in state.variables):
                    state.variables.append(thing)
            elif tracking.is_layer(thing):
                state.attached.setdefault(id(thing), len(state.attached))
        if state.initialised:
            tracking.bump()

    def _changes_program(self, name: str, value: Any) -> bool:
        """Whether a write inside a call changes what one of Lamina's own layers computes."""
        if type(self).__module__.partition(".")[0] != "lamina" or hasattr(value, "dtype"):
            return False
        return bool(self.__dict__.get(name) != value)

    def _attributes(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in self._hidden}

    def _fingerprinted(self) -> dict[str, Any]:
        """The attributes that say what the layer computes."""
        return self._attributes()

    def _own_variables_with_keys(self) -> Iterator[tuple[str, Variable]]:
        taken: dict[str, int] = {}
        for variable in self._lamina.variables:
            count = taken[variable.name] = taken.get(variable.name, -1) + 1
            yield (f"{variable.name}_{count}" if count else variable.name), variable

    def _things(self) -> list[Any]:
        return tracking.unique(
            thing for value in self._attributes().values() for _, thing in tracking.walk(value)
        )

    def _owners(self) -> list[Any]:
        return [thing for thing in self._things() if tracking.is_owner(thing)]

    def _sublayers(self) -> list[Any]:
        """The layers held by attributes, in the order in which they came."""
        order = self._lamina.attached
        found = [
            thing for thing in self._things() if tracking.is_layer(thing) and thing is not self
        ]
        return sorted(found, key=lambda layer: order.get(id(layer), len(order)))

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[Any]:
        """The layer, its sub-layers and theirs, each once."""
        found, stack = {}, [self]
        while stack:
            layer = stack.pop()
            if id(layer) not in found:
                found[id(layer)] = layer
                if recursive or layer is self:
                    stack += reversed(layer._sublayers())
        layers = list(found.values())
        return layers if include_self else layers[1:]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sublayers_in_order": self._sublayers()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        order = state.pop("_sublayers_in_order")
        for name, value in state.items():
            object.__setattr__(self, name, tracking.track(value, self))
        self._lamina.attached = {id(layer): place for place, layer in enumerate(order)}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return pytree.copy_layer(self, memo)


_CONTAINERS = (list, dict, tuple, tracking.TrackedList, tracking.TrackedDict)


def uninitialised(layer: Any) -> StateError:
    """The error for a layer whose __init__ never reached that of Layer."""
    name = type(layer).__name__
    return StateError(
        f"The layer {name} was not initialised.",
        rule="a layer's __init__ calls that of its base class",
        fix=f"begin {name}.__init__ with super().__init__(**kwargs)",
    )
