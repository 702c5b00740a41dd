"""Order within ranks when nodes are in groups: what is in a group stands side by side, and two
groups never change sides.

From the outside in: first each group is one unit on each of its ranks, a chain that lines do not
like to cross; then it is opened where it stands, and what is directly in it is put in order.
"""

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lamina.view.ordering import Near, Neighbours, order

Path: TypeAlias = tuple[str, ...]
"""The groups around a node, the outermost first."""
Unit: TypeAlias = int | tuple[Path, int]
"""A node, or what a closed group has on one rank."""
Members: TypeAlias = dict[int, dict[Unit, None]]
"""What is directly in a group, by rank."""

WALL = 8
"""A line through a group is as bad as so many crossings, and one for each line in the group."""


def nest(
    layers: Sequence[Sequence[int]], up: Neighbours, down: Neighbours, paths: Sequence[Path]
) -> list[list[int]]:
    """The nodes of each rank from left to right. A group has a node on each of its ranks.

    >>> lines = [[Near(2)], [Near(3)], [], []], [[], [], [Near(0)], [Near(1)]]
    >>> nest([[0, 1], [3, 2]], *lines[::-1], [(), ("g",), (), ("g",)])
    [[0, 1], [2, 3]]
    """
    if not any(paths):
        return order(layers, up, down)
    opened = _Nest(layers, up, down, paths)
    opened.open((), list(range(len(paths))))
    return [[unit for unit in row if isinstance(unit, int)] for row in opened.rows]


@dataclass
class _Nest:
    layers: Sequence[Sequence[int]]
    up: Neighbours
    down: Neighbours
    paths: Sequence[Path]

    def __post_init__(self) -> None:
        self.rank = {node: rank for rank, layer in enumerate(self.layers) for node in layer}
        self.rows: list[list[Unit]] = [[((), rank)] for rank in range(len(self.layers))]
        self.unit: list[Unit] = [((), self.rank[node]) for node in range(len(self.rank))]

    def open(self, group: Path, inside: list[int]) -> None:
        """Put what is directly in a group in its place, in order; then open the groups in it."""
        depth = len(group)
        members: Members = defaultdict(dict)
        closed: dict[Path, list[int]] = defaultdict(list)
        for node in inside:
            path = self.paths[node][: depth + 1]
            self.unit[node] = (path, self.rank[node]) if len(path) > depth else node
            if len(path) > depth:
                closed[path].append(node)
            members[self.rank[node]][self.unit[node]] = None
        for rank, units in members.items():
            at = self.rows[rank].index((group, rank))
            self.rows[rank][at : at + 1] = units
        self._sort(inside, members)
        self._agree(list(closed), members)
        for child, nodes in closed.items():
            self.open(child, nodes)

    def _sort(self, inside: list[int], members: Members) -> None:
        """Few crossings, with what is around at its place."""
        lines: list[tuple[Unit, Unit, float, float]] = []
        known = set(inside)
        for node in inside:
            for near in self.down[node]:
                lines.append((self.unit[node], self.unit[near.node], near.here, near.there))
            for near in self.up[node]:
                if near.node not in known:
                    lines.append((self.unit[near.node], self.unit[node], near.there, near.here))
        for rank, units in members.items():
            for unit in units:
                if not isinstance(unit, int) and (unit[0], rank + 1) in members.get(rank + 1, ()):
                    lines += [(unit, (unit[0], rank + 1), 0.0, 0.0)] * WALL
        joined = {end for upper, lower, *_ in lines for end in (upper, lower)}
        first, last = max(0, min(members) - 1), max(members) + 1
        number: dict[Unit, int] = {}
        layers = [
            [
                number.setdefault(unit, len(number))
                for unit in row
                if unit in members.get(rank, ()) or unit in joined
            ]
            for rank, row in enumerate(self.rows[first : last + 1], first)
        ]
        up: list[list[Near]] = [[] for _ in number]
        down: list[list[Near]] = [[] for _ in number]
        for upper, lower, here, there in lines:
            down[number[upper]].append(Near(number[lower], there, here))
            up[number[lower]].append(Near(number[upper], here, there))
        moving = {number[unit] for units in members.values() for unit in units}
        units = list(number)
        ordered = order(layers, up, down, frozenset(number.values()) - moving)
        for rank, layer in enumerate(ordered, first):
            following = iter([units[index] for index in layer if index in moving])
            row = self.rows[rank]
            row[:] = [next(following) if unit in members.get(rank, ()) else unit for unit in row]

    def _agree(self, groups: list[Path], members: Members) -> None:
        """One order of groups from left to right in all ranks."""
        place = {group: index for index, group in enumerate(self._settled(groups, members))}
        for rank, units in members.items():
            row = self.rows[rank]
            there = [unit for unit in row if unit in units and not isinstance(unit, int)]
            following = iter(sorted(there, key=lambda unit: place[unit[0]]))
            row[:] = [next(following) if unit in there else unit for unit in row]

    def _settled(self, groups: list[Path], members: Members) -> list[Path]:
        """The groups from left to right, as they are in most ranks."""
        before: dict[Path, set[Path]] = {group: set() for group in groups}
        places: dict[Path, list[float]] = defaultdict(list)
        for rank, units in members.items():
            row = self.rows[rank]
            there = [unit[0] for unit in row if unit in units and not isinstance(unit, int)]
            for index, group in enumerate(there):
                places[group].append(row.index((group, rank)) / len(row))
                before[group] |= set(there[:index])
        behind: dict[Path, list[Path]] = defaultdict(list)
        for group, others in before.items():
            for other in others:
                behind[other].append(group)
        rest = {group: sum(found) / len(found) for group, found in places.items()}
        free = [(rest[group], group) for group in groups if not before[group]]
        heapq.heapify(free)
        settled: list[Path] = []
        while rest:
            # Groups may be behind each other in a circle.
            group = heapq.heappop(free)[1] if free else min(rest, key=lambda each: rest[each])
            if rest.pop(group, None) is None:
                continue
            settled.append(group)
            for other in behind[group]:
                before[other].discard(group)
                if other in rest and not before[other]:
                    heapq.heappush(free, (rest[other], other))
        return settled
