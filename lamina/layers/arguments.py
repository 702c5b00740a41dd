"""Checks of constructor arguments that several families of layers share."""

from typing import Any

import numpy as np

from lamina.core.errors import ArgumentError, DTypeError, ShapeError, unknown
from lamina.core.settings import DATA_FORMATS, settings
from lamina.core.types import Config, Shape


def positive(layer: Any, name: str, value: Any) -> int:
    """``value`` if it is an int of 1 or more; else an error that names the argument.

    >>> positive(None, "units", 3)
    3
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 0:
        return int(value)
    raise ArgumentError(
        f"{type(layer).__name__} needs a positive int as `{name}`.",
        met=f"{name}={value!r}",
        fix="pass the shape without its unknown sizes" if isinstance(value, tuple) else "",
    )


def sizes(layer: Any, name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """``count`` ints of at least ``least``, from as many or from one that stands for all.

    >>> sizes(None, "strides", 2, 3)
    (2, 2, 2)
    """
    given = (value,) * count if isinstance(value, (int, np.integer)) else value
    if isinstance(given, (list, tuple)) and len(given) == count:
        if all(isinstance(each, (int, np.integer)) and each >= least for each in given):
            return tuple(int(each) for each in given)
    raise ArgumentError(
        f"{type(layer).__name__} needs an int of {least} or more, or {count} of them, as `{name}`.",
        met=f"{name}={value!r}",
    )


def data_format(value: str | None) -> str:
    """Where the channels are: ``value``, or the process's setting when it is None.

    >>> data_format("channels_first")
    'channels_first'
    """
    if value is None:
        return settings.image_data_format
    if value not in DATA_FORMATS:
        raise unknown("data_format", value, DATA_FORMATS)
    return value


def known_size(layer: Any, shape: Shape, axis: int = -1) -> int:
    """The size of an axis that a weight's shape depends on.

    Raises:
        ShapeError: when the input has no such axis, or its size is unknown.
    """
    size = shape[axis] if -len(shape) <= axis < len(shape) else None
    if size is None:
        raise ShapeError(
            f"{layer._who()} has weights of the size of the input's axis {axis}, which is "
            "not known.",
            met=f"input shape {tuple(shape)}",
            fix="give that size in the shape of the Input",
        )
    return size


def axes(layer: Any, axis: Any) -> int | list[int]:
    """``axis`` if it is an int, or several as a list; else an error that names the layer.

    >>> axes(None, (1, 2))
    [1, 2]
    """
    if isinstance(axis, int):
        return axis
    if isinstance(axis, (list, tuple)) and all(isinstance(each, int) for each in axis):
        return list(axis)
    raise DTypeError(
        f"{type(layer).__name__} needs an int, or several, as `axis`.", met=f"axis={axis!r}"
    )


def with_activity_regularizer(config: Config) -> Config:
    """The config with an activity regularizer, which some of Keras's layers write when None too."""
    return {"activity_regularizer": None, **config} if "dtype" in config else config
