"""The curves of a training: one panel for each metric, training and validation together."""

import math
from collections.abc import Iterable, Mapping, Sequence

from lamina.core.errors import ArgumentError, unknown
from lamina.view.axes import TOP, Axes, page, span
from lamina.view.plot import Shown
from lamina.view.style import ACCENTS, Theme, mix, theme
from lamina.view.svg import CHIP, _n, _text, text_width

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
        panels = [_panel(name, curves, theme(style)) for name in self.names]
        super().__init__(page("history", panels, theme(style)))

    def __repr__(self) -> str:
        return f"<Chart of {', '.join(self.names)}>"


def _rank(name: str) -> tuple[bool, bool, str]:
    return name == "learning_rate", name != "loss", name


def _panel(name: str, curves: Mapping[str, Curve], style: Theme) -> list[str]:
    kinds = {"training": curves.get(name, ()), "validation": curves.get(f"val_{name}", ())}
    found = {kind: curve for kind, curve in kinds.items() if curve}
    points = [point for curve in found.values() for point in curve if math.isfinite(point[1])]
    axes = Axes(span([x for x, _ in points], 0.5), span([y for _, y in points]), style)
    parts, end = axes.frame(name, whole="x"), axes.right
    for kind, curve in reversed(list(found.items())):
        colour = mix(COLOURS[kind], style.ink, style.outline)
        every = math.ceil(len(curve) / POINTS)
        parts.append(_line([axes.place(*point) for point in curve[::every]], colour))
        if len(found) > 1:
            end -= text_width(kind, CHIP)
            key = f"M{_n(end - 22)} {_n(TOP / 2)}h16"
            parts.append(f'<path d="{key}" stroke="{colour}" stroke-width="2.4"/>')
            parts.append(_text(kind, end, TOP / 2, CHIP, style.quiet))
            end -= 36.0
    return parts


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
