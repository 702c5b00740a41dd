"""Graphs that start in the middle: tensors of a model as the inputs of another one."""

from typing import Any

from lamina.core import nest
from lamina.core.graph import Graph, node_of
from lamina.core.registry import late
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Nest


def from_inputs(inputs: Nest, outputs: Nest) -> tuple[Nest, Nest]:
    """Inputs and outputs that start at input layers; inputs that do already are kept.

    A tensor that some layer made, given as an input, is replaced by a new input of its shape, and
    the layers between it and the outputs are called again on that.
    """
    if all(_is_input(x) for x in nest.flatten(inputs)):
        return inputs, outputs
    fresh = {
        id(x): x
        if _is_input(x)
        else late("layers.Input")(batch_shape=x.shape, dtype=x.dtype, name=f"{x.name}_input")
        for x in nest.flatten(inputs)
    }
    return (
        nest.map_structure(lambda x: fresh[id(x)], inputs),
        replay(nest.flatten(inputs), outputs, fresh, lambda op: op),
    )


def replay(inputs: list[SymbolicTensor], outputs: Nest, fresh: dict[int, Any], change: Any) -> Nest:
    """The outputs anew, with other tensors for the inputs and ``change(op)`` for each operation."""
    graph = Graph(inputs, nest.flatten(outputs))
    known = dict(fresh)
    for node in graph.nodes:
        if all(id(x) in known for x in node.outputs):
            continue
        args, kwargs = _replaced((node.args, node.kwargs), known)
        made = nest.flatten(change(node.operation)(*args, **kwargs))
        made = [x for x in made if isinstance(x, SymbolicTensor)]
        known.update(zip(map(id, node.outputs), made, strict=True))
    return nest.map_structure(lambda x: known[id(x)], outputs)


def _replaced(values: Any, known: dict[int, Any]) -> Any:
    if isinstance(values, SymbolicTensor):
        return known[id(values)]
    if isinstance(values, dict):
        return {key: _replaced(each, known) for key, each in values.items()}
    if isinstance(values, (list, tuple)):
        return type(values)(_replaced(each, known) for each in values)
    return values


def _is_input(x: SymbolicTensor) -> bool:
    node = node_of(x)
    return node is not None and getattr(node.operation, "is_input", False)
