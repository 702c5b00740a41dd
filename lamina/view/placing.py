"""Coordinates across the ranks: straight lines where there can be straight lines.

After Brandes and Koepf, "Fast and simple horizontal coordinate assignment" (2001): nodes are
aligned to blocks in four ways, each is packed, and every node takes the mean of its two middle
places. Blocks are packed by longest paths over a graph of blocks, which needs no classes and so
none of the corrections of the paper's erratum (2020).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from collections import defaultdict
from math import ceil

from lamina.view.ordering import positions
from lamina.view.simplex import Link, shorten

Lists = Sequence[Sequence[int]]
Gap = Callable[[int, int], float]
Bend = tuple[int, int, float]
"""The upper and the lower node of a line, which is straight if the lower is so far beside."""


GRID = 64.0
"""Coordinates are multiples of 1 / GRID, so that sums of them are exact."""
TRUNK = 4
WEIGHTS = 2, 2, 4
"""What a bend costs for each pixel across, if none, one or both of its ends are hidden."""


def place(layers: Lists, segments: Sequence[Bend], hidden: Sequence[bool], gap: Gap) -> list[float]:
    """A coordinate for every node, ordered as in ``layers``.

    ``hidden`` marks the nodes that only carry a long edge. ``gap(a, b)`` is the least distance
    from ``a`` to its right neighbour ``b``.

    >>> down = [(0, 1, 0.0), (0, 2, 0.0)]
    >>> place([[0], [1, 2]], down, [False] * 3, lambda a, b: 10.0)
    [5.0, 0.0, 10.0]
    """
    up: list[list[int]] = [[] for _ in hidden]
    down: list[list[int]] = [[] for _ in hidden]
    for upper, lower, _ in dict.fromkeys(segments):
        down[upper].append(lower)
        up[lower].append(upper)
    avoided = _conflicts(layers, up, down, hidden)
    xs = _aligned(layers, up, down, avoided, gap)
    return _drawn_together(xs, layers, segments, hidden, avoided, gap)


def _aligned(
    layers: Lists, up: Lists, down: Lists, avoided: set[tuple[int, int]], gap: Gap
) -> list[float]:
    """Brandes and Koepf's coordinates."""
    found: list[list[float]] = []
    for mirrored in (False, True):
        rows = [list(reversed(layer)) if mirrored else list(layer) for layer in layers]
        where = positions(rows, len(up))
        distance = (lambda a, b: gap(b, a)) if mirrored else gap
        for ranks, neighbours in ((rows, up), (rows[::-1], down)):
            root = _align(ranks, neighbours, where, avoided)
            xs = _pack(rows, root, distance)
            found.append([-x for x in xs] if mirrored else xs)
    return _balance(found)


def _drawn_together(
    xs: list[float],
    layers: Lists,
    segments: Sequence[Bend],
    hidden: Sequence[bool],
    avoided: set[tuple[int, int]],
    gap: Gap,
) -> list[float]:
    """The same order with the shortest way across, long edges straight first of all."""
    places = [_grid(x) for x in xs]
    links = []
    for layer in layers:
        for left, right in pairwise(layer):
            length = ceil(gap(left, right) * GRID) / GRID
            places[right] = max(places[right], places[left] + length)
            links.append(Link(left, right, length, 0))
    trunk = set()
    down = defaultdict(set)
    up = defaultdict(set)
    for u, l, _ in segments:
        down[u].add(l)
        up[l].add(u)
    for u, l in avoided:
        if len(down[u]) == 2 and not hidden[u]:
            trunk |= {(u, v) for v in down[u]}
        if len(up[l]) == 2 and not hidden[l]:
            trunk |= {(v, l) for v in up[l]}
    trunk -= avoided
    for upper, lower, shift in dict.fromkeys(segments):
        ends = hidden[upper] + hidden[lower]
        weight = (
            1
            if (upper, lower) in avoided and ends < 2
            else TRUNK
            if (upper, lower) in trunk
            else WEIGHTS[ends]
        )
        across, node = _grid(shift), len(places)
        places.append(min(places[upper] + across, places[lower]))
        links += [Link(node, upper, -across, weight), Link(node, lower, 0, weight)]
    shorten(places, links)
    start = min(places, default=0.0)
    return [x - start for x in places[: len(xs)]]


def _grid(x: float) -> float:
    return round(x * GRID) / GRID


def _conflicts(
    layers: Lists, up: Lists, down: Lists, hidden: Sequence[bool]
) -> set[tuple[int, int]]:
    """Segments, as (upper, lower), that must not bend a long edge."""
    position = positions(layers, len(up))
    avoided: set[tuple[int, int]] = set()
    for above, layer in pairwise(layers):
        start, done = 0, 0
        for index, node in enumerate(layer):
            inner = next((u for u in up[node] if hidden[u]), None) if hidden[node] else None
            if inner is None and index < len(layer) - 1:
                continue
            end = len(above) - 1 if inner is None else position[inner]
            crossed = ((u, lower) for lower in layer[done : index + 1] for u in up[lower])
            avoided.update(pair for pair in crossed if not start <= position[pair[0]] <= end)
            start, done = end, index + 1
        for upper in above:
            # Where a long edge has a branch, it is the long edge that goes straight on.
            if hidden[upper] and any(hidden[v] for v in down[upper]):
                avoided.update((upper, v) for v in down[upper] if not hidden[v])
    for node in range(len(hidden)):
        # Of a trunk and a connection that skips a part of it, the trunk goes straight on.
        if hidden[node]:
            continue
        if len(up[node]) == 2 and hidden[up[node][0]] != hidden[up[node][1]]:
            avoided.add((next(u for u in up[node] if hidden[u]), node))
        if len(down[node]) == 2:
            skips = [first for first in down[node] if _is_skip(first, up, down, hidden)]
            if len(skips) == 1:
                avoided.add((node, skips[0]))
    return avoided


def _is_skip(node: int, up: Lists, down: Lists, hidden: Sequence[bool]) -> bool:
    """Whether the branch that begins here has a long edge in it and ends where two lines meet."""
    long = hidden[node]
    while len(down[node]) == 1 and len(up[node]) == 1:
        node = down[node][0]
        long = long or hidden[node]
    return long and (len(up[node]) == 2 or hidden[node])


def _align(
    layers: Lists,
    neighbours: Lists,
    position: Sequence[int],
    avoided: set[tuple[int, int]],
) -> list[int]:
    """For each node the root of its block: the first node of the line it stands in."""
    root = list(range(len(position)))
    taken = [False] * len(position)
    for layer in layers:
        reached = -1
        for node in layer:
            near = sorted(neighbours[node], key=position.__getitem__)
            for index in sorted({(len(near) - 1) // 2, len(near) // 2}) if near else ():
                other = near[index]
                barred = (other, node) in avoided or (node, other) in avoided
                if position[other] > reached and not taken[other] and not barred:
                    taken[other] = True
                    root[node] = root[other]
                    reached = position[other]
                    break
    return root


def _pack(layers: Lists, root: Sequence[int], gap: Gap) -> list[float]:
    """Blocks as far left as they go, then each as far right as its right neighbours let it."""
    count = len(root)
    after: list[dict[int, float]] = [{} for _ in range(count)]
    waiting = [0] * count
    for layer in layers:
        for left, right in pairwise(layer):
            a, b = root[left], root[right]
            if b not in after[a]:
                waiting[b] += 1
            after[a][b] = max(after[a].get(b, 0.0), gap(left, right))
    order = [node for node in range(count) if root[node] == node and not waiting[node]]
    xs = [0.0] * count
    for block in order:
        for other, distance in after[block].items():
            xs[other] = max(xs[other], xs[block] + distance)
            waiting[other] -= 1
            if not waiting[other]:
                order.append(other)
    for block in reversed(order):
        if after[block]:
            xs[block] = min(xs[other] - distance for other, distance in after[block].items())
    return [xs[root[node]] for node in range(count)]


def _balance(found: list[list[float]]) -> list[float]:
    """Shift the four layouts to the edges of the narrowest one and take middle means."""
    spans = [(min(xs, default=0.0), max(xs, default=0.0)) for xs in found]
    low, high = min(spans, key=lambda span: span[1] - span[0])
    shifts = [high - b if index >= 2 else low - a for index, (a, b) in enumerate(spans)]
    moved = [[x + shift for x in xs] for xs, shift in zip(found, shifts, strict=True)]
    middle = [sorted(places)[1:3] for places in zip(*moved, strict=True)]
    xs = [(a + b) / 2 for a, b in middle]
    start = min(xs, default=0.0)
    return [x - start for x in xs]
