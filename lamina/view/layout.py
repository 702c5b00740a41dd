"""Where everything in a drawing stands: our own layered layout.

The steps are those of `level.py`: ranks (`ranking.py`), order in a rank (`ordering.py`; of groups
`nesting.py`), coordinates (`placing.py`), lines (`routing.py`). All that is done from top to
bottom; here a graph becomes what these steps are about, and what they find is turned to the
direction asked for.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple, TypeAlias

from lamina.core.errors import GraphError
from lamina.view.level import Solver, Wire
from lamina.view.model_graph import Direction, Edge, ModelGraph
from lamina.view.ranking import back_edges
from lamina.view.routing import CORNER, Frame, Item, Point

Size: TypeAlias = tuple[float, float]


class Rect(NamedTuple):
    """A rectangle by its middle and its size."""

    x: float
    y: float
    width: float
    height: float


@dataclass
class Layout:
    """Places of boxes, groups and labels (by source and tensor), and the size of the whole.

    A route is a list of knots: two knots on a line along the ranks are joined by that line, others
    by an S-curve that leaves and arrives along the ranks.
    """

    direction: Direction
    width: float = 0.0
    height: float = 0.0
    boxes: dict[str, Rect] = field(default_factory=dict)
    groups: dict[str, Rect] = field(default_factory=dict)
    labels: dict[tuple[str, int], Rect] = field(default_factory=dict)
    routes: list[tuple[Edge, list[Point]]] = field(default_factory=list)
    loops: list[Edge] = field(default_factory=list)

    @property
    def upright(self) -> bool:
        """Whether ranks follow each other from top to bottom, or back."""
        return self.direction in ("TB", "BT")

    def turned(self, size: Size) -> Size:
        """Across and along the ranks for width and height, and back."""
        return size if self.upright else (size[1], size[0])


class Net(NamedTuple):
    """What shares one line: a tensor on its way to all who read it, or one edge drawn backward."""

    source: str
    tensor: int
    backward: int = -1


PADDING, TITLE, MARGIN, LOOP = 14.0, 30.0, 16.0, 30.0
HEADS_APART = 10.0
LARGEST = 10_000
"""A drawing of so many boxes is some hundred thousand pixels high, and takes ten seconds."""


def arrange(
    graph: ModelGraph,
    sizes: Mapping[str, Size],
    labels: Mapping[tuple[str, int], Size] | None = None,
    titles: Mapping[str, float] | None = None,
    direction: Direction = "TB",
) -> Layout:
    """Place boxes of ``sizes``, labels on tensors, and groups whose titles have these widths.

    Raises a GraphError for a graph that does not hang together, or that is too large to be drawn.

    >>> from lamina.view.model_graph import Box
    >>> graph = ModelGraph("m", [Box("a", "A"), Box("b", "B")], [Edge("a", "b")])
    >>> layout = arrange(graph, {"a": (60, 20), "b": (80, 20)})
    >>> layout.boxes["a"].x == layout.boxes["b"].x, layout.boxes["a"].y < layout.boxes["b"].y
    (True, True)
    """
    if len(graph.boxes) > LARGEST:
        raise GraphError(
            f"{graph.name!r} is too large for one drawing.",
            met=f"{len(graph.boxes):,} boxes",
            rule=f"a drawing holds up to {LARGEST:,}",
            fix="leave nested models and repeated blocks folded, draw a part of the model, or read "
            "it as a table, with summary()",
        )
    layout = Layout(direction)
    turned_sizes = {box: layout.turned(size) for box, size in sizes.items()}
    items = measured(graph.check(), turned_sizes)
    paths = {each: tuple(reversed(around)) for each, around in graph.enclosing().items()}
    filled = {group for box in graph.boxes for group in paths[box.id]}
    for group in graph.groups:
        if group.id not in filled:
            items[group.id] = Item()
            paths[group.id] += (group.id,)
    edges = [edge for edge in graph.edges if edge.source != edge.target]
    layout.loops = [edge for edge in graph.edges if edge.source == edge.target]
    number = {box.id: index for index, box in enumerate(graph.boxes)}
    turned = back_edges(len(number), [(number[e.source], number[e.target]) for e in edges])
    wires = list(wires_of(edges, turned))
    chips = {Net(*key): layout.turned(size) for key, size in (labels or {}).items()}
    level = Solver(items, wires, chips, _frames(graph, titles or {}, layout), paths).run()
    high = level.height + 2 * MARGIN
    layout.width, layout.height = layout.turned((level.width + 2 * MARGIN, high))

    def turn(x: float, y: float) -> Point:
        x, y = x + MARGIN, y + MARGIN
        x, y = round(x, 3), round(y if layout.direction in ("TB", "LR") else high - y, 3)
        return Point(x, y) if layout.upright else Point(y, x)

    for box in sizes:
        size = layout.turned((2 * items[box].left, items[box].height))
        layout.boxes[box] = Rect(*turn(*level.places[box]), *size)
    for net, at in level.labels.items():
        layout.labels[net.source, net.tensor] = Rect(*turn(*at), *layout.turned(chips[net]))
    for name, (left, top, right, bottom) in level.areas.items():
        size = layout.turned((right - left, bottom - top))
        layout.groups[name] = Rect(*turn((left + right) / 2, (top + bottom) / 2), *size)
    for edge, wire in zip(edges, wires, strict=True):
        knots = [point for point, _ in groupby(turn(*at) for at in level.routes[wire])]
        layout.routes.append((edge, knots[::-1] if wire.backward else knots))
    return layout


def measured(graph: ModelGraph, sizes: Mapping[str, Size]) -> dict[str, Item]:
    """Boxes sized across and along the ranks, as items: wide for what arrives, room for loops."""
    loops = {edge.source for edge in graph.edges if edge.source == edge.target}
    arrivals = Counter(edge.target for edge in graph.edges)
    items = {}
    for box, (width, height) in sizes.items():
        if arrivals[box] > 2:
            width = max(width, (arrivals[box] - 1) * HEADS_APART + 2 * CORNER)
        items[box] = Item(width / 2, width / 2 + LOOP * (box in loops), height)
    return items


def _frames(graph: ModelGraph, titles: Mapping[str, float], layout: Layout) -> dict[str, Frame]:
    """What each group has around its content, the outer groups first."""
    before, after = (TITLE if layout.direction == side else PADDING for side in ("TB", "BT"))
    left = PADDING if layout.upright else TITLE
    around, frames = graph.enclosing(), {}
    for group in sorted(graph.groups, key=lambda group: len(around[group.id])):
        title = titles.get(group.id, 0.0) + 2 * PADDING
        across, along = layout.turned((title, 0.0))
        side = {"TB": "enter", "BT": "leave"}.get(layout.direction, "")
        frames[group.id] = Frame(group.parent, before, after, left, PADDING, across, along, side)
    return frames


def wires_of(edges: Sequence[Edge], turned: Collection[int]) -> Iterator[Wire]:
    """One wire for each edge; edges in ``turned`` run backward, each on a line of its own."""
    seen: Counter[tuple[Net, str]] = Counter()
    for index, edge in enumerate(edges):
        backward = index in turned
        net = Net(edge.source, edge.tensor, index if backward else -1)
        source, target = (edge.target, edge.source) if backward else (edge.source, edge.target)
        yield Wire(net, source, target, seen[net, target], backward)
        seen[net, target] += 1
