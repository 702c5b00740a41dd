"""Order within ranks: few crossings.

Sweeps of the weighted median with transposition, after Gansner, Koutsofios, North and Vo,
"A technique for drawing directed graphs" (1993), section 3.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence, Set
from typing import NamedTuple, TypeAlias


class Near(NamedTuple):
    """One end of a segment to the next rank: the other node, and where it meets both.

    The offsets are in (-0.5, 0.5), as a part of a node's place in the order; 0 is its middle.
    """

    node: int
    there: float = 0.0
    here: float = 0.0


Neighbours: TypeAlias = Sequence[Sequence[Near]]


MANY = 10_000
"""With so many nodes one first order has to do."""


def order(
    layers: Sequence[Sequence[int]], up: Neighbours, down: Neighbours, fixed: Set[int] = frozenset()
) -> list[list[int]]:
    """The nodes of each rank from left to right. ``up`` and ``down`` reach one rank only.

    What is ``fixed`` stays at its place in its rank.

    >>> order([[0, 1], [2, 3]], [[], [], [Near(1)], [Near(0)]], [[Near(3)], [Near(2)], [], []])
    [[0, 1], [3, 2]]
    """
    best, fewest = _improve(_walk(layers, down, fixed), up, down, fixed)
    if fewest and len(up) < MANY:
        first = _walk(layers[::-1], up, fixed)[::-1]
        other, count = _improve(first, up, down, fixed)
        best = other if count < fewest else best
    return best


def _improve(
    layers: list[list[int]], up: Neighbours, down: Neighbours, fixed: Set[int]
) -> tuple[list[list[int]], int]:
    """The best order met in sweeps down and up from a first one, and its crossings."""
    best, layout, stale = layers, [list(layer) for layer in layers], 0
    position = positions(best, len(up))
    fewest = crossings(best, down, position)
    segments = sum(map(len, down)) + 1
    for sweep in range(min(40, max(4, 100_000 // segments))):
        if not fewest or stale == 12:
            break
        downward = sweep % 2 == 0
        ranks = range(1, len(layout)) if downward else range(len(layout) - 2, -1, -1)
        for rank in ranks:
            # Equal medians keep their order in two sweeps and turn it in the next two.
            _sort(layout[rank], up if downward else down, position, sweep % 4 >= 2, fixed)
        _transpose(layout, up, down, position, fixed, rounds=4)
        count = crossings(layout, down, position)
        stale += 1
        if count < fewest:
            best, fewest, stale = [list(layer) for layer in layout], count, 0
    return best, fewest


def crossings(layers: Sequence[Sequence[int]], down: Neighbours, position: Sequence[int]) -> int:
    """How many pairs of segments between neighbouring ranks cross."""
    total = 0
    for layer in layers:
        ends = sorted(
            (position[node] + near.here, position[near.node] + near.there)
            for node in layer
            for near in down[node]
        )
        seen: list[float] = []
        for index, (_, end) in enumerate(ends):
            total += index - bisect_right(seen, end)
            insort(seen, end)
    return total


def _walk(layers: Sequence[Sequence[int]], down: Neighbours, fixed: Set[int]) -> list[list[int]]:
    """First order: depth first from the top, so that branches lie side by side."""
    rank_of = {node: rank for rank, layer in enumerate(layers) for node in layer}
    found: list[list[int]] = [[] for _ in layers]
    seen: set[int] = set()
    for layer in layers:
        for start in layer:
            stack = [start]
            while stack:
                node = stack.pop()
                if node not in seen:
                    seen.add(node)
                    found[rank_of[node]].append(node)
                    stack.extend(near.node for near in reversed(down[node]))
    moving = [iter([node for node in row if node not in fixed]) for row in found]
    return [
        [node if node in fixed else next(rest) for node in layer]
        for layer, rest in zip(layers, moving, strict=True)
    ]


def positions(layers: Sequence[Sequence[int]], count: int) -> list[int]:
    """For each node its number in its rank."""
    found = [0] * count
    for layer in layers:
        for index, node in enumerate(layer):
            found[node] = index
    return found


def _sort(
    layer: list[int], neighbours: Neighbours, position: list[int], turn: bool, fixed: Set[int]
) -> None:
    """Sort by median; a node without neighbours keeps its place."""
    moved = (node for node in layer if neighbours[node] and node not in fixed)
    keys = {node: _median(neighbours[node], position) for node in moved}
    moving = iter(sorted(reversed(keys) if turn else keys, key=keys.__getitem__))
    layer[:] = [next(moving) if node in keys else node for node in layer]
    for index, node in enumerate(layer):
        position[node] = index


def _median(neighbours: Sequence[Near], position: Sequence[int]) -> float:
    values = sorted(position[near.node] + near.there - near.here for near in neighbours)
    middle = len(values) // 2
    if len(values) % 2:
        return values[middle]
    if len(values) == 2:
        return (values[0] + values[1]) / 2
    left, right = values[middle - 1] - values[0], values[-1] - values[middle]
    if left + right == 0:
        return (values[middle - 1] + values[middle]) / 2
    return (values[middle - 1] * right + values[middle] * left) / (left + right)


def _transpose(
    layers: list[list[int]],
    up: Neighbours,
    down: Neighbours,
    position: list[int],
    fixed: Set[int],
    rounds: int,
) -> None:
    """Swap neighbours in a rank as long as that removes crossings, in ranks near to a swap."""
    ranks = set(range(len(layers)))
    for _ in range(rounds):
        near: set[int] = set()
        for rank in sorted(ranks):
            layer = layers[rank]
            for index in range(len(layer) - 1):
                left, right = layer[index], layer[index + 1]
                if left in fixed or right in fixed:
                    continue
                saved = _pair(up[left], up[right], position)
                if saved + _pair(down[left], down[right], position) > 0:
                    layer[index], layer[index + 1] = right, left
                    position[left], position[right] = index + 1, index
                    near |= {rank - 1, rank, rank + 1}
        ranks = near & set(range(len(layers)))


def _pair(left: Sequence[Near], right: Sequence[Near], position: Sequence[int]) -> int:
    """Crossings saved by swapping two nodes with these neighbours on one side."""
    saved = 0
    for a in left:
        from_left = position[a.node] + a.there
        for b in right:
            from_right = position[b.node] + b.there
            saved += (from_left > from_right) - (from_left < from_right)
    return saved
