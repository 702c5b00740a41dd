"""What a layer is made of, for pictures and tables: its steps, and the tensors between them."""

import copy
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from lamina.core import naming, nest
from lamina.core.graph import Graph, Node
from lamina.core.operation import FunctionOperation, Operation
from lamina.core.settings import settings
from lamina.core.symbolic import SymbolicTensor
from lamina.core.tracking import is_layer
from lamina.core.types import Shape
from lamina.view.follow import Computed, follow


@dataclass
class Flow:
    """The steps inside a layer, in the order in which a table lists them.

    ``graph`` is None when only the parts are known and not what flows between them; ``chained``
    says that each part then takes the output of the one before, ``failure`` why it was not found.
    """

    steps: list[Operation]
    graph: Graph | None = None
    chained: bool = False
    failure: Exception | None = None
    nodes: dict[int, list[Node]] = field(default_factory=lambda: defaultdict(list))
    copies: dict[int, Operation] = field(default_factory=dict)

    def nodes_of(self, step: Operation) -> list[Node]:
        """The calls of a step that belong to this layer."""
        return self.nodes.get(id(step), [])

    def own(self, step: Operation) -> Any:
        """The layer that runs for a step: the copy of a model shares the graph, not the layers."""
        return self.copies.get(id(step), step)


def flow_of(layer: Any) -> Flow:
    """The flow inside a layer: of its graph, of one symbolic call, or of its parts alone.

    A symbolic call leaves no trace in the layer, and what ``call`` cannot do then is no error.
    """
    plan, tensors = getattr(layer, "_plan", None), getattr(layer, "_tensors", ())
    copies: dict[int, Operation] = {}
    failure = None
    if plan is not None:
        graph = plan.graph
        copies = dict(zip(map(id, plan.layers), layer._plan_layers, strict=True))
    elif len(tensors) > 1:  # a Sequential whose input is known
        graph = Graph(nest.flatten(tensors[0]), nest.flatten(tensors[-1]))
        made = [nest.flatten(x)[0].record[0] for x in tensors[1:]]
        copies = dict(zip(map(id, made), layer.layers, strict=True))
    else:
        graph, failure = _traced(layer)
    if graph is None:
        chained = any(cls.__name__ == "Sequential" for cls in type(layer).__mro__)
        return Flow(list(layer._sublayers()), None, chained, failure)
    steps = list(graph.operations)
    if not copies:  # what a traced call did not use is a part of the layer too
        seen = {id(step) for step in steps}
        steps += [part for part in layer._sublayers() if id(part) not in seen]
    flow = Flow(steps, graph, copies=copies)
    for node in graph.nodes:
        flow.nodes[id(node.operation)].append(node)
    return flow


class Entry(Operation):
    """Where the data come in, in the flow of a layer that has no input layers."""


def _traced(layer: Any) -> tuple[Graph | None, Exception | None]:
    """The graph of one call of a built layer, on inputs of the shapes that it was built for."""
    shapes = layer._lamina.build_shapes
    if not layer.built or not shapes or not layer._sublayers():
        return None, None
    called = [(each, len(each._nodes)) for each in layer._flatten_layers()]
    failure = None
    with naming.kept():
        for call, unknown_batch in ((_call, True), (_call, False), (follow, True)):
            try:
                return call(layer, _entries(layer, shapes, unknown_batch)), None
            except Exception as error:
                failure = error
            finally:
                for each, count in called:
                    del each._nodes[count:]
    return None, failure


def built_copy(model: Any, input_shape: Any) -> Any:
    """A copy of a model that is built for inputs of this shape; the model itself stays as it is.

    Args:
        input_shape: As ``model.build`` takes it: a shape, with None for the batch, or a nest of
            shapes.
    """
    draws = settings.draws
    try:
        with naming.kept():
            made = copy.deepcopy(model)
            made.build(input_shape)
    finally:
        settings.draws = draws  # what is built later begins with the same weights
    return made


def opens(step: Operation) -> bool:
    """Whether a picture can show what is inside: of nested models and of a user's own layers."""
    ours = type(step).__module__.partition(".")[0] == "lamina"
    return is_layer(step) and bool(step._sublayers()) and (is_model(step) or not ours)  # type: ignore[attr-defined]


def _entries(layer: Any, shapes: dict[str, Any], unknown_batch: bool) -> dict[str, Any]:
    """Symbolic tensors of the shapes that a layer was built for, by parameter."""

    def entry(shape: Shape, name: str) -> SymbolicTensor:
        if unknown_batch and len(shape) > 1:
            shape = (None, *shape[1:])
        x = SymbolicTensor(shape, layer.compute_dtype)
        Node(Entry(name), (), {}, x)
        return x

    def entries(shape: Any, name: str) -> Any:
        if isinstance(shape, dict):
            return {key: entries(each, key) for key, each in shape.items()}
        return nest.map_shapes(lambda each: entry(each, name), shape)

    names = {key: key.removesuffix("_shape") for key in shapes}
    return {name: entries(shapes[key], name) for key, name in names.items()}


def _call(layer: Any, given: dict[str, Any]) -> Graph:
    entries = nest.flatten(list(given.values()))
    first, *others = given.items()
    outputs = layer.call(first[1], **dict(others))
    found = [x for x in nest.flatten(outputs) if isinstance(x, SymbolicTensor)]
    return Graph(entries, found)


def class_label(step: Operation) -> str:
    """The class of a step as people call it; for an op its function, written as a class.

    >>> class_label(FunctionOperation("true_divide"))
    'TrueDivide'
    """
    if isinstance(step, Computed):
        return step.label
    if isinstance(step, FunctionOperation):
        return "".join(part.capitalize() for part in step.function.split("_"))
    return "Input" if isinstance(step, Entry) else type(step).__name__


def is_model(step: Operation) -> bool:
    """Whether a step is a nested model."""
    return is_layer(step) and any(cls.__name__ == "Model" for cls in type(step).__mro__)


def shapes_text(shapes: list[Shape]) -> str:
    """Shapes in one line, equal ones counted.

    >>> shapes_text([(None, 3), (None, 3), (2,)])
    '2 × (None, 3), (2,)'
    """
    counts = Counter(str(tuple(shape)) for shape in shapes)
    return ", ".join(f"{n} × {s}" if n > 1 else s for s, n in counts.items()) or "?"
