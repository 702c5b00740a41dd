"""`summary`: a model as a table, in a terminal, a file or a notebook; and the same as data.

No array is read or made: counts and sizes come from the variables' shapes and dtypes.
"""

import itertools
import math
import operator
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp

from lamina.core.errors import ArgumentError, DTypeError, describe_value, nearest
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
        records = [x.record for node in nodes for x in node.inputs if x.record is not None]
        came = [
            f"{flow.own(source).name}[{call}][{place}]"
            for source, call, place in records
            if not (chained and getattr(source, "is_input", False))
        ]
        weights = own.weights if is_layer(own) else []
        built = not is_layer(own) or own.built
        params = sum(math.prod(v.shape) for v in weights) if built else None
        trainable = own.trainable if weights else None
        output, label = shapes_text(shapes), class_label(own)
        rows.append(Row(own.name, label, output, params, tuple(came), trainable, depth))
        if expand and is_model(own):
            _collect(own, expand, depth + 1, rows)


def _between(rows: list[Row], layer_range: Sequence[str] | None) -> list[Row]:
    if layer_range is None:
        return rows
    if len(layer_range) != 2:
        raise ArgumentError(f"layer_range takes two patterns, not {len(layer_range)}.")
    top = [row.name for row in rows if row.depth == 0]
    first, last = ([n for n in top if re.match(pattern, n)] for pattern in layer_range)
    for pattern, found in zip(layer_range, (first, last), strict=True):
        if not found:
            hint = f"layer_range: no layer's name matches {pattern!r}. {nearest(pattern, top)}"
            raise ArgumentError(hint.rstrip())
    start, end = sorted((top.index(first[0]), top.index(last[-1])))
    begun = itertools.accumulate(row.depth == 0 for row in rows)
    return [row for row, count in zip(rows, begun, strict=True) if start < count <= end + 1]


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
    cells = _cells(_between(every, layer_range), not _is_chain(every), show_trainable)
    table = _Table(f'Model: "{model.name}"', *cells, _totals(model, every))
    fitted = line_length is not None or positions is not None
    if fitted or (print_fn is None and _is_screen()):
        _rich(table, line_length, positions, print_fn)
    else:
        (print_fn or _print)(plain_text(table))


class _Table(NamedTuple):
    """What is printed; a cell may have several lines."""

    title: str
    head: list[str]
    body: list[list[str]]
    notes: list[str]


def _print(text: str) -> None:
    """Print in characters that standard output can write."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        plain = text.translate(str.maketrans("┌┬┐├┼┤└┴┘─│", "+++++++++-|"))
        text = plain.encode(encoding, "replace").decode(encoding)
    print(text)


def _is_screen() -> bool:
    """Whether output goes to a terminal or a notebook."""
    if sys.stdout.isatty() or "IPython" not in sys.modules:
        return sys.stdout.isatty()
    from rich.console import Console

    return Console().is_jupyter


def _cells(
    rows: list[Row], connections: bool, show_trainable: bool
) -> tuple[list[str], list[list[str]]]:
    """The head and the cells of the table."""
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
        for before, row in itertools.pairwise(top)
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
    lines = []
    for label, found in groups.items():
        counted = count_and_size(found) if found or not unbuilt else "?"
        lines.append(f"{label}: {'at least ' if found and unbuilt else ''}{counted}")
    if unbuilt:
        more = f" and {len(unbuilt) - 5} more" if len(unbuilt) > 5 else ""
        lines.append(f"Not built yet: {', '.join(unbuilt[:5])}{more}. Shapes and parameters are")
        lines.append("known once the model begins with an Input, is built, or is called on data.")
    return lines


def count_and_size(variables: list[Variable]) -> str:
    """Number of elements and size in memory.

    >>> count_and_size([Variable("zeros", (10, 10), "float32")])
    '100 (400.00 B)'
    """
    counts = [math.prod(variable.shape) for variable in variables]
    widths = [
        0.5 if variable.dtype in ("int4", "uint4") else jnp.dtype(variable.dtype).itemsize
        for variable in variables
    ]
    size, unit = float(sum(map(operator.mul, counts, widths))), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{sum(counts):,} ({size:.2f} {_UNITS[unit]})"


_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def plain_text(table: _Table) -> str:
    """The table as text without colours, each column as wide as its widest line."""
    lines = [[cell.split("\n") for cell in cells] for cells in (table.head, *table.body)]
    widths = [max(map(len, itertools.chain(*column))) for column in zip(*lines, strict=True)]
    aligned = [">" if name == "Param #" else "<" for name in table.head]

    def rule(left: str, middle: str, end: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + end

    printed = []
    for cells in lines:
        for parts in itertools.zip_longest(*cells, fillvalue=""):
            shown = map("{:{}{}}".format, parts, aligned, widths)
            printed.append(f"│ {' │ '.join(shown)} │")
    printed.insert(1, rule("├", "┼", "┤"))
    top, bottom = rule("┌", "┬", "┐"), rule("└", "┴", "┘")
    return "\n".join([table.title, top, *printed, bottom, *(f" {note}" for note in table.notes)])


def _rich(
    given: _Table,
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
    widths = _widths(len(given.head), positions, console.width)
    for name, width in zip(given.head, widths, strict=True):
        justify = "right" if name == "Param #" else "left"
        table.add_column(name, justify=justify, overflow="fold", width=width)
    for cells in given.body:
        table.add_row(*map(Text, cells))
    text = Group(Text(given.title, "bold"), table, *(Text(f" {note}") for note in given.notes))
    if print_fn is None:
        console.print(text)
        return
    with console.capture() as capture:
        console.print(text)
    print_fn(capture.get().rstrip("\n"))


def _widths(count: int, positions: Sequence[float] | None, total: int) -> list[int] | list[None]:
    if positions is None:
        return [None] * count
    if len(positions) < count:
        raise ArgumentError(f"positions has {len(positions)} numbers for {count} columns.")
    ends = [round(p * total) if max(positions) <= 1 else int(p) for p in positions[:count]]
    return [max(1, end - start - 3) for start, end in itertools.pairwise([0, *ends])]
