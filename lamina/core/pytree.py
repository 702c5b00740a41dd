"""A layer as a JAX value: flatten, view, split, merge, grad.

All variables' arrays are leaves. The rest is compared by `fingerprint`: layers built alike have
equal tree structures, so a stack of models vmaps and `jax.jit` compiles once for all of them.

Unflattening gives a *view*: a layer of the same structure whose variables hold the given leaves.
A view is used like the layer; what its calls write stays in the view.
"""

import copy
import functools
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from lamina.core import binding, tracking
from lamina.core.compiled import outside_transformations
from lamina.core.dtypes import is_float
from lamina.core.errors import ArgumentError, ShapeError, StateError, nearest
from lamina.core.fingerprint import structure
from lamina.core.types import Array
from lamina.core.variable import Variable, materialize

Params = dict[str, Array]
"""Arrays by the path of their variable from the root: ``{"layers/0/kernel": ...}``."""


class _Template:
    """The static part of a flattened layer: the layer itself, compared by its fingerprint."""

    __slots__ = ("key", "layer")

    def __init__(self, layer: Any, key: Any) -> None:
        self.layer = layer
        self.key = key

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Template) and self.key == other.key

    def __repr__(self) -> str:
        return repr(self.layer)


def register(cls: type) -> None:
    """Make instances of a layer class pytrees."""
    jax.tree_util.register_pytree_with_keys(cls, _flatten_with_keys, _unflatten, _flatten)


def arrays_of(variables: list[Variable]) -> list[Any]:
    """What the variables stand for here; those not made yet are made together."""
    materialize(variables)
    return [binding.read(variable) for variable in variables]


def _flatten(layer: Any) -> tuple[list[Any], _Template]:
    found = structure(layer)
    _check_differentiable(layer, found.variables)
    return arrays_of(found.variables), _Template(layer, found.key)


def _check_differentiable(layer: Any, variables: list[Variable]) -> None:
    """Refuse a bare `jax.grad` of a model that holds more than what training changes.

    jax would differentiate moving statistics too, and trip over the states of random generators.
    Who asks for the leaves can only be read off the stack.
    """
    others = [v.path for v in variables if not v.trainable or not is_float(v._dtype)]
    if not others:
        return
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.endswith("tree_util.py"):
        frame = frame.f_back
    if frame is not None and frame.f_code.co_name == "value_and_grad_f":
        raise ArgumentError(
            f"{layer._who()} cannot be differentiated as a whole.",
            met="besides what is trained it holds " + ", ".join(others[:4]),
            rule="jax.grad differentiates by every array of its argument",
            fix="use lamina.grad or lamina.value_and_grad, or params, rest = model.split()",
        )


def _flatten_with_keys(layer: Any) -> tuple[list[tuple[Any, Any]], _Template]:
    found = structure(layer)
    keys = [jax.tree_util.GetAttrKey(path) for path in found.paths]
    arrays = arrays_of(found.variables)
    return list(zip(keys, arrays, strict=True)), _Template(layer, found.key)


def _unflatten(template: _Template, leaves: Any) -> Any:
    variables = structure(template.layer).variables
    return view(template.layer, dict(zip(map(id, variables), leaves, strict=True)))


def view(layer: Any, arrays: Mapping[int, Any]) -> Any:
    """A layer like this one whose variables hold other arrays, by identity of the variable."""

    inside = not outside_transformations()

    def clone(variable: Variable) -> Variable:
        fresh = copy.deepcopy(variable, {})
        fresh.in_view = inside
        fresh._array = arrays.get(id(variable), variable._array)
        return fresh

    return _rebuild(layer, clone, lambda value: value, {})


def copy_layer(layer: Any, memo: dict[int, Any]) -> Any:
    """A deep copy: variables, sub-layers and plain values of its own."""

    def plain(value: Any) -> Any:
        try:
            return copy.deepcopy(value, memo)
        except TypeError:  # a lock, a module, a compiled function: shared
            return value

    return _rebuild(layer, lambda variable: copy.deepcopy(variable, memo), plain, memo)


def _rebuild(
    root: Any,
    clone: Callable[[Variable], Variable],
    plain: Callable[[Any], Any],
    memo: dict[int, Any],
) -> Any:
    def rebuilt(thing: Any) -> Any:
        if id(thing) in memo:
            return memo[id(thing)]
        if tracking.is_variable(thing):
            memo[id(thing)] = clone(thing)
        elif tracking.is_layer(thing):
            layer(thing)
        else:
            owner = memo[id(thing)] = copy.copy(thing)
            for name, value in vars(thing).items():
                owner.__dict__[name] = tracking.map_tracked(rebuilt, value)
        return memo[id(thing)]

    def layer(old: Any) -> None:
        new = memo[id(old)] = object.__new__(type(old))
        state = copy.copy(old._lamina)
        state.forget()
        state.losses = []
        state.variables = [rebuilt(variable) for variable in old._lamina.variables]
        object.__setattr__(new, "_lamina", state)
        object.__setattr__(new, "_given", old._given)
        object.__setattr__(new, "_nodes", old._nodes)
        for name, value in old._attributes().items():
            mapped = tracking.map_tracked(rebuilt, value)
            if mapped is value and not _shared(value):
                mapped = plain(value)
            object.__setattr__(new, name, tracking.track(mapped, new))
        order = old._lamina.attached
        state.attached = {id(memo[key]): place for key, place in order.items() if key in memo}

    return rebuilt(root)


def _shared(value: Any) -> bool:
    """Whether copies may share a value: what never changes, and the graph of a model."""
    return isinstance(value, (str, int, float, bool, type(None), type)) or hasattr(
        value, "shared_by_copies"
    )


# --- the everyday form --------------------------------------------------------------------------


def split(layer: Any) -> tuple[Params, Params]:
    """``(params, rest)``: the arrays that training changes, and all others, by path.

    >>> from lamina.core.layer import Layer
    >>> class Scale(Layer):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = self.add_weight((2,), "ones", name="factor")
    >>> params, rest = Scale().split()
    >>> list(params), list(rest)
    (['factor'], [])
    """
    if not layer.built and not layer.variables:
        raise StateError(f"{layer._who()} has no variables yet: call or build it first.")
    found = structure(layer)
    trained = {id(variable) for variable in layer.trainable_variables}
    arrays = arrays_of(found.variables)
    pairs = list(zip(found.variables, found.paths, arrays, strict=True))
    params = {path: array for variable, path, array in pairs if id(variable) in trained}
    rest = {path: array for variable, path, array in pairs if id(variable) not in trained}
    return params, rest


def merge(layer: Any, params: Params, rest: Params | None = None) -> Any:
    """A view of the layer with these arrays; variables that none is given for keep theirs."""
    return view(layer, _by_identity(layer, {**params, **(rest or {})}))


def _by_identity(layer: Any, arrays: Mapping[str, Any]) -> dict[int, Any]:
    found = structure(layer)
    identity = {
        path: id(variable) for path, variable in zip(found.paths, found.variables, strict=True)
    }
    for path in arrays:
        if path not in identity:
            raise ArgumentError(
                f"{layer._who()} has no variable at '{path}'. {nearest(path, identity)}".rstrip()
            )
    materialize([v for v in found.variables if not v.made])
    return {identity[path]: array for path, array in arrays.items()}


def update(layer: Any, *sources: Any) -> Any:
    """Write arrays back into the layer's variables; returns the layer.

    Args:
        sources: Views of the layer, or arrays by path as `split` gives them.

    Raises:
        ShapeError: when an array does not fit; nothing is written then.
    """
    found = structure(layer)
    arrays: dict[int, Any] = {}
    for source in sources:
        if tracking.is_layer(source):
            other = structure(source)
            if len(other.variables) != len(found.variables):
                raise ShapeError(
                    f"{layer._who()} has {len(found.variables)} variables, the view has "
                    f"{len(other.variables)}: it is a view of another layer."
                )
            pairs = zip(found.variables, other.variables, strict=True)
            arrays.update({id(variable): binding.read(theirs) for variable, theirs in pairs})
        else:
            arrays.update(_by_identity(layer, source))
    changed = [variable for variable in found.variables if id(variable) in arrays]
    for variable in changed:
        shape = np.shape(arrays[id(variable)])
        if tuple(shape) != variable.shape:
            raise ShapeError(
                f"{layer._who()} cannot be updated: an array does not fit '{variable.path}'.",
                met=f"array {tuple(shape)}, variable {variable.shape}",
                rule="no variable was changed",
            )
    for variable in changed:
        variable.assign(arrays[id(variable)])
    return layer


def seed(layer: Any, number: int) -> Any:
    """Draw all weights anew, from keys that depend on ``number`` and each variable's path alone.

    So a model's weights do not depend on what was built before it. Returns the layer.
    """
    found = structure(layer)
    for path, variable in zip(found.paths, found.variables, strict=True):
        key = np.array([number & 0xFFFFFFFF, zlib.crc32(path.encode())], np.uint32)
        if variable._initializer is not None:
            variable._key, variable._array = key, None
        elif variable.dtype == "uint32" and variable.shape == (2,):
            variable.assign(key)
    return layer


def value_and_grad(function: Callable[..., Any], has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns ``function(model, ...)`` and its gradients by trainable variables.

    The gradients are a dict by path, as ``model.split()[0]``. What the call changed besides
    (moving statistics, states of random generators) is written back into the model.

    Args:
        function: Takes a layer or model first, and returns a scalar.
        has_aux: Whether ``function`` returns ``(scalar, aux)``.
    """

    @functools.wraps(function)
    def wrapped(model: Any, *args: Any, **kwargs: Any) -> Any:
        if not tracking.is_layer(model):
            raise ArgumentError(
                f"{getattr(function, '__name__', 'function')} is differentiated by a layer or "
                f"model, which has to be its first argument, not {type(model).__name__}."
            )
        params, rest = split(model)

        def pure(params: Params) -> Any:
            inner = merge(model, params, rest)
            result = function(inner, *args, **kwargs)
            value, aux = result if has_aux else (result, None)
            return value, (aux, split(inner)[1])

        (value, (aux, changed)), grads = jax.value_and_grad(pure, has_aux=True)(params)
        update(model, changed)
        return ((value, aux) if has_aux else value), grads

    return wrapped


def grad(function: Callable[..., Any], has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the gradients of ``function(model, ...)`` by trainable variables.

    As `value_and_grad`, without the value.
    """
    inner = value_and_grad(function, has_aux)

    @functools.wraps(function)
    def wrapped(model: Any, *args: Any, **kwargs: Any) -> Any:
        value, grads = inner(model, *args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapped


def attach_methods(cls: Any) -> None:
    """Give the Layer class the functions above as methods, and make it a pytree."""
    for function in (split, merge, update, seed):
        setattr(cls, function.__name__, function)
    register(cls)
