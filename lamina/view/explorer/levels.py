"""The layout of every level by itself, with the groups in it folded, for `layout.js` to compose:
which nodes stand on which rank, from left to right, and what joins them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from lamina.view import layout
from lamina.view.layout import Size
from lamina.view.level import ENTRY, EXIT, Level, Solver, Wire, common_groups
from lamina.view.model_graph import Edge, ModelGraph
from lamina.view.ranking import back_edges
from lamina.view.routing import ARROW, BESIDE, WIRE_BESIDE, WIRES_APART, Item, Segment

ROOT = "\0root"
"""The level that is in no group."""
TALL = 200.0
"""Ranks of this height have something open in them."""
GAPS = {
    "across": [BESIDE, WIRE_BESIDE, WIRES_APART],  # by how many of two neighbours are lines
    "arrow": ARROW, "tall": TALL, "padding": layout.PADDING, "title": layout.TITLE,
}  # fmt: skip


@dataclass
class _Level(Solver):
    """A level by itself; lines of a folded group are ordered as they go on inside."""

    shares: Mapping[tuple[int, Any, str], float] = field(default_factory=dict)

    def _share(self, node: int, net: Any, side: str) -> float:
        return self.shares.get((node, net, side), 0.0)


@dataclass
class Levels:
    """Solves each level with the groups in it at their ``folded`` sizes, and composes nothing."""

    graph: ModelGraph
    labels: Mapping[tuple[str, int], Size]
    folded: Mapping[str, Size]
    edges: list[Edge] = field(default_factory=list)
    loops: list[Edge] = field(default_factory=list)
    solved: dict[str, _Level] = field(default_factory=dict)
    shares: dict[str, dict[Any, float]] = field(default_factory=lambda: defaultdict(dict))

    def run(self, sizes: Mapping[str, Size]) -> None:
        """Solve all levels, the innermost first, for boxes of these sizes."""
        for edge in self.graph.edges:
            (self.loops if edge.source == edge.target else self.edges).append(edge)
        self.paths = {
            each: [ROOT, *reversed(around)] for each, around in self.graph.enclosing().items()
        }
        self.items = layout.measured(self.graph, sizes)
        self.members = self._members()
        self.ways = self._ways()
        self.wires: dict[str, dict[Wire, None]] = defaultdict(dict)
        for way in self.ways:
            for group, wire in way:
                self.wires[group][wire] = None
        for group in sorted(self.graph.groups, key=lambda group: -len(self.paths[group.id])):
            self._enclose(group.id)
        self._solve(ROOT)

    def _members(self) -> dict[str, list[str]]:
        """The boxes and groups directly in each group, in the order in which the graph has them."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for each in [*self.graph.boxes, *self.graph.groups]:
            for level, child in pairwise([*self.paths[each.id], each.id]):
                found[level][child] = None
        return defaultdict(list, {group: list(inside) for group, inside in found.items()})

    def _ways(self) -> list[list[tuple[str, Wire]]]:
        """For each edge the wires it is made of, each with the group that it is in.

        Edges that close a cycle are turned.
        """
        meetings: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
        for index, edge in enumerate(self.edges):
            outer, inner, depth = self._fork(edge.source, edge.target)
            meetings[outer[depth - 1]].append((index, outer[depth], inner[depth]))
        turned: set[int] = set()
        for group, met in meetings.items():
            number = {name: index for index, name in enumerate(self.members[group])}
            closing = back_edges(len(number), [(number[a], number[b]) for _, a, b in met])
            turned |= {met[index][0] for index in closing}
        return [self._pieces(wire) for wire in layout.wires_of(self.edges, turned)]

    def _fork(self, source: str, target: str) -> tuple[list[str], list[str], int]:
        """The ways from the outermost level to two boxes, and where they part."""
        outer, inner = [*self.paths[source], source], [*self.paths[target], target]
        return outer, inner, common_groups(outer, inner)

    def _pieces(self, wire: Wire) -> list[tuple[str, Wire]]:
        """Out of the groups around the source, across, into the groups around the target."""
        outer, inner, depth = self._fork(wire.start, wire.end)
        steps = [(outer[i], outer[i + 1], EXIT) for i in range(len(outer) - 2, depth - 1, -1)]
        steps.append((outer[depth - 1], outer[depth], inner[depth]))
        steps += [(inner[i], ENTRY, inner[i + 1]) for i in range(depth, len(inner) - 1)]
        pieces = [(group, wire._replace(start=a, end=b, repeat=0)) for group, a, b in steps]
        pieces[-1] = pieces[-1][0], pieces[-1][1]._replace(repeat=wire.repeat)
        return pieces

    def _solve(self, group: str) -> Level:
        labels: dict[Any, Size] = {}
        for wire in self.wires[group]:
            net: Any = wire.net
            size = self.labels.get((net.source, net.tensor))
            # A label stands once, on the level of its box, and not on a line that runs backward.
            if size and wire.start == net.source and net.backward < 0:
                labels[net] = size
        items = {name: self.items[name] for name in self.members[group]}
        solver = _Level(items, list(self.wires[group]), labels, shares=self.shares[group])
        self.solved[group] = solver
        return solver.run()

    def _enclose(self, group: str) -> None:
        level, (width, height) = self._solve(group), self.folded[group]
        parent = self.paths[group][-1]
        place, solver = self.members[parent].index(group), self.solved[group]
        for side, end in (("enter", ENTRY), ("leave", EXIT)):
            for net, node in solver.ports[end].items():
                share = solver.router.xs[node] / (level.width + 1) - 0.5
                self.shares[parent][place, net, side] = share
        self.items[group] = Item(width / 2, width / 2, height)

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
                    e.source for e in self.loops if self.paths[e.source][-1] == group
                ],
                "entries": {nets[net]: node for net, node in solver.ports[ENTRY].items()},
                "exits": {nets[net]: node for net, node in solver.ports[EXIT].items()},
            }  # fmt: skip
        ways = [[numbers[piece] for piece in way] for way in self.ways]
        return {"levels": levels, "ways": ways}


def _nodes(solver: _Level, texts: Mapping[tuple[str, int], str]) -> Iterator[list[Any]]:
    nets: dict[Any, int] = solver.label_nodes
    labels = {node: texts[net.source, net.tensor] for net, node in nets.items()}
    router, names = solver.router, dict(enumerate(solver.items))
    uppers, lowers = ({segment[end] for segment in solver.segments} for end in (0, 1))
    for i, item in enumerate(solver.nodes):
        hangs = (i in uppers) - (i in lowers)  # 1 at the begin of lines, -1 at their end
        sizes = (round(size, 1) for size in (router.xs[i], item.left, item.right, item.height))
        yield [solver.ranks[i], *sizes, hangs, names.get(i), labels.get(i)]


def _wire(solver: _Level, wire: Wire, chain: list[int]) -> dict[str, Any]:
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
