"""A ModelGraph as Mermaid text, which GitHub and many note-taking programs draw."""

import re

from lamina.view.model_graph import Box, Direction, Kind, ModelGraph
from lamina.view.style import THEMES


def mermaid(graph: ModelGraph, direction: Direction = "TB", theme: str = "light") -> str:
    """Text of a flowchart (mermaid.js.org/syntax/flowchart.html).

    >>> print(mermaid(ModelGraph("m", [Box("a", "Dense", "first", "dense")])))
    flowchart TB
      n0["<b>first</b> Dense"]:::dense
      classDef dense fill:#ccdcec,stroke:#2969a6,color:#1c2733
    """
    style = THEMES[theme]
    numbers = {box.id: f"n{number}" for number, box in enumerate(graph.boxes)}
    lines = [f"flowchart {direction}"]

    def members(group: str | None, indent: str) -> None:
        lines.extend(f"{indent}{numbers[b.id]}{_node(b)}" for b in graph.boxes if b.group == group)
        for number, inner in enumerate(graph.groups):
            if inner.parent == group:
                lines.append(f'{indent}subgraph g{number}["{_escaped(inner.name)}"]')
                members(inner.id, indent + "  ")
                lines.append(f"{indent}end")

    members(None, "  ")
    for edge in graph.edges:
        label = f'|"{_escaped(edge.label)}"|' if edge.label else ""
        lines.append(f"  {numbers[edge.source]} -->{label} {numbers[edge.target]}")
    kinds: list[Kind] = [box.kind for box in graph.boxes]
    for kind in dict.fromkeys(kinds):
        colours = f"fill:{style.fill(kind)},stroke:{style.stroke(kind)},color:{style.ink}"
        lines.append(f"  classDef {kind} {colours}")
    return "\n".join(lines)


def _node(box: Box) -> str:
    title = f"<b>{_escaped(box.name or box.label)}</b>"
    title += f" {_escaped(box.label)}" if box.name else ""
    rows = [_escaped(f"{key}: {value}" if key else value) for key, value in box.rows]
    return f'["{"<br>".join([title, *rows])}"]:::{box.kind}'


def _escaped(text: str) -> str:
    """Text with the characters that Mermaid or HTML would read as its own written as numbers."""
    return re.sub(r'["#&<>`]', lambda found: f"#{ord(found[0])};", text)
