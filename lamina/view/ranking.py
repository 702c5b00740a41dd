"""Ranks: which layer of the drawing a node stands on."""

from collections.abc import Collection, Sequence
from typing import NamedTuple


class Link(NamedTuple):
    """A directed edge between node numbers that must span ``length`` ranks or more."""

    source: int
    target: int
    length: int = 1


ROW = 6
"""Nodes without any edge stand in rows of this many."""


def back_edges(count: int, links: Sequence[tuple[int, int]]) -> set[int]:
    """Indices of links that close a cycle in a depth-first walk; flipping them leaves none.

    >>> back_edges(3, [(0, 1), (1, 2), (2, 0)])
    {2}
    """
    outgoing: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    entered = [False] * count
    for index, (source, target) in enumerate(links):
        outgoing[source].append((target, index))
        entered[target] = True
    state = [0] * count
    found: set[int] = set()
    for start in sorted(range(count), key=lambda node: entered[node]):
        if state[start]:
            continue
        state[start] = 1
        stack = [(start, iter(outgoing[start]))]
        while stack:
            node, rest = stack[-1]
            for target, index in rest:
                if state[target] == 1:
                    found.add(index)
                elif not state[target]:
                    state[target] = 1
                    stack.append((target, iter(outgoing[target])))
                    break
            else:
                state[node] = 2
                stack.pop()
    return found


def assign(
    count: int, links: Sequence[Link], first: Collection[int] = (), last: Collection[int] = ()
) -> list[int]:
    """Ranks by longest path, then drawn together so that edges are short.

    Nodes in ``first`` stay on rank 0 and nodes in ``last`` on the last one. ``links`` has no cycle.

    >>> assign(4, [Link(0, 1), Link(1, 2), Link(3, 2)])
    [0, 1, 2, 1]
    """
    incoming: list[list[Link]] = [[] for _ in range(count)]
    outgoing: list[list[Link]] = [[] for _ in range(count)]
    for link in links:
        incoming[link.target].append(link)
        outgoing[link.source].append(link)
    ranks = [0] * count
    order = _topological(incoming, outgoing)
    for node in order:
        ranks[node] = max((ranks[u] + length for u, _, length in incoming[node]), default=0)
    lone = [node for node in range(count) if not incoming[node] and not outgoing[node]]
    for index, node in enumerate(lone):
        ranks[node] = index // ROW
    # A tree that only feeds one place hangs from it: a second input stands where it is used.
    hangs = [True] * count
    for node in order:
        hangs[node] = all(hangs[u] and len(outgoing[u]) == 1 for u, _, _ in incoming[node])
    end = max(ranks, default=0)
    for node in last:
        ranks[node] = end
    for node in reversed(order):
        freely = hangs[node] or len(outgoing[node]) > len(incoming[node])
        if outgoing[node] and freely and node not in first:
            ranks[node] = min(ranks[v] - length for _, v, length in outgoing[node])
    lowest = min(ranks, default=0)
    return [rank - lowest for rank in ranks]


def _topological(incoming: list[list[Link]], outgoing: list[list[Link]]) -> list[int]:
    waiting = [len(links) for links in incoming]
    order = [node for node, links in enumerate(waiting) if not links]
    for node in order:
        for link in outgoing[node]:
            waiting[link.target] -= 1
            if not waiting[link.target]:
                order.append(link.target)
    return order
