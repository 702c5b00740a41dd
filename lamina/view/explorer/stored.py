"""The graph of a model that is not built: from the description in its file, as it stands there."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from lamina.core.errors import FileError
from lamina.core.types import Config
from lamina.view.describe import family
from lamina.view.facts import spec_text
from lamina.view.model_graph import Box, Edge, Facts, Group, ModelGraph, Spec

DEEPEST, LONGEST = 60, 300
"""Levels of nesting that are followed, and characters of a value that are shown."""


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
    try:
        graph = ModelGraph(str(config["config"].get("name", name)))
        _part(graph, config, None, "", 0)
        return graph.check()
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise FileError(f"'{name}': its config is not that of a model.", met=str(error)) from error


def _part(
    graph: ModelGraph, stored: Config, group: str | None, prefix: str, depth: int
) -> list[list[str]]:
    """Add a layer, or what is in it; the boxes where its inputs and its outputs are."""
    config, label = stored["config"], str(stored["class_name"])
    identity = prefix + _name(stored)
    if not config.get("layers") or depth > DEEPEST:
        rows = tuple((str(key), _text(value)) for key, value in config.items() if key != "name")
        facts = Facts(params=None, trainable=None, config=rows)
        graph.boxes.append(Box(identity, label, _name(stored), family([label]), (), group, facts))
        return [[identity], [identity]]
    if depth:
        graph.groups.append(Group(identity, _name(stored), group))
        group, prefix = identity, f"{identity}/"
    layers = config["layers"]
    inside = {_name(each): _part(graph, each, group, prefix, depth + 1) for each in layers}
    ports = list(inside.values())
    if not any("inbound_nodes" in layer for layer in layers):
        for (_, outputs), (inputs, _) in pairwise(ports):
            graph.edges.append(Edge(outputs[0], inputs[0]))
        return [ports[0][0], ports[-1][1]]
    for layer, (inputs, _) in zip(layers, ports, strict=True):
        for node in layer.get("inbound_nodes", ()):
            for index, (source, tensor, spec) in enumerate(_sources(node)):
                outputs, label = inside[source][1], spec_text(spec) if spec else ""
                start = outputs[min(tensor, len(outputs) - 1)]
                end = inputs[min(index, len(inputs) - 1)]
                graph.edges.append(Edge(start, end, label, tensor, spec))
    return [
        [box for name, _, _ in _sources(config.get(key, [])) for box in inside[name][side]]
        for side, key in enumerate(("input_layers", "output_layers"))
    ]


def _name(stored: Config) -> str:
    return str(stored.get("name") or stored["config"].get("name") or stored["class_name"])


def _text(value: Any) -> str:
    """A value in a config in one line; of an object its class and what it was given."""
    match value:
        case str(text) | {"class_name": "function", "config": str(text)}:
            pass
        case {"class_name": str(text), "config": dict(given)}:
            given = {key: each for key, each in given.items() if each is not None}
            text = f"{text} {json.dumps(given)}" if given else text
        case _:
            text = json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _sources(value: Any, depth: int = 0) -> Iterator[tuple[str, int, Spec | None]]:
    """``(layer, tensor, shape and dtype)`` of what is given in a call, in Keras's 3 or 2 form."""
    match value:
        case {"config": {"keras_history": [str(name), _, int(tensor)], "shape": list(shape)}}:
            yield name, tensor, Spec(tuple(shape), str(value["config"].get("dtype")))
        case [str(name), int(), int(tensor), *_]:
            yield name, tensor, None
        case dict() | list() if depth < DEEPEST:
            for each in value.values() if isinstance(value, dict) else value:
                yield from _sources(each, depth + 1)
