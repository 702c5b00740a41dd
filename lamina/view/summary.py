"""`summary`: a model as a table, in a terminal, a file or a notebook; and the same as data.

No array is read or made: counts and sizes come from the variables' shapes and dtypes.
"""

import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax.numpy as jnp

from lamina.core.errors import ArgumentError, DTypeError, describe_value, nearest
from lamina.core.operation import FunctionOperation, Operation
from lamina.core.tracking import is_layer, unique
from lamina.core.variable import Variable
from lamina.view.flow import class_label, flow_of, is_model, shapes_text


@dataclass(frozen=True)
class Row:
    """One step of a model.

    ``params`` is None for a layer that is not built, ``output_shape`` is "?" where unknown,
    ``trainable`` is None for what has no parameters, ``depth`` counts the nested models around it.
    """

    name: str
    class_name: str
    output_shape: str
    params: int | None
    connected_to: tuple[str, ...]
    trainable: bool | None
    depth: int = 0


def summary_rows(
    model: Any, expand_nested: bool = False, layer_range: Sequence[str] | None = None
) -> list[Row]:
    """What `summary` prints, as data.

    Args:
        model: A model or any other layer, built or not.
        expand_nested: Whether to list what is inside nested models, after each.
        layer_range: Two patterns; the rows from the first layer whose name matches the first one to
            the last whose name matches the second.

    Raises:
        ArgumentError: when a pattern matches no layer.
    """
    if not is_layer(model):
        raise DTypeError("A summary is made of a model.", met=describe_value(model))
    rows: list[Row] = []
    _collect(model, expand_nested, 0, rows)
    return _between(rows, layer_range)


def _collect(layer: Any, expand: bool, depth: int, rows: list[Row]) -> None:
    flow = flow_of(layer)
    chained = hasattr(layer, "_tensors")  # in a Sequential the input is no layer
    for step in flow.steps:
        own, nodes = flow.own(step), flow.nodes_of(step)
        if getattr(own, "is_input", False) and chained:
            continue
        shapes = list(dict.fromkeys(x.shape for node in nodes for x in node.outputs))
        came = [x.record for node in nodes for x in node.inputs if x.record is not None]
        came = [
            record for record in came if not (chained and getattr(record[0], "is_input", False))
        ]
        weights = own.weights if is_layer(own) else []
        built = not is_layer(own) or own.built
        rows.append(
            Row(
                own.name,
                _class_name(own),
                shapes_text(shapes),
                sum(math.prod(v.shape) for v in weights) if built else None,
                tuple(f"{flow.own(source).name}[{n}][{k}]" for source, n, k in came),
                own.trainable if weights else None,
                depth,
            )
        )
        if expand and is_model(own):
            _collect(own, expand, depth + 1, rows)


def _class_name(step: Operation) -> str:
    label = class_label(step)
    if isinstance(step, FunctionOperation):
        return "".join(part.capitalize() for part in label.split("_"))
    return label


def _between(rows: list[Row], layer_range: Sequence[str] | None) -> list[Row]:
    if layer_range is None:
        return rows
    if len(layer_range) != 2:
        raise ArgumentError(f"layer_range takes two patterns, not {len(layer_range)}.")
    top = [row.name for row in rows if row.depth == 0]
    first, last = ([n for n in top if re.match(pattern, n)] for pattern in layer_range)
    for pattern, found in zip(layer_range, (first, last), strict=True):
        if not found:
            hint = nearest(pattern, top)
            raise ArgumentError(
                f"layer_range: no layer's name matches {pattern!r}. {hint}".rstrip()
            )
    start, end = sorted((top.index(first[0]), top.index(last[-1])))
    kept, index = [], -1
    for row in rows:
        index += row.depth == 0
        if start <= index <= end:
            kept.append(row)
    return kept


def summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print the layers of a model with shapes, parameters and connections, and the totals.

    In a terminal cells are folded to its width; in a notebook it is HTML; in a file, a pipe or for
    ``print_fn`` it is plain text as wide as it needs. No cell is ever cut.

    Args:
        model: A model or any other layer, built or not; '?' stands for what is not known yet.
        line_length: Width in characters to fold the table to.
        positions: Where the columns end, as parts of the width (below or equal 1) or characters.
        print_fn: Called once with the whole text, in place of printing.
        expand_nested: Whether to list what is inside nested models.
        show_trainable: Whether to say which layers are trained.
        layer_range: Two patterns for the names of the first and last layer to list.
    """
    every = summary_rows(model, expand_nested)
    rows = _between(every, layer_range)
    table = _cells(rows, not _is_chain(every), show_trainable)
    title, notes = f'Model: "{model.name}"', _totals(model, every)
    if print_fn is None and line_length is None and positions is None and not _is_screen():
        print(_printable(plain_text(title, *table, notes)))
        return
    if print_fn is not None and line_length is None and positions is None:
        print_fn(plain_text(title, *table, notes))
        return
    _rich(title, *table, notes, line_length, positions, print_fn)


def _printable(text: str) -> str:
    """The text in characters that standard output can write."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        plain = text.translate(dict(zip(map(ord, "┌┬┐├┼┤└┴┘─│"), "+++++++++-|", strict=True)))
        return plain.encode(encoding, "replace").decode(encoding)
    return text


def _is_screen() -> bool:
    """Whether output goes to a terminal or a notebook."""
    if sys.stdout.isatty() or "IPython" not in sys.modules:
        return sys.stdout.isatty()
    from rich.console import Console

    return Console().is_jupyter


def _cells(
    rows: list[Row], connections: bool, show_trainable: bool
) -> tuple[list[str], list[list[str]]]:
    """The head and the cells of the table; a cell may have several lines."""
    head = ["Layer (type)", "Output Shape", "Param #"]
    head += ["Connected to"] * connections + ["Trainable"] * show_trainable
    body = []
    for row in rows:
        indent = "   " * (row.depth - 1) + "└ " * (row.depth > 0)
        params = "? (unbuilt)" if row.params is None else f"{row.params:,}"
        cells = [f"{indent}{row.name} ({row.class_name})", row.output_shape, params]
        if connections:
            cells.append(",\n".join(row.connected_to) or "-")
        if show_trainable:
            cells.append({True: "Y", False: "N", None: "-"}[row.trainable])
        body.append(cells)
    return head, body


def _is_chain(rows: list[Row]) -> bool:
    """Whether each step only takes what the one before it gives, so that the order says it all."""
    top = [row for row in rows if row.depth == 0]
    return all(
        len(row.connected_to) < 2 and all(x.startswith(f"{before.name}[") for x in row.connected_to)
        for before, row in pairwise(top)
    )


def _totals(model: Any, rows: list[Row]) -> list[str]:
    weights = unique(model.weights)
    trained = {id(v) for v in model.trainable_variables}
    optimizer = getattr(model, "optimizer", None)
    extra = list(getattr(optimizer, "variables", [])) if getattr(optimizer, "built", False) else []
    groups = {
        "Total params": [*weights, *extra],
        "Trainable params": [v for v in weights if id(v) in trained],
        "Non-trainable params": [v for v in weights if id(v) not in trained],
    }
    if extra:
        groups["Optimizer params"] = extra
    unbuilt = [row.name for row in rows if row.params is None]
    lines = [f"{label}: {_at_least(found, unbuilt)}" for label, found in groups.items()]
    if unbuilt:
        more = f" and {len(unbuilt) - 5} more" if len(unbuilt) > 5 else ""
        lines.append(f"Not built yet: {', '.join(unbuilt[:5])}{more}. Shapes and parameters are")
        lines.append("known once the model begins with an Input, is built, or is called on data.")
    return lines


def _at_least(variables: list[Variable], unbuilt: list[str]) -> str:
    if not unbuilt:
        return count_and_size(variables)
    return f"at least {count_and_size(variables)}" if variables else "?"


def count_and_size(variables: Iterable[Variable]) -> str:
    """Number of elements and size in memory.

    >>> count_and_size([Variable("zeros", (10, 10), "float32")])
    '100 (400.00 B)'
    """
    count, size = 0, 0.0
    for variable in variables:
        elements = math.prod(variable.shape)
        count += elements
        size += elements * _bytes(variable.dtype)
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{count:,} ({size:.2f} {_UNITS[unit]})"


_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def _bytes(dtype: str) -> float:
    return 0.5 if dtype in ("int4", "uint4") else jnp.dtype(dtype).itemsize


def plain_text(title: str, head: list[str], body: list[list[str]], notes: list[str]) -> str:
    """The table as text without colours, each column as wide as its widest line."""
    lines = [[cell.split("\n") for cell in cells] for cells in [head, *body]]
    widths = [
        max(len(part) for cells in lines for part in cells[column]) for column in range(len(head))
    ]
    right = head.index("Param #")

    def rule(left: str, middle: str, end: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + end

    printed = [title, rule("┌", "┬", "┐")]
    for index, cells in enumerate(lines):
        for number in range(max(map(len, cells))):
            parts = [cell[number] if number < len(cell) else "" for cell in cells]
            shown = [
                f" {part:>{width}} " if column == right else f" {part:<{width}} "
                for column, (part, width) in enumerate(zip(parts, widths, strict=True))
            ]
            printed.append("│" + "│".join(shown) + "│")
        if index == 0:
            printed.append(rule("├", "┼", "┤"))
    return "\n".join([*printed, rule("└", "┴", "┘"), *(f" {note}" for note in notes)])


def _rich(
    title: str,
    head: list[str],
    body: list[list[str]],
    notes: list[str],
    line_length: int | None,
    positions: Sequence[float] | None,
    print_fn: Callable[[str], Any] | None,
) -> None:
    """The table by rich, which folds cells to the width and knows terminals and notebooks."""
    from rich import box
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

    console = Console(width=line_length, color_system="auto" if print_fn is None else None)
    table = Table(box=box.SQUARE, header_style="bold")
    widths = _widths(head, positions, console.width)
    for name, width in zip(head, widths, strict=True):
        justify = "right" if name == "Param #" else "left"
        table.add_column(name, justify=justify, overflow="fold", width=width)
    for cells in body:
        table.add_row(*(Text(cell) for cell in cells))
    text = [Text(title, "bold"), table, *(Text(f" {note}") for note in notes)]
    if print_fn is None:
        console.print(Group(*text))
        return
    with console.capture() as capture:
        console.print(Group(*text))
    print_fn(capture.get().rstrip("\n"))


def _widths(
    head: list[str], positions: Sequence[float] | None, total: int
) -> list[int] | list[None]:
    if positions is None:
        return [None] * len(head)
    if len(positions) < len(head):
        raise ArgumentError(f"positions has {len(positions)} numbers for {len(head)} columns.")
    ends = [round(p * total) if max(positions) <= 1 else int(p) for p in positions[: len(head)]]
    starts = [0, *ends]
    return [max(1, end - start - 3) for start, end in zip(starts, ends, strict=False)]
