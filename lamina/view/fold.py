"""Repeated blocks of a graph, found and folded to one copy each.

On every level (the whole graph, and each group in it) the items are brought into one order, and a
repeat is a stretch of it that follows itself: items that compute the same, wired the same way, each
block fed by the one before. What comes from outside, such as an encoder's output in every block of
a decoder, may feed all of them. Names and weights do not count.
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from lamina.view.model_graph import Group, ModelGraph

LONGEST_BLOCK, LONGEST_ALONE, WORTH = 1000, 50, 4
"""Items that a block may have, and one of only two; items that folding a repeat has to save."""


class Run(NamedTuple):
    """A repeat: for each copy of the block its items (ids of boxes and groups) in equal order."""

    group: str | None
    copies: list[list[str]]


def repeats(graph: ModelGraph) -> list[Run]:
    """The repeats of a graph, on all its levels; in a run, those of its first copy only.

    >>> from lamina.view.model_graph import Box, Edge
    >>> boxes = [Box(str(n), "Dense") for n in range(9)]
    >>> edges = [Edge(str(n), str(n + 1)) for n in range(8)]
    >>> [(len(run.copies), len(run.copies[0])) for run in repeats(ModelGraph("m", boxes, edges))]
    [(9, 1)]
    """
    return _Finder(graph.check()).run()


def folded(graph: ModelGraph) -> ModelGraph:
    """The graph with one copy of each repeated block, in a group that says how many there are.

    >>> from lamina.view.model_graph import Box, Edge
    >>> boxes = [Box(str(n), "Dense", f"dense_{n}") for n in range(9)]
    >>> graph = folded(ModelGraph("m", boxes, [Edge(str(n), str(n + 1)) for n in range(8)]))
    >>> graph.boxes[0].name, graph.groups[0].times
    ('dense_0–8', 9)
    """
    while (smaller := _folded_once(graph)) is not graph:
        graph = smaller
    return graph


def _folded_once(graph: ModelGraph) -> ModelGraph:
    dropped: set[str] = set()
    moved: dict[str, str] = {}
    renamed: dict[str, str] = {}
    times: dict[str, int] = {}
    ends: dict[str, str] = {}
    blocks: list[Group] = []
    finder = _Finder(graph.check())
    runs, index = finder.run(), finder.index
    if not runs:
        return graph
    for run in runs:
        first, *others = run.copies
        leaves = [[leaf for item in copy for leaf in index.leaves(item)] for copy in run.copies]
        ends |= dict(zip(leaves[-1], leaves[0], strict=True))
        dropped |= {each for copy in others for item in copy for each in index.inside(item)}
        for same in [*zip(*leaves, strict=True), *zip(*run.copies, strict=True)]:
            renamed[same[0]] = _range(index.names[same[0]], index.names[same[-1]])
        if len(first) == 1 and first[0] in index.groups:
            times[first[0]] = len(run.copies)
            continue
        identity, common = f"{first[0]}~block", _common([renamed[item] for item in first])
        for item in first:
            moved[item], renamed[item] = identity, renamed[item].removeprefix(common)
        title = f"{common.rstrip('_/. -')} × {len(run.copies)}".strip()
        blocks.append(Group(identity, title, run.group, len(run.copies)))
    boxes, groups = [], []
    for box in graph.boxes:
        if box.id not in dropped:
            name, owner = renamed.get(box.id, box.name), moved.get(box.id, box.group)
            boxes.append(replace(box, name=name, group=owner))
    for group in graph.groups:
        if group.id not in dropped:
            name, owner = renamed.get(group.id, group.name), moved.get(group.id, group.parent)
            number = times.get(group.id, group.times)
            name = f"{name} × {number}" if group.id in times else name
            groups.append(replace(group, name=name, parent=owner, times=number))
    edges = []
    for edge in graph.edges:
        if edge.target not in dropped:
            # What leaves a run comes out of its last copy; a block is fed as its first one is.
            source = ends.get(edge.source, edge.source)
            while source in dropped and source in ends:
                source = ends[source]
            if source not in dropped:
                edges.append(replace(edge, source=source))
    return ModelGraph(graph.name, boxes, edges, [*groups, *blocks])


def _range(first: str, last: str) -> str:
    """What two names stand for that differ in their numbers only: ``block1–24_add``."""
    parts = re.split(r"(\d+)", first), re.split(r"(\d+)", last)
    if first == last or len(parts[0]) != len(parts[1]) or parts[0][::2] != parts[1][::2]:
        return first
    pairs = zip(*parts, strict=True)
    return "".join(a if a == b else f"{a}–{b}" for a, b in pairs)


def _common(shown: list[str]) -> str:
    """What the names of a block begin with, if it says which blocks they are: ``block1–24_``."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*shown, strict=False))
    common = re.sub(r"[^_/. -]*$", "", "".join(letters[0] for letters in alike))
    return common if "–" in common and len(shown) > 1 else ""


@dataclass
class _Index:
    """Who is in which group, and what flows into whom."""

    graph: ModelGraph
    members: dict[str | None, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.boxes = {box.id: box for box in self.graph.boxes}
        self.groups = {group.id: group for group in self.graph.groups}
        self.names = {each.id: each.name for each in (*self.graph.boxes, *self.graph.groups)}
        self.around = self.graph.enclosing()
        for box in self.graph.boxes:
            self.members[box.group].append(box.id)
        for group in self.graph.groups:
            self.members[group.parent].append(group.id)

    def inside(self, item: str) -> list[str]:
        """An item and all that is in it."""
        return [item, *(each for part in self.members.get(item, ()) for each in self.inside(part))]

    def leaves(self, item: str) -> list[str]:
        return [each for each in self.inside(item) if each in self.boxes]


class Ref(NamedTuple):
    """One input of an item: the place of the item it comes from, and where exactly in both."""

    source: int
    tensor: int
    leaving: tuple[int, ...]
    entering: tuple[int, ...]


class _Finder:
    def __init__(self, graph: ModelGraph) -> None:
        self.index = _Index(graph)
        self.numbers: dict[Hashable, int] = {}
        self.signs: dict[str, int] = {}
        self.places: dict[str, int] = {}
        self.orders: dict[str | None, list[str]] = {}
        self.refs: dict[str | None, list[list[Ref]]] = {}
        self.flows: dict[str | None, list[tuple[list[str], list[str], int]]] = defaultdict(list)
        paths = {each: [None, *reversed(up), each] for each, up in self.index.around.items()}
        for edge in graph.edges:
            if edge.source != edge.target:
                a, b = paths[edge.source], paths[edge.target]
                fork = next(i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
                self.flows[a[fork - 1]].append((a[fork:], b[fork:], edge.tensor))

    def run(self) -> list[Run]:
        around = self.index.around
        for group in sorted(self.index.groups, key=lambda each: -len(around[each])):
            self._level(group)
            times = self.index.groups[group].times
            wired = [(place, *ref) for place, refs in enumerate(self.refs[group]) for ref in refs]
            inside = tuple(self.signs[item] for item in self.orders[group])
            self.signs[group] = self._number(("group", times, inside, tuple(wired)))
        self._level(None)
        found: list[Run] = []
        waiting: list[str | None] = [None]
        while waiting:
            group = waiting.pop()
            runs = self._runs(group)
            found += runs
            skipped = {item for run in runs for copy in run.copies[1:] for item in copy}
            order = self.orders[group]
            waiting += [x for x in order if x in self.index.groups and x not in skipped]
        return found

    def _number(self, key: Hashable) -> int:
        return self.numbers.setdefault(key, len(self.numbers))

    def _level(self, group: str | None) -> None:
        """Bring the items of a group into order, and note what each one reads."""
        members, flows = self.index.members.get(group, []), self.flows[group]
        for item in members:
            if box := self.index.boxes.get(item):
                facts = box.facts
                specs = (facts.inputs, facts.outputs)
                self.signs[item] = self._number((box.label, box.kind, box.rows, specs, facts.key))
        read: dict[str, dict[str, None]] = {item: {} for item in members}
        for a, b, _ in flows:
            read[b[0]][a[0]] = None
        order = self.orders[group] = self.index.members[group] = _ordered(members, read)
        self.places |= {item: place for place, item in enumerate(order)}
        self.refs[group] = [[] for _ in order]
        for a, b, tensor in flows:
            spots = (tuple(self.places[each] for each in path[1:]) for path in (a, b))
            self.refs[group][self.places[b[0]]].append(Ref(self.places[a[0]], tensor, *spots))

    def _runs(self, group: str | None) -> list[Run]:
        order, refs = self.orders[group], self.refs[group]
        signs = np.array([self.signs[item] for item in order])
        sizes = np.cumsum([0, *(len(self.index.leaves(item)) for item in order)])
        readers: list[list[int]] = [[] for _ in order]
        for place, each in enumerate(refs):
            for ref in each:
                readers[ref.source].append(place)
        free = np.ones(len(order), bool)
        found = []
        for _, period, start, stop in _candidates(signs, sizes):
            parts = [(start + a, start + b) for a, b in _stretches(free[start:stop], 2 * period)]
            while parts:
                low, high = parts.pop()
                first, times = _run(refs, readers, sizes, period, low, high)
                if times > 0:
                    stop = first + times * period
                    free[first:stop] = False
                    starts = range(first, stop, period)
                    found.append(Run(group, [order[at : at + period] for at in starts]))
                    parts += [(low, first), (stop, high)]
                elif low < first < high:
                    parts += [(low, first), (first, high)]
        return found


def _candidates(signs: np.ndarray, sizes: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Stretches in which items equal those one period later: (savings, period, start, stop)."""
    found = []
    for period in range(1, min(len(signs) // 2, LONGEST_BLOCK) + 1):
        for start, stop in _stretches(signs[:-period] == signs[period:], period):
            length = (stop - start) // period * period
            found.append((int(sizes[start + length] - sizes[start]), period, start, stop + period))
    return sorted(found, key=lambda each: (-each[0], each[1], each[2]))


def _stretches(wanted: np.ndarray, least: int) -> list[tuple[int, int]]:
    """The longest stretches of True, from start to stop, that are at least so long."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(np.int8)))
    pairs = edges.reshape(-1, 2).tolist()
    return [(start, stop) for start, stop in pairs if stop - start >= least]


def _run(
    refs: list[list[Ref]],
    readers: list[list[int]],
    sizes: np.ndarray,
    period: int,
    low: int,
    high: int,
) -> tuple[int, int]:
    """Where the best repeat of this period within the bounds begins, and how often it repeats.

    Without one, (place, 0): no repeat goes across that place.
    """
    place = low
    pairs = range(low, high - period)
    same = np.array([_alike(refs[at], refs[at + period], period) for at in pairs])
    stretches = [(low + start, low + stop) for start, stop in _stretches(same, period)]
    if period <= LONGEST_ALONE and not stretches:  # then two that are fed in different ways
        stretches = [(at, at) for at in range(low + period, high - period + 1)]
    for start, stop in stretches:
        most = (stop - start) // period + 1
        choices = []
        for at in range(start, max(start, stop - period) + 1):
            times = min(most, (stop - at) // period + 1)
            if times >= max(min(most, 2), most - 1):
                begin, number = at, times
                if at - period >= low and _leads(refs, readers, period, at):
                    begin, number = at - period, times + 1
                choices.append((-number, *_seam(readers, at), begin, at, times))
        for number, _, _, begin, at, times in sorted(choices):
            worth = sizes[begin - number * period] - sizes[begin + period] >= WORTH
            if number < -1 and worth:
                failed = _opening(refs, readers, period, at, times)
                if failed < 0:
                    return begin, -number
                place = failed if place == low else place
    return place, 0


def _leads(refs: list[list[Ref]], readers: list[list[int]], period: int, first: int) -> bool:
    """Whether the block before is one more, fed from elsewhere."""
    fed: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for at in range(first - period, first):
        pairs = list(zip(refs[at], refs[at + period], strict=False))  # of a chain's first, none
        if len(pairs) < len(refs[at]) or any(x >= first + period for x in readers[at]):
            return False
        if pairs and len(pairs) < len(refs[at + period]):
            return False
        for a, b in pairs:
            if first - period <= b.source < first:
                alike = a.source < first - period and a.entering == b.entering
                if not alike or fed.setdefault(b[:3], a[:3]) != a[:3]:
                    return False
            elif not _alike([a], [b], period):
                return False
    return True


def _alike(one: list[Ref], other: list[Ref], period: int) -> bool:
    """Whether two items read from the same places, or from places one period apart."""
    return len(one) == len(other) and all(
        a[1:] == b[1:] and b.source - a.source in (0, period)
        for a, b in zip(one, other, strict=True)
    )


def _seam(readers: list[list[int]], at: int) -> tuple[int, int]:
    """How many items before a place are read after it, and (negative) how often the last is."""
    crossing = [len(set(r)) for r in readers[max(0, at - 50) : at] if any(x >= at for x in r)]
    return len(crossing), -crossing[-1] if crossing else 0


def _opening(
    refs: list[list[Ref]], readers: list[list[int]], period: int, first: int, times: int
) -> int:
    """Where a block reads anything but itself, the one before and what all read, or is read.

    -1 where there is no such place; the last block may be read by all.
    """
    last = first + times * period
    for place in range(first, last):
        start = first + (place - first) // period * period
        for number, ref in enumerate(refs[place]):
            within = start - period * (start > first) <= ref.source < start + period
            shared = refs[first + (place - first) % period][number].source
            if not within and (ref.source >= first or (start > first and ref.source != shared)):
                return place
        if start + period < last and any(x >= start + 2 * period for x in readers[place]):
            return place + 1
    return -1


def _ordered(items: Sequence[str], read: dict[str, dict[str, None]]) -> list[str]:
    """Each item after those it reads, and what leads to one input in one piece, the longest first.

    What lies on a cycle comes where the walk meets it.
    """
    height: dict[str, int] = {}
    order: list[str] = []
    for first in (True, False):  # heights by any order; then the order, by heights
        done: set[str] = set()
        order = []
        sources = {each for inputs in read.values() for each in inputs}
        roots = [*(x for x in items if x not in sources), *items]
        stack = [(item, False) for item in reversed(roots)]
        while stack:
            item, ready = stack.pop()
            if ready:
                order.append(item)
                if first:
                    height[item] = 1 + max((height.get(x, 0) for x in read[item]), default=0)
            elif item not in done:
                done.add(item)
                stack.append((item, True))
                inputs = sorted(read[item], key=lambda x: -height.get(x, 0))
                stack += [(x, False) for x in reversed(inputs)]
    return order
