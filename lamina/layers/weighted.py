"""`WeightedLayer`: each of its weights has constructor arguments named after it."""

from typing import Any

from lamina.core.layer import Layer
from lamina.core.types import ShapeLike
from lamina.core.variable import Variable


class WeightedLayer(Layer):
    """A layer with attributes such as ``kernel_initializer`` and ``kernel_constraint``."""

    def weight(self, name: str, shape: ShapeLike, **kwargs: Any) -> Variable:
        """Make the weight ``name`` with the initializer, regularizer and constraint of its name."""
        return self.add_weight(
            shape,
            getattr(self, f"{name}_initializer"),
            regularizer=getattr(self, f"{name}_regularizer", None),
            constraint=getattr(self, f"{name}_constraint", None),
            name=name,
            **kwargs,
        )
