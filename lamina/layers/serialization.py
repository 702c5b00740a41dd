"""Layers to configs and back."""

from typing import Any

from lamina.core import registry
from lamina.core.errors import FileError
from lamina.core.layer import Layer
from lamina.core.types import Config, CustomObjects


def serialize(layer: Layer) -> Config:
    """The layer as plain values, without its weights' arrays."""
    return registry.serialize(layer)


def deserialize(config: Config, custom_objects: CustomObjects = None) -> Any:
    """The layer that `serialize` wrote.

    Raises:
        FileError: when the config is of a class that may not be made from a config, or of no layer.

    >>> from lamina.layers import Flatten
    >>> deserialize(serialize(Flatten(name="flat")))
    <Flatten name=flat, built=False>
    """
    layer = registry.deserialize(config, custom_objects)
    if not isinstance(layer, Layer):
        raise FileError(f"This config gives a {type(layer).__name__}; a layer is needed.")
    return layer
