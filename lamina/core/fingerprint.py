"""What a layer computes, as a value to compare: the key of compiled programs and of pytrees.

Two layers with equal fingerprints do the same computation on their variables: same classes, same
attributes, same sub-layers in the same places. Automatic names do not count.
"""

from types import FunctionType
from typing import Any

import numpy as np

from lamina.core import tracking
from lamina.core.configurable import Configurable

_PLAIN = (type(None), bool, int, float, complex, str, bytes, slice, type(Ellipsis))


class ByIdentity:
    """Anything, compared by identity and kept alive."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and self.thing is other.thing


class Structure:
    """What is found by walking a layer once.

    Attributes:
        variables: All variables of the layer and its sub-layers, own ones first.
        paths: Where each is, by attributes from the root: ``"layers/0/kernel"``.
        layers: The layer and all its sub-layers, each once.
        key: The fingerprint.
        ours: Whether each class and function in it is Lamina's own.
    """

    def __init__(self, root: Any) -> None:
        self.variables: list[Any] = []
        self.paths: list[str] = []
        self.layers: list[Any] = []
        self.ours = True
        self._memo: dict[int, int] = {}
        self.key = self._layer(root, ())
        self.built = all(layer.built for layer in self.layers)

    def _layer(self, layer: Any, path: tuple[str, ...]) -> Any:
        if id(layer) in self._memo:
            return ("again", self._memo[id(layer)])
        self._memo[id(layer)] = len(self._memo)
        self.layers.append(layer)
        state, kind = layer._lamina, type(layer)
        self.ours &= kind.__module__.partition(".")[0] == "lamina" and kind.compilable
        own = []
        for key, variable in layer._own_variables_with_keys():
            own.append(self._variable(variable, (*path, key)))
        attributes = [
            (name, self._freeze(value, (*path, name)))
            for name, value in layer._fingerprinted().items()
        ]
        policy = (state.policy.variable_dtype, state.policy.compute_dtype)
        return (kind, state.trainable, policy, tuple(own), tuple(attributes))

    def _variable(self, variable: Any, path: tuple[str, ...]) -> Any:
        if id(variable) in self._memo:
            return ("again", self._memo[id(variable)])
        self._memo[id(variable)] = len(self._memo)
        self.variables.append(variable)
        self.paths.append("/".join(path))
        return (variable.shape, variable._dtype, variable._trainable, variable.autocast)

    def _freeze(self, value: Any, path: tuple[str, ...]) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return (kind, str(value) if kind is slice else value)
        if tracking.is_layer(value):
            return self._layer(value, path)
        if tracking.is_variable(value):
            return self._variable(value, path)
        if tracking.is_owner(value):
            states = value.owned_variables
            return (kind, tuple(self._variable(each, (*path, each.name)) for each in states))
        if isinstance(value, (list, tuple)):
            items = enumerate(value)
            return (len(value), tuple(self._freeze(v, (*path, str(k))) for k, v in items))
        if isinstance(value, dict):
            items = value.items()
            return tuple((ByIdentity(k) if not isinstance(k, str) else k,
                          self._freeze(v, (*path, str(k)))) for k, v in items)  # fmt: skip
        return self._other(value, path)

    def _other(self, value: Any, path: tuple[str, ...]) -> Any:
        parts = getattr(value, "fingerprint_parts", None)
        if parts is not None:
            return (type(value), self._freeze(parts(), path))
        method_of = getattr(value, "__self__", None)
        if tracking.is_layer(method_of):
            return (value.__func__, self._layer(method_of, path))
        if isinstance(value, np.generic):
            return (type(value), value.item())
        if isinstance(value, np.ndarray) and value.size <= 1024 and value.dtype != object:
            return ("array", value.shape, value.dtype.str, value.tobytes())
        if isinstance(value, Configurable) and not hasattr(value, "_nodes"):
            self.ours &= _is_ours(type(value))
            return (type(value), self._freeze(vars(value), path))
        if isinstance(value, FunctionType):
            self.ours &= _is_ours(value)
        elif callable(value) and not isinstance(value, type):
            self.ours &= _is_ours(type(value))
        return ByIdentity(value)


def _is_ours(thing: Any) -> bool:
    return (thing.__module__ or "").partition(".")[0] in ("lamina", "jax", "jaxlib")


def structure(layer: Any) -> Structure:
    """The structure of a layer, walked again only when some layer changed since."""
    state, count = layer._lamina, tracking.count()
    found = state.structure
    if found is None or found[0] != count:
        found = state.structure = (count, Structure(layer))
    return found[1]
