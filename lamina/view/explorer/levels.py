"""The layout of every level by itself, with the groups in it folded, for `layout.js` to compose:
which nodes stand on which rank, from left to right, and what joins them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
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

    shares: Mapping[tuple[str, Any, str], float]

    def _share(self, node: int, net: Any, side: str) -> float:
        return self.shares.get((self.names.get(node, ""), net, side), 0.0)

    def _result(self, router: Router, chains: list[list[int]], *beside: float) -> Level:
        self.router, self.chains = router, chains
        return super()._result(router, chains, *beside)

    @cached_property
    def names(self) -> dict[int, str]:
        return dict(enumerate(self.items))


@dataclass
class Levels(layout._Arranger):
    """Solves each level with the groups in it at their ``folded`` sizes, and composes nothing."""

    folded: Mapping[str, Size] = field(default_factory=dict)
    solved: dict[str, _Keeping] = field(default_factory=dict)
    shares: dict[tuple[str, Any, str], float] = field(default_factory=dict)

    def _solve(self, group: str, before: float, after: float) -> Level:
        solver = _Keeping(*self._given(group), self.shares)
        self.solved[group], self.levels[group] = solver, solver.run(before, after)
        return self.levels[group]

    def _enclose(self, group: str) -> None:
        level, (width, height) = self._solve(group, 0.0, 0.0), self.folded[group]
        for side, ports in (("enter", level.entries), ("leave", level.exits)):
            for net, x in ports.items():
                self.shares[group, net, side] = x / (level.width + 1) - 0.5
        self.items[group] = Item(width / 2, width / 2, height)

    def _compose(self, outward: list[str], ways: Mapping[int, Any]) -> None:
        self.ways = ways

    def plain(self, texts: Mapping[tuple[str, int], str]) -> dict[str, Any]:
        """As JSON can hold it: ``levels`` by group, and for every edge the wires it follows."""
        nets: dict[Any, int] = {}
        places: dict[tuple[str, Wire], int] = {}
        levels = {}
        for group, solver in self.solved.items():
            for wire in solver.wires:
                places[group, wire] = len(places)
                nets.setdefault(wire.net, len(nets))
            loops = [e.source for e in self.layout.loops if self.paths[e.source][-1] == group]
            levels["" if group == ROOT else group] = {
                "nodes": list(_nodes(solver, texts)),
                "wires": [
                    {"id": places[group, wire], **_wire(solver, wire, chain, nets[wire.net])}
                    for wire, chain in zip(solver.wires, solver.chains, strict=True)
                ],
                "bands": [[round(y, 1) for y in band] for band in solver.router.bands],
                "loops": loops,
            } | {
                name: {nets[net]: node for net, node in solver.ports[side].items()}
                for name, side in (("entries", ENTRY), ("exits", EXIT))
            }
        ways = {index: [places[piece] for piece in way] for index, (_, way) in self.ways.items()}
        return {"levels": levels, "ways": [ways[index] for index in range(len(self.edges))]}


def _nodes(solver: _Keeping, texts: Mapping[tuple[str, int], str]) -> Iterator[list[Any]]:
    labels = {node: texts[net.source, net.tensor] for net, node in solver.label_nodes.items()}
    for index, item in enumerate(solver.nodes):
        hangs = (index in solver.router.sources) - (index in solver.router.sinks)
        numbers = (solver.router.xs[index], item.left, item.right, item.height)
        rank, rounded = solver.ranks[index], (round(number, 1) for number in numbers)
        yield [rank, *rounded, hangs, solver.names.get(index), labels.get(index)]


def _wire(solver: _Keeping, wire: Wire, chain: list[int], net: int) -> dict[str, Any]:
    """The nodes that it passes, how far beside them it begins and ends, how its bends reach out."""
    router, segments = solver.router, [Segment(*pair, wire.net) for pair in pairwise(chain)]
    starts, ends = router.leaving[segments[0]], router.entering[segments[-1]]
    return {
        "net": net, "chain": chain, "backward": wire.backward,
        "leave": round(starts[min(wire.repeat, len(starts) - 1)] - router.xs[chain[0]], 1),
        "enter": round(ends[min(wire.repeat, len(ends) - 1)] - router.xs[chain[-1]], 1),
        "eased": [[round(y, 1) for y in router.eased.get(each, (0, 0))] for each in segments],
    }  # fmt: skip
