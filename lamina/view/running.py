"""The steps of a model run on real inputs, one by one."""

from typing import Any, NamedTuple

import jax
from jax.core import Tracer

from lamina.core import calling, nest
from lamina.core.registry import late
from lamina.core.symbolic import SymbolicTensor
from lamina.view.flow import Entry, Flow, flow_of
from lamina.view.follow import Computed


class Ran(NamedTuple):
    """One call: of what, with what, and the arrays that came out."""

    own: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[Any]


def ran(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> list[Ran]:
    """The calls of a model's steps, in order; of its layers alone where the rest has no names.

    Args:
        model: A model that is built for these arguments, or any other layer.
        args, kwargs: What it is called with: arrays, and nests of them.
    """
    flow, kwargs = flow_of(model), kwargs or {}
    if flow.graph is None or any(isinstance(step, Computed) for step in flow.steps):
        return _recorded(model, args, kwargs)
    inputs = nest.flatten((args, kwargs))
    if len(args) == 1 and not kwargs:
        inputs = _inputs(model, args[0])
    return _walked(flow, inputs)


def _inputs(model: Any, x: Any) -> list[Any]:
    """The inputs flat, in the order of the model's graph."""
    if getattr(model, "_plan", None) is not None:
        return late("models.functional.standardise")(model, x)
    if hasattr(model, "_fitted"):
        return [model._fitted(x)]
    return nest.flatten(x)


def _walked(flow: Flow, inputs: list[Any]) -> list[Ran]:
    assert flow.graph is not None
    values = dict(zip(map(id, flow.graph.inputs), inputs, strict=False))

    def value(x: Any) -> Any:
        return values[id(x)] if isinstance(x, SymbolicTensor) else x

    found = []
    for node in flow.graph.nodes:
        own = flow.own(node.operation)
        if node.inputs and not isinstance(own, Entry):
            args, kwargs = nest.map_structure(value, (node.args, node.kwargs))
            outputs = [x for x in nest.flatten(own(*args, **kwargs)) if x is not None]
            values |= dict(zip(map(id, node.outputs), outputs, strict=True))
            found.append(Ran(own, args, kwargs, outputs))
    return found


def _recorded(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Ran]:
    """What the layers inside were called with during one call."""
    found: list[Ran] = []

    def noted(part: Any, original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            outputs = original(*args, **kwargs)
            flat = [x for x in nest.flatten(outputs) if x is not None]
            if not any(isinstance(x, Tracer) for x in nest.flatten((args, kwargs, flat))):
                found.append(Ran(part, args, kwargs, flat))
            return outputs

        return call

    with calling.around_calls(model._sublayers(), noted), jax.disable_jit():
        model(*args, **kwargs)
    return found
