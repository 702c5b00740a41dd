"""A model, or any layer, as a ModelGraph."""

import re
from itertools import pairwise
from typing import Any

from lamina.core.errors import DTypeError, describe_value
from lamina.core.graph import Node
from lamina.core.operation import FunctionOperation, Operation
from lamina.core.symbolic import SymbolicTensor
from lamina.core.tracking import is_layer
from lamina.view.flow import Flow, class_label, flow_of, is_model, shapes_text
from lamina.view.model_graph import Box, Edge, Group, Kind, ModelGraph

KINDS: list[tuple[str, Kind]] = [
    (r"^(InputLayer|Entry)$", "input"),
    (r"Attention", "attention"),
    (r"LSTM|GRU|RNN|Bidirectional", "recurrent"),
    (r"Normalization$|^Rescaling$", "norm"),
    (r"Pool", "pooling"),
    (r"Conv", "conv"),
    (r"^(Add|Subtract|Multiply|Average|Maximum|Minimum|Concatenate|Dot|Merge)$", "merge"),
    (r"Dropout|Noise|ActivityRegularization|Masking", "regularisation"),
    (r"Reshape|Flatten|Permute|RepeatVector|Cropping|ZeroPadding|UpSampling", "reshape"),
    (r"Activation|ReLU|ReLu|^(ELU|Softmax)$", "activation"),
    (r"Dense|Embedding", "dense"),
]
"""Patterns of class names, and the family that they are drawn as; the first match counts."""

OPS: dict[str, Kind] = {
    "add": "merge", "subtract": "merge", "multiply": "merge", "concatenate": "merge",
    "stack": "merge", "maximum": "merge", "minimum": "merge", "matmul": "merge",
    "reshape": "reshape", "transpose": "reshape", "squeeze": "reshape", "expand_dims": "reshape",
    "relu": "activation", "softmax": "activation", "sigmoid": "activation", "tanh": "activation",
}  # fmt: skip


def kind_of(step: Operation) -> Kind:
    """The family of a step, by the name of its class or of one that the class extends."""
    label = class_label(step)
    if isinstance(step, FunctionOperation):
        kind = OPS.get(label, "op")
        alone = not step._nodes or len(step._nodes[0].inputs) < 2
        return "op" if kind == "merge" and alone else kind
    for cls in type(step).__mro__:
        for pattern, kind in KINDS:
            if re.search(pattern, cls.__name__):
                return kind
    holds_layers = is_layer(step) and (is_model(step) or step._sublayers())  # type: ignore[attr-defined]
    return "model" if holds_layers else "op"


def describe(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    expand_nested: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> ModelGraph:
    """What is drawn of a model: a box per step, an edge per tensor, a group per nested model.

    A layer that is used several times is one box, which says so. A model that is not built yet is
    drawn with '?' for what is not known.
    """
    if not is_layer(model):
        raise DTypeError("A picture is drawn of a model.", met=describe_value(model))
    describer = _Describer(
        show_shapes, show_dtype, show_layer_names, expand_nested, show_layer_activations,
        show_trainable,
    )  # fmt: skip
    describer.level(model, None, "")
    if not describer.graph.boxes:
        describer.graph.boxes.append(describer.box(model, [], "model", None))
    describer.graph.name = model.name
    return describer.graph


class _Ports:
    """The boxes where a nested model's tensors go in and come out, by number."""

    def __init__(self, inputs: list[str], outputs: list[tuple[str, int]]) -> None:
        self.inputs = inputs
        self.outputs = outputs


class _Describer:
    def __init__(
        self, shapes: bool, dtype: bool, names: bool, nested: bool, activations: bool, train: bool
    ) -> None:
        self.shapes, self.dtype, self.names = shapes, dtype, names
        self.nested, self.activations, self.train = nested, activations, train
        self.graph = ModelGraph("")
        self.taken: set[str] = set()

    def level(self, layer: Any, group: str | None, prefix: str) -> _Ports:
        """Add the steps of a layer and what flows between them."""
        flow = flow_of(layer)
        inside: dict[int, _Ports] = {}
        for step in flow.steps:
            own, nodes = flow.own(step), flow.nodes_of(step)
            identity = self._unique(prefix + own.name)
            if self.nested and is_model(own) and own._sublayers():
                times = f" (called {len(nodes)} times)" if len(nodes) > 1 else ""
                self.graph.groups.append(Group(identity, own.name + times, group))
                inside[id(step)] = self.level(own, identity, identity + "/")
            else:
                self.graph.boxes.append(self.box(own, nodes, identity, group))
                outputs = max([len(node.outputs) for node in nodes], default=1)
                inside[id(step)] = _Ports([identity], [(identity, k) for k in range(outputs)])
        if flow.graph is None:
            return self._parts(flow, inside)
        for node in flow.graph.nodes:
            self._edges(node, inside)
        return _Ports(
            [self._leaves(x, inside)[0] for x in flow.graph.inputs],
            [self._leaves(x, inside) for x in flow.graph.outputs],
        )

    def _unique(self, name: str) -> str:
        found, count = name, 1
        while found in self.taken:
            found, count = f"{name}~{count}", count + 1
        self.taken.add(found)
        return found

    def _parts(self, flow: Flow, inside: dict[int, _Ports]) -> _Ports:
        ports = [inside[id(step)] for step in flow.steps]
        if not ports:
            return _Ports([], [])
        if flow.chained:
            for before, after in pairwise(ports):
                self.graph.edges.append(Edge(before.outputs[0][0], after.inputs[0]))
        return _Ports(ports[0].inputs, ports[-1].outputs)

    def _leaves(self, x: SymbolicTensor, inside: dict[int, _Ports]) -> tuple[str, int]:
        """The box that a tensor comes out of, and a number for the tensor among the box's own."""
        assert x.record is not None
        step, number, index = x.record
        outputs = inside[id(step)].outputs
        box, tensor = outputs[min(index, len(outputs) - 1)]
        return box, tensor + number * 1000

    def _edges(self, node: Node, inside: dict[int, _Ports]) -> None:
        inputs = inside[id(node.operation)].inputs
        for index, x in enumerate(node.inputs):
            if x.record is not None and id(x.record[0]) in inside:
                source, tensor = self._leaves(x, inside)
                target = inputs[min(index, len(inputs) - 1)]
                self.graph.edges.append(Edge(source, target, tensor=tensor))

    def box(self, step: Any, nodes: list[Node], identity: str, group: str | None) -> Box:
        """One step as a box with the rows that were asked for."""
        kind = kind_of(step)
        outputs = [x for node in nodes for x in node.outputs]
        rows: list[tuple[str, str]] = []
        if self.shapes:
            given = [x.shape for node in nodes for x in node.inputs]
            if kind != "input":
                rows.append(("input", shapes_text(given)))
            rows.append(("output", shapes_text([x.shape for x in outputs])))
        if self.dtype:
            kinds = dict.fromkeys(x.dtype for x in outputs)
            rows.append(("dtype", ", ".join(kinds) or str(getattr(step, "dtype", "?"))))
        if self.activations and getattr(step, "activation", None) is not None:
            rows.append(("activation", activation_name(step.activation)))
        if self.train and is_layer(step) and kind != "input":
            rows.append(("trainable", "yes" if step.trainable else "no"))
        if len(nodes) > 1:
            rows.append(("", f"called {len(nodes)} times"))
        name = step.name if self.names else ""
        return Box(identity, class_label(step), name, kind, tuple(rows), group)


def activation_name(activation: Any) -> str:
    """The name of an activation function or layer."""
    name = getattr(activation, "__name__", None) or getattr(activation, "name", None)
    return str(name or type(activation).__name__)
