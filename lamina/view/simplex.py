"""Places on a line that make weighted links as short as they can be: for ranks and coordinates.

The network simplex of Gansner, Koutsofios, North and Vo, "A technique for drawing directed graphs"
(1993), section 2. A subtree of the tight tree is moved where that makes its links shorter, until
the first link becomes tight; the sum of weights that leave the subtree is the paper's cut value.
Every step keeps the distances, so the search may end at any time.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple


class Link(NamedTuple):
    """``target`` must lie ``length`` or more behind ``source``; ``weight`` is what length costs."""

    source: int
    target: int
    length: float = 1
    weight: float = 1


def shorten(places: list[float], links: Sequence[Link], budget: int = 300_000) -> None:
    """Move ``places``, which keep all lengths, to where the sum of weight x distance is least.

    All numbers must be multiples of one power of two, so that sums of them are exact.
    ``budget`` bounds how many nodes are looked at.

    >>> places = [0, 1, 2, 0]
    >>> shorten(places, [Link(0, 1), Link(1, 2), Link(3, 2)])
    >>> places
    [0, 1, 2, 1]
    """
    Search(places, links).run(budget)


@dataclass
class Search:
    """Places, which it moves, and links, which it never makes too short."""

    at: list[float]
    links: Sequence[Link]

    def __post_init__(self) -> None:
        count = len(self.at)
        self.out: list[list[int]] = [[] for _ in range(count)]
        self.into: list[list[int]] = [[] for _ in range(count)]
        self.flow = [0.0] * count
        for index, (source, target, _, weight) in enumerate(self.links):
            self.out[source].append(index)
            self.into[target].append(index)
            self.flow[source] += weight
            self.flow[target] -= weight
        self.part = list(range(count))
        self.tree: list[list[int]] = [[] for _ in range(count)]

    def run(self, budget: int = 300_000) -> None:
        self.connect()
        self.root()
        self.improve(budget)

    def slack(self, index: int) -> float:
        source, target, length, _ = self.links[index]
        return self.at[target] - self.at[source] - length

    def tightest(self, nodes: Sequence[int], upward: bool) -> tuple[float, int]:
        """How far a part may move, and the link out of it that then is tight."""
        part, at, links = self.part, self.at, self.links
        here = part[nodes[0]]
        least, found = inf, -1
        for node in nodes:
            for index in self.out[node] if upward else self.into[node]:
                source, target, length, _ = links[index]
                if part[target if upward else source] != here:
                    slack = at[target] - at[source] - length
                    if slack < least:
                        least, found = slack, index
                        if not slack:
                            return slack, index
        return least, found

    def connect(self) -> None:
        """Move parts together, the smallest first, until tight links join all of them."""
        members = {node: [node] for node in range(len(self.at))}
        queue = [(1, node) for node in members]
        while queue:
            size, here = heapq.heappop(queue)
            nodes = members.get(here)
            if nodes is None or len(nodes) != size:
                continue
            upward = sum(self.flow[node] for node in nodes) > 0
            least, index = self.tightest(nodes, upward)
            if index < 0:
                upward = not upward
                least, index = self.tightest(nodes, upward)
            if index < 0:
                continue
            for node in nodes:
                self.at[node] += least if upward else -least
            source, target, *_ = self.links[index]
            self.tree[source].append(index)
            self.tree[target].append(index)
            other = self.part[target if upward else source]
            for node in nodes:
                self.part[node] = other
            members[other] += members.pop(here)
            heapq.heappush(queue, (len(members[other]), other))

    def root(self) -> None:
        """Parents in the tree, and for each node the weight that leaves its subtree."""
        count = len(self.at)
        self.parent, self.above = [-1] * count, [-1] * count
        self.children: list[set[int]] = [set() for _ in range(count)]
        order: list[int] = []
        seen = [False] * count
        for start in range(count):
            if seen[start]:
                continue
            seen[start] = True
            stack = [start]
            while stack:
                node = stack.pop()
                order.append(node)
                for index in self.tree[node]:
                    source, target, *_ = self.links[index]
                    other = target if source == node else source
                    if not seen[other]:
                        seen[other] = True
                        self.parent[other], self.above[other] = node, index
                        self.children[node].add(other)
                        stack.append(other)
        for node in reversed(order):
            if self.parent[node] >= 0:
                self.flow[self.parent[node]] += self.flow[node]

    def improve(self, budget: int) -> None:
        """Move subtrees as long as that helps."""
        count, node, idle = len(self.at), 0, 0
        while idle < count and budget > 0:
            index, flow = self.above[node], self.flow[node]
            hangs = index >= 0 and self.links[index].source == node
            if index >= 0 and (flow < 0 if hangs else flow > 0):
                budget -= self.move(node, upward=not hangs)
                idle = 0
            else:
                idle += 1
                budget -= not node
            node = (node + 1) % count

    def reach(self, top: int, upward: bool) -> tuple[list[int], float, int]:
        """The nodes of a subtree, how far they may move, and the link that then is tight."""
        nodes = [top]
        for node in nodes:
            nodes += self.children[node]
        home = self.part[top]
        for node in nodes:
            self.part[node] = -1
        least, index = self.tightest(nodes, upward)
        for node in nodes:
            self.part[node] = home
        return nodes, least, index

    def loose(self, budget: int = 100_000) -> Iterator[tuple[list[int], float, int, int]]:
        """Subtrees whose way is free of cost: nodes, how far they can go, the links at its ends.

        The first link is the one that the subtree hangs by, the second the one that would be tight.
        """
        for top, index in enumerate(self.above):
            if index >= 0 and budget > 0 and not self.flow[top] and not self.slack(index):
                upward = self.links[index].source != top
                nodes, room, met = self.reach(top, upward)
                budget -= len(nodes)
                if met >= 0:
                    yield nodes, room if upward else -room, index, met

    def move(self, top: int, upward: bool) -> int:
        """Move the subtree of ``top`` until a link is tight, and hang it there."""
        nodes, least, index = self.reach(top, upward)
        for node in nodes:
            self.at[node] += least if upward else -least
        source, target, *_ = self.links[index]
        inner, outer = (source, target) if upward else (target, source)
        total = self.flow[top]
        node = self.parent[top]
        self.children[node].discard(top)
        while node >= 0:
            self.flow[node] -= total
            node = self.parent[node]
        # Turn the path from the new end to the old one around.
        parent, above, node, below = outer, index, inner, 0.0
        while True:
            before, link, flow = self.parent[node], self.above[node], self.flow[node]
            self.parent[node], self.above[node], self.flow[node] = parent, above, total - below
            self.children[parent].add(node)
            if node == top:
                break
            self.children[before].discard(node)
            parent, above, node, below = node, link, before, flow
        node = outer
        while node >= 0:
            self.flow[node] += total
            node = self.parent[node]
        return len(nodes)
