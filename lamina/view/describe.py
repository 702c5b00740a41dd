"""A model, or any layer, as a ModelGraph."""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from lamina.core.errors import DTypeError, describe_value
from lamina.core.graph import Node
from lamina.core.operation import FunctionOperation, Operation
from lamina.core.symbolic import SymbolicTensor
from lamina.core.tracking import is_layer
from lamina.view.flow import class_label, flow_of, is_model, shapes_text
from lamina.view.model_graph import Box, Edge, Group, Kind, ModelGraph

KINDS: list[tuple[str, Kind]] = [
    (r"^(InputLayer|Entry)$", "input"),
    (r"Attention", "attention"),
    (r"LSTM|GRU|RNN|Bidirectional", "recurrent"),
    (r"Normalization$|^Rescaling$", "norm"),
    (r"Pool", "pooling"),
    (r"Conv(?!ert)", "conv"),
    (r"^(Add|Subtract|Multiply|Average|Maximum|Minimum|Concatenate|Dot|Merge)$", "merge"),
    (r"^(Stack|Matmul)$", "merge"),
    (r"Dropout|Noise|ActivityRegularization|Masking", "regularisation"),
    (r"Reshape|Flatten|Permute|RepeatVector|Cropping|ZeroPadding|UpSampling", "reshape"),
    (r"^(Transpose|Squeeze|ExpandDims)$", "reshape"),
    (r"Activation|ReL[Uu]|^(ELU|Softmax|Relu|Sigmoid|Tanh)$", "activation"),
    (r"Dense|Embedding", "dense"),
]
"""Patterns of class labels, and the family that they are drawn as; the first match counts."""


def kind_of(step: Operation) -> Kind:
    """The family of a step, by its label or the name of a class that its class extends."""
    names = [class_label(step), *(cls.__name__ for cls in type(step).__mro__)]
    kinds: list[Kind] = [
        kind for name in names for pattern, kind in KINDS if re.search(pattern, name)
    ]
    kind = kinds[0] if kinds else "op"
    if isinstance(step, FunctionOperation) and kind == "merge":
        return "merge" if step._nodes and len(step._nodes[0].inputs) > 1 else "op"
    if kind == "op" and is_layer(step) and (is_model(step) or step._sublayers()):  # type: ignore[attr-defined]
        return "model"
    return kind


def describe(model: Any, **shown: Any) -> ModelGraph:
    """What is drawn of a model: a box per step, an edge per tensor, a group per nested model.

    A layer that is used several times is one box, which says so. A model that is not built yet is
    drawn with '?' for what is not known.

    Args:
        **shown: What to show: the first six of `plot_model`'s arguments of that kind.
    """
    if not is_layer(model):
        raise DTypeError("A picture is drawn of a model.", met=describe_value(model))
    describer = _Describer(ModelGraph(model.name), **shown)
    describer.level(model, None, "")
    if not describer.graph.boxes:
        describer.graph.boxes.append(describer.box(model, [], "model", None))
    return describer.graph


class _Ports(NamedTuple):
    """The boxes where a nested model's tensors go in and come out, by number."""

    inputs: list[str]
    outputs: list[tuple[str, int]]


@dataclass
class _Describer:
    graph: ModelGraph
    show_shapes: bool = False
    show_dtype: bool = False
    show_layer_names: bool = False
    expand_nested: bool = False
    show_layer_activations: bool = False
    show_trainable: bool = False
    taken: set[str] = field(default_factory=set)

    def level(self, layer: Any, group: str | None, prefix: str) -> _Ports:
        """Add the steps of a layer and what flows between them."""
        flow = flow_of(layer)
        inside: dict[int, _Ports] = {}
        for step in flow.steps:
            own, nodes = flow.own(step), flow.nodes_of(step)
            identity = self._unique(prefix + own.name)
            if self.expand_nested and is_model(own) and own._sublayers():
                times = f" (called {len(nodes)} times)" if len(nodes) > 1 else ""
                self.graph.groups.append(Group(identity, own.name + times, group))
                inside[id(step)] = self.level(own, identity, identity + "/")
            else:
                self.graph.boxes.append(self.box(own, nodes, identity, group))
                outputs = max([len(node.outputs) for node in nodes], default=1)
                inside[id(step)] = _Ports([identity], [(identity, k) for k in range(outputs)])
        if flow.graph is None:
            ports = [inside[id(step)] for step in flow.steps]
            for before, after in pairwise(ports) if flow.chained else ():
                self.graph.edges.append(Edge(before.outputs[0][0], after.inputs[0]))
            return _Ports(ports[0].inputs, ports[-1].outputs) if ports else _Ports([], [])
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
        kind, name = kind_of(step), step.name if self.show_layer_names else ""
        outputs = [x for node in nodes for x in node.outputs]
        rows: list[tuple[str, str]] = []
        if self.show_shapes and kind != "input":
            rows.append(("input", shapes_text([x.shape for node in nodes for x in node.inputs])))
        if self.show_shapes:
            rows.append(("output", shapes_text([x.shape for x in outputs])))
        if self.show_dtype:
            kinds = dict.fromkeys(x.dtype for x in outputs)
            rows.append(("dtype", ", ".join(kinds) or str(getattr(step, "dtype", "?"))))
        function = getattr(step, "activation", None)
        if self.show_layer_activations and function is not None:
            named = getattr(function, "__name__", None) or getattr(function, "name", None)
            rows.append(("activation", str(named or type(function).__name__)))
        if self.show_trainable and is_layer(step) and kind != "input":
            rows.append(("trainable", "yes" if step.trainable else "no"))
        if len(nodes) > 1:
            rows.append(("", f"called {len(nodes)} times"))
        if isinstance(step, FunctionOperation) and name == step.function:
            name = ""  # the label says it
        return Box(identity, class_label(step), name, kind, tuple(rows), group)
