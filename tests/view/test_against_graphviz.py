"""Our layout beside graphviz's ``dot``: crossings, and the length of all edges.

``dot`` gets the sizes of our boxes and the distances that we keep; labels on edges are left out of
both. Every edge counts with its whole way, also where ours share a line.
"""

import math
import os
import shutil
import subprocess
from collections import defaultdict
from itertools import pairwise

import pytest
from view.pictures import lecture, nested, random_graph, sample
from view.sketches import GALLERY

from lamina.view.fonts import text_width
from lamina.view.layout import PADDING, arrange
from lamina.view.routing import ARROW, BESIDE, CLEAR
from lamina.view.svg import GROUP, measure

INCH = 72.0


def laid_out(graph):
    titles = {group.id: text_width(group.name, GROUP, bold=True) for group in graph.groups}
    return arrange(graph, {box.id: measure(box) for box in graph.boxes}, {}, titles)


def dot_text(graph, layout):
    """The graph for ``dot``, a pixel as a point."""
    lines = [
        "digraph {",
        f"graph [nodesep={BESIDE / INCH} ranksep={(CLEAR + ARROW + 8) / INCH} splines=spline]",
        'node [shape=box fixedsize=true label=""] edge [dir=none]',
    ]
    inside = defaultdict(list)
    for group in graph.groups:
        inside[group.parent].append(group)

    def enter(parent):
        for box in graph.boxes:
            if box.group == parent:
                size = layout.boxes[box.id]
                lines.append(f'"{box.id}" [width={size.width / INCH} height={size.height / INCH}]')
        for group in inside[parent]:
            lines.append(f'subgraph "cluster_{group.id}" {{ margin={PADDING} label="{group.name}"')
            enter(group.id)
            lines.append("}")

    enter(None)
    lines.extend(f'"{e.source}" -> "{e.target}"' for e in graph.edges if e.source != e.target)
    return "\n".join([*lines, "}"])


def bezier(points, steps=8):
    """Points on the cubic curves that these control points stand for."""
    found = []
    for i in range(0, len(points) - 3, 3):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = points[i : i + 4]
        for step in range(steps + 1):
            t = step / steps
            u = 1 - t
            w = u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t
            found.append(
                (
                    w[0] * ax + w[1] * bx + w[2] * cx + w[3] * dx,
                    w[0] * ay + w[1] * by + w[2] * cy + w[3] * dy,
                )
            )
    return found


def dot_routes(graphs_and_layouts):
    """For each graph its edges as ``dot`` leads them: (source, target, points)."""
    text = "\n".join(dot_text(*each) for each in graphs_and_layouts)
    done = subprocess.run(
        ["dot", "-Tplain"], input=text, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = []
    for line in done.stdout.splitlines():
        words = line.split()
        if words[0] == "graph":
            found.append([])
        if words[0] == "edge":
            source, target, count = words[1].strip('"'), words[2].strip('"'), int(words[3])
            numbers = [float(word) * INCH for word in words[4 : 4 + 2 * count]]
            points = list(zip(numbers[::2], numbers[1::2], strict=True))
            found[-1].append((source, target, bezier(points)))
    return found


def our_routes(layout):
    return [(edge.source, edge.target, sample(knots, True, 8)) for edge, knots in layout.routes]


def total_length(routes):
    return sum(math.dist(a, b) for _, _, points in routes for a, b in pairwise(points))


def crossing_count(routes):
    """Pairs of segments of edges without a common end that cross."""
    segments = []
    for number, (source, target, points) in enumerate(routes):
        for (ax, ay), (bx, by) in pairwise(points):
            if (ax, ay) != (bx, by):
                segments.append((min(ay, by), max(ay, by), ax, ay, bx, by, number, source, target))
    segments.sort()
    pairs = set()
    active = []
    for s in segments:
        active = [t for t in active if t[1] >= s[0]]
        for t in active:
            if (
                {s[7], s[8]} & {t[7], t[8]}
                or max(s[2], s[4]) < min(t[2], t[4])
                or max(t[2], t[4]) < min(s[2], s[4])
            ):
                continue
            if _cross(s[2:6], t[2:6]):
                pairs.add((t[6], s[6], round((s[0] + s[1]) / 20)))
        active.append(s)
    return len(pairs)


def _cross(s, t):
    def side(p, qx, qy):
        return (p[2] - p[0]) * (qy - p[1]) - (p[3] - p[1]) * (qx - p[0])

    return (
        side(s, t[0], t[1]) * side(s, t[2], t[3]) < 0
        and side(t, s[0], s[1]) * side(t, s[2], s[3]) < 0
    )
