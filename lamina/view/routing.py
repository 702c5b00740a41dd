"""Where lines run once boxes have their places across: the gaps between ranks, ends and bends.

A line goes straight through the band of a rank and bends in the gap to the next one. Its ends
stand where on a box's side it bends least, and where nothing is near, a bend reaches into the
bands above and below it and so becomes gentler and shorter.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf
from typing import NamedTuple


class Point(NamedTuple):
    """A place in the drawing, in pixels."""

    x: float
    y: float


class Item(NamedTuple):
    """A rectangle to place: its reach left and right of the line it is aligned by, its height.

    What has no height is a point that a line passes.
    """

    left: float = 0.0
    right: float = 0.0
    height: float = 0.0


class Frame(NamedTuple):
    """What a group has around its content: distances to its border, its least width and length.

    Lines that ``enter`` or ``leave`` it, as ``side`` says, pass its title, which is as wide.
    """

    parent: str | None
    before: float
    after: float
    left: float
    right: float
    width: float
    length: float
    side: str


class Segment(NamedTuple):
    """A piece of a net between neighbouring ranks; several alike are parallel lines."""

    upper: int
    lower: int
    net: Hashable


BESIDE, WIRE_BESIDE, WIRES_APART = 26.0, 10.0, 10.0
"""Least distances across: between two items, an item and a wire, two wires."""
REACH, CORNER = 0.5, 6.0
"""Lines meet this part of a box's side at least, and all of it but the corners."""
CLEAR, ARROW = 12.0, 10.0
"""Along: the least gap between ranks, and the straight end of a wire that its head needs."""
STRAIGHT = 0.05
"""A line that is so near to straight is straight."""
WIDE = 100.0
"""A bend so wide is flat in the middle, and needs a gap of its own beside others."""
EASE, NEAR = 1.6, 6.0
"""A bend is eased to be so much as high as it is wide, and not so near to anything beside it."""


@dataclass
class Router:
    """Items (those from ``visible`` on are hidden), their places across, and what joins them.

    Nets in ``backward`` have their heads at their upper ends. ``groups``, the outer ones first, are
    on the ranks in ``reach``. Lines meet nodes on the sides in ``clear`` from these places on.
    """

    items: Sequence[Item]
    visible: int
    layers: Sequence[Sequence[int]]
    xs: Sequence[float]
    segments: Sequence[Segment]
    backward: Collection[Hashable]
    groups: Mapping[str, Frame]
    reach: Mapping[str, tuple[int, int]]
    clear: Mapping[tuple[int, str], float]

    def __post_init__(self) -> None:
        self.rank = {node: rank for rank, layer in enumerate(self.layers) for node in layer}
        self.place = {node: index for layer in self.layers for index, node in enumerate(layer)}
        self.lines = self._spread()
        self.tops: dict[str, float] = {}
        self.bottoms: dict[str, float] = {}
        self.bands = self._bands()
        self.ys = [sum(self.bands[self.rank[node]]) / 2 for node in range(len(self.items))]
        self.eased: dict[Segment, tuple[float, float]] = {}
        self._ease()

    def knots(self, chain: list[int], net: Hashable, repeat: int) -> list[Point]:
        """The line through the nodes of ``chain``: its ends, where bends begin and where they end.

        The ends are in the middle of the ranks.
        """
        found, end = [], 0.0
        for upper, lower in pairwise(chain):
            segment = Segment(upper, lower, net)
            start, end = self.lines[segment][min(repeat, len(self.lines[segment]) - 1)]
            if not found:
                found.append(Point(start, self.ys[upper]))
            if abs(end - start) > STRAIGHT:
                top, bottom = self._gap(segment)
                up, down = self.eased.get(segment, (0.0, 0.0))
                found += [Point(start, top - up), Point(end, bottom + down)]
        return [*found, Point(end, self.ys[chain[-1]])]

    def _gap(self, segment: Segment) -> tuple[float, float]:
        """What a segment has of the gap between its ranks, without titles and ends for heads."""
        upper, lower, net = segment
        tail = ARROW if net in self.backward and self._is_box(upper) else 0.0
        head = ARROW if self._is_box(lower) else 0.0
        above, below = self.rank[upper], self.rank[lower]
        top = self.bands[above][1] + max(self.after[above], tail)
        return top, self.bands[below][0] - max(self.before[below], head)

    def _is_box(self, node: int) -> bool:
        return node < self.visible and self.items[node].height > 0

    def _spread(self) -> dict[Segment, list[tuple[float, float]]]:
        """Where each segment leaves its upper and meets its lower node: as straight as can be."""
        lines = [(0.0, 0.0)] * len(self.segments)
        leaving: dict[int, list[int]] = defaultdict(list)
        entering: dict[int, list[int]] = defaultdict(list)
        for index, (upper, lower, _) in enumerate(self.segments):
            leaving[upper].append(index)
            entering[lower].append(index)
            lines[index] = (0.0, self.xs[lower])
        for node, found in leaving.items():
            spots = self._spots(node, "leave", [lines[index][1] for index in found])
            for index, spot in zip(found, spots, strict=True):
                lines[index] = (spot, spot)
        for node, found in entering.items():
            spots = self._spots(node, "enter", [lines[index][0] for index in found])
            for index, spot in zip(found, spots, strict=True):
                lines[index] = (lines[index][0], spot)
        together: dict[Segment, list[tuple[float, float]]] = defaultdict(list)
        for segment, line in zip(self.segments, lines, strict=True):
            together[segment].append(line)
        return together

    def _spots(self, node: int, side: str, wanted: list[float]) -> list[float]:
        """Places side by side on a box for lines from or to ``wanted``."""
        item, x = self.items[node], self.xs[node]
        if not self._is_box(node):
            return [x] * len(wanted)
        half = min(item.left, item.right)
        reach = max(half * REACH, half - CORNER)
        low, high = max(x - reach, self.clear.get((node, side), -inf)), x + reach
        apart = min(13.0, (high - low) / max(2, len(wanted) - 1))
        ranked = sorted(range(len(wanted)), key=wanted.__getitem__)
        ideal = [min(max(wanted[index], low), high) for index in ranked]
        weights = [8.0 if ideal[i] == wanted[index] else 1.0 for i, index in enumerate(ranked)]
        spots = separate(ideal, apart, low, high, weights)
        return [spot for _, spot in sorted(zip(ranked, spots, strict=True))]

    def _bands(self) -> list[tuple[float, float]]:
        """Where each rank begins and ends: a gap is as high as its widest bend needs."""
        widest = [0.0] * len(self.layers)
        headed = [False] * len(self.layers)
        ends: list[list[tuple[float, int]]] = [[] for _ in self.layers]
        for segment, lines in self.lines.items():
            rank = self.rank[segment.lower]
            headed[rank] = headed[rank] or self._is_box(segment.lower)
            across = max(abs(end - start) for start, end in lines)
            widest[rank] = max(widest[rank], across)
            if across > WIDE:
                low, high = sorted(lines[0])
                ends[rank] += [(low, 1), (high, -1)]
        crowds = [max(accumulate((step for _, step in sorted(each)), initial=0)) for each in ends]
        heads = self._heads()
        self.before, self.after = [0.0] * len(self.layers), [0.0] * len(self.layers)
        for group, head in heads.items():
            first = self.reach[group][0]
            self.before[first] = max(self.before[first], head)
        ending: dict[int, list[str]] = defaultdict(list)
        for group in heads:
            ending[self.reach[group][1]].append(group)
        bands: list[tuple[float, float]] = []
        y = 0.0
        for rank, layer in enumerate(self.layers):
            if rank:
                bend = min(widest[rank] * 0.25, 16.0) + min(4.0 * crowds[rank], 60.0)
                framed = self.after[rank - 1] or self.before[rank]
                # Lines that come from outside of all come straight.
                least = CLEAR + 8 * (headed[rank] and not framed) if y else 0.0
                y += self.after[rank - 1] + max(least, bend)
            y += max(self.before[rank], ARROW * headed[rank])
            bands.append((y, y + max(self.items[node].height for node in layer)))
            y = bands[-1][1]
            self._close(ending[rank], bands, heads)
        self.height = y + (self.after[-1] if self.after else 0.0)
        return bands

    def _heads(self) -> dict[str, float]:
        """For each group, the inner ones first, how far its border is above its first rank."""
        found: dict[str, float] = {}
        within: dict[str | None, float] = defaultdict(float)
        for group, frame in reversed([*self.groups.items()]):
            found[group] = frame.before + within[group]
            if frame.parent and self.reach[frame.parent][0] == self.reach[group][0]:
                within[frame.parent] = max(within[frame.parent], found[group])
        return found

    def _close(
        self, groups: list[str], bands: list[tuple[float, float]], heads: dict[str, float]
    ) -> None:
        """Put the borders of groups that end on the last of these ranks, the inner ones first."""
        within: dict[str | None, float] = defaultdict(float)
        for group in groups:
            first, last = self.reach[group]
            frame, top, bottom = self.groups[group], bands[first][0] - heads[group], bands[last][1]
            tail = max(frame.after + within[group], frame.length - (bottom - top))
            within[frame.parent] = max(within[frame.parent], tail)
            self.after[last] = max(self.after[last], tail)
            self.tops[group], self.bottoms[group] = top, bottom + tail

    def _ease(self) -> None:
        """Let each bend that no other one is near reach into the bands at its ends."""
        bends: dict[int, list[tuple[float, float, Segment]]] = defaultdict(list)
        self.bent: Counter[tuple[int, bool]] = Counter()
        for segment, lines in self.lines.items():
            ends = [x for line in lines for x in line]
            if max(ends) - min(ends) > STRAIGHT:
                bends[self.rank[segment.lower]].append((min(ends), max(ends), segment))
                self.bent[segment.upper, True] += 1
                self.bent[segment.lower, False] += 1
        for found in bends.values():
            found.sort(key=lambda bend: bend[:2])
            reached = -inf
            following = [*(low for low, *_ in found[1:]), inf]
            for (low, high, segment), after in zip(found, following, strict=True):
                if reached < low and high < after and len(self.lines[segment]) == 1:
                    self.eased[segment] = self._room(segment, *self.lines[segment][0])
                reached = max(reached, high)

    def _room(self, segment: Segment, start: float, end: float) -> tuple[float, float]:
        """How far up and down the bend of a segment can reach."""
        upper, lower, _ = segment
        top, bottom = self._gap(segment)
        most = max(0.0, EASE * abs(end - start) - (bottom - top)) / 2
        rooms = min(most, self._free(upper, False)), min(most, self._free(lower, True))
        toward = 1 if end > start else -1
        for part in (1.0, 0.75, 0.5, 0.25):
            up, down = rooms[0] * part, rooms[1] * part
            a, b = Point(start, top - up), Point(end, bottom + down)
            if self._passes(upper, a, b, toward, 1) and self._passes(lower, a, b, -toward, -1):
                return up, down
        return 0.0, 0.0

    def _free(self, node: int, above: bool) -> float:
        """How much of a rank's band a line has to itself on its way to or from a node."""
        rank = self.rank[node]
        if (self.before if above else self.after)[rank]:
            return 0.0
        top, bottom = self.bands[rank]
        half = self.items[node].height / 2
        if node < self.visible or half:
            return self.ys[node] - half - top if above else bottom - self.ys[node] - half
        return (bottom - top) / (2 if self.bent[node, above] else 1)

    def _passes(self, node: int, a: Point, b: Point, side: int, edge: int) -> bool:
        """Whether a bend keeps clear of what stands on one side of ``node``, as seen from its end.

        It is nearest at the lower edge of what stands above it, at the upper edge of what is below.
        """
        layer, index = self.layers[self.rank[node]], self.place[node] + side
        reached = (min if side < 0 else max)(a.x, b.x)
        while 0 <= index < len(layer):
            other = layer[index]
            item, x = self.items[other], self.xs[other]
            wall = x - side * (NEAR + (item.left if side > 0 else item.right))
            if side * (reached - wall) <= 0 and item.height:
                break
            height = item.height / 2 if item.height else inf
            if side * (x_at(a, b, self.ys[other] + edge * height) - wall) > 0:
                return False
            index += side
        return True


def x_at(a: Point, b: Point, y: float) -> float:
    """Where the curve from ``a`` down to ``b``, which begins and ends along the ranks, is at ``y``.

    >>> x_at(Point(0.0, 0.0), Point(8.0, 4.0), 2.0)
    4.0
    """
    share, t = (y - a.y) / (b.y - a.y), 0.5
    for halving in range(2, 20):
        t += 0.5**halving * (1 if t * (1.5 + t * (t - 1.5)) < share else -1)
    return round(a.x + (b.x - a.x) * t * t * (3 - 2 * t), 2)


def separate(
    wanted: Sequence[float], apart: float, low: float, high: float, weights: Sequence[float] = ()
) -> list[float]:
    """The places nearest to ``wanted`` (ascending) that keep ``apart`` and within the bounds.

    Weighted least squares by pooling neighbours (isotonic regression, Barlow et al. 1972).

    >>> separate([0.0, 0.0, 9.0], 2.0, -5.0, 5.0)
    [-1.0, 1.0, 5.0]
    """
    blocks: list[tuple[float, float, int]] = []
    for index, value in enumerate(wanted):
        mean, weight, size = value - index * apart, weights[index] if weights else 1.0, 1
        while blocks and blocks[-1][0] > mean:
            other, others, count = blocks.pop()
            mean = (mean * weight + other * others) / (weight + others)
            weight += others
            size += count
        blocks.append((mean, weight, size))
    top = high - (len(wanted) - 1) * apart
    spots = [min(max(mean, low), top) for mean, _, size in blocks for _ in range(size)]
    return [spot + index * apart for index, spot in enumerate(spots)]
