"""A ModelGraph as DOT text, for those who want graphviz; it is not needed to write it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from lamina.core.errors import ArgumentError
from lamina.view.files import write_atomically
from lamina.view.model_graph import Box, Direction, Edge, ModelGraph
from lamina.view.style import THEMES


@dataclass(frozen=True)
class DotNode:
    """A node, with the two readers of pydot's nodes that are used most."""

    box: Box

    def get_name(self) -> str:
        """Its id."""
        return _quoted(self.box.id)

    def get_label(self) -> str:
        """Its text."""
        return self.box.text


@dataclass(frozen=True)
class DotEdge:
    """An edge, with pydot's readers of its ends."""

    edge: Edge

    def get_source(self) -> str:
        """The id of the node that it leaves."""
        return _quoted(self.edge.source)

    def get_destination(self) -> str:
        """The id of the node at its head."""
        return _quoted(self.edge.target)


@dataclass
class Dot:
    """DOT text that can be written to a file; as a subgraph it is a cluster to put in another.

    >>> print(Dot(ModelGraph("m", [Box("a", "Dense")])).to_string().splitlines()[0])
    digraph "m" {
    """

    graph: ModelGraph
    direction: Direction = "TB"
    dpi: float = 200
    subgraph: bool = False
    splines: str = "ortho"

    def to_string(self) -> str:
        """The whole text."""
        name = _quoted(self.graph.name)
        cluster = f"subgraph {_quoted('cluster_' + self.graph.name)} {{\n  label={name};"
        lines = [
            cluster if self.subgraph else f"digraph {name} {{",
            f"  graph [rankdir={self.direction}, dpi={self.dpi:g}, "
            f"splines={_quoted(self.splines)}];",
            '  node [shape=box, style="rounded,filled", fontname="Helvetica"];',
            *self._members(None, "  "),
        ]
        for edge in self.get_edges():
            label = f" [label={_quoted(edge.edge.label)}]" if edge.edge.label else ""
            lines.append(f"  {edge.get_source()} -> {edge.get_destination()}{label};")
        return "\n".join([*lines, "}", ""])

    __str__ = to_string

    def write(self, path: str | os.PathLike[str], format: str = "raw") -> bool:
        """Write the text to a file, whole or not at all. Pictures are made by `plot_model`."""
        if format not in ("raw", "dot"):
            fix = "plot_model(model, 'model.png') draws it, without graphviz"
            raise ArgumentError(f"A graph's DOT text cannot be written as {format!r}.", fix=fix)
        write_atomically(path, self.to_string().encode())
        return True

    def get_nodes(self) -> list[DotNode]:
        """One node per box, those in clusters too."""
        return [DotNode(box) for box in self.graph.boxes]

    def get_edges(self) -> list[DotEdge]:
        """All edges."""
        return [DotEdge(edge) for edge in self.graph.edges]

    def _members(self, group: str | None, indent: str) -> Iterator[str]:
        style = THEMES["light"]
        for node in self.get_nodes():
            if node.box.group == group:
                fill, stroke = style.fill(node.box.kind), style.stroke(node.box.kind)
                colours = f'fillcolor="{fill}", color="{stroke}"'
                yield f"{indent}{node.get_name()} [label={_quoted(node.get_label())}, {colours}];"
        for inner in self.graph.groups:
            if inner.parent == group:
                yield f"{indent}subgraph {_quoted('cluster_' + inner.id)} {{"
                yield f"{indent}  label={_quoted(inner.name)};"
                yield from self._members(inner.id, indent + "  ")
                yield indent + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
