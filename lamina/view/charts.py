"""`weights` and `activations`: numbers inside a model, as histograms and as pictures of pixels."""

import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from lamina.core import nest
from lamina.core.errors import (
    ArgumentError,
    DTypeError,
    LaminaWarning,
    describe_value,
    unknown,
)  # fmt: skip
from lamina.core.tracking import is_layer
from lamina.view.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axes, coloured, image, page
from lamina.view.describe import kind_of
from lamina.view.plot import Shown
from lamina.view.running import ran
from lamina.view.style import ACCENTS, Theme, mix, theme
from lamina.view.svg import CHIP, TITLE, _n, _text, text_width

BINS, TILES, ROOM = 40, 16, 320
"""Bars of a histogram; tiles of a grid along a side, at most; pixels of its side."""
PANELS, LINE = 60, 32
"""Things that one picture shows, and numbers of a vector in one line, at most."""


class Panels(Shown):
    """Charts in one picture. As the last line of a notebook's cell it shows itself.

    Attributes:
        titles: What each of them shows.
    """

    def __init__(self, title: str, panels: Sequence["_Panel"], style: Theme) -> None:
        self.title, self.titles = title, [panel.title for panel in panels]
        width, heights = max(panel.width for panel in panels), [panel.height for panel in panels]
        drawn = [panel.parts for panel in panels]
        super().__init__(page(title, drawn, style, int(1200 // width), width, heights))

    def __repr__(self) -> str:
        return f"<{self.title}: {len(self.titles)} panels>"


class _Panel(NamedTuple):
    """A title, the elements of a drawing, and how much room they need."""

    title: str
    parts: list[str]
    width: float
    height: float


def weights(layer: Any, theme: str = "light") -> Panels:
    """The numbers in a layer's weights: histograms, and kernels of convolutions as grids.

    In a grid, blue is above 0 and orange below; a kernel of three input channels is in colours. Of
    others each row is a filter and each column an input channel.

    Args:
        layer: A layer or a model whose weights exist.
        theme: "light" or "dark".

    Raises:
        ArgumentError: when the layer has no weights yet, or none at all.

    >>> import lamina as keras
    >>> layer = keras.layers.Dense(3, name="a")
    >>> layer.build((None, 2))
    >>> weights(layer)
    <weights of a: 2 panels>
    """
    if not is_layer(layer):
        raise DTypeError("Weights are drawn of a layer or a model.", met=describe_value(layer))
    wanted = set(map(id, layer.weights))
    found = [(each, v) for each in layer._flatten_layers() for v in each._lamina.variables
             if id(v) in wanted]  # fmt: skip
    if not found:
        fix = "" if layer.built else "call it on data, or build it, first"
        raise ArgumentError(f"{layer._who()} has no weights to draw.", fix=fix)
    style, panels = _theme(theme), []
    for owner, variable in _first(found, "weights"):
        values = np.asarray(variable, np.float32)
        name = variable.name if owner is layer else f"{owner.name}/{variable.name}"
        panels.append(_histogram(f"{name} {tuple(values.shape)}", values, style))
        if kind_of(owner) == "conv" and values.ndim in (3, 4):
            panels.append(_filters(name, values, style))
    return Panels(f"weights of {layer.name}", panels, style)


def activations(
    model: Any, x: Any, layers: Iterable[Any] | None = None, sample: int = 0, channels: int = 16,
    theme: str = "light",
) -> Panels:  # fmt: skip
    """What layers give for an input: a grid of maps, one for each channel.

    Blue is above 0 and orange below; each grid has a scale of its own, which its title says. What
    is no picture is drawn too: a sequence as (channels, steps), a vector as one row.

    Args:
        model: A model; only what its layers give is drawn, not what is computed between them.
        x: A batch of inputs.
        layers: Layers, or their names; without them all that give pictures, or else all.
        sample: Which sample of the batch to draw.
        channels: How many channels of a layer to draw, at most.
        theme: "light" or "dark".

    Raises:
        UnknownNameError: for a layer that is none of the model's.
        ArgumentError: for a sample that is not in the batch, or when there are no layers.

    >>> import lamina as keras
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, name="a")])
    >>> activations(model, np.ones((1, 8, 8, 1), "float32")).titles
    ['a: 6 × 6 × 4, up to ...']
    """
    if not is_layer(model):
        raise DTypeError("Activations are drawn of a model.", met=describe_value(model))
    x = nest.map_structure(jnp.asarray, x)
    rows = len(nest.flatten(x)[0])
    if not 0 <= sample < rows:
        raise ArgumentError(f"sample={sample} is not in a batch of {rows}.")
    x = nest.map_structure(lambda each: each[sample : sample + 1], x)
    model(x)  # says what is wrong with the inputs, and builds
    given = [(run.own, np.asarray(run.outputs[0], np.float32)) for run in ran(model, (x,))]
    by_name = {own.name: (own, values) for own, values in given if values.ndim > 1}
    if layers is None:
        pictures = [name for name, (_, values) in by_name.items() if values.ndim == 4]
        chosen = pictures or list(by_name)
    else:
        chosen = [each if isinstance(each, str) else getattr(each, "name", "?") for each in layers]
    for name in chosen:
        if name not in by_name:
            raise unknown("layer", name, by_name)
    if not chosen:
        raise ArgumentError(f"{model._who()}: there are no layers to draw.")
    style, panels = _theme(theme), []
    for name in _first(chosen, "layers"):
        step, values = by_name[name]
        first = getattr(step, "data_format", None) == "channels_first"
        maps = _maps(values[0], first)
        limit = float(np.nanmax(np.abs(maps), initial=0.0))
        sizes = " × ".join(map(str, values.shape[1:]))
        kept = maps[:channels]
        part = f", {len(kept)} of {len(maps)} channels" if len(kept) < len(maps) else ""
        title = f"{name}: {sizes}{part}, up to {limit:.3g}"
        panels.append(_tiles(title, coloured(kept, style, limit or None), style))
    return Panels(f"activations of {model.name}", panels, style)


_theme = theme


def _first(found: list[Any], what: str) -> list[Any]:
    """As many as one picture shows; a warning says how many there are more."""
    if len(found) > PANELS:
        text = f"The first {PANELS} of {len(found)} {what} are drawn [many-panels]."
        warnings.warn(text, LaminaWarning, stacklevel=3)
    return found[:PANELS]


def _maps(values: np.ndarray, channels_first: bool) -> np.ndarray:
    """One sample's output as maps (channels, height, width); a long vector in several lines."""
    if values.ndim == 1:
        across = len(values) if len(values) <= LINE else math.ceil(math.sqrt(len(values)))
        whole = np.full(-(-len(values) // across) * across, np.nan, np.float32)
        whole[: len(values)] = values
        return whole.reshape(1, -1, across)
    if values.ndim == 2:
        return values.T[None]
    values = values if channels_first else np.moveaxis(values, -1, 0)
    return values.reshape(len(values), -1, values.shape[-1])  # of volumes, slices in a column


def _histogram(title: str, values: np.ndarray, style: Theme) -> _Panel:
    finite = values[np.isfinite(values)]
    counts, edges = np.histogram(finite, BINS if finite.size else 1)
    axes = Axes((float(edges[0]), float(edges[-1])), (0.0, 1.05 * max(int(counts.max()), 1)), style)
    parts = axes.frame(title, whole="y")
    fill, stroke = style.fill("dense", 2.6), mix(ACCENTS["dense"], style.ink, style.outline)
    for count, start, end in zip(counts, edges, edges[1:], strict=False):
        (x, y), (right, bottom) = axes.place(start, count), axes.place(end, 0.0)
        if count:
            parts.append(
                f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(right - x)}" height="{_n(bottom - y)}" '
                f'fill="{fill}" stroke="{stroke}" stroke-width="0.7"/>'
            )
    if finite.size:
        note = f"mean {finite.mean():.3g}, deviation {finite.std():.3g}"
        note += f", {values.size - finite.size} not finite" * (finite.size < values.size)
        x = axes.right - text_width(note, CHIP)
        parts.append(_text(note, x, TOP - 6.0, CHIP, style.quiet))
    return _Panel(title, parts, WIDTH, HEIGHT)


def _filters(name: str, kernel: np.ndarray, style: Theme) -> _Panel:
    """A kernel of shape (sizes..., channels, filters) as tiles."""
    kernel = kernel if kernel.ndim == 4 else kernel[None]
    filters = np.moveaxis(kernel, -1, 0)  # (filters, height, width, channels)
    count, channels = len(filters), filters.shape[-1]
    limit = float(np.nanmax(np.abs(kernel), initial=0.0))
    apart = channels not in (1, 3)  # each channel is a tile of its own
    filters = filters[: TILES if apart else TILES * TILES, ..., :TILES]
    title = f"{name}: {_some(len(filters), count, 'filters')}"
    if channels == 3:
        scaled = 0.5 + 0.5 * np.nan_to_num(filters) / (limit or 1.0)
        return _tiles(title, np.rint(255 * scaled).astype(np.uint8), style)
    title += f", {_some(filters.shape[-1], channels, 'channels')}" if apart else ""
    tiles = np.moveaxis(filters, -1, 1).reshape(-1, *kernel.shape[:2])
    columns = filters.shape[-1] if apart else None
    return _tiles(title, coloured(tiles, style, limit or None), style, columns)


def _some(kept: int, count: int, what: str) -> str:
    return f"{kept} {what}" if kept == count else f"{kept} of {count} {what}"


def _tiles(title: str, tiles: np.ndarray, style: Theme, columns: int | None = None) -> _Panel:
    """Pictures (count, height, width, 3) in rows, with lines between them, as one panel."""
    count, height, width, _ = tiles.shape
    columns = columns or max(1, min(count, round(math.sqrt(count * height / width))))
    rows = -(-count // columns)
    zoom = max(1, int(min(ROOM // (rows * height), ROOM // (columns * width))))
    gap = min(max(zoom // 5, 2), 6)
    tiles = tiles.repeat(zoom, 1).repeat(zoom, 2)  # so that the lines between tiles are thin
    height, width = tiles.shape[1:3]
    whole = np.empty((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), np.uint8)
    whole[:] = list(bytes.fromhex(mix(style.line, style.background, 0.45)[1:]))
    for index, tile in enumerate(tiles):
        y, x = (at * (size + gap) + gap for at, size in
                zip(divmod(index, columns), (height, width), strict=True))  # fmt: skip
        whole[y : y + height, x : x + width] = tile
    drawn = whole.shape[1], whole.shape[0]
    parts = [_text(title, RIGHT, TOP / 2, TITLE, style.ink, bold=True)]
    parts.append(image(whole, RIGHT, TOP, *drawn))
    across = max(drawn[0], text_width(title, TITLE, bold=True)) + RIGHT + LEFT / 2
    return _Panel(title, parts, across, TOP + drawn[1] + BOTTOM / 2)
