"""What the explorer says of a part of a model beyond its box: its configuration and weights."""

import math
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.configurable import Configurable, signature
from lamina.core.tracking import is_layer, unique
from lamina.core.variable import Variable
from lamina.view.facts import _equal, count_text, spec_text
from lamina.view.model_graph import Facts

BINS = 32
READ = 1 << 24
"""Numbers that are read of one weight: of a larger one every second, third, ... in order."""
LONGEST, MOST = 300, 12
"""Characters of a value, and parts of a list or dict, that are shown."""


def told(facts: Facts, inside: bool) -> dict[str, Any]:
    """The facts as JSON can hold them. No weight is made; those that have values are read.

    ``inside``: whether the parts are shown by themselves, and with them their weights.
    """
    step = facts.step
    weights = unique(step.weights) if is_layer(step) else []
    shown_weights = [] if inside else [_weight(variable) for variable in weights]
    more = [
        (side, _together(map(spec_text, specs)))
        for side, specs in (("input", facts.inputs), ("output", facts.outputs))
        if specs
    ]
    if is_layer(step):
        more.append(("dtype", step.dtype_policy.name))
    if facts.calls > 1:
        more.append(("called", f"{facts.calls} times, with the same weights"))
    if facts.flops:
        more.append(("FLOPs", count_text(facts.flops)))
    if facts.flags:
        more.append(("is", ", ".join(facts.flags)))
    config = [(key, text, False) for key, text in facts.config]
    if isinstance(step, Configurable) and not inside:
        config = configuration(step)
    return {
        "class": "" if step is None else f"{type(step).__module__}.{type(step).__qualname__}",
        "params": facts.params,
        "trainable": facts.trainable,
        "bytes": memory(weights),
        "config": config,
        "weights": shown_weights,
        "broken": any(w["stats"] and w["stats"]["nan"] + w["stats"]["inf"] for w in shown_weights),
        "more": more,
    }


def _together(texts: Iterable[str]) -> str:
    return "\n".join(dict.fromkeys(texts))


def configuration(thing: Configurable) -> list[tuple[str, str, bool]]:
    """The constructor's arguments as they are now: name, text, whether that is the default."""
    parameters = signature(type(thing).__init__).parameters
    rows = []
    for name in [key for key in thing._given if key != "name"]:
        value, default = thing._argument(name), getattr(parameters.get(name), "default", None)
        usual = _equal(value, default) or default is thing._given[name] is None
        rows.append((name, shown(value), usual))
    return rows


def shown(value: Any, depth: int = 0) -> str:
    """A value of a configuration, live or from a file, in a line.

    >>> shown({"class_name": "L2", "config": {"l2": 0.01}}), shown([1, (2, None)])
    ('L2(l2=0.01)', '(1, (2, None))')
    """
    if isinstance(value, str):
        text = value
    elif isinstance(value, float):
        text = f"{value:g}"
    elif value is None or isinstance(value, (bool, int)):
        text = str(value)
    elif depth > 4:
        text = "…"
    elif isinstance(value, dict) and "class_name" in value:
        inner = value.get("config")
        inner = inner if isinstance(inner, dict) else {}
        given = [(key, each) for key, each in inner.items() if each is not None]
        text = _called(str(value["class_name"]), given, depth)
    elif isinstance(value, dict):
        text = (
            "{" + _joined(f"{key}: {shown(each, depth + 1)}" for key, each in value.items()) + "}"
        )
    elif isinstance(value, (list, tuple)):
        text = "(" + _joined(shown(each, depth + 1) for each in value) + ")"
    elif isinstance(value, Configurable):
        given = [(name, text) for name, text, usual in configuration(value) if not usual]
        text = _called(type(value).__name__, given, depth)
    elif hasattr(value, "shape") and hasattr(value, "dtype"):
        text = f"{value.dtype} array of shape {tuple(value.shape)}"
    else:
        name = getattr(value, "__name__", None) or getattr(value, "name", None)
        text = str(name or type(value).__name__)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _called(name: str, arguments: list[tuple[str, Any]], depth: int) -> str:
    inside = _joined(f"{key}={shown(value, depth + 1)}" for key, value in arguments)
    return f"{name}({inside})" if inside else name


def _joined(parts: Iterable[str]) -> str:
    parts = list(parts)
    return ", ".join(parts[:MOST] + ["…"] * (len(parts) > MOST))


def memory(weights: list[Variable]) -> int:
    """Bytes that these weights have, or will have."""
    return sum(math.prod(v.shape) * jnp.dtype(v.dtype).itemsize for v in weights)


def _weight(variable: Variable) -> dict[str, Any]:
    values = variable.stored() if variable.made and not variable.traced() else None
    return {
        "name": variable.name,
        "shape": " × ".join(map(str, variable.shape)) or "scalar",
        "dtype": variable.dtype,
        "size": math.prod(variable.shape),
        "trainable": variable.trainable,
        "stats": None if values is None or not values.size else statistics(np.asarray(values)),
    }


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
