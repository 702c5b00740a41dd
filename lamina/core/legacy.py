"""Constructor arguments of older Keras that any layer still takes, and the error for the rest."""

from typing import Any

from lamina.core.configurable import signature
from lamina.core.errors import ArgumentError, explain, nearest

KNOWN = ("input_shape", "batch_input_shape", "input_dim", "input_length", "batch_shape",
         "batch_size", "input_dtype", "implementation", "ragged", "sparse",
         "synchronization")  # fmt: skip


def take_legacy_arguments(layer: Any, kwargs: dict[str, Any]) -> None:
    """Note the input shape that a first layer may be given, and refuse what nobody knows.

    Raises:
        ArgumentError: with the nearest name, when an argument is unknown.
    """
    for name in kwargs:
        if name not in KNOWN:
            raise ArgumentError(_unexpected(layer, name))
    batch = kwargs.get("batch_size")
    shape: Any = None
    if kwargs.get("input_shape") is not None:
        shape = (batch, *_sizes(kwargs["input_shape"]))
    elif kwargs.get("batch_input_shape", kwargs.get("batch_shape")) is not None:
        shape = tuple(kwargs.get("batch_input_shape") or kwargs["batch_shape"])
    elif kwargs.get("input_dim") is not None:
        length = kwargs.get("input_length")
        shape = (batch, *(_sizes(length) if length is not None else ()), kwargs["input_dim"])
    elif kwargs.get("input_length") is not None:
        shape = (batch, *_sizes(kwargs["input_length"]))
    if shape is not None:
        layer._lamina.given_input_shape = shape
        layer._lamina.given_input_dtype = kwargs.get("input_dtype")
    for name in kwargs:
        layer._given.pop(name, None)


def _sizes(shape: Any) -> tuple[Any, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _unexpected(layer: Any, name: str) -> str:
    known: list[str] = []
    for cls in type(layer).__mro__:
        if "__init__" in cls.__dict__ and cls is not object:
            known += [
                key for key in signature(cls.__init__).parameters if key not in ("self", "kwargs")
            ]
    known = [key for key in dict.fromkeys(known) if key not in ("args",)]
    return explain(
        f"{type(layer).__name__} has no argument '{name}'. {nearest(name, known)}".rstrip(),
        fix="use one of " + ", ".join(known),
    )
