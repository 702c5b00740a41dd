"""`plot_model`: a model as a picture in a file, in a notebook, or as DOT text."""

import inspect
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from lamina.core.errors import ArgumentError, LaminaError, LaminaWarning, nearest, unknown
from lamina.view.describe import describe
from lamina.view.files import write_atomically
from lamina.view.fold import folded
from lamina.view.model_graph import Direction, ModelGraph
from lamina.view.style import THEMES

if TYPE_CHECKING:
    from lamina.view.dot import Dot
    from lamina.view.svg import Drawing

# The drawing engine is imported when something is drawn, so that a summary does not wait for it.


class Shown:
    """Something drawn, as SVG text in ``svg``; the last line of a notebook's cell shows it."""

    dpi: float = 200
    kinds = ("png", "svg", "pdf", "jpg", "jpeg")

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
        return write_atomically(path, self._bytes(kind))

    def _bytes(self, kind: str) -> bytes:
        if kind == "pdf":
            from lamina.view.pdf import to_pdf

            return to_pdf(self._drawing)
        if kind in ("jpg", "jpeg"):
            from lamina.view.png import to_jpeg

            return to_jpeg(self._drawing, self.dpi)
        return self.png() if kind == "png" else self.svg.encode()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        # A notebook keeps what is returned: the PNG only for a front end that asks for it.
        bundle: dict[str, Any] = {"image/svg+xml": self.svg, "text/plain": repr(self)}
        if include and "image/png" in include:
            bundle["image/png"] = self.png()
        return {key: value for key, value in bundle.items() if key not in (exclude or ())}

    def _repr_svg_(self) -> str:
        return self.svg


class Picture(Shown):
    """A drawn model, as SVG text in ``svg``; it can also be saved as a page or as text.

    >>> picture = Picture(ModelGraph("m"))
    >>> picture
    <Picture of 'm': 0 boxes>
    >>> picture.svg.startswith("<svg")
    True
    """

    kinds = (*Shown.kinds, "html", "dot", "mmd")

    def __init__(
        self,
        graph: ModelGraph,
        direction: Direction = "TB",
        dpi: float = 200,
        theme: str = "light",
        model: Any = None,
    ) -> None:
        from lamina.view.svg import draw

        super().__init__(draw(graph, direction, theme))
        self.graph = graph
        self.direction: Direction = direction
        self.dpi = dpi
        self.theme = theme
        self.model = model

    def mermaid(self) -> str:
        """The graph as Mermaid text."""
        from lamina.view.mermaid import mermaid

        return mermaid(self.graph, self.direction, self.theme)

    def dot(self) -> str:
        """The graph as DOT text, for graphviz."""
        from lamina.view.dot import Dot

        return Dot(self.graph, self.direction, self.dpi).to_string()

    def html(self) -> str:
        """A page to look around in; of the whole model, where that is known."""
        from lamina.view.explorer import page

        return page(self.graph if self.model is None else self.model, self.theme)

    def _bytes(self, kind: str) -> bytes:
        texts = {"mmd": self.mermaid, "dot": self.dot, "html": self.html}
        return texts[kind]().encode() if kind in texts else super()._bytes(kind)

    def __repr__(self) -> str:
        return f"<Picture of '{self.graph.name}': {len(self.graph.boxes)} boxes>"


MOST_BOXES = 5000
"""A picture of more boxes takes minutes to lay out, and cannot be looked at."""
FOLD_OVER = 500
"""``fold="auto"`` folds pictures of more boxes than this."""
EXTRA: dict[str, Any] = {"theme": "light", "detail": None, "fold": "auto", "input_shape": None}
"""Arguments beside Keras's, and what they are without a word."""


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
        to_file: Where to write; the name's ending says in which format: .png (also without an
            ending), .svg, .pdf, .html, .dot, .mmd for Mermaid, or .jpg where pillow is installed.
            None writes no file.
        show_shapes: Show the shapes of what goes in and comes out; '?' where unknown.
        show_dtype: Show the dtype of what comes out.
        show_layer_names: Show names beside classes.
        rankdir: Where the flow goes: "TB" from top to bottom, or "BT", "LR", "RL".
        expand_nested: Draw what is inside nested models.
        dpi: Resolution of a PNG.
        show_layer_activations: Show activation functions.
        show_trainable: Show which layers are trained.
        splines: Accepted for code written for graphviz. Edges are curves that touch no box.
        **kwargs: ``detail``: "names" draws names and outputs; "shapes" adds shapes on edges and
            numbers of parameters; "full" adds configs, dtypes, activations, initializers and
            FLOPs. ``fold``: True draws one copy of blocks that repeat, with their number; "auto"
            does so for more than 500 boxes; False never. ``theme``: "light" or "dark".
            ``input_shape``: draws a model that is not built yet as built for this shape, with
            None for the batch; the model stays as it is.

    Returns:
        A `Picture`, which a notebook shows.

    Raises:
        ArgumentError: for an unknown format, direction or argument, or a graph of more than 5,000
            boxes, before anything is written.

    >>> import lamina as keras
    >>> layers = [keras.layers.Dense(8) for _ in range(12)]
    >>> model = keras.Sequential([keras.Input((8,)), *layers], name="tower")
    >>> keras.utils.plot_model(model, None, detail="shapes", fold=True)
    <Picture of 'tower': 3 boxes>
    """
    if to_file is not None:
        _format(to_file)
    direction, given = _checked("plot_model", rankdir, kwargs)
    graph = _graph(
        model, given, show_shapes=show_shapes, show_dtype=show_dtype,
        show_layer_names=show_layer_names, expand_nested=expand_nested,
        show_layer_activations=show_layer_activations, show_trainable=show_trainable,
    )  # fmt: skip
    whole = model if given["input_shape"] is None else None
    picture = Picture(_drawable(graph), direction, dpi, given["theme"], whole)
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

    direction, given = _checked("model_to_dot", rankdir, kwargs)
    graph = _graph(
        model, given, show_shapes=show_shapes, show_dtype=show_dtype,
        show_layer_names=show_layer_names, expand_nested=expand_nested,
        show_layer_activations=show_layer_activations, show_trainable=show_trainable,
    )  # fmt: skip
    return Dot(graph, direction, dpi, subgraph, splines)


def cell_svg(model: Any) -> str | None:
    """What a notebook's cell shows of a model in its last line; None where text says more."""
    if len(model._flatten_layers()) > MOST_BOXES:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LaminaWarning)
            graph = folded(describe(model, "shapes"))
            return Picture(graph).svg if len(graph.boxes) <= FOLD_OVER else None
    except LaminaError:
        return None


def _graph(model: Any, given: dict[str, Any], **shown: Any) -> ModelGraph:
    graph = describe(model, given["detail"], given["input_shape"], **shown)
    fold = given["fold"]
    return folded(graph) if fold is True or (fold and len(graph.boxes) > FOLD_OVER) else graph


def _drawable(graph: ModelGraph) -> ModelGraph:
    if len(graph.boxes) <= MOST_BOXES:
        return graph
    raise ArgumentError(
        f"The picture of '{graph.name}' would have {len(graph.boxes):,} boxes.",
        rule=f"a picture has at most {MOST_BOXES:,}, repeated blocks folded",
        fix='leave fold at "auto" and expand_nested at False, draw a part of the model, or write '
        "the graph as text: model_to_dot(model).write('model.dot')",
    )


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


def _checked(
    function: str, rankdir: str, others: dict[str, Any]
) -> tuple[Direction, dict[str, Any]]:
    """The direction and the arguments beside Keras's; an error for what is none of them."""
    if rankdir not in get_args(Direction):
        raise unknown("rankdir", rankdir, get_args(Direction))
    for name in others:
        if name not in EXTRA:
            hint = nearest(name, [*inspect.signature(plot_model).parameters, *EXTRA])
            raise ArgumentError(f"{function}() has no argument {name!r}. {hint}".rstrip())
    given = EXTRA | others
    if not isinstance(given["theme"], str) or given["theme"] not in THEMES:
        raise unknown("theme", given["theme"], THEMES)
    if given["fold"] not in (True, False, "auto"):
        raise ArgumentError('fold is True, False or "auto".', met=f"fold={given['fold']!r}")
    return rankdir, given  # type: ignore[return-value]
