"""Coordinates across the ranks: as little way across as there can be, and straight lines first.

After Gansner, Koutsofios, North and Vo, "A technique for drawing directed graphs" (1993), section
4.2: each line costs its way across times a weight, and the network simplex finds the least sum.
What the least sum leaves open is put in the middle.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil

from lamina.view.simplex import Link, Search

Gap = Callable[[int, int], float]
Bend = tuple[int, int, float]
"""The upper and the lower node of a line, which is straight if the lower is so far beside."""

GRID = 64.0
"""Coordinates are multiples of 1 / GRID, so that sums of them are exact."""
SKIP, LINE, TRUNK = 1, 2, 4
"""What a pixel across costs where a skip connection begins or ends, anywhere, and on a trunk."""


def place(
    layers: Sequence[Sequence[int]], bends: Sequence[Bend], hidden: Sequence[bool], gap: Gap
) -> list[float]:
    """A coordinate for every node, ordered as in ``layers``.

    ``hidden`` marks the nodes that only carry a long edge. ``gap(a, b)`` is the least distance
    from ``a`` to its right neighbour ``b``.

    >>> down = [(0, 1, 0.0), (0, 2, 0.0)]
    >>> place([[0], [1, 2]], down, [False] * 3, lambda a, b: 10.0)
    [5.0, 0.0, 10.0]
    """
    places, links = [0.0] * len(hidden), []
    for layer in layers:
        for left, right in pairwise(layer):
            length = ceil(gap(left, right) * GRID) / GRID
            places[right] = places[left] + length
            links.append(Link(left, right, length, 0))
    bends = list(dict.fromkeys(bends))
    for (upper, lower, shift), weight in zip(bends, _weights(bends, hidden), strict=True):
        # A helper as far left as the left end of the line: the way to both ends is the way across.
        across, helper = round(shift * GRID) / GRID, len(places)
        places.append(min(places[upper] + across, places[lower]))
        links += [Link(helper, upper, -across, weight), Link(helper, lower, 0, weight)]
    search = Search(places, links)
    search.run()
    _settle(search, bends, len(links) - 2 * len(bends))
    start = min(places, default=0.0)
    return [x - start for x in places[: len(hidden)]]


def _settle(search: Search, bends: Sequence[Bend], first: int) -> None:
    """What may stand anywhere between two lines from one side goes to the middle of them."""
    for nodes, way, *ends in search.loose():
        sides = []
        inside = set(nodes)
        for index in ends:
            upper, lower, _ = bends[(index - first) // 2] if index >= first else (-1, -1, 0.0)
            if (upper in inside) != (lower in inside):
                sides.append(lower in inside)
        if len(sides) == 2 and sides[0] == sides[1]:
            for node in nodes:
                search.at[node] += round(way * GRID / 2) / GRID


def _weights(bends: Sequence[Bend], hidden: Sequence[bool]) -> list[int]:
    """Of a trunk and a connection that skips a part of it, the trunk goes straight on."""
    up: list[list[int]] = [[] for _ in hidden]
    down: list[list[int]] = [[] for _ in hidden]
    for upper, lower, _ in bends:
        down[upper].append(lower)
        up[lower].append(upper)
    trunk, skips = set(), set()
    for node in range(len(hidden)):
        if hidden[node]:
            continue
        if len(up[node]) == 2 and hidden[up[node][0]] != hidden[up[node][1]]:
            first, second = up[node]
            skip, main = (first, second) if hidden[first] else (second, first)
            skips.add((skip, node))
            trunk.add((main, node))
        if len(down[node]) == 2:
            found = [_is_skip(first, up, down, hidden) for first in down[node]]
            if sum(found) == 1:
                skips.add((node, down[node][found.index(True)]))
                trunk.add((node, down[node][found.index(False)]))
    weights = []
    for upper, lower, _ in bends:
        inner = hidden[upper] and hidden[lower]
        alone = len(down[upper]) == 1 and len(up[lower]) == 1
        if inner or alone or ((upper, lower) in trunk and (upper, lower) not in skips):
            weights.append(TRUNK)
        else:
            weights.append(SKIP if (upper, lower) in skips else LINE)
    return weights


def _is_skip(
    node: int,
    up: Sequence[Sequence[int]],
    down: Sequence[Sequence[int]],
    hidden: Sequence[bool],
) -> bool:
    """Whether the branch that begins here has a long edge in it and ends where two lines meet."""
    long = hidden[node]
    while len(down[node]) == 1 and len(up[node]) == 1:
        node = down[node][0]
        long = long or hidden[node]
    return long and (len(up[node]) == 2 or hidden[node])
