"""Copies of a model's architecture, with weights of their own."""

import inspect
from collections.abc import Callable
from typing import Any

from lamina.core import nest, registry
from lamina.core.errors import ArgumentError
from lamina.core.layer import Layer
from lamina.core.registry import late
from lamina.models import rewire
from lamina.models.functional import Functional
from lamina.models.model import Model
from lamina.models.sequential import Sequential


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Model:
    """A model of the same architecture, with newly drawn weights.

    Args:
        model: A functional, sequential or subclassed model (the last from its config).
        input_tensors: Symbolic tensors to build on in place of new inputs.
        clone_function: Makes the copy of a layer; from its config when left out.
        call_function: Called as ``call_function(layer, *args, **kwargs)`` to make each call.
        recursive: Whether ``clone_function`` also sees the layers of models inside.

    Raises:
        ArgumentError: when an argument does not fit the kind of model.

    >>> import lamina as keras
    >>> a = Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> b = clone_model(a)
    >>> b.layers[0] is a.layers[0], b.layers[0].kernel.shape
    (False, (3, 2))
    """
    copies: dict[int, Layer] = {}

    def copied(layer: Any) -> Any:
        if not isinstance(layer, Layer):
            return layer
        if id(layer) not in copies:
            if recursive and isinstance(layer, (Functional, Sequential)):
                copies[id(layer)] = clone_model(layer, None, clone_function, call_function, True)
            elif clone_function is not None and not getattr(layer, "is_input", False):
                copies[id(layer)] = clone_function(layer)
            else:
                copies[id(layer)] = from_config(layer)
        copy = copies[id(layer)]
        if not isinstance(copy, Layer):
            raise ArgumentError(
                f"clone_function gave no layer for '{layer.name}' but a {type(copy).__name__}."
            )
        return copy

    if isinstance(model, Sequential):
        return _clone_sequential(model, input_tensors, copied)
    if model._plan is not None:
        return _clone_functional(model, input_tensors, copied, call_function)
    if input_tensors is not None or clone_function is not None or call_function is not None:
        raise ArgumentError(
            f"{model._who()} is a subclass with its own call: it is cloned from its config, so "
            "input_tensors, clone_function and call_function do not apply."
        )
    return from_config(model)  # type: ignore[return-value]


def from_config(layer: Layer) -> Layer:
    """A layer like this one, from its config, without going through names of classes."""
    cls = type(layer)
    inside = {type(each).__name__: type(each) for each in layer._flatten_layers()}
    code = registry.allow_code(registry.unsafe.get() or not cls.compilable)
    with code, registry.CustomObjectScope(inside):
        return cls.from_config(layer.get_config())


def _clone_sequential(model: Sequential, input_tensors: Any, copied: Any) -> Sequential:
    clone = Sequential(name=model.name, trainable=model.trainable)
    tensors = nest.flatten(input_tensors)
    start = model._input_layer
    if input_tensors is not None:
        if len(tensors) != 1:
            raise ArgumentError(f"A Sequential has one input; {len(tensors)} tensors were given.")
        clone.add(tensors[0])
    elif start is not None:
        clone.add(from_config(start))
    for layer in model.layers:
        clone.add(copied(layer))
    return clone


def _clone_functional(model: Model, input_tensors: Any, copied: Any, call_function: Any) -> Model:
    plan = model._plan
    assert plan is not None
    given = nest.flatten(input_tensors) if input_tensors is not None else []
    if input_tensors is not None and len(given) != len(plan.input_tensors):
        raise ArgumentError(
            f"'{model.name}' has {len(plan.input_tensors)} inputs; {len(given)} tensors were given."
        )
    if not given:
        given = [
            late("layers.Input")(batch_shape=x.shape, dtype=x.dtype, name=x.record[0].name)  # type: ignore[index]
            for x in plan.input_tensors
        ]
    fresh = dict(zip(map(id, plan.input_tensors), given, strict=True))

    def change(op: Any) -> Any:
        step = copied(op)
        if call_function is None:
            return step
        return lambda *args, **kwargs: call_function(step, *args, **kwargs)

    outputs = rewire.replay(plan.input_tensors, plan.outputs, fresh, change)
    inputs = nest.map_structure(lambda x: fresh[id(x)], plan.inputs)
    cls = type(model) if _takes_graph(type(model)) else Functional
    return cls(inputs=inputs, outputs=outputs, name=model.name)


def _takes_graph(cls: type) -> bool:
    names = inspect.signature(cls.__init__).parameters
    return cls is Functional or {"inputs", "outputs"} <= names.keys()
