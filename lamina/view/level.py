"""Places for items, for the wires between them and for the groups that they are in.

``x`` runs across the ranks and ``y`` along them. A wire between ranks that are not neighbours goes
through hidden nodes; wires of one net share theirs, so a value used in many places is one line
that branches. A group has all ranks from its first to its last item; nothing else stands between
its sides there. How wires run is found in `routing.py`.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from lamina.core.errors import GraphError
from lamina.view.nesting import Path, nest
from lamina.view.ordering import Near
from lamina.view.placing import place
from lamina.view.ranking import assign
from lamina.view.routing import (
    BESIDE,
    WIRE_BESIDE,
    WIRES_APART,
    Frame,
    Item,
    Point,
    Router,
    Segment,
)
from lamina.view.simplex import Link

LONGEST = 200_000
"""How many ranks the lines of nets may pass in all: what takes some twenty seconds."""
TIGHT = 0.25
"""What a pixel of a group's width costs: too little to bend a line in it."""
PILE = 6.0
"""More room for a line beside a group, which may look like a pile of groups."""
ENTRY, EXIT = "\0in", "\0out"
"""The ends of a wire that comes into this level from outside, or leaves it."""


class Wire(NamedTuple):
    """A piece of a net on this level. ``repeat`` tells parallel wires apart.

    A ``backward`` wire was turned to break a cycle: its head is at its start.
    """

    net: Hashable
    start: str
    end: str
    repeat: int = 0
    backward: bool = False


@dataclass
class Level:
    """A solved level. Its content begins at (0, 0) and is ``width`` by ``height``.

    ``areas`` of groups are given by their left, upper, right and lower side.
    """

    places: dict[str, Point] = field(default_factory=dict)
    routes: dict[Wire, list[Point]] = field(default_factory=dict)
    labels: dict[Any, Point] = field(default_factory=dict)
    areas: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    width: float = 0.0
    height: float = 0.0


@dataclass
class Solver:
    """Places ``items`` and leads ``wires``. ``around`` an item are its groups, outermost first.

    Every one of ``groups``, in which outer ones come first too, has an item in it.

    >>> level = Solver({"a": Item(30, 30, 20), "b": Item(9, 9, 20)}, [Wire(0, "a", "b")], {}).run()
    >>> level.places["a"], level.width
    (Point(x=30.0, y=10.0), 60.0)
    """

    items: Mapping[str, Item]
    wires: Sequence[Wire]
    labels: Mapping[Any, tuple[float, float]]
    groups: Mapping[str, Frame] = field(default_factory=dict)
    around: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = list(self.items.values())
        self.paths = [self.around.get(name, ()) for name in self.items]
        self.number = {name: index for index, name in enumerate(self.items)}
        self.ports: dict[str, dict[Hashable, int]] = {ENTRY: {}, EXIT: {}}
        for wire in self.wires:
            for end in (wire.start, wire.end):
                if end in self.ports and wire.net not in self.ports[end]:
                    self.ports[end][wire.net] = self._add(Item(), ())

    def _add(self, item: Item, path: Path) -> int:
        self.nodes.append(item)
        self.paths.append(path)
        return len(self.nodes) - 1

    def _node(self, end: str, net: Hashable) -> int:
        return self.ports[end][net] if end in self.ports else self.number[end]

    def run(self) -> Level:
        """All steps."""
        self.visible = len(self.nodes)
        ends = [(self._node(w.start, w.net), self._node(w.end, w.net)) for w in self.wires]
        self._rank(ends)
        self.chains = self._lead(ends)
        lines = len(self.nodes)
        self._fill()
        up: list[list[Near]] = [[] for _ in self.nodes]
        down: list[list[Near]] = [[] for _ in self.nodes]
        for upper, lower, net in self.segments:
            leaves, enters = self._share(upper, net, "leave"), self._share(lower, net, "enter")
            down[upper].append(Near(lower, enters, leaves))
            up[lower].append(Near(upper, leaves, enters))
        layers: list[list[int]] = [[] for _ in range(max(self.ranks, default=-1) + 1)]
        for node, rank in enumerate(self.ranks):
            layers[rank].append(node)
        layers = nest(layers, up, down, self.paths)
        hidden = [self.visible <= i < lines and not x.height for i, x in enumerate(self.nodes)]
        titled = list(self._titled())
        links = self._apart(layers)
        links += [Link(self.borders[x][0], node, self.groups[x].width, 0) for x, node, _ in titled]
        xs = place(layers, links, [(a, b) for a, b, _ in self.segments], hidden)
        lefts = [x - item.left for x, item in zip(xs, self.nodes, strict=False)]
        start = min([*lefts, *xs[len(self.nodes) :]], default=0.0)
        xs = [x - start for x in xs]
        self.sides = {group: (xs[left], xs[right]) for group, (left, right) in self.borders.items()}
        clear: dict[tuple[int, str], float] = {}
        for group, node, side in titled:
            least = self.sides[group][0] + self.groups[group].width
            clear[node, side] = max(least, clear.get((node, side), least))
        backward = {wire.net for wire in self.wires if wire.backward}
        self.router = Router(
            self.nodes, self.visible, layers, xs, self.segments, backward,
            self.groups, self.reach, clear,
        )  # fmt: skip
        return self._result()

    def _rank(self, ends: Sequence[tuple[int, int]]) -> None:
        """Ranks, and the first and the last one of each group."""
        links = [
            Link(start, end, 2 if wire.net in self.labels else 1)
            for wire, (start, end) in zip(self.wires, ends, strict=True)
        ]
        inside: dict[str, list[int]] = {group: [] for group in self.groups}
        for node, path in enumerate(self.paths):
            for group in path:
                inside[group].append(node)
        entries, exits = (set(self.ports[side].values()) for side in (ENTRY, EXIT))
        self.ranks = assign(len(self.nodes), links, entries, exits, list(inside.values()))
        rank = self.ranks.__getitem__
        self.reach = {x: (min(map(rank, on)), max(map(rank, on))) for x, on in inside.items()}

    def _lead(self, ends: Sequence[tuple[int, int]]) -> list[list[int]]:
        """Hidden nodes, and for every wire the nodes it passes."""
        spans = [self.ranks[end] - self.ranks[start] for start, end in ends]
        reach: dict[Hashable, int] = {}
        for wire, span in zip(self.wires, spans, strict=True):
            reach[wire.net] = max(reach.get(wire.net, 0), span)
        if max(sum(reach.values()), sum(spans) // 10) > LONGEST:
            raise GraphError(
                "The edges are too many and too long for one drawing.",
                met=f"{len(self.wires):,} edges that pass {sum(spans):,} ranks in all",
                rule=f"{LONGEST:,} can be kept apart, ten times that where edges share their way",
                fix="leave nested models and repeated blocks folded, or draw a part of the model",
            )
        self.label_nodes: dict[Hashable, int] = {}
        trunks: dict[Hashable, dict[tuple[Path, int], int]] = defaultdict(dict)
        chains = []
        for wire, (start, end) in zip(self.wires, ends, strict=True):
            trunk, chain = trunks[wire.net], [start]
            for rank in range(self.ranks[start] + 1, self.ranks[end]):
                place = self._owner(start, end, rank), rank
                if place not in trunk:
                    width, height = (0.0, 0.0) if trunk else self.labels.get(wire.net, (0.0, 0.0))
                    trunk[place] = self._add(Item(width / 2, width / 2, height), place[0])
                    self.ranks.append(rank)
                    if height:
                        self.label_nodes[wire.net] = trunk[place]
                chain.append(trunk[place])
            chains.append([*chain, end])
        found: dict[Segment, int] = {}
        for wire, chain in zip(self.wires, chains, strict=True):
            for upper, lower in pairwise(chain):
                key = Segment(upper, lower, wire.net)
                last = lower == chain[-1]
                found[key] = max(found.get(key, 1), wire.repeat + 1 if last else 1)
        self.segments = [key for key, times in found.items() for _ in range(times)]
        return chains

    def _owner(self, start: int, end: int, rank: int) -> Path:
        """The groups around a wire on its way: it leaves one below, and enters one from above,
        unless its other end is beside that group."""
        outer, inner = self.paths[start], self.paths[end]
        common = common_groups(outer, inner)
        for depth in range(len(outer), common, -1):
            if rank <= self.reach[outer[depth - 1]][1] < self.ranks[end]:
                return outer[:depth]
        for depth in range(len(inner), common, -1):
            if self.ranks[start] < self.reach[inner[depth - 1]][0] <= rank:
                return inner[:depth]
        return outer[:common]

    def _fill(self) -> None:
        """Give a group a node on each of its ranks."""
        taken = {(x, rank) for path, rank in zip(self.paths, self.ranks, strict=True) for x in path}
        paths = {path[: i + 1] for path in self.paths for i in range(len(path))}
        for path in sorted(paths, key=lambda path: (-len(path), path)):
            top, bottom = self.reach[path[-1]]
            for rank in range(top, bottom + 1):
                if (path[-1], rank) not in taken:
                    self._add(Item(), path)
                    self.ranks.append(rank)
                    taken |= {(group, rank) for group in path}

    def _share(self, node: int, net: Hashable, side: str) -> float:
        """Where on an item a net meets it, from -0.5 to 0.5."""
        return 0.0

    def _apart(self, layers: Sequence[Sequence[int]]) -> list[Link]:
        """Least distances between neighbours, and around what is in a group."""
        count = len(self.nodes)
        self.borders = {
            group: (count + 2 * i, count + 2 * i + 1) for i, group in enumerate(self.groups)
        }
        found: dict[tuple[int, int], float] = {}
        for layer in layers:
            for a, b in pairwise([-1, *layer, -1]):
                for source, target, length in self._between(a, b):
                    found[source, target] = length
        links = [Link(source, target, length, 0) for (source, target), length in found.items()]
        for group, frame in self.groups.items():
            links.append(Link(*self.borders[group], frame.width, TIGHT))
        return links

    def _between(self, a: int, b: int) -> Iterator[tuple[int, int, float]]:
        """From a node to its right neighbour over the borders between them; -1 is the outside."""
        outer, inner = (self.paths[node] if node >= 0 else () for node in (a, b))
        common = common_groups(outer, inner)
        right, left = self.nodes[a].right, self.nodes[b].left
        source, target, thin = a, b, [not self.nodes[a].height, not self.nodes[b].height]
        for group in reversed(outer[common:]):
            border = self.borders[group][1]
            yield source, border, right + self.groups[group].right
            source, right, thin[0] = border, 0.0, False
        for group in reversed(inner[common:]):
            border = self.borders[group][0]
            yield border, target, left + self.groups[group].left
            target, left, thin[1] = border, 0.0, False
        if a >= 0 and b >= 0:
            gap = WIRES_APART if all(thin) else WIRE_BESIDE if any(thin) else BESIDE
            yield source, target, right + left + gap + PILE * (any(thin) and outer != inner)

    def _titled(self) -> Iterator[tuple[str, int, str]]:
        """Groups, their nodes where lines cross the border with the title, and where these do."""
        for upper, lower, _ in self.segments:
            common = common_groups(self.paths[upper], self.paths[lower])
            for node, side, end in ((lower, "enter", 0), (upper, "leave", 1)):
                for group in self.paths[node][common:]:
                    at_border = self.ranks[node] == self.reach[group][end]
                    if at_border and self.groups[group].side == side:
                        yield group, node, side

    def _result(self) -> Level:
        router, xs, ys = self.router, self.router.xs, self.router.ys
        level = Level(height=router.height)
        rights = [x + item.right for x, item in zip(xs, self.nodes, strict=False)]
        level.width = max([*rights, *(right for _, right in self.sides.values())], default=0.0)
        points = list(map(Point, xs, ys))
        level.places = dict(zip(self.items, points, strict=False))
        level.labels = {net: points[node] for net, node in self.label_nodes.items()}
        for group, (left, right) in self.sides.items():
            level.areas[group] = left, router.tops[group], right, router.bottoms[group]
        for wire, chain in zip(self.wires, self.chains, strict=True):
            knots = router.knots(chain, wire.net, wire.repeat)
            top = ys[chain[0]] + self.nodes[chain[0]].height / 2
            bottom = ys[chain[-1]] - self.nodes[chain[-1]].height / 2
            ends = Point(knots[0].x, top), Point(knots[-1].x, bottom)
            level.routes[wire] = [ends[0], *knots[1:-1], ends[1]]
        return level


def common_groups(a: Sequence[str], b: Sequence[str]) -> int:
    """In how many groups both are."""
    if a == b:
        return len(a)
    same = (x == y for x, y in zip(a, b, strict=False))
    return next((i for i, equal in enumerate(same) if not equal), min(len(a), len(b)))
