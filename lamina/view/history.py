"""The curves of a training: one panel for each metric, training and validation together."""

import math
from collections.abc import Iterable, Mapping, Sequence

from lamina.core.errors import ArgumentError, unknown
from lamina.view.plot import Shown
from lamina.view.style import ACCENTS, Theme, mix, theme
from lamina.view.svg import CHIP, FONTS, TITLE, Drawing, _n, _text, text_width

WIDTH, HEIGHT, COLUMNS = 360.0, 240.0, 3
LEFT, RIGHT, TOP, BOTTOM = 56.0, 18.0, 40.0, 34.0
"""Room around the axes of a panel, in pixels."""
POINTS = 600
"""Points of a curve that are drawn, at most."""
COLOURS = {"training": ACCENTS["dense"], "validation": ACCENTS["conv"]}

Curve = Sequence[tuple[float, float]]
"""Pairs of epoch, from 1, and value."""


class Chart(Shown):
    """Drawn curves, as SVG text in ``svg``. As the last line of a notebook's cell it shows itself.

    >>> chart = Chart({"loss": [(1, 0.5), (2, 0.3)], "val_loss": [(1, 0.6), (2, 0.4)]})
    >>> chart
    <Chart of loss>
    """

    def __init__(
        self, curves: Mapping[str, Curve], names: Iterable[str] | None = None, style: str = "light"
    ) -> None:
        known = sorted({name.removeprefix("val_") for name in curves}, key=_rank)
        self.names = known if names is None else [name.removeprefix("val_") for name in names]
        for name in self.names:
            if name not in known:
                raise unknown("log", name, known)
        if not self.names:
            raise ArgumentError("There is nothing to draw yet: no epoch has ended.")
        super().__init__(_document(curves, self.names, theme(style)))

    def __repr__(self) -> str:
        return f"<Chart of {', '.join(self.names)}>"


def _rank(name: str) -> tuple[bool, bool, str]:
    return name == "learning_rate", name != "loss", name


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``: multiples of 1, 2 or 5 times a power of ten.

    >>> ticks(0.12, 0.9)
    [0.2, 0.4, 0.6, 0.8]
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough * 0.999)
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [float(f"{number * step:.12g}") for number in numbers]


def _document(curves: Mapping[str, Curve], names: Sequence[str], style: Theme) -> Drawing:
    columns = min(COLUMNS, len(names))
    width, height = columns * WIDTH, math.ceil(len(names) / columns) * HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="0 0 {_n(width)} {_n(height)}" role="img" font-family="{FONTS}">',
        "<title>history</title>",
        f'<rect width="{_n(width)}" height="{_n(height)}" fill="{style.background}"/>',
    ]
    for index, name in enumerate(names):
        row, column = divmod(index, columns)
        found = {"training": curves.get(name, ()), "validation": curves.get(f"val_{name}", ())}
        inside = _panel(name, {kind: each for kind, each in found.items() if each}, style)
        parts.append(f'<g transform="translate({_n(column * WIDTH)} {_n(row * HEIGHT)})">')
        parts += [*inside, "</g>"]
    return Drawing("\n".join([*parts, "</svg>", ""]), width, height)


def _panel(name: str, curves: Mapping[str, Curve], style: Theme) -> list[str]:
    points = [point for curve in curves.values() for point in curve if math.isfinite(point[1])]
    xs, ys = _range([x for x, _ in points], 0.5), _range([y for _, y in points], 0.0)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        along, up = (x - xs[0]) / (xs[1] - xs[0]), (y - ys[0]) / (ys[1] - ys[0])
        return LEFT + along * (right - LEFT), bottom - up * (bottom - TOP)

    grid = mix(style.line, style.background, 0.28)
    parts = [_text(name, LEFT, TOP / 2, TITLE, style.ink, bold=True)]
    for value in ticks(*ys):
        y, label = place(xs[0], value)[1], f"{value:.6g}"
        parts.append(f'<path d="M{_n(LEFT)} {_n(y)}H{_n(right)}" stroke="{grid}"/>')
        parts.append(_text(label, LEFT - 8 - text_width(label, CHIP), y, CHIP, style.quiet))
    for value in (each for each in ticks(*xs, 8) if each == int(each)):
        x, label = place(value, ys[0])[0], f"{value:.0f}"
        middle = x - text_width(label, CHIP) / 2
        parts.append(_text(label, middle, bottom + 14, CHIP, style.quiet))
    end = right
    for kind, curve in reversed(list(curves.items())):
        colour = mix(COLOURS[kind], style.ink, style.outline)
        parts.append(_line([place(*p) for p in curve[:: math.ceil(len(curve) / POINTS)]], colour))
        if len(curves) > 1:
            end -= text_width(kind, CHIP)
            key = f"M{_n(end - 22)} {_n(TOP / 2)}h16"
            parts.append(f'<path d="{key}" stroke="{colour}" stroke-width="2.4"/>')
            parts.append(_text(kind, end, TOP / 2, CHIP, style.quiet))
            end -= 36.0
    return parts


def _range(values: Sequence[float], least: float) -> tuple[float, float]:
    """Where an axis begins and ends."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.04 * (high - low) or least or 0.1 * abs(high) or 1.0
    return low - room, high + room


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    """A curve, broken where it has no number; points alone where there are few."""
    drawn, pen = [], "M"
    for x, y in points:
        if math.isfinite(y):
            drawn.append(f"{pen}{_n(x)} {_n(y)}")
        pen = "L" if math.isfinite(y) else "M"
    dots = [f'<circle cx="{_n(x)}" cy="{_n(y)}" r="2.4" fill="{colour}"/>'
            for x, y in points if math.isfinite(y) and len(points) <= 30]  # fmt: skip
    path = f'<path d="{"".join(drawn)}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
    return path + "".join(dots)
