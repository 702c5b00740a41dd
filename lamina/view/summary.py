"""`summary`: a model as a table, in a terminal, a file or a notebook; and the same as data.

No array is read or made: counts and sizes come from the variables' shapes and dtypes.
"""

import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lamina.core.errors import ArgumentError, DTypeError, describe_value, nearest
from lamina.core.tracking import is_layer, unique
from lamina.core.variable import Variable
from lamina.view.cost import Cost, Costs, cost, input_specs, size_of, step_costs
from lamina.view.facts import count_text
from lamina.view.flow import class_label, flow_of, is_model, shapes_text
from lamina.view.table import Table, bar, bytes_text


@dataclass(frozen=True)
class Row:
    """One step of a model.

    ``params`` is None for a layer that is not built, ``output_shape`` is "?" where unknown,
    ``trainable`` is None for what has no parameters, ``depth`` counts the nested models around it,
    ``cost`` is None where unknown or not asked for.
    """

    name: str
    class_name: str
    output_shape: str
    params: int | None
    connected_to: tuple[str, ...]
    trainable: bool | None
    depth: int = 0
    dtype: str = "?"
    cost: Cost | None = None


def summary_rows(
    model: Any, expand_nested: bool = False, layer_range: Sequence[str] | None = None,
    with_cost: bool = False, batch_size: int = 1, input_shapes: Any = None,
) -> list[Row]:  # fmt: skip
    """What `summary` prints, as data.

    Args:
        model: A model or any other layer, built or not.
        expand_nested: Whether to list what is inside nested models, after each.
        layer_range: Two patterns; the rows from the first layer whose name matches the first one to
            the last whose name matches the second.
        with_cost: Whether to find out what each step costs.
        batch_size, input_shapes: What stands for free sizes in the costs, as in `cost`.

    Raises:
        ArgumentError: when a pattern matches no layer.
    """
    if not is_layer(model):
        raise DTypeError("A summary is made of a model.", met=describe_value(model))
    rows: list[Row] = []
    inputs = input_specs(model, flow_of(model), batch_size, input_shapes)
    _collect(model, expand_nested, 0, rows, [inputs] if with_cost else [])
    return _between(rows, layer_range)


def _collect(layer: Any, expand: bool, depth: int, rows: list[Row], calls: list[Any]) -> None:
    """Add the rows of a layer; ``calls`` are the inputs of each of its calls, for the costs."""
    flow = flow_of(layer)
    costs = [step_costs(flow, inputs) for inputs in calls]
    chained = hasattr(layer, "_tensors")  # in a Sequential the input is no layer
    for step in flow.steps:
        own, nodes = flow.own(step), flow.nodes_of(step)
        if getattr(own, "is_input", False) and chained:
            continue
        outputs = [x for node in nodes for x in node.outputs]
        shapes = list(dict.fromkeys(x.shape for x in outputs))
        records = [x.record for node in nodes for x in node.inputs if x.record is not None]
        came = [
            f"{flow.own(source).name}[{call}][{place}]"
            for source, call, place in records
            if not (chained and getattr(source, "is_input", False))
        ]
        weights = own.weights if is_layer(own) else []
        built = not is_layer(own) or own.built
        params = sum(math.prod(v.shape) for v in weights) if built else None
        dtype = ", ".join(dict.fromkeys(x.dtype for x in outputs)) or getattr(own, "dtype", "?")
        rows.append(Row(
            own.name, class_label(own), shapes_text(shapes), params, tuple(came),
            own.trainable if weights else None, depth, dtype, _cost_of(id(step), costs),
        ))  # fmt: skip
        if expand and is_model(own):
            _collect(own, expand, depth + 1, rows, [x for c in costs for x in c.inputs[id(step)]])


def _cost_of(step: int, costs: list[Costs]) -> Cost | None:
    found = [each.steps[step] for each in costs]
    if not found or found[0] is None or None in found:
        return None
    whole = sum((each for each in found if each), Cost())
    return replace(whole, parameters=found[0].parameters)


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
    model: Any, line_length: int | None = None, positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None, expand_nested: bool = False,
    show_trainable: bool = False, layer_range: Sequence[str] | None = None, *,
    show_dtype: bool = False, show_macs: bool = False, show_flops: bool = False,
    show_memory: bool = False, show_share: bool = False, batch_size: int = 1,
    input_shapes: Any = None,
) -> None:  # fmt: skip
    """Print the layers of a model with shapes, parameters and connections, and the totals.

    In a terminal cells are folded to its width; in a notebook it is HTML; in a file, a pipe or for
    ``print_fn`` it is text as wide as it needs. No cell is ever cut.

    Args:
        model: A model or any other layer, built or not; '?' stands for what is not known yet.
        line_length: Width in characters to fold the table to.
        positions: Where the columns end, as parts of the width (below or equal 1) or characters.
        print_fn: Called once with the whole text, in place of printing.
        expand_nested: Whether to list what is inside nested models.
        show_trainable: Whether to say which layers are trained.
        layer_range: Two patterns for the names of the first and last layer to list.
        show_dtype: Whether to say in which dtype each layer's output is.
        show_macs: Whether to count multiply-adds of matrix products and convolutions.
        show_flops: Whether to count floating-point operations, two of them for a multiply-add.
        show_memory: Whether to show the bytes of each layer's output.
        show_share: Whether to show each layer's share of the parameters, as a bar.
        batch_size, input_shapes: What stands for free sizes in the costs, as in `cost`.

    >>> import lamina as keras
    >>> chain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, name="a")], name="chain")
    >>> summary(chain, show_macs=True)
    Model: "chain"
    ┌──────────────┬──────────────┬─────────┬───────────────┐
    │ Layer (type) │ Output Shape │ Param # │ Multiply-adds │
    ├──────────────┼──────────────┼─────────┼───────────────┤
    │ a (Dense)    │ (None, 4)    │      16 │            12 │
    └──────────────┴──────────────┴─────────┴───────────────┘
     Total params: 16 (64.00 B)
     Trainable params: 16 (64.00 B)
     Non-trainable params: 0 (0.00 B)
     Multiply-adds: 12 for a batch of 1
    """
    costs = {"macs": show_macs, "flops": show_flops, "activations": show_memory}
    shown = [name for name, wanted in costs.items() if wanted]
    given: dict[str, Any] = {"batch_size": batch_size, "input_shapes": input_shapes}
    every = summary_rows(model, expand_nested, with_cost=bool(shown), **given)
    count = sum(math.prod(v.shape) for v in unique(model.weights))
    columns: dict[str, Callable[[Row], str]] = {"Layer (type)": _title}
    columns["Output Shape"] = lambda row: row.output_shape
    if show_dtype:
        columns["Dtype"] = lambda row: row.dtype
    columns["Param #"] = lambda row: "? (unbuilt)" if row.params is None else f"{row.params:,}"
    if show_share:
        columns["Share"] = lambda row: bar(row.params / count) if row.params and count else "-"
    for name in shown:
        columns[COSTS[name]] = lambda row, name=name: _cost_text(row.cost, name)
    if show_trainable:
        columns["Trainable"] = lambda row: {True: "Y", False: "N", None: "-"}[row.trainable]
    if not _is_chain(every):
        columns["Connected to"] = lambda row: ",\n".join(row.connected_to) or "-"
    notes = _totals(model, every)
    whole = cost(model, **given) if shown else None
    for name in shown:
        rows = f" for a batch of {batch_size}" if whole and input_shapes is None else ""
        notes.append(f"{COSTS[name]}: {_cost_text(whole, name)}{rows}")
    listed = _between(every, layer_range)
    body = [[cell(row) for cell in columns.values()] for row in listed]
    right = {"Param #", "Share", *COSTS.values()}
    table = Table(f'Model: "{model.name}"', list(columns), body, notes, right, STACKS)
    table.show(line_length, positions, print_fn)


COSTS = {"macs": "Multiply-adds", "flops": "FLOPs", "activations": "Activations"}
"""The heads of the columns of costs."""
STACKS = (
    ("FLOPs", "Multiply-adds"), ("Dtype", "Output Shape"), ("Share", "Param #"),
    ("Activations", "FLOPs"), ("Activations", "Multiply-adds"), ("Trainable", "Param #"),
    ("Param #", "Output Shape"),
)  # fmt: skip
"""Columns that go below others in a narrow table, in this order."""


def _title(row: Row) -> str:
    return "   " * (row.depth - 1) + "└ " * (row.depth > 0) + f"{row.name} ({row.class_name})"


def _cost_text(cost: Cost | None, name: str) -> str:
    if cost is None or not getattr(cost, name):
        return "?" if cost is None else "0"
    return (bytes_text if name == "activations" else count_text)(getattr(cost, name))


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
    count = sum(math.prod(variable.shape) for variable in variables)
    size = sum(size_of(variable.shape, variable.dtype) for variable in variables)
    return f"{count:,} ({bytes_text(size)})"
