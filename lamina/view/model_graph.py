"""A neutral description of a model to be drawn: boxes, edges, groups. It knows no layer.

Everything that draws reads this and nothing else; `describe.py` makes it from a model.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from lamina.core.errors import GraphError, explain

Kind: TypeAlias = Literal[
    "input", "dense", "conv", "recurrent", "attention", "norm", "pooling", "merge", "reshape",
    "activation", "regularisation", "op", "output", "model",
]  # fmt: skip
Direction: TypeAlias = Literal["TB", "BT", "LR", "RL"]


@dataclass(frozen=True)
class Box:
    """One node. ``label`` is its class; ``name`` may be empty; ``rows`` are pairs of key and value.

    A row with an empty key is one line of text across the box.
    """

    id: str
    label: str
    name: str = ""
    kind: Kind = "op"
    rows: tuple[tuple[str, str], ...] = ()
    group: str | None = None


@dataclass(frozen=True)
class Edge:
    """An arrow. Edges with equal ``source`` and ``tensor`` carry one value and share their way."""

    source: str
    target: str
    label: str = ""
    tensor: int = 0


@dataclass(frozen=True)
class Group:
    """A nested model, drawn as a rounded area around its boxes and the groups inside it."""

    id: str
    name: str
    parent: str | None = None


@dataclass
class ModelGraph:
    """A picture's content.

    >>> graph = ModelGraph("m", [Box("a", "Input"), Box("b", "Dense")], [Edge("a", "b")])
    >>> graph.check().ancestors("a")
    []
    """

    name: str
    boxes: list[Box] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def check(self) -> "ModelGraph":
        """Itself, if every id is unique and known; else a GraphError that says which is not."""
        seen: set[str] = set()
        for each in [*self.boxes, *self.groups]:
            if each.id in seen:
                raise GraphError(explain(f"Two parts of the graph have the id {each.id!r}."))
            seen.add(each.id)
        boxes = {box.id for box in self.boxes}
        groups = {group.id for group in self.groups}
        for edge in self.edges:
            for end in (edge.source, edge.target):
                if end not in boxes:
                    raise GraphError(explain(f"An edge ends at {end!r}, which is not a box."))
        for owner in [box.group for box in self.boxes] + [group.parent for group in self.groups]:
            if owner is not None and owner not in groups:
                raise GraphError(explain(f"{owner!r} is not a group of the graph."))
        return self

    def ancestors(self, box: str) -> list[str]:
        """The groups around a box, the innermost first."""
        return self.enclosing()[box]

    def enclosing(self) -> dict[str, list[str]]:
        """For every box, the groups around it, the innermost first."""
        parents = {group.id: group.parent for group in self.groups}
        around: dict[str | None, list[str]] = {None: []}
        for start in parents:
            chain: list[str] = []
            at: str | None = start
            while at is not None:
                if at in chain:
                    raise GraphError(explain(f"Group {at!r} lies inside itself."))
                chain.append(at)
                at = parents[at]
            around[start] = chain
        return {box.id: around[box.group] for box in self.boxes}
