"""`WeightedLayer`: each of its weights has constructor arguments named after it."""

from typing import Any

from lamina import constraints, initializers, regularizers
from lamina.core.layer import Layer
from lamina.core.types import ShapeLike
from lamina.core.variable import Variable


class WeightedLayer(Layer):
    """A layer with attributes such as ``kernel_initializer`` and ``kernel_constraint``."""

    def set_rules(self, name: str, initializer: Any, regularizer: Any, constraint: Any) -> None:
        """Keep how the weight ``name`` begins, and what is asked of it, under those names."""
        setattr(self, f"{name}_initializer", initializers.get(initializer))
        setattr(self, f"{name}_regularizer", regularizers.get(regularizer))
        setattr(self, f"{name}_constraint", constraints.get(constraint))

    def weight(
        self,
        name: str,
        shape: ShapeLike,
        initializer: Any = None,
        variable: str | None = None,
        **kwargs: Any,
    ) -> Variable:
        """Make the weight ``name`` with the initializer, regularizer and constraint of its name.

        Args:
            variable: What the variable is called, if not ``name``.
        """
        return self.add_weight(
            shape,
            initializer or getattr(self, f"{name}_initializer"),
            regularizer=getattr(self, f"{name}_regularizer", None),
            constraint=getattr(self, f"{name}_constraint", None),
            name=variable or name,
            **kwargs,
        )
