"""One level of a drawing: items and wires between them, without what is inside an item.

``x`` runs across the ranks and ``y`` along them. A wire between ranks that are not neighbours goes
through hidden nodes; wires of one net share theirs, so a value used in many places is one line
that branches. Wires bend in the gaps between ranks only.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from lamina.view.ordering import Near, order
from lamina.view.placing import place
from lamina.view.ranking import Link, assign


class Point(NamedTuple):
    """A place in the drawing, in pixels."""

    x: float
    y: float


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
class Item:
    """A rectangle to place: its reach left and right of the line it is aligned by, its height.

    A group has ports: where nets enter it above and leave it below, from the same line.
    """

    left: float = 0.0
    right: float = 0.0
    height: float = 0.0
    enter: Mapping[Hashable, float] = field(default_factory=dict)
    leave: Mapping[Hashable, float] = field(default_factory=dict)


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


BESIDE, WIRE_BESIDE, WIRES_APART = 26.0, 16.0, 12.0
"""Least distances across: between two items, an item and a wire, two wires."""
REACH = 0.62
"""The part of a box's side that lines may meet."""
CLEAR, ARROW = 12.0, 10.0
"""Along: the least gap between ranks, and the straight end of a wire that its head needs."""


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
        visible = len(self.nodes)
        chains = self._rank()
        hidden = [index >= visible for index in range(len(self.nodes))]
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
        self.xs = place(
            layers,
            [[near.node for near in each] for each in up],
            [[near.node for near in each] for each in down],
            hidden,
            self._apart,
        )
        self._fit()
        self._spread()
        self._along(layers, hidden)
        return self._result(chains, before, after)

    def _rank(self) -> list[list[int]]:
        """Ranks, hidden nodes, and for every wire the nodes it passes."""
        ends = [(self._node(w.start, w.net), self._node(w.end, w.net)) for w in self.wires]
        links = [
            Link(start, end, 2 if wire.net in self.labels else 1)
            for wire, (start, end) in zip(self.wires, ends, strict=True)
        ]
        entries, exits = (set(self.ports[side].values()) for side in (ENTRY, EXIT))
        self.ranks = assign(len(self.nodes), links, entries, exits)
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
        found: dict[tuple[int, int, Hashable], int] = {}
        for wire, chain in zip(self.wires, chains, strict=True):
            for upper, lower in pairwise(chain):
                key = (upper, lower, wire.net)
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

    def _fit(self) -> None:
        """Let the content begin at 0."""
        placed = list(zip(self.xs, self.nodes, strict=True))
        start = min((x - item.left for x, item in placed), default=0.0)
        self.width = max((x + item.right for x, item in placed), default=0.0) - start
        self.xs = [x - start for x in self.xs]

    def _spread(self) -> None:
        """Where each segment leaves its upper and meets its lower node."""
        nets: dict[int, dict[Hashable, list[float]]] = defaultdict(dict)
        arrivals: dict[int, list[tuple[int, Hashable]]] = defaultdict(list)
        for upper, lower, net in self.segments:
            nets[upper].setdefault(net, []).append(self.xs[lower])
            arrivals[lower].append((upper, net))
        self.leaving: dict[tuple[int, Hashable], float] = {}
        for node, found in nets.items():
            wanted = [sum(xs) / len(xs) for xs in found.values()]
            for net, spot in zip(found, self._spots(node, "leave", found, wanted), strict=True):
                self.leaving[node, net] = spot
        self.entering: dict[tuple[int, int, Hashable], list[float]] = defaultdict(list)
        for node, came in arrivals.items():
            wanted = [self.leaving[key] for key in came]
            spots = self._spots(node, "enter", [net for _, net in came], wanted)
            for (upper, net), spot in zip(came, spots, strict=True):
                self.entering[upper, node, net].append(spot)

    def _spots(
        self, node: int, side: str, nets: Iterable[Hashable], wanted: list[float]
    ) -> list[float]:
        """Places side by side on a box for lines that come from ``wanted``; a group has ports."""
        item, x = self.nodes[node], self.xs[node]
        ports: Mapping[Hashable, float] = getattr(item, side)
        if ports:
            return [x + ports[net] for net in nets]
        if len(wanted) == 1 or not item.height:
            return [x] * len(wanted)
        reach = min(item.left, item.right) * REACH
        apart = min(16.0, 2 * reach / max(2, len(wanted) - 1))
        ranked = sorted(range(len(wanted)), key=wanted.__getitem__)
        ideal = [min(max(wanted[index], x - reach), x + reach) for index in ranked]
        spots = separate(ideal, apart, x - reach, x + reach)
        return [spot for _, spot in sorted(zip(ranked, spots, strict=True))]

    def _along(self, layers: Sequence[Sequence[int]], hidden: Sequence[bool]) -> None:
        """Where each rank begins and ends."""
        widest = [0.0] * len(layers)
        headed = [False] * len(layers)
        for upper, lower, net in self.segments:
            rank = self.ranks[lower]
            start = self.leaving[upper, net]
            for end in self.entering[upper, lower, net]:
                widest[rank] = max(widest[rank], abs(end - start))
            headed[rank] = headed[rank] or (self.nodes[lower].height > 0 and not hidden[lower])
        self.bands: list[tuple[float, float]] = []
        y = 0.0
        for rank, layer in enumerate(layers):
            height = max(self.nodes[node].height for node in layer)
            if rank:
                y += CLEAR + (ARROW + 8 if headed[rank] else 0) + min(widest[rank] * 0.1, 60.0)
            self.bands.append((y, y + height))
            y += height

    def _result(self, chains: list[list[int]], before: float, after: float) -> Level:
        height = self.bands[-1][1] if self.bands else 0.0
        level = Level(width=self.width, height=height)
        ys = [sum(self.bands[rank]) / 2 for rank in self.ranks]
        points = list(map(Point, self.xs, ys))
        level.places = dict(zip(self.items, points, strict=False))
        level.labels = {net: points[node] for net, node in self.label_nodes.items()}
        level.entries = {net: self.xs[node] for net, node in self.ports[ENTRY].items()}
        level.exits = {net: self.xs[node] for net, node in self.ports[EXIT].items()}
        for wire, chain in zip(self.wires, chains, strict=True):
            first, last = chain[0], chain[-1]
            top, bottom = ys[first] + self.nodes[first].height / 2, height + after
            head, tail = 0.0, ARROW if wire.backward else 0.0
            if wire.start == ENTRY:
                top = -before
            if wire.end != EXIT:
                bottom, head = ys[last] - self.nodes[last].height / 2, ARROW
            knots = [Point(self.leaving[first, wire.net], top)]
            for upper, lower in pairwise(chain):
                entering = self.entering[upper, lower, wire.net]
                above = self.bands[self.ranks[upper]][1] + (tail if upper == first else 0.0)
                below = self.bands[self.ranks[lower]][0] - (head if lower == last else 0.0)
                knots.append(Point(self.leaving[upper, wire.net], above))
                knots.append(Point(entering[min(wire.repeat, len(entering) - 1)], below))
            level.routes[wire] = [*knots, Point(knots[-1].x, bottom)]
        return level


def separate(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """The places nearest to ``wanted`` (ascending) that keep ``apart`` and within the bounds.

    Least squares by pooling neighbours (isotonic regression, Barlow et al. 1972).

    >>> separate([0.0, 0.0, 9.0], 2.0, -5.0, 5.0)
    [-1.0, 1.0, 5.0]
    """
    blocks: list[tuple[float, int]] = []
    for index, value in enumerate(wanted):
        mean, size = value - index * apart, 1
        while blocks and blocks[-1][0] > mean:
            other, count = blocks.pop()
            mean = (mean * size + other * count) / (size + count)
            size += count
        blocks.append((mean, size))
    top = high - (len(wanted) - 1) * apart
    spots = [min(max(mean, low), top) for mean, size in blocks for _ in range(size)]
    return [spot + index * apart for index, spot in enumerate(spots)]
