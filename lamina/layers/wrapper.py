"""`Wrapper`: base of layers that are made of one other layer."""

from typing import Any

from lamina.core import types as t
from lamina.core.errors import ArgumentError, describe_value
from lamina.core.layer import Layer


class Wrapper(Layer):
    """A layer that holds another one as ``layer``, and builds it for its own inputs."""

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layer = checked_layer(self, "layer", layer)

    def build(self, input_shape: t.Shape | None = None) -> None:
        if not self.layer.built and self.layer._builds_itself():
            self.layer.build(input_shape)


def checked_layer(wrapper: Any, name: str, value: Any) -> Layer:
    """``value`` if it is a layer; else an error that names the argument."""
    if isinstance(value, Layer):
        return value
    raise ArgumentError(
        f"{type(wrapper).__name__} needs a layer as `{name}`.", met=describe_value(value)
    )
