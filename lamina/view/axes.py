"""What charts are made of: pages of panels, axes with round numbers, pictures of pixels."""

import base64
import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from lamina.view.style import Theme, mix
from lamina.view.svg import CHIP, FONTS, TITLE, Drawing, _n, _text, text_width

WIDTH, HEIGHT = 360.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 18.0, 40.0, 34.0
"""Size of a panel, and room around its axes, in pixels."""

Span = tuple[float, float]


def page(
    title: str, panels: Sequence[Iterable[str]], style: Theme, columns: int = 3,
    width: float = WIDTH, heights: Sequence[float] = (),
) -> Drawing:  # fmt: skip
    """Panels beside and below each other; all as wide, and in a row as high as the highest."""
    columns = max(1, min(columns, len(panels)))
    heights = heights or [HEIGHT] * len(panels)
    tops = [0.0]
    for start in range(0, len(panels), columns):
        tops.append(tops[-1] + max(heights[start : start + columns]))
    across, down = columns * width, tops[-1]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(across)}" height="{_n(down)}" '
        f'viewBox="0 0 {_n(across)} {_n(down)}" role="img" font-family="{FONTS}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_n(across)}" height="{_n(down)}" fill="{style.background}"/>',
    ]
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        parts.append(f'<g transform="translate({_n(column * width)} {_n(tops[row])})">')
        parts += [*panel, "</g>"]
    return Drawing("\n".join([*parts, "</svg>", ""]), across, down, style.background)


@dataclass(frozen=True)
class Axes:
    """The area of a panel in which numbers have places."""

    xs: Span
    ys: Span
    style: Theme

    @property
    def right(self) -> float:
        """The right end of the area."""
        return WIDTH - RIGHT

    @property
    def bottom(self) -> float:
        """The lower end of the area."""
        return HEIGHT - BOTTOM

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies."""
        along, up = (
            (v - a) / (b - a) for v, (a, b) in zip((x, y), (self.xs, self.ys), strict=True)
        )
        return LEFT + along * (self.right - LEFT), self.bottom - up * (self.bottom - TOP)

    def frame(self, title: str, whole: str = "") -> list[str]:
        """The title, and round numbers at both axes, with lines for those of the upright one.

        Args:
            whole: "x" or "y": the axis that counts something.
        """
        style = self.style
        grid = mix(style.line, style.background, 0.28)
        parts = [_text(title, LEFT, TOP / 2, TITLE, style.ink, bold=True)]
        for value in _numbers(self.ys, 5, "y" in whole):
            y, label = self.place(self.xs[0], value)[1], f"{value:.6g}"
            parts.append(f'<path d="M{_n(LEFT)} {_n(y)}H{_n(self.right)}" stroke="{grid}"/>')
            parts.append(_text(label, LEFT - 8 - text_width(label, CHIP), y, CHIP, style.quiet))
        for value in _numbers(self.xs, 8, "x" in whole):
            label = f"{value:.6g}"
            x = self.place(value, self.ys[0])[0] - text_width(label, CHIP) / 2
            parts.append(_text(label, x, self.bottom + 14, CHIP, style.quiet))
        return parts


def _numbers(ends: Span, most: int, whole: bool) -> list[float]:
    return [each for each in ticks(*ends, most) if not whole or each == int(each)]


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


def span(values: Sequence[float], least: float = 0.0) -> Span:
    """Where an axis begins and ends."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.04 * (high - low) or least or 0.1 * abs(high) or 1.0
    return low - room, high + room


# --- pixels -------------------------------------------------------------------------------------


def image(pixels: np.ndarray, x: float, y: float, width: float, height: float) -> str:
    """Bytes of shape (height, width, 3) as squares of one colour each, at a place and a size."""
    data = base64.b64encode(png(pixels)).decode()
    return (
        f'<image x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" '
        f'image-rendering="optimizeSpeed" href="data:image/png;base64,{data}"/>'
    )


def png(pixels: np.ndarray) -> bytes:
    """Bytes of shape (height, width, 1, 3 or 4) as a PNG file, without loss.

    >>> png(np.zeros((2, 3, 3), np.uint8))[:4]
    b'\\x89PNG'
    """
    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with its filter, 0
    rows[:, 1:] = pixels.reshape(height, -1)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def coloured(values: np.ndarray, style: Theme, limit: float | None = None) -> np.ndarray:
    """Numbers as colours: from the background at 0 to blue above and orange below; NaN in grey.

    Args:
        values: Numbers, of any shape.
        limit: The size that has the full colour; the largest one if left out.

    Returns:
        Bytes of the shape of ``values`` and one axis of 3 more.
    """
    values = np.asarray(values, np.float32)
    size = np.nanmax(np.abs(np.where(np.isfinite(values), values, 0.0)), initial=0.0)
    limit = limit or float(size) or 1.0
    share = np.clip(np.abs(values) / limit, 0.0, 1.0)[..., None]
    above, below, zero, none = (
        np.array(list(bytes.fromhex(colour[1:])), np.float32)
        for colour in (*POLES[style.background], style.background, style.line)
    )
    full = np.where(values[..., None] > 0, above, below)
    found = np.where(np.isnan(share), none, zero + (full - zero) * share)
    return np.rint(found).astype(np.uint8)


POLES = {"#ffffff": ("#08418a", "#a8410a"), "#14181d": ("#8cc4ff", "#ffb070")}
"""The colours of large positive and of large negative numbers, by background."""
