"""Where everything in a drawing stands: our own layered layout.

A group is laid out on its own and then stands in its parent as one large item with ports, so
groups never overlap what is not theirs. Each level is solved by `level.py`: ranks (`ranking.py`),
order in a rank (`ordering.py`), coordinates (`placing.py`), lines (`routing.py`). All that is done
from top to bottom; here the result is put together and turned to the direction asked for.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import NamedTuple, TypeAlias

from lamina.core.errors import GraphError
from lamina.view.level import ENTRY, EXIT, Level, Wire, solve
from lamina.view.model_graph import Direction, Edge, ModelGraph
from lamina.view.ranking import back_edges
from lamina.view.routing import CORNER, Item, Point

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


class Net(NamedTuple):
    """What shares one line: a tensor on its way to all who read it, or one edge drawn backward."""

    source: str
    tensor: int
    backward: int = -1


PADDING, TITLE, MARGIN, LOOP = 14.0, 26.0, 16.0, 30.0
HEADS_APART = 10.0
LARGEST = 10_000
"""A drawing of so many boxes is some hundred thousand pixels high, and takes ten seconds."""
ROOT = "\0root"
"""The level that is in no group."""


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
    arranger = _Arranger(graph.check(), labels or {}, titles or {}, Layout(direction))
    return arranger.run(sizes)


@dataclass
class _Arranger:
    graph: ModelGraph
    labels: Mapping[tuple[str, int], Size]
    titles: Mapping[str, float]
    layout: Layout
    edges: list[Edge] = field(default_factory=list)
    items: dict[str, Item] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)
    levels: dict[str, Level] = field(default_factory=dict)
    inset: dict[str, Point] = field(default_factory=dict)

    def run(self, sizes: Mapping[str, Size]) -> Layout:
        for edge in self.graph.edges:
            (self.layout.loops if edge.source == edge.target else self.edges).append(edge)
        self.paths = {
            each: [ROOT, *reversed(around)] for each, around in self.graph.enclosing().items()
        }
        self._measure(sizes)
        self.members = self._members()
        ways = self._ways()
        self.wires: dict[str, dict[Wire, None]] = defaultdict(dict)
        for _, way in ways.values():
            for group, wire in way:
                self.wires[group][wire] = None
        depths = {group.id: len(self.paths[group.id]) for group in self.graph.groups}
        outward = sorted(depths, key=lambda group: -depths[group])
        for group in outward:
            self._enclose(group)
        self._solve(ROOT, 0.0, 0.0)
        self._compose(outward, ways)
        return self.layout

    def _turned(self, size: Size) -> Size:
        return size if self.layout.upright else (size[1], size[0])

    def _measure(self, sizes: Mapping[str, Size]) -> None:
        loops = {edge.source for edge in self.layout.loops}
        arrivals = Counter(edge.target for edge in self.graph.edges)
        for box, size in sizes.items():
            width, height = self._turned(size)
            if arrivals[box] > 2:
                width = max(width, (arrivals[box] - 1) * HEADS_APART + 2 * CORNER)
            self.items[box] = Item(width / 2, width / 2 + LOOP * (box in loops), height)
            self.sizes[box] = self._turned((width, height))

    def _members(self) -> dict[str, list[str]]:
        """The boxes and groups directly in each group, in the order in which the graph has them."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for each in [*self.graph.boxes, *self.graph.groups]:
            for level, child in pairwise([*self.paths[each.id], each.id]):
                found[level][child] = None
        return defaultdict(list, {group: list(inside) for group, inside in found.items()})

    def _ways(self) -> dict[int, tuple[Net, list[tuple[str, Wire]]]]:
        """For each edge by its number the wires it is made of, each with the group that it is in.

        Edges that close a cycle are turned.
        """
        meetings: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
        for index, edge in enumerate(self.edges):
            outer, inner, depth = self._fork(edge.source, edge.target)
            meetings[outer[depth - 1]].append((index, outer[depth], inner[depth]))
        self.turned: set[int] = set()
        for group, met in meetings.items():
            number = {name: index for index, name in enumerate(self.members[group])}
            closing = back_edges(len(number), [(number[a], number[b]) for _, a, b in met])
            self.turned |= {met[index][0] for index in closing}
        seen: Counter[tuple[Net, str]] = Counter()
        found = {}
        for index, edge in enumerate(self.edges):
            backward = index in self.turned
            source, target = (edge.target, edge.source) if backward else (edge.source, edge.target)
            net = Net(edge.source, edge.tensor, index if backward else -1)
            found[index] = (net, self._pieces(net, source, target, seen[net, target]))
            seen[net, target] += 1
        return found

    def _fork(self, source: str, target: str) -> tuple[list[str], list[str], int]:
        """The ways from the outermost level to two boxes, and where they part."""
        outer, inner = [*self.paths[source], source], [*self.paths[target], target]
        common = zip(outer, inner, strict=False)
        return outer, inner, next(i for i, (a, b) in enumerate(common) if a != b)

    def _pieces(self, net: Net, source: str, target: str, repeat: int) -> list[tuple[str, Wire]]:
        """Out of the groups around the source, across, into the groups around the target."""
        outer, inner, depth = self._fork(source, target)
        steps = [(outer[i], outer[i + 1], EXIT) for i in range(len(outer) - 2, depth - 1, -1)]
        steps.append((outer[depth - 1], outer[depth], inner[depth]))
        steps += [(inner[i], ENTRY, inner[i + 1]) for i in range(depth, len(inner) - 1)]
        last = len(steps) - 1
        return [
            (group, Wire(net, start, end, repeat * (index == last), net.backward >= 0))
            for index, (group, start, end) in enumerate(steps)
        ]

    def _solve(self, group: str, before: float, after: float) -> Level:
        self.levels[group] = solve(*self._given(group), before, after)
        return self.levels[group]

    def _given(self, group: str) -> tuple[dict[str, Item], list[Wire], dict[Hashable, Size]]:
        """The items, wires and labels of a level."""
        labels: dict[Hashable, Size] = {}
        for wire in self.wires[group]:
            net = wire.net
            assert isinstance(net, Net)
            size = self.labels.get((net.source, net.tensor))
            # A label stands once, on the level of its box, and not on a line that runs backward.
            if size and wire.start == net.source and net.backward < 0:
                labels[net] = self._turned(size)
        items = {name: self.items[name] for name in self.members[group]}
        return items, list(self.wires[group]), labels

    def _enclose(self, group: str) -> None:
        """Lay a group out and make it an item of its parent."""
        direction, upright = self.layout.direction, self.layout.upright
        ends = {end for wire in self.wires[group] for end in (wire.start, wire.end)}
        before = TITLE if direction == "TB" else 0.0 if ENTRY in ends else PADDING
        after = TITLE if direction == "BT" else 0.0 if EXIT in ends else PADDING
        left, right = (PADDING, PADDING) if upright else (TITLE, PADDING)
        title = self.titles.get(group, 0.0) + 2 * PADDING
        level = self._solve(group, before, after)
        if upright:
            facing = level.entries if direction == "TB" else level.exits
            left = max(left, title - min(facing.values(), default=title))
            right = max(right, title - left - level.width)
        elif (missing := title - before - level.height - after) > 0:
            # The ports stay on the border: the missing height is put where there are none.
            after += missing
            level = self._solve(group, before, after)
        width, height = left + level.width + right, before + level.height + after
        ports = list((level.entries or level.exits).values())
        line = left + (sum(ports) / len(ports) if ports else level.width / 2)
        self.inset[group] = Point(left, before)
        enter, leave = (
            {net: left + x - line for net, x in side.items()}
            for side in (level.entries, level.exits)
        )
        self.items[group] = Item(line, width - line, height, enter, leave)

    def _compose(
        self, outward: list[str], ways: Mapping[int, tuple[Net, list[tuple[str, Wire]]]]
    ) -> None:
        layout, root = self.layout, self.levels[ROOT]
        high = root.height + 2 * MARGIN
        layout.width, layout.height = self._turned((root.width + 2 * MARGIN, high))

        def turn(base: Point, x: float, y: float) -> Point:
            x, y = base.x + x, base.y + y
            y = y if layout.direction in ("TB", "LR") else high - y
            x, y = round(x, 3), round(y, 3)
            return Point(x, y) if layout.upright else Point(y, x)

        origins = {ROOT: Point(MARGIN, MARGIN)}
        for group in reversed(outward):
            parent, item = self.paths[group][-1], self.items[group]
            base, at, inset = origins[parent], self.levels[parent].places[group], self.inset[group]
            left, top, width = at.x - item.left, at.y - item.height / 2, item.left + item.right
            origins[group] = Point(base.x + left + inset.x, base.y + top + inset.y)
            size = self._turned((width, item.height))
            layout.groups[group] = Rect(*turn(base, left + width / 2, at.y), *size)
        for box, size in self.sizes.items():
            parent = self.paths[box][-1]
            layout.boxes[box] = Rect(
                *turn(origins[parent], *self.levels[parent].places[box]), *size
            )
        for group, level in self.levels.items():
            for net, at in level.labels.items():
                assert isinstance(net, Net)
                key = (net.source, net.tensor)
                layout.labels[key] = Rect(*turn(origins[group], *at), *self.labels[key])
        for index, (_, way) in ways.items():
            passed = [
                turn(origins[group], x, y)
                for group, wire in way
                for x, y in self.levels[group].routes[wire]
            ]
            knots = [point for point, _ in groupby(passed)]
            if index in self.turned:
                knots.reverse()
            layout.routes.append((self.edges[index], knots))
