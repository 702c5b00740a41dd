"""A ModelGraph as SVG text: the same bytes for the same graph, no ids, scripts or outside files."""

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import copysign
from typing import Any

from lamina.view.fonts import FAMILY, text_width
from lamina.view.layout import LOOP, Layout, Rect, Size, arrange
from lamina.view.level import Point
from lamina.view.model_graph import Box, Direction, Edge, Group, ModelGraph
from lamina.view.style import Theme, theme

FONTS = f"{FAMILY}, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
TITLE, LABEL, ROW, CHIP, GROUP = 14.0, 12.5, 11.5, 10.5, 12.0
"""Font sizes in pixels: a box's name, its class, its rows, a label on an edge, a group's name."""
ROW_HEIGHT, HEAD_HEIGHT, PAD, KEY_GAP, NAME_GAP, MIN_WIDTH = 16.5, 31.0, 13.0, 10.0, 7.0, 72.0
UNDER = 5.0
"""How much of a line is under the box it begins at."""
CAPITAL = 0.364
"""Half the height of a capital letter in em: from the middle of a line to its baseline."""


@dataclass(frozen=True)
class Drawing:
    """SVG text, its size in pixels (of 1/96 inch), and the colour of its ground."""

    svg: str
    width: float
    height: float
    background: str | None = None


def draw(graph: ModelGraph, direction: Direction = "TB", theme_name: str = "light") -> Drawing:
    """Lay a graph out and draw it.

    >>> drawing = draw(ModelGraph("m", [Box("a", "Dense", "first")]))
    >>> drawing.svg.startswith("<svg"), "first" in drawing.svg
    (True, True)
    """
    style = theme(theme_name)
    labels = {(edge.source, edge.tensor): _chip(edge.label) for edge in graph.edges if edge.label}
    titles = {group.id: text_width(group.name, GROUP, bold=True) for group in graph.groups}
    sizes = {box.id: measure(box) for box in graph.boxes}
    layout = arrange(graph, sizes, labels, titles, direction)
    svg = _document(graph, layout, style)
    return Drawing(svg, layout.width, layout.height, style.background)


def measure(box: Box) -> Size:
    """Width and height that a box's text needs."""
    keys, values = _columns(box)
    lines = [_head_width(box), keys + values]
    lines += [text_width(value, ROW) for key, value in box.rows if not key]
    width = max(MIN_WIDTH, max(lines) + 2 * PAD)
    return width, HEAD_HEIGHT + (len(box.rows) * ROW_HEIGHT + 10.0 if box.rows else 0.0)


def _columns(box: Box) -> tuple[float, float]:
    rows = [row for row in box.rows if row[0]]
    keys = max((text_width(key, ROW) + KEY_GAP for key, _ in rows), default=0.0)
    return keys, max((text_width(value, ROW) for _, value in rows), default=0.0)


def _head_width(box: Box) -> float:
    if not box.name:
        return text_width(box.label, TITLE, bold=True)
    return text_width(box.name, TITLE, bold=True) + NAME_GAP + text_width(box.label, LABEL)


def _chip(label: str) -> Size:
    return text_width(label, CHIP) + 12.0, 17.0


def _document(graph: ModelGraph, layout: Layout, style: Theme) -> str:
    width, height = _n(layout.width), _n(layout.height)
    around = graph.enclosing()
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="{FONTS}">',
        f"<title>{escape(graph.name)}</title>",
        f'<rect width="{width}" height="{height}" fill="{style.background}"/>',
    ]
    groups = []
    for group in sorted(graph.groups, key=lambda group: len(around[group.id])):
        fill = style.fill("model", 0.3 + 0.3 * (len(around[group.id]) % 3))
        groups.append((group, layout.groups[group.id], fill, style))
    parts += [_group(*each) for each in groups]
    drawn: dict[Any, Point] = {}
    for edge, knots in layout.routes:
        way = _undrawn(edge, [_under(layout, edge.source, knots[0]), *knots], layout.upright, drawn)
        parts.append(_edge(way, layout.upright, style))
    parts += [_heading(*each) for each in groups]
    parts += [_loop(layout.boxes[edge.source], layout.upright, style) for edge in layout.loops]
    texts = {(edge.source, edge.tensor): edge.label for edge in graph.edges}
    parts += [_label(texts[key], rect, style) for key, rect in layout.labels.items()]
    parts += [_box(box, layout.boxes[box.id], style) for box in graph.boxes]
    return "\n".join([*parts, "</svg>", ""])


def _under(layout: Layout, box: str, start: Point) -> Point:
    """Where a line begins under its box, as round ones do not reach their corners."""
    middle = layout.boxes[box]
    if layout.upright:
        return Point(start.x, start.y + copysign(UNDER, middle.y - start.y))
    return Point(start.x + copysign(UNDER, middle.x - start.x), start.y)


def _undrawn(edge: Edge, knots: list[Point], upright: bool, drawn: dict[Any, Point]) -> list[Point]:
    """The way of an edge from where it leaves what is drawn of its net; ``drawn`` knows that.

    A straight run can go on beyond what is drawn of it. The last piece, with its head, is drawn.
    """
    along, across = int(upright), int(not upright)
    left: list[Point] = []
    for start, end in pairwise(knots):
        straight = start[across] == end[across]
        piece = (edge.source, edge.tensor, start, None if straight else end)
        reached = drawn.get(piece, start)
        further = abs(end[along] - start[along]) > abs(reached[along] - start[along])
        if not left and (further or end == knots[-1]):
            left = [reached if straight and further else start]
        if left:
            left.append(end)
        if further:
            drawn[piece] = end
    return left


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".").replace("-0", "0" if abs(value) < 0.05 else "-0")


def _text(text: str, x: float, y: float, size: float, fill: str, bold: bool = False) -> str:
    """One line that begins at ``x``, vertically in the middle of ``y``; its width is fixed."""
    length = text_width(text, size, bold)
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y + CAPITAL * size)}" font-size="{_n(size)}"{weight} '
        f'fill="{fill}" textLength="{_n(length)}" lengthAdjust="spacingAndGlyphs" '
        f'xml:space="preserve">{escape(text)}</text>'
    )


def _rect(rect: Rect, radius: float, fill: str, stroke: str, line: float = 1.2) -> str:
    return (
        f'<rect x="{_n(rect.x - rect.width / 2)}" y="{_n(rect.y - rect.height / 2)}" '
        f'width="{_n(rect.width)}" height="{_n(rect.height)}" rx="{_n(radius)}" '
        f'fill="{fill}" stroke="{stroke}" stroke-width="{line}"/>'
    )


def _box(box: Box, rect: Rect, style: Theme) -> str:
    # A box with many arrows can be larger than its text.
    left, top = rect.x - rect.width / 2, rect.y - measure(box)[1] / 2
    radius = HEAD_HEIGHT / 2 if box.kind in ("input", "output") and not box.rows else 6.0
    stroke = style.stroke(box.kind)
    parts = [f'<g class="box {box.kind}"><title>{escape(box.text)}</title>']
    parts.append(_rect(rect, radius, style.fill(box.kind), stroke))
    x, y = rect.x - _head_width(box) / 2, top + HEAD_HEIGHT / 2
    parts.append(_text(box.name or box.label, x, y, TITLE, style.ink, bold=True))
    if box.name:
        x += text_width(box.name, TITLE, bold=True) + NAME_GAP
        parts.append(_text(box.label, x, y + 0.5, LABEL, style.quiet))
    if box.rows:
        line = top + HEAD_HEIGHT
        parts.append(
            f'<path d="M{_n(left)} {_n(line)}h{_n(rect.width)}" stroke="{stroke}" '
            f'stroke-opacity="0.45"/>'
        )
        keys, values = _columns(box)
        x = rect.x - (keys + values) / 2
        for index, (key, value) in enumerate(box.rows):
            y = line + 5.0 + (index + 0.5) * ROW_HEIGHT
            if key:
                parts.append(_text(key, x, y, ROW, style.quiet))
                parts.append(_text(value, x + keys, y, ROW, style.ink))
            else:
                middle = rect.x - text_width(value, ROW) / 2
                parts.append(_text(value, middle, y, ROW, style.ink))
    return "".join([*parts, "</g>"])


def _group(group: Group, rect: Rect, fill: str, style: Theme) -> str:
    shifts = (8.0, 4.0, 0.0) if group.times > 1 else (0.0,)  # equal blocks lie on a pile
    areas = [Rect(rect.x + by, rect.y + by, rect.width, rect.height) for by in shifts]
    frames = "".join(_rect(area, 10.0, fill, style.fill("model", 3.0), 1.0) for area in areas)
    return f'<g class="group"><title>{escape(group.name)}</title>{frames}</g>'


def _heading(group: Group, rect: Rect, fill: str, style: Theme) -> str:
    """The title of a group, over lines that come in from its side."""
    left, y = rect.x - rect.width / 2 + 11.0, rect.y - rect.height / 2 + 14.0
    width = text_width(group.name, GROUP, bold=True)
    back = _rect(Rect(left + width / 2, y, width + 8.0, 18.0), 0.0, fill, "none")
    text = _text(group.name, left, y, GROUP, style.stroke("model"), bold=True)
    return f'<g class="heading">{back}{text}</g>'


def _label(text: str, rect: Rect, style: Theme) -> str:
    x = rect.x - text_width(text, CHIP) / 2
    chip = _rect(rect, rect.height / 2, style.background, style.fill("op", 1.6), 0.8)
    return f'<g class="label">{chip}{_text(text, x, rect.y, CHIP, style.quiet)}</g>'


def path_data(knots: list[Point], upright: bool) -> str:
    """Lines along the ranks and S-curves between the knots, as the ``d`` of a path."""
    parts = [f"M{_n(knots[0].x)} {_n(knots[0].y)}"]
    for (x0, y0), (x, y) in pairwise(knots):
        middle = _n((y0 + y) / 2 if upright else (x0 + x) / 2)
        if abs(x - x0 if upright else y - y0) < 0.05:
            parts.append(f"V{_n(y)}" if upright else f"H{_n(x)}")
        elif upright:
            parts.append(f"C{_n(x0)} {middle} {_n(x)} {middle} {_n(x)} {_n(y)}")
        else:
            parts.append(f"C{middle} {_n(y0)} {middle} {_n(y)} {_n(x)} {_n(y)}")
    return "".join(parts)


def _edge(knots: list[Point], upright: bool, style: Theme) -> str:
    """The line up to the head, and the head, a triangle of 8 by 7.6 whose tip touches the box."""
    (x0, y0), (x, y) = knots[-2:]
    dx, dy = (0.0, 1.0 if y > y0 else -1.0) if upright else (1.0 if x > x0 else -1.0, 0.0)
    line = [*knots[:-1], Point(x - 6 * dx, y - 6 * dy)]
    return (
        f'<path class="edge" d="{path_data(line, upright)}" fill="none" stroke="{style.line}" '
        f'stroke-width="1.4"/>{_head(x, y, dx, dy, style)}'
    )


def _head(x: float, y: float, dx: float, dy: float, style: Theme) -> str:
    back, across = (x - 8 * dx, y - 8 * dy), (3.8 * dy, 3.8 * dx)
    return (
        f'<path d="M{_n(x)} {_n(y)}L{_n(back[0] + across[0])} {_n(back[1] + across[1])}'
        f'L{_n(back[0] - across[0])} {_n(back[1] - across[1])}Z" fill="{style.line}"/>'
    )


def _loop(rect: Rect, upright: bool, style: Theme) -> str:
    """A box that feeds itself: an arc at its right side, or below when ranks run sideways."""
    out = LOOP - 8.0
    if upright:
        x, y = rect.x + rect.width / 2, rect.y
        arc = f"M{_n(x)} {_n(y + 8)}c{out} 0 {out} -16 6 -16"
        head = _head(x, y - 8, -1.0, 0.0, style)
    else:
        x, y = rect.x, rect.y + rect.height / 2
        arc = f"M{_n(x + 8)} {_n(y)}c0 {out} -16 {out} -16 6"
        head = _head(x - 8, y, 0.0, -1.0, style)
    return f'<path class="edge" d="{arc}" fill="none" stroke="{style.line}"/>{head}'
