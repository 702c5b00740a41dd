"""A neutral description of a model to be drawn: boxes, edges, groups. It knows no layer.

Everything that draws reads this and nothing else; `describe.py` makes it from a model.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from lamina.core.errors import GraphError
from lamina.core.types import Shape

Kind: TypeAlias = Literal[
    "input", "dense", "conv", "recurrent", "attention", "norm", "pooling", "merge", "reshape",
    "activation", "regularisation", "op", "output", "model",
]  # fmt: skip
Direction: TypeAlias = Literal["TB", "BT", "LR", "RL"]


class Spec(NamedTuple):
    """A tensor's shape, None where a size is free, and its dtype."""

    shape: Shape
    dtype: str


@dataclass(frozen=True)
class Facts:
    """What is known of a step, whether a picture shows it or not.

    Attributes:
        step: The layer or op itself.
        inputs, outputs: Shapes and dtypes of all its calls; empty where unknown.
        params, trainable: How many numbers its weights hold, and how many of them are trained;
            None for a layer that is not built, 0 for what has none.
        calls: How often it is called.
        config: Its arguments that differ from their defaults or have none, as text.
        flops: Floating-point operations of one forward pass of one sample; None where unknown.
        flags: Some of "shared", "frozen", "unbuilt", "lora", "quantized".
        key: A value equal for steps that compute the same, names and weights apart.
    """

    step: Any = None
    inputs: tuple[Spec, ...] = ()
    outputs: tuple[Spec, ...] = ()
    params: int | None = 0
    trainable: int | None = 0
    calls: int = 1
    config: tuple[tuple[str, str], ...] = ()
    flops: int | None = None
    flags: tuple[str, ...] = ()
    key: Hashable = None


@dataclass(frozen=True)
class Box:
    """One node. ``label`` is its class; ``name`` may be empty; ``rows`` are pairs of key and value.

    A row with an empty key is one line of text across the box. ``facts`` count in no comparison.
    """

    id: str
    label: str
    name: str = ""
    kind: Kind = "op"
    rows: tuple[tuple[str, str], ...] = ()
    group: str | None = None
    facts: Facts = field(default=Facts(), compare=False, repr=False)

    @property
    def text(self) -> str:
        """All that it says, a line for the name and one for each row."""
        title = f"{self.name} ({self.label})" if self.name else self.label
        return "\n".join(
            [title, *(f"{key}: {value}" if key else value for key, value in self.rows)]
        )


@dataclass(frozen=True)
class Edge:
    """An arrow. Edges with equal ``source`` and ``tensor`` carry one value and share their way.

    ``spec`` is the shape and dtype of what it carries, where that is known.
    """

    source: str
    target: str
    label: str = ""
    tensor: int = 0
    spec: Spec | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Group:
    """A nested model, drawn as a rounded area around its boxes and the groups inside it.

    With ``times`` above 1 it is a block that stands for so many equal ones in a row.
    """

    id: str
    name: str
    parent: str | None = None
    times: int = 1
    facts: Facts = field(default=Facts(), compare=False, repr=False)


@dataclass
class ModelGraph:
    """A picture's content.

    >>> graph = ModelGraph("m", [Box("a", "Input"), Box("b", "Dense")], [Edge("a", "b")])
    >>> graph.check().enclosing()
    {'a': [], 'b': []}
    """

    name: str
    boxes: list[Box] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def check(self) -> "ModelGraph":
        """Itself, if every id is unique and known; else a GraphError that says which is not."""
        boxes, groups = ([each.id for each in parts] for parts in (self.boxes, self.groups))
        owners = {box.group for box in self.boxes} | {group.parent for group in self.groups}
        ends = {end for edge in self.edges for end in (edge.source, edge.target)}
        for name, count in Counter([*boxes, *groups]).items():
            if count > 1:
                raise GraphError(f"Two parts of the graph have the id {name!r}.")
        for name in sorted(ends - set(boxes)):
            raise GraphError(f"An edge ends at {name!r}, which is not a box.")
        for name in owners - {None, *groups}:
            raise GraphError(f"{name!r} is not a group of the graph.")
        return self

    def enclosing(self) -> dict[str, list[str]]:
        """For every box and group the groups around it, the innermost first."""
        parents = {group.id: group.parent for group in self.groups}
        around: dict[str, list[str]] = {}
        for each, owner in [*parents.items(), *((box.id, box.group) for box in self.boxes)]:
            chain: list[str] = []
            while owner is not None:
                if owner == each or owner in chain:
                    raise GraphError(f"Group {owner!r} lies inside itself.")
                chain.append(owner)
                owner = parents[owner]
            around[each] = chain
        return around
