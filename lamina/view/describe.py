"""A model, or any layer, as a ModelGraph."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from lamina.core import nest
from lamina.core.errors import DTypeError, LaminaWarning, describe_value, explain, unknown
from lamina.core.graph import Node
from lamina.core.operation import FunctionOperation, Operation, first_line
from lamina.core.symbolic import SymbolicTensor
from lamina.core.tracking import is_layer
from lamina.view.cost import step_costs
from lamina.view.facts import count_text, facts_of, params_text, spec_text
from lamina.view.flow import built_copy, class_label, flow_of, is_model, opens, shapes_text
from lamina.view.follow import Computed
from lamina.view.model_graph import Box, Edge, Facts, Group, Kind, ModelGraph, Spec

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
    kind = family([class_label(step), *(cls.__name__ for cls in type(step).__mro__)])
    if isinstance(step, FunctionOperation) and kind == "merge":
        return "merge" if step._nodes and len(step._nodes[0].inputs) > 1 else "op"
    if kind == "op" and is_layer(step) and (is_model(step) or step._sublayers()):  # type: ignore[attr-defined]
        return "model"
    return kind


def family(names: list[str]) -> Kind:
    """The family of the first name that has one."""
    for name in names:
        for pattern, kind in KINDS:
            if re.search(pattern, name):
                return kind
    return "op"


Detail: TypeAlias = Literal["names", "shapes", "full"]


def describe(
    model: Any, detail: Detail | None = None, input_shape: Any = None, **shown: Any
) -> ModelGraph:
    """What is drawn of a model: a box per step, an edge per tensor, a group per nested model.

    A layer that is used several times is one box, which says so. A model that is not built yet is
    drawn with '?' for what is not known.

    Args:
        model: A model or any other layer.
        detail: "names" shows names and outputs; "shapes" also shapes on edges and parameters;
            "full" also configs, activations, dtypes and floating-point operations.
        input_shape: For a model that is not built yet: draw it as built for this shape.
        **shown: What else to show: the first six of `plot_model`'s arguments of that kind.

    Raises:
        DTypeError: when ``model`` is no layer.
        UnknownNameError: for a level of detail that there is not.

    >>> import lamina as keras
    >>> graph = describe(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), "shapes")
    >>> [box.label for box in graph.boxes], [edge.label for edge in graph.edges]
    (['Input', 'Dense', 'Output'], ['batch × 3', 'batch × 2'])
    """
    if not is_layer(model):
        raise DTypeError("A picture is drawn of a model.", met=describe_value(model))
    if detail is not None and detail not in get_args(Detail):
        raise unknown("detail", detail, get_args(Detail))
    if input_shape is not None and not model.built:
        model = built_copy(model, input_shape)
    level = (None, *get_args(Detail)).index(detail)
    describer = _Describer(ModelGraph(model.name), level, **shown)
    describer.show_layer_names |= level > 0
    describer.run(model)
    return describer.graph


class _Ports(NamedTuple):
    """The boxes where a nested model's tensors go in and come out, by number."""

    inputs: list[str]
    outputs: list[tuple[str, int]]
    specs: Sequence[Spec] = ()


@dataclass
class _Describer:
    graph: ModelGraph
    detail: int = 0
    show_shapes: bool = False
    show_dtype: bool = False
    show_layer_names: bool = False
    expand_nested: bool = False
    show_layer_activations: bool = False
    show_trainable: bool = False
    taken: set[str] = field(default_factory=set)

    def run(self, model: Any) -> None:
        ports = self.level(model, None, "")
        if not self.graph.boxes:
            self.graph.boxes.append(self.box(model, [], "model", None))
        elif self.detail:
            self._outputs(model, ports)

    def _outputs(self, model: Any, ports: _Ports) -> None:
        """A box for each output, so that its shape stands on an edge as well."""
        if not ports.specs:
            return
        known = getattr(getattr(model, "_plan", None), "outputs", None)
        names = nest.flatten({key: key for key in known}) if isinstance(known, dict) else []
        sources = {box.id: box.name or box.label for box in self.graph.boxes}
        if len(names) != len(ports.outputs):
            names = [sources.get(source, "") for source, _ in ports.outputs]
        for name, (source, tensor), spec in zip(names, ports.outputs, ports.specs, strict=True):
            identity = self._unique("output")
            name = name if len(ports.outputs) > 1 else ""
            facts = Facts(inputs=(spec,), outputs=(spec,))
            self.graph.boxes.append(Box(identity, "Output", name, "output", facts=facts))
            self._edge(source, identity, tensor, spec)

    def level(self, layer: Any, group: str | None, prefix: str) -> _Ports:
        """Add the steps of a layer and what flows between them."""
        flow = flow_of(layer)
        if flow.failure is not None:
            _warn(layer, flow.failure)
        costs = step_costs(flow).steps if self.detail > 2 else {}
        inside: dict[int, _Ports] = {}
        for step in flow.steps:
            own, nodes = flow.own(step), flow.nodes_of(step)
            identity = self._unique(prefix + own.name)
            if self.expand_nested and opens(own):
                times = f" (called {len(nodes)} times)" if len(nodes) > 1 else ""
                facts = facts_of(own, nodes, costs.get(id(step)), self.detail > 2)
                self.graph.groups.append(Group(identity, own.name + times, group, facts=facts))
                inside[id(step)] = self.level(own, identity, identity + "/")
            else:
                self.graph.boxes.append(self.box(own, nodes, identity, group, costs.get(id(step))))
                outputs = max([len(node.outputs) for node in nodes], default=1)
                inside[id(step)] = _Ports([identity], [(identity, k) for k in range(outputs)])
        if flow.graph is None:
            ports = [inside[id(step)] for step in flow.steps]
            for before, after in pairwise(ports) if flow.chained else ():
                if before.outputs and after.inputs:
                    self._edge(before.outputs[0][0], after.inputs[0], 0, None)
            return _Ports(ports[0].inputs, ports[-1].outputs) if ports else _Ports([], [])
        for node in flow.graph.nodes:
            self._edges(node, inside)
        return _Ports(
            [self._leaves(x, inside)[0] for x in flow.graph.inputs],
            [self._leaves(x, inside) for x in flow.graph.outputs],
            [Spec(x.shape, x.dtype) for x in flow.graph.outputs],
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
            if x.record is not None and id(x.record[0]) in inside and inputs:
                source, tensor = self._leaves(x, inside)
                target = inputs[min(index, len(inputs) - 1)]
                self._edge(source, target, tensor, Spec(x.shape, x.dtype))

    def _edge(self, source: str, target: str, tensor: int, spec: Spec | None) -> None:
        label = spec_text(spec) if spec is not None and self.detail > 1 else ""
        self.graph.edges.append(Edge(source, target, label, tensor, spec))

    def box(
        self, step: Any, nodes: list[Node], identity: str, group: str | None, cost: Any = None
    ) -> Box:
        """One step as a box with the rows that were asked for."""
        kind, name = kind_of(step), step.name if self.show_layer_names else ""
        facts = facts_of(step, nodes, cost, self.detail > 2)
        label = "Input" if self.detail and kind == "input" else class_label(step)
        if name == label or name == getattr(step, "function", "") or isinstance(step, Computed):
            name = ""  # the label says it
        return Box(identity, label, name, kind, tuple(self._rows(step, kind, facts)), group, facts)

    def _rows(self, step: Any, kind: Kind, facts: Facts) -> Iterator[tuple[str, str]]:
        full = self.detail > 2
        if self.show_shapes and kind != "input":
            yield "input", shapes_text([x.shape for x in facts.inputs])
        if self.show_shapes:
            yield "output", shapes_text([x.shape for x in facts.outputs])
        config = facts.config if full and kind != "input" else ()
        yield from (row for row in config if row[0] != "initializers")
        function = getattr(step, "activation", None)
        named = getattr(function, "__name__", None) or getattr(function, "name", None)
        named = str(named or type(function).__name__)
        if function is not None and (self.show_layer_activations or (full and named != "linear")):
            yield "activation", named
        yield from (row for row in config if row[0] == "initializers")
        if self.show_dtype or full:
            kinds = dict.fromkeys(x.dtype for x in facts.outputs)
            yield "dtype", ", ".join(kinds) or str(getattr(step, "dtype", "?"))
        if self.show_trainable and is_layer(step) and kind != "input":
            yield "trainable", "yes" if step.trainable else "no"
        if self.detail > 1 and facts.params != 0:
            yield "parameters", params_text(facts)
        if full and facts.flops:
            yield "FLOPs", count_text(facts.flops)
        if facts.calls > 1:
            yield "", f"called {facts.calls} times"


def _warn(layer: Any, failure: Exception) -> None:
    what = f"The call of {type(layer).__name__} '{layer.name}' cannot be followed, so that its "
    what += "picture has its layers and no edges between them [untraced-call]."
    met = f"{type(failure).__name__}: {first_line(failure)}"
    fix = "in call(), use no NumPy and no Python `if` on values"
    warnings.warn(explain(what, met=met, fix=fix), LaminaWarning, stacklevel=2)
