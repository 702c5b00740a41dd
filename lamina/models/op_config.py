"""Ops in a graph's config, as Keras writes them: a class for each, its static arguments inside."""

import inspect
from typing import Any

from lamina.core.configurable import signature
from lamina.core.errors import FileError
from lamina.core.operation import OPS, FunctionOperation
from lamina.core.registry import serialize
from lamina.core.types import Config, Nest
from lamina.ops import names


def _signature(function: str) -> inspect.Signature:
    return signature(OPS[function].plain)  # type: ignore[attr-defined]


def write(op: FunctionOperation, static: dict[str, Any]) -> Config:
    """The stored form of an op with its static arguments."""
    module, class_name = names.keras_name(op.function)
    config = {key: _plain(value) for key, value in static.items()}
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": op.name, **config},
        "registered_name": class_name,
    }


def _plain(value: Any) -> Any:
    return (
        [_plain(each) for each in value] if isinstance(value, (list, tuple)) else serialize(value)
    )


def is_op(config: Config) -> bool:
    """Whether a stored form is that of an op."""
    module = config.get("module")
    return isinstance(module, str) and module.startswith(("keras.src.ops.", "keras.ops"))


class StoredOp:
    """An op from its stored form, to be called with the arguments of its calls.

    Raises:
        FileError: when there is no such op.
    """

    def __init__(self, config: Config) -> None:
        class_name = str(config.get("class_name"))
        function = names.function_of(class_name)
        if function is None:
            raise FileError(f"The file uses an op '{class_name}' that does not exist.")
        self.function = function
        given = dict(config.get("config") or {})
        self.name = given.pop("name", None)
        known = _signature(function).parameters
        self.static = {key: _tuples(value) for key, value in given.items() if key in known}

    def __call__(self, *args: Any, **kwargs: Any) -> Nest:
        parameters = list(_signature(self.function).parameters.values())
        op = FunctionOperation(self.function, self.name)
        kinds = [parameter.kind for parameter in parameters]
        if inspect.Parameter.VAR_POSITIONAL in kinds:
            before = [p.name for p in parameters[: kinds.index(inspect.Parameter.VAR_POSITIONAL)]]
            first = [self.static[name] for name in before]
            operands = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
            rest = {name: value for name, value in self.static.items() if name not in before}
            return op(*first, *operands, **kwargs, **rest)
        free = [p.name for p in parameters if p.name not in self.static]
        named = dict(zip(free, (_tuples(each) for each in args), strict=False))
        bound = _signature(self.function).bind(**{**named, **kwargs, **self.static})
        return op(*bound.args, **bound.kwargs)  # in the order in which they were given first


def _tuples(value: Any) -> Any:
    """Lists of plain values as tuples: shapes, axes and keys have to be hashable."""
    if isinstance(value, list) and not any(hasattr(each, "to_symbolic_config") for each in value):
        return tuple(_tuples(each) for each in value)
    return value
