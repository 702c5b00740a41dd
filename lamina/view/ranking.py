"""Ranks: which layer of the drawing a node stands on."""

from collections.abc import Collection, Sequence
from math import inf

from lamina.view.simplex import Link, shorten

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
    count: int,
    links: Sequence[Link],
    first: Collection[int] = (),
    last: Collection[int] = (),
    groups: Sequence[Sequence[int]] = (),
) -> list[int]:
    """Ranks for which links are shortest; what may stand on several ranks stands near its source.

    Nodes in ``first`` stay on the first rank and nodes in ``last`` on the last one; each of the
    ``groups`` of nodes is on few ranks. ``links`` has no cycle.

    >>> assign(4, [Link(0, 1), Link(1, 2), Link(3, 2)])
    [0, 1, 2, 1]
    """
    incoming: list[list[Link]] = [[] for _ in range(count)]
    outgoing: list[list[Link]] = [[] for _ in range(count)]
    for link in links:
        incoming[link.target].append(link)
        outgoing[link.source].append(link)
    ranks: list[float] = [0] * (count + 2)
    order = _topological(incoming, outgoing)
    for node in order:
        ranks[node] = _earliest(incoming[node], ranks)
    lone = [node for node in range(count) if not incoming[node] and not outgoing[node]]
    for index, node in enumerate(lone):
        ranks[node] = index // ROW
    # All hangs between two borders, to which the first and the last nodes are tied.
    top, bottom = count, count + 1
    ranks[bottom] = max(ranks)
    for node in last:
        ranks[node] = ranks[bottom]
    ties = [Link(top, node, 0, 0) for node in range(count) if not incoming[node]]
    ties += [Link(node, bottom, 0, 0) for node in range(count) if not outgoing[node]]
    ties += [Link(node, top, 0, 0) for node in first]
    ties += [Link(bottom, node, 0, 0) for node in last]
    for nodes in groups:
        upper, lower = len(ranks), len(ranks) + 1
        ranks += [min(ranks[node] for node in nodes), max(ranks[node] for node in nodes)]
        ties.append(Link(upper, lower, 0, 1))
        ties += [Link(upper, node, 0, 0) for node in nodes]
        ties += [Link(node, lower, 0, 0) for node in nodes]
    shorten(ranks, [*links, *ties, *(Link(top, node, ranks[node], 0) for node in lone)])
    highest = [-inf] * count
    for nodes in groups:
        top = min(ranks[node] for node in nodes)
        for node in nodes:
            highest[node] = max(highest[node], top)
    for node in order:
        if len(incoming[node]) == len(outgoing[node]) > 0:
            ranks[node] = max(_earliest(incoming[node], ranks), highest[node])
    lowest = min(ranks[:count], default=0)
    return [int(rank - lowest) for rank in ranks[:count]]


def _earliest(incoming: list[Link], ranks: Sequence[float]) -> float:
    return max((ranks[link.source] + link.length for link in incoming), default=0)


def _topological(incoming: list[list[Link]], outgoing: list[list[Link]]) -> list[int]:
    waiting = [len(links) for links in incoming]
    order = [node for node, links in enumerate(waiting) if not links]
    for node in order:
        for link in outgoing[node]:
            waiting[link.target] -= 1
            if not waiting[link.target]:
                order.append(link.target)
    return order
