"""`plot_model`: a model as a picture in a file, in a notebook, or as DOT text."""

import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from lamina.core.errors import ArgumentError, nearest, unknown
from lamina.view.describe import describe
from lamina.view.files import write_atomically
from lamina.view.model_graph import Direction, ModelGraph

if TYPE_CHECKING:
    from lamina.view.dot import Dot
    from lamina.view.svg import Drawing

# The drawing engine is imported when something is drawn, so that a summary does not wait for it.


class Shown:
    """Something drawn, as SVG text in ``svg``; the last line of a notebook's cell shows it."""

    dpi: float = 200
    kinds = ("png", "svg")

    def __init__(self, drawing: "Drawing") -> None:
        self._drawing = drawing
        self.svg = drawing.svg

    def png(self, dpi: float | None = None) -> bytes:
        """PNG bytes, at the resolution given or at the picture's own."""
        from lamina.view.png import to_png

        return to_png(self._drawing, self.dpi if dpi is None else dpi)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a file in the format that its name ends with, whole or not at all.

        Raises:
            ArgumentError: for a format that there is not.
            FileError: when the folder is missing or the file cannot be written.
        """
        kind = _format(path, self.kinds)
        return write_atomically(path, self.png() if kind == "png" else self._text(kind).encode())

    def _text(self, kind: str) -> str:
        return self.svg

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        # A notebook keeps what is returned: the PNG only for a front end that asks for it.
        bundle: dict[str, Any] = {"image/svg+xml": self.svg, "text/plain": repr(self)}
        if include and "image/png" in include:
            bundle["image/png"] = self.png()
        return {key: value for key, value in bundle.items() if key not in (exclude or ())}

    def _repr_svg_(self) -> str:
        return self.svg


class Picture(Shown):
    """A drawn model, as SVG text in ``svg``; it can also be saved as DOT text.

    >>> picture = Picture(ModelGraph("m"))
    >>> picture
    <Picture of 'm': 0 boxes>
    >>> picture.svg.startswith("<svg")
    True
    """

    kinds = ("png", "svg", "dot")

    def __init__(
        self, graph: ModelGraph, direction: Direction = "TB", dpi: float = 200, theme: str = "light"
    ) -> None:
        from lamina.view.svg import draw

        super().__init__(draw(graph, direction, theme))
        self.graph = graph
        self.direction: Direction = direction
        self.dpi = dpi

    def _text(self, kind: str) -> str:
        if kind != "dot":
            return self.svg
        from lamina.view.dot import Dot

        return Dot(self.graph, self.direction, self.dpi).to_string()

    def __repr__(self) -> str:
        return f"<Picture of '{self.graph.name}': {len(self.graph.boxes)} boxes>"


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] | None = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Picture:
    """Draw a model. Needs no graphviz; works for every layer, built or not.

    Args:
        model: A model or any other layer.
        to_file: Where to write; the name's ending (.png, .svg, .dot) says in which format, png
            without one. None writes no file.
        show_shapes: Show the shapes of what goes in and comes out; '?' where unknown.
        show_dtype: Show the dtype of what comes out.
        show_layer_names: Show names beside classes.
        rankdir: Where the flow goes: "TB" from top to bottom, or "BT", "LR", "RL".
        expand_nested: Draw what is inside nested models.
        dpi: Resolution of a PNG.
        show_layer_activations: Show activation functions.
        show_trainable: Show which layers are trained.
        splines: Accepted for code written for graphviz. Edges are curves that touch no box.
        **kwargs: ``theme``: "light" or "dark".

    Returns:
        A `Picture`, which a notebook shows.

    Raises:
        ArgumentError: for an unknown format, direction or argument, before anything is written.
    """
    if to_file is not None:
        _format(to_file)
    theme = kwargs.pop("theme", "light")
    direction = _checked("plot_model", rankdir, kwargs)
    graph = describe(
        model, show_shapes=show_shapes, show_dtype=show_dtype, show_layer_names=show_layer_names,
        expand_nested=expand_nested, show_layer_activations=show_layer_activations,
        show_trainable=show_trainable,
    )  # fmt: skip
    picture = Picture(graph, direction, dpi, theme)
    if to_file is not None:
        picture.save(to_file)
    return picture


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> "Dot":
    """A model as DOT text, in an object with the common methods of pydot's.

    The arguments are those of `plot_model`; ``subgraph`` makes a cluster to put in another graph.
    """
    from lamina.view.dot import Dot

    direction = _checked("model_to_dot", rankdir, kwargs)
    graph = describe(
        model, show_shapes=show_shapes, show_dtype=show_dtype, show_layer_names=show_layer_names,
        expand_nested=expand_nested, show_layer_activations=show_layer_activations,
        show_trainable=show_trainable,
    )  # fmt: skip
    return Dot(graph, direction, dpi, subgraph, splines)


def _format(path: str | os.PathLike[str], kinds: tuple[str, ...] = Picture.kinds) -> str:
    suffix = Path(path).suffix
    kind = suffix[1:].lower() or "png"
    if kind not in kinds:
        raise ArgumentError(
            f"A picture cannot be written as {suffix!r}.",
            met=f"to_file={str(path)!r}",
            rule="the file's ending says the format",
            fix=f"end it with .{', .'.join(kinds[:-1])} or .{kinds[-1]}",
        )
    return kind


def _checked(function: str, rankdir: str, others: dict[str, Any]) -> Direction:
    """The direction; an error if it is none, or if there are arguments that no one knows."""
    if rankdir not in get_args(Direction):
        raise unknown("rankdir", rankdir, get_args(Direction))
    for name in others:
        hint = nearest(name, [*inspect.signature(plot_model).parameters, "theme"])
        raise ArgumentError(f"{function}() has no argument {name!r}. {hint}".rstrip())
    return rankdir  # type: ignore[return-value]
