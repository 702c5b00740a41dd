"""The explorer: a model as one HTML file to look around in. `pages.py` makes it."""

import os
from pathlib import Path
from typing import Any

from lamina.core.errors import ArgumentError
from lamina.view.files import write_atomically

__all__ = ["explore", "page"]


def explore(
    model: Any,
    path: str | os.PathLike[str] = "model.html",
    theme: str | None = None,
    note: str = "",
) -> Path:
    """Write a page to look around in a model: search, open, fold, and see all about a layer.

    The file needs nothing else, and requests nothing. Weights that have values are described by
    their histograms; none is drawn for it.

    Args:
        model: A model or any other layer, built or not, or a `ModelGraph`.
        path: Where to write; the name ends in .html.
        theme: "light" or "dark" to begin with; as the reader's system has it when left out.
        note: Something to say beside the totals.

    Returns:
        The path.

    Raises:
        ArgumentError: for another ending, or more boxes than a page can hold.
        FileError: when the file cannot be written.

    >>> import tempfile, lamina as keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> explore(model, Path(tempfile.mkdtemp()) / "model.html").name
    'model.html'
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        met, fix = f"path={str(path)!r}", "end it with .html"
        raise ArgumentError("The explorer is an HTML page.", met=met, fix=fix)
    return write_atomically(path, page(model, theme, note).encode(errors="replace"))


def page(model: Any, theme: str | None = None, note: str = "") -> str:
    """The page of `explore` as text."""
    from lamina.view.explorer.pages import html  # draws, and `lamina.view` does not wait for that

    return html(model, theme, note)
