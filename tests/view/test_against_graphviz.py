"""Our layout beside graphviz's ``dot``: crossings, and the length of all edges.

``dot`` gets the sizes of our boxes, the distances that we keep and the groups as clusters; labels
on edges are left out of both. Every edge counts with its whole way, from border to border, also
where ours share a line. Its curves may leave a box anywhere and in any direction; ours leave and
arrive along the ranks, so that heads stand upright, and keep a trunk straight. The three kinds of
graphs hold in sum, and each known network by itself.
"""

import os
import shutil
import subprocess
from functools import cache
from itertools import pairwise
from math import dist

import numpy as np
import pytest
from gallery import MODELS
from view.pictures import lecture, nested, random_graph, sample
from view.sketches import GALLERY

import lamina as keras
from lamina.view.layout import PADDING, arrange
from lamina.view.routing import ARROW, BESIDE, CLEAR
from lamina.view.svg import measure

INCH = 72.0
SKETCHES = [lecture, nested, *GALLERY]
DETAILS = ("names", "shapes", "full")


@pytest.fixture(autouse=True)
def oracle():
    if not shutil.which("dot"):
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("graphviz's `dot` is not installed: apt-get install graphviz")


def dot_text(graph, layout):
    """The graph for ``dot``, a pixel as a point."""
    gap = (CLEAR + 8 + ARROW) / INCH
    lines = [f"digraph {{ graph [nodesep={BESIDE / INCH} ranksep={gap} splines=spline]"]
    lines.append('node [shape=box fixedsize=true label=""] edge [dir=none]')

    def enter(parent):
        for box in graph.boxes:
            if box.group == parent:
                *_, width, height = layout.boxes[box.id]
                lines.append(f'"{box.id}" [width={width / INCH} height={height / INCH}]')
        for group in graph.groups:
            if group.parent == parent:
                lines.append(f'subgraph "cluster_{group.id}" {{')
                # A title of a fixed size, whatever fonts there are.
                bare = "border='0' cellspacing='0' cellpadding='0'"
                cell = f"<td border='0' fixedsize='true' width='{7 * len(group.name)}' height='18'>"
                lines.append(f"margin={PADDING}")
                lines.append(f"label=<<table {bare}><tr>{cell}</td></tr></table>>")
                enter(group.id)
                lines.append("}")

    enter(None)
    lines.extend(f'"{e.source}" -> "{e.target}"' for e in graph.edges if e.source != e.target)
    return "\n".join([*lines, "}"])


def bezier(points, steps=8):
    """Points on the cubic curves that these control points stand for."""
    t = np.linspace(0.0, 1.0, steps + 1)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
    return np.concatenate([weights @ points[i : i + 4] for i in range(0, len(points) - 3, 3)])


def length(routes):
    return sum(dist(a, b) for _, _, points in routes for a, b in pairwise(points))


def crossings(routes):
    """At how many places lines cross whose edges have no end in common.

    Edges from one box that run together are one line on paper, and cross another one once.
    """
    segments = []
    for source, target, points in routes:
        for a, b in pairwise(points):
            if a != b:
                (_, low), (_, high) = sorted((a, b), key=lambda point: point[1])
                segments.append((low, high, min(a[0], b[0]), max(a[0], b[0]), a, b, source, target))
    segments.sort(key=lambda segment: segment[0])
    found, active = set(), []
    for s in segments:
        active = [t for t in active if t[1] >= s[0]]
        for t in active:
            if t[2] <= s[3] and s[2] <= t[3] and not {s[6], s[7]} & {t[6], t[7]}:
                place = meeting(*s[4:6], *t[4:6])
                if place:
                    found.add((*sorted((s[6], t[6])), *place))
        active.append(s)
    return len(found)


def meeting(a, b, c, d):
    """Where the lines from a to b and from c to d cross, to the pixel; None if they do not."""

    def side(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    first, second = side(c, d, a), side(c, d, b)
    if (first < 0) == (second < 0) or (side(a, b, c) < 0) == (side(a, b, d) < 0):
        return None
    share = first / (first - second)
    return round(a[0] + share * (b[0] - a[0])), round(a[1] + share * (b[1] - a[1]))


def compared(graphs):
    """For each graph our length and crossings, and those of ``dot``."""
    layouts = []
    for graph in graphs:
        titles = {group.id: 7.0 * len(group.name) for group in graph.groups}
        layouts.append(arrange(graph, {box.id: measure(box) for box in graph.boxes}, {}, titles))
    text = "\n".join(map(dot_text, graphs, layouts))
    done = subprocess.run(["dot", "-Tplain"], input=text, capture_output=True, text=True)
    theirs = []
    for line in done.stdout.splitlines():
        kind, *words = line.split()
        if kind == "graph":
            theirs.append([])
        if kind == "edge":
            source, target, count = words[0].strip('"'), words[1].strip('"'), int(words[2])
            numbers = [float(word) * INCH for word in words[3 : 3 + 2 * count]]
            curve = bezier(np.array(numbers).reshape(-1, 2)).tolist()
            theirs[-1].append((source, target, curve))
    found = []
    for graph, layout, other in zip(graphs, layouts, theirs, strict=True):
        ours = [(e.source, e.target, sample(knots, True, 8).tolist()) for e, knots in layout.routes]
        assert len(ours) == len(other), graph.name
        found.append((length(ours), crossings(ours), length(other), crossings(other)))
    return found


def drawn():
    """The graphs of the documentation's gallery, as they are drawn there."""
    for build in MODELS.values():
        model = build()
        for detail in DETAILS:
            picture = keras.utils.plot_model(
                model, None, detail=detail, fold=True, expand_nested=True
            )
            yield picture.graph


@cache
def measured(kind):
    """Of the gallery, of drawings with the shapes of known networks, and of 200 random graphs."""
    graphs = {
        "gallery": drawn,
        "sketches": lambda: [make() for make in SKETCHES],
        "random": lambda: map(random_graph, range(200)),
    }
    return compared(list(graphs[kind]()))


@pytest.mark.parametrize("kind", ["gallery", "sketches", "random"])
def test_edges_are_as_short_and_cross_as_seldom_as_those_of_graphviz(kind):
    way, crossed, their_way, they_crossed = map(sum, zip(*measured(kind), strict=True))
    assert way <= 1.1 * their_way
    assert crossed <= 1.1 * they_crossed


CASES = [("gallery", name, detail) for name in MODELS for detail in DETAILS]
CASES += [("sketches", f"sketch of {make.__name__}", "names") for make in SKETCHES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case[1:]))
def test_each_known_network(case):
    kind = case[0]
    numbers = [each for each in CASES if each[0] == kind]
    way, _, their_way, _ = measured(kind)[numbers.index(case)]
    assert way <= 1.1 * their_way
