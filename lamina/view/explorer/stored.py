"""The graph of a model that is not built: from the description in its file, as it stands there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from lamina.core.errors import FileError
from lamina.core.types import Config
from lamina.view.describe import KINDS
from lamina.view.explorer.facts import shown
from lamina.view.facts import spec_text
from lamina.view.model_graph import Box, Edge, Facts, Group, ModelGraph, Spec

DEEPEST = 60
"""Levels of nesting that are followed."""


def stored_graph(config: Config, name: str) -> ModelGraph:
    """What a config says of a model's layers and what joins them. Nothing is built or looked up.

    Raises:
        FileError: when it is not the config of a model.

    >>> layers = [{"class_name": "Unknown", "config": {"name": n}} for n in "ab"]
    >>> config = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    >>> graph = stored_graph(config, "m.keras")
    >>> [(box.name, box.label) for box in graph.boxes], len(graph.edges)
    ([('a', 'Unknown'), ('b', 'Unknown')], 1)
    """
    reader = _Reader(ModelGraph(name))
    try:
        reader.level(config, None, "", 0)
        reader.graph.name = str(config["config"].get("name", name))
        if not reader.graph.boxes:
            reader.box(config, "model", None)
        return reader.graph.check()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise FileError(f"'{name}': its config is not that of a model.", met=str(error)) from error


class _Ports(NamedTuple):
    inputs: list[str]
    outputs: list[str]


@dataclass
class _Reader:
    graph: ModelGraph
    taken: set[str] = field(default_factory=set)

    def level(self, stored: Config, group: str | None, prefix: str, depth: int) -> _Ports:
        inside: dict[str, _Ports] = {}
        layers = stored["config"].get("layers") or []
        for layer in layers:
            name = str(layer.get("name") or layer["config"].get("name") or layer["class_name"])
            identity = prefix + name
            while identity in self.taken:
                identity += "~"
            self.taken.add(identity)
            if layer["config"].get("layers") and depth < DEEPEST:
                self.graph.groups.append(Group(identity, name, group))
                inside[name] = self.level(layer, identity, f"{identity}/", depth + 1)
            else:
                inside[name] = self.box(layer, identity, group)
        if not any("inbound_nodes" in layer for layer in layers):  # a chain
            for before, after in pairwise(inside.values()):
                self.graph.edges.append(Edge(before.outputs[0], after.inputs[0]))
            ports = list(inside.values())
            return _Ports(ports[0].inputs, ports[-1].outputs) if ports else _Ports([], [])
        for layer, ports in zip(layers, inside.values(), strict=True):
            for node in layer.get("inbound_nodes", ()):
                for index, (source, tensor, spec) in enumerate(_sources(node)):
                    outputs = inside[source].outputs
                    edge = Edge(
                        outputs[min(tensor, len(outputs) - 1)],
                        ports.inputs[min(index, len(ports.inputs) - 1)],
                        spec_text(spec) if spec else "", tensor, spec,
                    )  # fmt: skip
                    self.graph.edges.append(edge)
        ends = [
            [name for name, _, _ in _sources(stored["config"].get(key, []))]
            for key in ("input_layers", "output_layers")
        ]
        return _Ports(
            [port for name in ends[0] for port in inside[name].inputs],
            [port for name in ends[1] for port in inside[name].outputs],
        )

    def box(self, layer: Config, identity: str, group: str | None) -> _Ports:
        label = str(layer["class_name"])
        kind = next((kind for pattern, kind in KINDS if re.search(pattern, label)), "op")
        config = tuple((str(key), shown(value)) for key, value in layer["config"].items())
        facts = Facts(params=None, trainable=None, config=config)
        name = str(layer["config"].get("name", ""))
        self.graph.boxes.append(Box(identity, label, name, kind, (), group, facts))
        return _Ports([identity], [identity])


def _sources(value: Any, depth: int = 0) -> Iterator[tuple[str, int, Spec | None]]:
    """``(layer, tensor, shape and dtype)`` of what is given in a call, in Keras's 3 or 2 form."""
    if depth > DEEPEST:
        return
    if isinstance(value, dict):
        inner = value.get("config")
        if isinstance(inner, dict) and "keras_history" in inner:
            name, _, tensor = inner["keras_history"]
            yield name, int(tensor), Spec(tuple(inner["shape"]), str(inner["dtype"]))
            return
        value = list(value.values())
    if isinstance(value, list):
        if len(value) > 2 and isinstance(value[0], str) and isinstance(value[2], int):
            yield value[0], value[2], None
            return
        for each in value:
            yield from _sources(each, depth + 1)
