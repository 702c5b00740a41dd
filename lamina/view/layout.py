"""Where everything in a drawing stands: our own layered layout.

A group is laid out on its own and then stands in its parent as one large item with ports, so
groups never overlap what is not theirs. Each level is solved by `level.py`: ranks (`ranking.py`),
order in a rank (`ordering.py`), coordinates (`placing.py`). All that is done from top to bottom;
here the result is put together and turned to the direction asked for.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from lamina.view.level import ENTRY, EXIT, REACH, Item, Level, Point, Wire, solve
from lamina.view.model_graph import Direction, Edge, ModelGraph
from lamina.view.ranking import back_edges

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


class Piece(NamedTuple):
    """A wire and the group it is in; None is the outermost level."""

    group: str | None
    wire: Wire


PADDING, TITLE, MARGIN, LOOP = 14.0, 26.0, 16.0, 30.0
HEADS_APART = 10.0


def arrange(
    graph: ModelGraph,
    sizes: Mapping[str, Size],
    labels: Mapping[tuple[str, int], Size] | None = None,
    titles: Mapping[str, float] | None = None,
    direction: Direction = "TB",
) -> Layout:
    """Place boxes of ``sizes``, labels on tensors, and groups whose titles have these widths.

    >>> from lamina.view.model_graph import Box
    >>> graph = ModelGraph("m", [Box("a", "A"), Box("b", "B")], [Edge("a", "b")])
    >>> layout = arrange(graph, {"a": (60, 20), "b": (80, 20)})
    >>> layout.boxes["a"].x == layout.boxes["b"].x, layout.boxes["a"].y < layout.boxes["b"].y
    (True, True)
    """
    return _Arranger(graph.check(), sizes, labels or {}, titles or {}, direction).run()


class _Arranger:
    def __init__(
        self,
        graph: ModelGraph,
        sizes: Mapping[str, Size],
        labels: Mapping[tuple[str, int], Size],
        titles: Mapping[str, float],
        direction: Direction,
    ) -> None:
        self.graph = graph
        self.layout = Layout(direction)
        self.labels = labels
        self.titles = titles
        loops = {edge.source for edge in graph.edges if edge.source == edge.target}
        arrivals = Counter(edge.target for edge in graph.edges)
        self.paths: dict[str, list[str | None]] = {
            box: [None, *reversed(around)] for box, around in graph.enclosing().items()
        }
        self.parents = {group.id: group.parent for group in graph.groups}
        self.items: dict[str, Item] = {}
        self.sizes: dict[str, Size] = {}
        for box, size in sizes.items():
            width, height = self._turned(size)
            if arrivals[box] > 2:
                width = max(width, arrivals[box] * HEADS_APART / REACH)
            self.items[box] = Item(width / 2, width / 2 + LOOP * (box in loops), height)
            self.sizes[box] = self._turned((width, height))
        self.levels: dict[str | None, Level] = {}
        self.inset: dict[str, Point] = {}

    def _turned(self, size: Size) -> Size:
        return size if self.layout.upright else (size[1], size[0])

    def run(self) -> Layout:
        edges = [edge for edge in self.graph.edges if edge.source != edge.target]
        self.layout.loops = [edge for edge in self.graph.edges if edge.source == edge.target]
        members = self._members()
        ways = self._ways(edges, members)
        wires: dict[str | None, dict[Wire, None]] = defaultdict(dict)
        for _, way in ways.values():
            for piece in way:
                wires[piece.group][piece.wire] = None
        outward = self._inner_first()
        for group in outward:
            self._enclose(group, members.get(group, []), list(wires[group]))
        self._solve(None, members.get(None, []), list(wires[None]), 0.0, 0.0)
        self._compose(outward, ways)
        return self.layout

    def _inner_first(self) -> list[str]:
        depths = {}
        for group in self.parents:
            depth, at = 0, self.parents[group]
            while at is not None:
                depth, at = depth + 1, self.parents[at]
            depths[group] = depth
        return sorted(depths, key=lambda group: -depths[group])

    def _members(self) -> dict[str | None, list[str]]:
        """The boxes and groups directly in each group, in the order in which the graph has them."""
        found: dict[str | None, dict[str, None]] = defaultdict(dict)
        for box, path in self.paths.items():
            for level, child in zip(path, [*path[1:], box], strict=True):
                assert child is not None
                found[level][child] = None
        for group, parent in self.parents.items():
            found[parent][group] = None
        return {group: list(inside) for group, inside in found.items()}

    def _ways(
        self, edges: list[Edge], members: Mapping[str | None, list[str]]
    ) -> dict[int, tuple[Net, list[Piece]]]:
        """For each edge by its number the pieces it is made of; edges that close a cycle turned."""
        meetings: dict[str | None, list[tuple[int, str, str]]] = defaultdict(list)
        for index, edge in enumerate(edges):
            source, target = self._full(edge.source), self._full(edge.target)
            depth = next(i for i, (a, b) in enumerate(zip(source, target, strict=False)) if a != b)
            meetings[source[depth - 1]].append((index, str(source[depth]), str(target[depth])))
        turned: set[int] = set()
        for group, met in meetings.items():
            number = {name: index for index, name in enumerate(members[group])}
            closing = back_edges(len(number), [(number[a], number[b]) for _, a, b in met])
            turned |= {met[index][0] for index in closing}
        seen: dict[tuple[Net, str], int] = defaultdict(int)
        found = {}
        for index, edge in enumerate(edges):
            backward = index in turned
            source, target = (edge.target, edge.source) if backward else (edge.source, edge.target)
            net = Net(edge.source, edge.tensor, index if backward else -1)
            found[index] = (net, self._pieces(net, source, target, seen[net, target]))
            seen[net, target] += 1
        self.edges = edges
        self.turned = turned
        return found

    def _full(self, box: str) -> list[str | None]:
        return [*self.paths[box], box]

    def _pieces(self, net: Net, source: str, target: str, repeat: int) -> list[Piece]:
        """Out of the groups around the source, across, into the groups around the target."""
        outer, inner = self._full(source), self._full(target)
        depth = next(i for i, (a, b) in enumerate(zip(outer, inner)) if a != b)  # noqa: B905
        ends = [(i, str(outer[i + 1]), EXIT) for i in range(len(outer) - 2, depth - 1, -1)]
        back = net.backward >= 0
        pieces = [Piece(outer[i], Wire(net, start, end, 0, back)) for i, start, end in ends]
        last = depth == len(inner) - 1
        across = Wire(net, str(outer[depth]), str(inner[depth]), repeat * last, back)
        pieces.append(Piece(outer[depth - 1], across))
        for i in range(depth, len(inner) - 1):
            number = repeat if i == len(inner) - 2 else 0
            pieces.append(Piece(inner[i], Wire(net, ENTRY, str(inner[i + 1]), number, back)))
        return pieces

    def _solve(
        self, group: str | None, names: list[str], wires: list[Wire], before: float, after: float
    ) -> Level:
        labels = {}
        for wire in wires:
            net = wire.net
            assert isinstance(net, Net)
            size = self.labels.get((net.source, net.tensor))
            # A label stands once, on the level of its box, and not on a line that runs backward.
            if size and wire.start == net.source and net.backward < 0:
                labels[net] = self._turned(size)
        items = {name: self.items[name] for name in names}
        self.levels[group] = solve(items, wires, labels, before, after)
        return self.levels[group]

    def _enclose(self, group: str, names: list[str], wires: list[Wire]) -> None:
        """Lay a group out and make it an item of its parent."""
        direction = self.layout.direction
        has = {end: any(end in (w.start, w.end) for w in wires) for end in (ENTRY, EXIT)}
        before = TITLE if direction == "TB" else 0.0 if has[ENTRY] else PADDING
        after = TITLE if direction == "BT" else 0.0 if has[EXIT] else PADDING
        left, right = (PADDING, PADDING) if self.layout.upright else (TITLE, PADDING)
        title = self.titles.get(group, 0.0) + 2 * PADDING
        level = self._solve(group, names, wires, before, after)
        if self.layout.upright:
            facing = level.entries if direction == "TB" else level.exits
            left = max(left, title - min(facing.values(), default=title))
            right = max(right, title - left - level.width)
        width, height = left + level.width + right, before + level.height + after
        if not self.layout.upright:
            missing = max(0.0, title - height)
            height += missing
            # The ports stay on the border: the missing height is put where there are none.
            before, after = (before, after + missing) if not has[EXIT] else (before, after)
            if has[EXIT]:
                level = self._solve(group, names, wires, before, after + missing)
        ports = list((level.entries or level.exits).values())
        line = left + (sum(ports) / len(ports) if ports else level.width / 2)
        self.inset[group] = Point(left, before)
        self.items[group] = Item(
            line,
            width - line,
            height,
            {net: left + x - line for net, x in level.entries.items()},
            {net: left + x - line for net, x in level.exits.items()},
        )

    def _compose(self, outward: list[str], ways: Mapping[int, tuple[Net, list[Piece]]]) -> None:
        layout, root = self.layout, self.levels[None]
        high = root.height + 2 * MARGIN
        wide = root.width + 2 * MARGIN
        layout.width, layout.height = self._turned((wide, high))

        def turn(x: float, y: float) -> Point:
            y = y if layout.direction in ("TB", "LR") else high - y
            return Point(x, y) if layout.upright else Point(y, x)

        origins: dict[str | None, Point] = {None: Point(MARGIN, MARGIN)}
        for group in reversed(outward):
            base, item = origins[self.parents[group]], self.items[group]
            x, y = self.levels[self.parents[group]].places[group]
            start = Point(base.x + x - item.left, base.y + y - item.height / 2)
            inset = self.inset[group]
            origins[group] = Point(start.x + inset.x, start.y + inset.y)
            width = item.left + item.right
            middle = turn(start.x + width / 2, start.y + item.height / 2)
            layout.groups[group] = Rect(*middle, *self._turned((width, item.height)))
        for box, path in self.paths.items():
            base, at = origins[path[-1]], self.levels[path[-1]].places[box]
            layout.boxes[box] = Rect(*turn(base.x + at.x, base.y + at.y), *self.sizes[box])
        for group, level in self.levels.items():
            base = origins[group]
            for net, at in level.labels.items():
                assert isinstance(net, Net)
                key = (net.source, net.tensor)
                spot = turn(base.x + at.x, base.y + at.y)
                layout.labels[key] = Rect(*spot, *self.labels[key])
        for index, (_, way) in ways.items():
            knots: list[Point] = []
            for group, wire in way:
                base = origins[group]
                for x, y in self.levels[group].routes[wire]:
                    point = turn(base.x + x, base.y + y)
                    if not knots or point != knots[-1]:
                        knots.append(point)
            if index in self.turned:
                knots.reverse()
            layout.routes.append((self.edges[index], knots))
