"""Functions of Lamina with TensorFlow's names and parameters, from tables of a word for each."""

import ast
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from jax.core import Tracer

from lamina import ops
from lamina.compat import tape
from lamina.compat.keras_names import words
from lamina.core import random
from lamina.core.errors import ArgumentError, nearest

_STATIC = frozenset("axis shape perm depth dims multiples noise_shape num num_rows num_columns "
                    "paddings k num_segments axes repeats shift".split())  # fmt: skip
_sources: dict[int, random.SeedGenerator] = {}


def set_seed(seed: int) -> None:
    """Set the global seed; draws with a seed of their own begin anew too."""
    _sources.clear()
    random.set_seed(seed)


def signatures(text: str, room: Any = ops) -> dict[str, Any]:
    """Functions of a room by words ``name=function(parameters)``.

    The parameters are TensorFlow's, in the order of the function's own. ``a=3`` has this default,
    ``a>b`` goes to the function's parameter ``b``, ``-a`` may only be left out.

    >>> signatures("gather=take(params,indices,axis=0)")["gather"]([5, 6], indices=1).numpy()
    np.int32(6)
    """
    found: dict[str, Any] = {}
    for name, parameters in re.findall(r"(\S+?)\(([^)]*)\)", text):
        found |= adapted(name, parameters, room)
    return found


def adapted(names: str, parameters: str, room: Any = ops) -> dict[str, Any]:
    """Several functions of a room that have the same parameters, as `signatures` reads them."""
    return {
        name: _adapt(name, getattr(room, own), parameters) for name, own in words(names).items()
    }


def _adapt(name: str, function: Callable[..., Any], parameters: str) -> Callable[..., Any]:
    own = iter(inspect.signature(function).parameters)
    targets: dict[str, str] = {}
    defaults: dict[str, Any] = {}
    order = []
    pattern = r"(-?)(\w+)(?:>(\w+))?(?:=([^,\s]+))?"
    for barred, known, target, default in re.findall(pattern, parameters):
        order.append(known)
        if not barred:
            targets[known] = target or next(own)
        if default:
            literal = default == "True" or not default.isidentifier()
            defaults[known] = ast.literal_eval(default) if literal else default

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if len(args) > len(order):
            raise ArgumentError(f"tf.{name} takes at most {len(order)} arguments.")
        given = {**dict(zip(order, args, strict=False)), **kwargs}
        given = {**defaults, **{key: each for key, each in given.items() if each is not None}}
        for key in given.keys() - targets.keys():
            hint = "Lamina has no such option." if key in order else nearest(key, targets)
            what = f"tf.{name} does not take '{key}' here. {hint}".rstrip()
            raise ArgumentError(what, fix=f"it takes {', '.join(targets)}")
        return tape.run(function, (), {targets[k]: _converted(k, v) for k, v in given.items()})

    wrapper.__name__ = wrapper.__qualname__ = name
    wrapper.__doc__ = function.__doc__
    return wrapper


def _converted(parameter: str, value: Any) -> Any:
    if parameter == "seed" and not isinstance(value, random.SeedGenerator):
        return _sources.setdefault(int(value), random.SeedGenerator(int(value)))
    return _static(value) if parameter in _STATIC else value


def _static(value: Any) -> Any:
    """Arguments that say how to compute, as Python's ints and tuples."""
    if isinstance(value, (list, tuple)):
        return tuple(_static(each) for each in value)
    if hasattr(value, "__array__") and not isinstance(value, Tracer):
        return _static(np.asarray(value).tolist())
    return value
