"""Colours of drawings, by theme and by kind of layer.

Text stands on pale (or, in the dark theme, deep) tints, so it reads in grey print too. What mostly
holds weights has twice the tint of what stands beside it (norms, pooling, activations), so that
neighbours differ without colours; and each box says its class, so no meaning rests on a hue.
"""

from dataclasses import dataclass

from lamina.core.errors import unknown
from lamina.view.model_graph import Kind

ACCENTS: dict[Kind, str] = {
    "input": "#5b6f82", "dense": "#2a6fb0", "conv": "#c8740f", "recurrent": "#8a4fd8",
    "attention": "#b8457a", "norm": "#9a8a12", "pooling": "#c9502e", "merge": "#1b8a67",
    "reshape": "#7a7a7a", "activation": "#1d8ba0", "regularisation": "#8d6b4b", "op": "#6b7684",
    "output": "#33475b", "model": "#4954ad",
}  # fmt: skip

WEIGHTY: frozenset[Kind] = frozenset({"dense", "conv", "recurrent", "attention"})
"""Kinds with the stronger tint."""


@dataclass(frozen=True)
class Theme:
    """A theme: background, text, quiet text, lines, and how strongly accents tint and outline."""

    background: str
    ink: str
    quiet: str
    line: str
    tint: float
    outline: float

    def fill(self, kind: Kind, strength: float = 1.0) -> str:
        """The inside of a box of this kind."""
        share = self.tint * strength * (1.0 if kind in WEIGHTY else 0.5)
        return mix(ACCENTS[kind], self.background, share)

    def stroke(self, kind: Kind) -> str:
        """The outline of a box of this kind."""
        return mix(ACCENTS[kind], self.ink, self.outline)


THEMES: dict[str, Theme] = {
    "light": Theme("#ffffff", "#1c2733", "#4a5661", "#66727e", 0.24, 0.92),
    "dark": Theme("#14181d", "#e8edf2", "#a3afba", "#8794a1", 0.36, 0.66),
}


def theme(name: str) -> Theme:
    """The theme of that name."""
    if name not in THEMES:
        raise unknown("theme", name, THEMES)
    return THEMES[name]


def mix(colour: str, other: str, share: float) -> str:
    """``share`` of one colour and the rest of another, both as ``#rrggbb``.

    >>> mix("#ff0000", "#ffffff", 0.5)
    '#ff8080'
    """
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + bytes(round(a * share + b * (1 - share)) for a, b in pairs).hex()
