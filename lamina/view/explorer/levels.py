"""The layout of every level by itself, with the groups in it folded, for `layout.js` to compose:
which nodes stand on which rank, from left to right, and what joins them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from lamina.view import layout
from lamina.view.layout import ROOT, Size
from lamina.view.level import ENTRY, EXIT, Level, Wire, _Solver
from lamina.view.routing import ARROW, BESIDE, TALL, WIRE_BESIDE, WIRES_APART, Item, Router, Segment

GAPS = {
    "across": [BESIDE, WIRE_BESIDE, WIRES_APART],  # by how many of two neighbours are lines
    "arrow": ARROW, "tall": TALL, "padding": layout.PADDING, "title": layout.TITLE,
}  # fmt: skip


@dataclass
class _Keeping(_Solver):
    """Remembers where wires pass; orders the lines of a folded group as they go on inside."""

    shares: Mapping[tuple[int, Any, str], float]

    def _share(self, node: int, net: Any, side: str) -> float:
        return self.shares.get((node, net, side), 0.0)

    def _result(
        self, router: Router, chains: list[list[int]], before: float, after: float
    ) -> Level:
        self.router, self.chains = router, chains
        return super()._result(router, chains, before, after)


@dataclass
class Levels(layout._Arranger):
    """Solves each level with the groups in it at their ``folded`` sizes, and composes nothing."""

    folded: Mapping[str, Size] = field(default_factory=dict)
    solved: dict[str, _Keeping] = field(default_factory=dict)
    shares: dict[str, dict[Any, float]] = field(default_factory=lambda: defaultdict(dict))

    def _solve(self, group: str, before: float, after: float) -> Level:
        solver = _Keeping(*self._given(group), self.shares[group])
        self.solved[group], self.levels[group] = solver, solver.run(before, after)
        return self.levels[group]

    def _enclose(self, group: str) -> None:
        level, (width, height) = self._solve(group, 0.0, 0.0), self.folded[group]
        parent = self.paths[group][-1]
        place = self.members[parent].index(group)
        for side, ports in (("enter", level.entries), ("leave", level.exits)):
            for net, x in ports.items():
                self.shares[parent][place, net, side] = x / (level.width + 1) - 0.5
        self.items[group] = Item(width / 2, width / 2, height)

    def _compose(self, outward: list[str], ways: Mapping[int, Any]) -> None:
        self.ways = ways

    def plain(self, texts: Mapping[tuple[str, int], str]) -> dict[str, Any]:
        """As JSON can hold it: ``levels`` by group, and for every edge the wires it follows."""
        pieces = [(group, wire) for group, s in self.solved.items() for wire in s.wires]
        numbers = {piece: index for index, piece in enumerate(pieces)}
        nets = {net: index for index, net in enumerate(dict.fromkeys(w.net for _, w in pieces))}
        levels = {}
        for group, solver in self.solved.items():
            pairs = zip(solver.wires, solver.chains, strict=True)
            levels["" if group == ROOT else group] = {
                "nodes": list(_nodes(solver, texts)),
                "wires": [
                    {"id": numbers[group, wire], "net": nets[wire.net]}
                    | _wire(solver, wire, chain)
                    for wire, chain in pairs
                ],
                "bands": [[round(y, 1) for y in band] for band in solver.router.bands],
                "loops": [
                    e.source for e in self.layout.loops if self.paths[e.source][-1] == group
                ],
                "entries": {nets[net]: node for net, node in solver.ports[ENTRY].items()},
                "exits": {nets[net]: node for net, node in solver.ports[EXIT].items()},
            }  # fmt: skip
        ways = [[numbers[piece] for piece in self.ways[i][1]] for i in range(len(self.edges))]
        return {"levels": levels, "ways": ways}


def _nodes(solver: _Keeping, texts: Mapping[tuple[str, int], str]) -> Iterator[list[Any]]:
    nets: dict[Any, int] = solver.label_nodes
    labels = {node: texts[net.source, net.tensor] for net, node in nets.items()}
    router, names = solver.router, dict(enumerate(solver.items))
    for i, item in enumerate(solver.nodes):
        hangs = (i in router.sources) - (i in router.sinks)
        sizes = (round(size, 1) for size in (router.xs[i], item.left, item.right, item.height))
        yield [solver.ranks[i], *sizes, hangs, names.get(i), labels.get(i)]


def _wire(solver: _Keeping, wire: Wire, chain: list[int]) -> dict[str, Any]:
    """The nodes that it passes, how far beside them it begins and ends, how its bends reach out."""
    router, segments = solver.router, [Segment(*pair, wire.net) for pair in pairwise(chain)]
    starts, ends = router.lines[segments[0]], router.lines[segments[-1]]
    start, end = (each[min(wire.repeat, len(each) - 1)][i] for i, each in enumerate((starts, ends)))
    return {
        "chain": chain, "backward": wire.backward,
        "leave": round(start - router.xs[chain[0]], 1),
        "enter": round(end - router.xs[chain[-1]], 1),
        "eased": [[round(y, 1) for y in router.eased.get(each, (0, 0))] for each in segments],
    }  # fmt: skip
