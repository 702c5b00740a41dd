"""The plan of a graph: its nodes as numbered steps, run without looking at the graph again.

Each symbolic tensor has a slot. A step says which layer or op to call, and with what: slots where
tensors go, everything else as it was given.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from lamina.core import nest
from lamina.core.graph import Graph
from lamina.core.operation import Operation
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Nest


class Slot(NamedTuple):
    """The place of a tensor among the values of a run."""

    number: int


class Step(NamedTuple):
    """One call: of the layer with this number, or of an op that is no layer."""

    layer: int | None
    op: Operation | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[int, ...]


class Plan:
    """How to get from the inputs of a graph to its outputs.

    Attributes:
        layers: The layers to call, in Keras's order; steps name them by number, so that a copy of
            a model runs the same plan with its own layers.
    """

    shared_by_copies = True

    def __init__(self, inputs: Nest, outputs: Nest) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.input_tensors: list[SymbolicTensor] = nest.flatten(inputs)
        self.output_tensors: list[SymbolicTensor] = nest.flatten(outputs)
        self.graph = Graph(self.input_tensors, self.output_tensors)
        self.layers = [op for op in self.graph.operations if getattr(op, "is_layer", False)]
        self._slots: dict[int, Slot] = {}
        for x in self.input_tensors:
            self._slot(x)
        numbers = {id(layer): index for index, layer in enumerate(self.layers)}
        self.steps = [
            Step(
                numbers.get(id(node.operation)),
                None if id(node.operation) in numbers else node.operation,
                self._template(node.args),
                self._template(node.kwargs),
                tuple(self._slot(x).number for x in node.outputs),
            )
            for node in self.graph.nodes
            if node.inputs
        ]
        self.size = len(self._slots)
        self.output_slots = [self._slots[id(x)].number for x in self.output_tensors]
        self._output_structure = nest.flatten_with(outputs)[1]

    def _slot(self, x: SymbolicTensor) -> Slot:
        return self._slots.setdefault(id(x), Slot(len(self._slots)))

    def _template(self, values: Any) -> Any:
        if isinstance(values, SymbolicTensor):
            return self._slot(values)
        if isinstance(values, dict):
            return {key: self._template(each) for key, each in values.items()}
        if isinstance(values, (list, tuple)) and not hasattr(values, "_fields"):
            return type(values)(self._template(each) for each in values)
        return values

    def fingerprint_parts(self) -> Any:
        """What the plan computes, as nests of plain values."""
        steps = [
            (s.layer, getattr(s.op, "function", s.op), s.args, s.kwargs, s.outputs)
            for s in self.steps
        ]
        specs = [(x.shape, x.dtype) for x in self.input_tensors]
        return steps, specs, self.output_slots, str(self._output_structure)

    def run(self, layers: list[Any], inputs: list[Any], call: Callable[..., Nest]) -> Nest:
        """Compute the outputs for flat inputs; ``call(op, args, kwargs)`` makes each call."""
        values: list[Any] = [None] * self.size
        values[: len(inputs)] = inputs
        for step in self.steps:
            op = step.op if step.layer is None else layers[step.layer]
            args, kwargs = _fill(step.args, values), _fill(step.kwargs, values)
            output = call(op, args, kwargs)
            leaves = [output] if len(step.outputs) == 1 else nest.flatten(output)
            if len(step.outputs) == 1 and isinstance(output, (list, tuple, dict)):
                leaves = nest.flatten(output)
            for number, value in zip(step.outputs, leaves, strict=True):
                values[number] = value
        return nest.unflatten(self._output_structure, [values[n] for n in self.output_slots])


def _fill(template: Any, values: list[Any]) -> Any:
    if isinstance(template, Slot):
        return values[template.number]
    if isinstance(template, dict):
        return {key: _fill(each, values) for key, each in template.items()}
    if isinstance(template, (list, tuple)) and not hasattr(template, "_fields"):
        return type(template)(_fill(each, values) for each in template)
    return template
