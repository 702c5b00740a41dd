"""One level of a drawing: items and wires between them, without what is inside an item.

``x`` runs across the ranks and ``y`` along them. A wire between ranks that are not neighbours goes
through hidden nodes; wires of one net share theirs, so a value used in many places is one line
that branches. How wires run is found in `routing.py`.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from lamina.core.errors import GraphError
from lamina.view.ordering import Near, order
from lamina.view.placing import place
from lamina.view.ranking import assign
from lamina.view.routing import (
    BESIDE,
    WIRE_BESIDE,
    WIRES_APART,
    Item,
    Point,
    Router,
    Segment,
)
from lamina.view.simplex import Link

LONGEST = 200_000
"""How many ranks the lines of nets may pass in all: what takes some twenty seconds."""
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
    """A solved level. Its content begins at (0, 0) and is ``width`` by ``height``."""

    places: dict[str, Point] = field(default_factory=dict)
    routes: dict[Wire, list[Point]] = field(default_factory=dict)
    labels: dict[Hashable, Point] = field(default_factory=dict)
    entries: dict[Hashable, float] = field(default_factory=dict)
    exits: dict[Hashable, float] = field(default_factory=dict)
    width: float = 0.0
    height: float = 0.0


def solve(
    items: Mapping[str, Item],
    wires: Sequence[Wire],
    labels: Mapping[Hashable, tuple[float, float]],
    before: float = 0.0,
    after: float = 0.0,
) -> Level:
    """Place ``items``, lead ``wires``. Ports lie ``before`` above the content, ``after`` below.

    >>> level = solve({"a": Item(30, 30, 20), "b": Item(9, 9, 20)}, [Wire(0, "a", "b")], {})
    >>> level.places["a"], level.width
    (Point(x=30.0, y=10.0), 60.0)
    """
    return _Solver(items, wires, labels).run(before, after)


@dataclass
class _Solver:
    items: Mapping[str, Item]
    wires: Sequence[Wire]
    labels: Mapping[Hashable, tuple[float, float]]

    def __post_init__(self) -> None:
        self.nodes = list(self.items.values())
        self.number = {name: index for index, name in enumerate(self.items)}
        self.ports: dict[str, dict[Hashable, int]] = {ENTRY: {}, EXIT: {}}
        for wire in self.wires:
            for end in (wire.start, wire.end):
                if end in self.ports and wire.net not in self.ports[end]:
                    self.ports[end][wire.net] = self._add(Item())

    def _add(self, item: Item) -> int:
        self.nodes.append(item)
        return len(self.nodes) - 1

    def _node(self, end: str, net: Hashable) -> int:
        return self.ports[end][net] if end in self.ports else self.number[end]

    def run(self, before: float, after: float) -> Level:
        self.visible = visible = len(self.nodes)
        chains = self._rank()
        hidden = [i >= visible and not item.height for i, item in enumerate(self.nodes)]
        up: list[list[Near]] = [[] for _ in self.nodes]
        down: list[list[Near]] = [[] for _ in self.nodes]
        for upper, lower, net in self.segments:
            leaves, enters = self._share(upper, net, "leave"), self._share(lower, net, "enter")
            down[upper].append(Near(lower, enters, leaves))
            up[lower].append(Near(upper, leaves, enters))
        layers: list[list[int]] = [[] for _ in range(max(self.ranks, default=-1) + 1)]
        for node, rank in enumerate(self.ranks):
            layers[rank].append(node)
        layers = order(layers, up, down)
        shifts = [
            (a, b, self.nodes[a].port(net, "leave") - self.nodes[b].port(net, "enter"))
            for a, b, net in self.segments
        ]
        xs = place(layers, shifts, hidden, self._apart)
        backward = {wire.net for wire in self.wires if wire.backward}
        start = min((x - item.left for x, item in zip(xs, self.nodes, strict=True)), default=0.0)
        router = Router(
            self.nodes, visible, layers, [x - start for x in xs], self.segments, backward
        )
        return self._result(router, chains, before, after)

    def _rank(self) -> list[list[int]]:
        """Ranks, hidden nodes, and for every wire the nodes it passes."""
        ends = [(self._node(w.start, w.net), self._node(w.end, w.net)) for w in self.wires]
        links = [
            Link(start, end, 2 if wire.net in self.labels else 1)
            for wire, (start, end) in zip(self.wires, ends, strict=True)
        ]
        entries, exits = (set(self.ports[side].values()) for side in (ENTRY, EXIT))
        self.ranks = assign(len(self.nodes), links, entries, exits)
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
        trunks: dict[Hashable, dict[int, int]] = defaultdict(dict)
        chains = []
        for wire, (start, end) in zip(self.wires, ends, strict=True):
            trunk = trunks[wire.net]
            for rank in range(self.ranks[start] + 1, self.ranks[end]):
                if rank in trunk:
                    continue
                width, height = (0.0, 0.0) if trunk else self.labels.get(wire.net, (0.0, 0.0))
                trunk[rank] = self._add(Item(width / 2, width / 2, height))
                self.ranks.append(rank)
                if height:
                    self.label_nodes[wire.net] = trunk[rank]
            between = [trunk[rank] for rank in range(self.ranks[start] + 1, self.ranks[end])]
            chains.append([start, *between, end])
        found: dict[Segment, int] = {}
        for wire, chain in zip(self.wires, chains, strict=True):
            for upper, lower in pairwise(chain):
                key = Segment(upper, lower, wire.net)
                last = lower == chain[-1]
                found[key] = max(found.get(key, 1), wire.repeat + 1 if last else 1)
        self.segments = [key for key, times in found.items() for _ in range(times)]
        return chains

    def _share(self, node: int, net: Hashable, side: str) -> float:
        """Where on an item a net meets it, from -0.5 to 0.5."""
        item = self.nodes[node]
        ports: Mapping[Hashable, float] = getattr(item, side)
        return (ports[net] + item.left) / (item.left + item.right + 1) - 0.5 if ports else 0.0

    def _apart(self, a: int, b: int) -> float:
        thin = [not self.nodes[node].height for node in (a, b)]
        gap = WIRES_APART if all(thin) else WIRE_BESIDE if any(thin) else BESIDE
        return self.nodes[a].right + self.nodes[b].left + gap

    def _result(
        self, router: Router, chains: list[list[int]], before: float, after: float
    ) -> Level:
        xs, ys, bands = router.xs, router.ys, router.bands
        level = Level(height=bands[-1][1] if bands else 0.0)
        level.width = max(
            (x + item.right for x, item in zip(xs, self.nodes, strict=True)), default=0.0
        )
        points = list(map(Point, xs, ys))
        level.places = dict(zip(self.items, points, strict=False))
        level.labels = {net: points[node] for net, node in self.label_nodes.items()}
        level.entries = {net: xs[node] for net, node in self.ports[ENTRY].items()}
        level.exits = {net: xs[node] for net, node in self.ports[EXIT].items()}
        for wire, chain in zip(self.wires, chains, strict=True):
            first, last = chain[0], chain[-1]
            top, bottom = -before, level.height + after
            if wire.start != ENTRY:
                top = ys[first] + self.nodes[first].height / 2
            if wire.end != EXIT:
                bottom = ys[last] - self.nodes[last].height / 2
            knots = router.knots(chain, wire.net, wire.repeat)
            ends = Point(knots[0].x, top), Point(knots[-1].x, bottom)
            level.routes[wire] = [ends[0], *knots[1:-1], ends[1]]
        return level
