"""`confusion`: which classes a classifier takes for which."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.errors import ArgumentError, ShapeError, describe_value
from lamina.core.tracking import is_layer
from lamina.view.axes import page
from lamina.view.layout import Rect
from lamina.view.plot import Shown
from lamina.view.style import Theme, mix, theme
from lamina.view.svg import CHIP, ROW, TITLE, _rect, _text, text_width
from lamina.view.table import Table

MOST = 2000
"""Classes of a matrix, at most."""
MARGIN, LEAST, ROOM = 18.0, 12.0, 900.0
"""Pixels around the drawing, of the smallest cell, and for all cells of a row where they fit."""


class Confusion(Shown):
    """A confusion matrix: a table when printed, and drawn in a notebook or a file.

    Attributes:
        matrix: How often a sample of the class of its row was taken for the class of its column.
        names: The classes.
    """

    def __init__(self, matrix: np.ndarray, names: list[str], style: str = "light") -> None:
        self.matrix, self.names = matrix, names
        super().__init__(_drawn(self, theme(style)))

    @property
    def accuracy(self) -> float:
        """The share of samples on the diagonal."""
        return float(np.trace(self.matrix) / max(self.matrix.sum(), 1))

    @property
    def table(self) -> Table:
        """Precision and recall of each class, and what it is taken for most often."""
        body = []
        for index, name in enumerate(self.names):
            hit, own = int(self.matrix[index, index]), int(self.matrix[index].sum())
            taken = int(self.matrix[:, index].sum())
            others = self.matrix[index] * (np.arange(len(self.names)) != index)
            worst = int(others.argmax())
            most = f"{self.names[worst]} ({others[worst]:,})" if others[worst] else "-"
            body.append([name, f"{own:,}", _share(hit, taken), _share(hit, own), most])
        notes = [f"Accuracy: {self.accuracy:.4f} of {int(self.matrix.sum()):,} samples"]
        head = ["Class", "Samples", "Precision", "Recall", "Most often taken for"]
        return Table("Confusion", head, body, notes, {"Samples", "Precision", "Recall"})

    def __repr__(self) -> str:
        return self.table.text()


def confusion(
    model: Any, x: Any, y: Any = None, *, names: Sequence[str] | None = None, theme: str = "light"
) -> Confusion:
    """Count which classes are taken for which.

    Args:
        model: A classifier, and then ``x`` and ``y`` are inputs and their classes; or what one
            gave, and then ``x`` are the classes. Scores have shape (samples, classes), or
            (samples, 1) or (samples,) for two classes, where above a half is the second.
        x: Inputs; or the true classes, as ints (samples,) or (samples, 1), or one-hot.
        y: The true classes, if a model is given.
        names: What the classes are called.
        theme: "light" or "dark".

    Raises:
        ArgumentError: when a class is not among the names or the scores.
        ShapeError: when there are not as many predictions as classes.

    >>> confusion([0, 1, 1, 2], [0, 1, 2, 2], names=["cat", "dog", "owl"]).matrix
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 1]])
    """
    if is_layer(model) == (y is None):
        raise ArgumentError("It is confusion(model, x, y), or confusion(predictions, y).")
    given = model
    if is_layer(model):
        given = model.predict(x, verbose=0) if hasattr(model, "predict") else model(x)
    predicted, classes = _classes(given, scores=True)
    true, more = _classes(x if y is None else y, scores=False)
    if len(true) != len(predicted):
        met = f"{len(predicted)} predictions, {len(true)} classes"
        raise ShapeError("There must be one prediction for each sample.", met=met)
    both = np.concatenate([true, predicted])
    count = max(classes, more, len(names or ()), 1 + int(both.max(initial=0)))
    if count > MOST:
        raise ArgumentError(f"A confusion matrix has at most {MOST} classes.", met=f"{count}")
    known = len(names) if names is not None else classes or count
    if both.min(initial=0) < 0 or count > known:
        met = f"classes from {both.min(initial=0)} to {count - 1}"
        raise ArgumentError("The classes do not fit.", met=met, rule=f"there are {known}, from 0")
    matrix = np.zeros((count, count), int)
    np.add.at(matrix, (true, predicted), 1)
    return Confusion(matrix, [str(n) for n in names or range(count)], theme)


def _classes(given: Any, scores: bool) -> tuple[np.ndarray, int]:
    """Numbers of classes, and how many classes there are if that can be told."""
    values = np.asarray(given)
    if values.dtype.kind not in "iufb" or values.ndim not in (1, 2):
        rule = "classes are numbers of shape (samples,), scores of shape (samples, classes)"
        raise ShapeError("These are no classes.", met=describe_value(given), rule=rule)
    if values.ndim == 2 and values.shape[1] > 1:
        return values.argmax(1), values.shape[1]
    values = values.reshape(-1)
    if (values == np.floor(values)).all():
        return values.astype(int), 0
    if not scores:
        raise ArgumentError("Classes are whole numbers.", met=describe_value(values))
    inside = ((values >= 0) & (values <= 1)).all()
    return (values > (0.5 if inside else 0.0)).astype(int), 2  # logits otherwise


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def _drawn(found: Confusion, style: Theme) -> Any:
    """Rows are what samples are, columns what they are taken for; shade is the share of a row."""
    matrix, names, count = found.matrix, found.names, len(found.names)
    widest = max(text_width(f"{n:,}", ROW) for n in (*matrix.max(0), 0)) + 12.0
    heads = max(text_width(name, ROW) for name in names)
    cell = max(widest, heads + 10.0)
    shown, headed = True, True
    if cell * count > ROOM:  # names that are too long are numbered, numbers too many left out
        cell, headed = max(widest, 30.0), False
        if cell * count > ROOM:
            cell, shown = max(ROOM / count, LEAST), False
    across, tall = max(cell, 26.0) if shown else cell, 26.0 if shown else cell
    numbered = not headed and shown and names != [str(i) for i in range(count)]
    labels = [f"{name}  {i}" if numbered else name for i, name in enumerate(names)]
    size = ROW if shown else min(ROW, tall)
    left = MARGIN + max(text_width(label, size) for label in labels) + 10.0
    title = f"Accuracy {found.accuracy:.4f}"
    parts = [_text(title, MARGIN, 22.0, TITLE, style.ink, bold=True)]
    axes = "rows: the class; columns: what it is taken for"
    parts.append(_text(axes, MARGIN, 44.0, CHIP, style.quiet))
    top = 86.0 if shown else 60.0
    sums = np.maximum(matrix.sum(1, keepdims=True), 1)
    for i in range(count):
        y = top + (i + 0.5) * tall
        label = labels[i]
        parts.append(_text(label, left - 10.0 - text_width(label, size), y, size, style.ink))
        if shown:
            head = names[i] if headed else str(i)
            x = left + (i + 0.5) * across - text_width(head, ROW) / 2
            parts.append(_text(head, x, top - 14.0, ROW, style.ink))
        for j in range(count) if shown else np.flatnonzero(matrix[i]):
            x, share = left + (j + 0.5) * across, float(matrix[i, j] / sums[i, 0])
            accent = style.stroke("dense" if i == j else "pooling")
            fill = mix(accent, style.background, 0.06 + 0.9 * share if share else 0.0)
            line = mix(style.line, style.background, 0.28)
            parts.append(_rect(Rect(x, y, across, tall), 0.0, fill, line, 0.8))
            if shown and matrix[i, j]:
                text = f"{matrix[i, j]:,}"
                ink = style.background if share > 0.55 else style.ink
                parts.append(_text(text, x - text_width(text, ROW) / 2, y, ROW, ink))
    width = max(left + count * across, MARGIN + text_width(axes, CHIP)) + MARGIN
    return page("confusion", [parts], style, 1, width, [top + count * tall + MARGIN])
