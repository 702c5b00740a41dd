"""What the explorer says of a part of a model beyond its box: its configuration and weights."""

import math
from typing import Any

import numpy as np

from lamina.core.configurable import Configurable, signature
from lamina.core.tracking import is_layer, unique
from lamina.core.variable import Variable
from lamina.view.cost import size_of
from lamina.view.facts import _equal, count_text, spec_text, value_text
from lamina.view.model_graph import Facts

BINS = 32
READ = 1 << 24
"""Numbers that are read of one weight: of a larger one every second, third, ... in order."""


def told(facts: Facts, inside: bool) -> dict[str, Any]:
    """The facts as JSON can hold them. No weight is made; those that have values are read.

    ``inside``: whether the parts are shown by themselves, and with them their weights.
    """
    step: Any = facts.step
    weights = unique(step.weights) if is_layer(step) else []
    each = [] if inside else [_weight(variable) for variable in weights]
    live = not inside and isinstance(facts.step, Configurable)
    more = {
        "input": ", ".join(dict.fromkeys(map(spec_text, facts.inputs))),
        "output": ", ".join(dict.fromkeys(map(spec_text, facts.outputs))),
        "dtype": str(getattr(getattr(step, "dtype_policy", None), "name", "")),
        "calls": str(facts.calls) if facts.calls > 1 else "",
        "FLOPs": count_text(facts.flops) if facts.flops else "",
        "is": ", ".join(facts.flags),
    }  # fmt: skip
    return {
        "params": facts.params, "trainable": facts.trainable, "weights": each,
        "bytes": sum(size_of(v.shape, v.dtype) for v in weights),
        "config": configuration(step) if live else [(*row, False) for row in facts.config],
        "broken": any(w["stats"] and w["stats"]["nan"] + w["stats"]["inf"] for w in each),
        "more": [row for row in more.items() if row[1]],
    }  # fmt: skip


def configuration(thing: Configurable) -> list[tuple[str, str, bool]]:
    """The constructor's arguments as they are now: name, text, whether that is the default."""
    parameters, rows = signature(type(thing).__init__).parameters, []
    for name in [name for name in thing._given if name != "name"]:
        value, default = thing._argument(name), getattr(parameters.get(name), "default", None)
        usual = _equal(value, default) or default is thing._given[name] is None
        rows.append((name, value_text(value), usual))
    return rows


def _weight(variable: Variable) -> dict[str, Any]:
    size, made = math.prod(variable.shape), variable.made and not variable.traced()
    return {
        "name": variable.name, "shape": " × ".join(map(str, variable.shape)) or "scalar",
        "dtype": variable.dtype, "size": size, "trainable": variable.trainable,
        "stats": statistics(np.asarray(variable.stored())) if made and size else None,
    }  # fmt: skip


def statistics(values: np.ndarray) -> dict[str, Any]:
    """Counts in equal bins and the usual figures, of the finite ones of at most `READ` numbers.

    >>> found = statistics(np.array([0.0, 1.0, 3.0, np.nan]))
    >>> found["mean"], found["zeros"], found["nan"], sum(found["counts"])
    (1.3333, 1, 1, 3)
    """
    flat = values.reshape(-1)[:: -(-values.size // READ)].astype(np.float64)
    finite = flat[np.isfinite(flat)]
    found: dict[str, Any] = {
        "read": flat.size,
        "zeros": int(np.count_nonzero(flat == 0)),
        "nan": int(np.count_nonzero(np.isnan(flat))),
        "inf": int(np.count_nonzero(np.isinf(flat))),
        "counts": [],
    }
    if finite.size:
        with np.errstate(over="ignore", invalid="ignore"):
            found |= {
                name: _rounded(getattr(finite, name)()) for name in ("min", "max", "mean", "std")
            }
        low, high = float(finite.min()), float(finite.max())
        if low == high:
            low, high = low - 0.5, high + 0.5
        bins = np.minimum((finite / (high - low) - low / (high - low)) * BINS, BINS - 1)
        counts = np.bincount(bins.astype(np.intp), minlength=BINS).tolist()
        found |= {"low": _rounded(low), "high": _rounded(high), "counts": counts}
    return found


def _rounded(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
