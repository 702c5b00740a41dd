"""Coordinates across the ranks: as little way across as there can be, and straight lines first.

After Gansner, Koutsofios, North and Vo, "A technique for drawing directed graphs" (1993), section
4.2: each line costs its way across times a weight, and the network simplex finds the least sum.
What the least sum leaves open is put in the middle.
"""

from collections.abc import Sequence
from math import ceil

from lamina.view.simplex import Link, Search

Line = tuple[int, int]
"""The upper and the lower node of a line between neighbouring ranks."""
Lists = Sequence[Sequence[int]]

GRID = 64.0
"""Coordinates are multiples of 1 / GRID, so that sums of them are exact."""
LINE, CHAIN, TRUNK = 2, 3, 4
"""What a pixel across costs: anywhere, in a chain or the middle of a long edge, on a trunk."""
ENDS = {(True, True): 0.25, (True, False): 1, (False, True): 0.5, (False, False): LINE}
"""And at an end of a long edge, by whether it is beside a trunk there, and at its other end: where
it joins a trunk it runs along it."""


def place(
    layers: Lists, links: Sequence[Link], lines: Sequence[Line], hidden: Sequence[bool]
) -> list[float]:
    """A coordinate for every node, and for every border that ``links`` have beyond the nodes.

    Links are from left to right, with the least distance between their ends; ``hidden`` marks the
    nodes that only carry a long edge.

    >>> place([[0], [1, 2]], [Link(1, 2, 10.0, 0)], [(0, 1), (0, 2)], [False] * 3)
    [0.0, -5.0, 5.0]
    """
    count = max([len(hidden), *(link.target + 1 for link in links)])
    links = [link._replace(length=ceil(link.length * GRID) / GRID) for link in links]
    places = _leftmost(count, links)
    first = len(links)
    lines = list(dict.fromkeys(lines))
    for (upper, lower), weight in zip(lines, _weights(layers, lines, hidden), strict=True):
        # A helper as far left as the left end of the line: the way to both ends is the way across.
        helper = len(places)
        places.append(min(places[upper], places[lower]))
        links += [Link(helper, upper, 0, weight), Link(helper, lower, 0, weight)]
    search = Search(places, links)
    search.run()
    _settle(search, lines, first)
    return places[:count]


def _leftmost(count: int, links: Sequence[Link]) -> list[float]:
    """The first places that keep all lengths."""
    following: list[list[Link]] = [[] for _ in range(count)]
    waiting = [0] * count
    for link in links:
        following[link.source].append(link)
        waiting[link.target] += 1
    places = [0.0] * count
    ready = [node for node in range(count) if not waiting[node]]
    for node in ready:
        for _, target, length, _ in following[node]:
            places[target] = max(places[target], places[node] + length)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return places


def _settle(search: Search, lines: Sequence[Line], first: int) -> None:
    """What may stand anywhere between two lines from one side goes to the middle of them."""
    for nodes, way, *ends in search.loose():
        sides = []
        inside = set(nodes)
        for index in ends:
            upper, lower = lines[(index - first) // 2] if index >= first else (-1, -1)
            if (upper in inside) != (lower in inside):
                sides.append(lower in inside)
        if len(sides) == 2 and sides[0] == sides[1]:
            for node in nodes:
                search.at[node] += round(way * GRID / 2) / GRID


def _weights(layers: Lists, lines: Sequence[Line], hidden: Sequence[bool]) -> list[float]:
    """Of a trunk and a connection that skips a part of it, the trunk goes straight on."""
    up: list[list[int]] = [[] for _ in hidden]
    down: list[list[int]] = [[] for _ in hidden]
    for upper, lower in lines:
        down[upper].append(lower)
        up[lower].append(upper)
    # The first piece of the long edge that a hidden node is on, and whether others read its value.
    first: dict[int, Line] = {}
    shared = [len(below) > 1 for below in down]
    for node in (node for layer in layers for node in layer if hidden[node]):
        (upper,) = up[node]
        first[node] = first.get(upper, (upper, node))
        shared[node] = shared[node] or shared[upper]
    trunk: set[Line] = set()
    beside: set[Line] = set()
    for node in range(len(hidden)):
        over, under = up[node], down[node]
        # Of two lines the one with a long edge is beside the trunk, of more only a long edge alone.
        enters = [hidden[u] and (shared[u] or len(over) == 2) for u in over]
        leaves = [_is_skip(v, up, down, hidden) if len(under) == 2 else hidden[v] for v in under]
        for skips, ends in (
            (enters, [(u, node) for u in over]),
            (leaves, [(node, v) for v in under]),
        ):
            if not hidden[node] and len(ends) > 1 and sum(skips) == len(ends) - 1:
                trunk.add(ends[skips.index(False)])
                beside |= set(ends) - trunk
    weights: list[float] = []
    for line in lines:
        upper, lower = line
        if hidden[upper] and hidden[lower]:
            weights.append(CHAIN)
        elif hidden[upper] != hidden[lower]:
            other = first[upper] if hidden[upper] else _last(line, down, hidden)
            weights.append(ENDS[line in beside, other in beside])
        elif line in trunk:
            weights.append(TRUNK)
        else:
            weights.append(CHAIN if len(down[upper]) == len(up[lower]) == 1 else LINE)
    return weights


def _last(line: Line, down: Lists, hidden: Sequence[bool]) -> Line:
    """The last piece of the long edge that begins with ``line``, or itself where it branches."""
    upper, lower = line
    while hidden[lower]:
        if len(down[lower]) > 1:
            return line
        upper, lower = lower, down[lower][0]
    return upper, lower


def _is_skip(node: int, up: Lists, down: Lists, hidden: Sequence[bool]) -> bool:
    """Whether the branch that begins here has a long edge in it and ends where two lines meet."""
    long = hidden[node]
    while len(down[node]) == 1 and len(up[node]) == 1:
        node = down[node][0]
        long = long or hidden[node]
    return long and (len(up[node]) == 2 or hidden[node])
