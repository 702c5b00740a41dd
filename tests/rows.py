"""The form of a layer's row in the catalogue, and the arrays that rows are made of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import lamina.layers


def x(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Floats, the same ones for each shape."""
    return np.random.default_rng(shape).uniform(low, high, shape).astype("float32")


def ids(*shape: int, below: int) -> np.ndarray:
    """Ints from 0 up to ``below``."""
    return np.random.default_rng(shape).integers(0, below, shape).astype("int32")


def label(name: str, options: dict[str, Any]) -> str:
    """A row's id: equal in each process, so without addresses."""
    shown = [f"{key}={getattr(value, '__name__', value)}" for key, value in options.items()]
    return "-".join([name, *shown]).replace(" ", "")[:60]


@dataclass(frozen=True)
class LayerRow:
    """A layer, its constructor's arguments, and an input (an array, or a list of several).

    Attributes:
        change: Attributes to set after a first call, which have to change the result.
        random: Whether training differs by chance from inference.
        apart: Whether the layer takes its several inputs one by one: ``layer(query, value)``.
    """

    name: str
    inputs: Any
    arguments: dict[str, Any] = field(default_factory=dict)
    change: dict[str, Any] = field(default_factory=dict)
    random: bool = False
    apart: bool = False

    def make(self, **more: Any) -> Any:
        return getattr(lamina.layers, self.name)(**self.arguments, **more)

    def args(self, inputs: Any = None) -> tuple[Any, ...]:
        """What the layer is called with: the row's inputs, or others arranged as they are."""
        inputs = self.inputs if inputs is None else inputs
        return tuple(inputs) if self.apart else (inputs,)

    @property
    def several(self) -> bool:
        return isinstance(self.inputs, list)

    @property
    def floats(self) -> bool:
        return not self.several and self.inputs.dtype == "float32"

    def map(self, function: Callable[[np.ndarray], Any]) -> Any:
        """``function`` of each input, arranged as the inputs are."""
        return [function(each) for each in self.inputs] if self.several else function(self.inputs)

    def __str__(self) -> str:
        return label(self.name, self.arguments)


def row(
    name: str,
    inputs: Any,
    change: Any = None,
    random: bool = False,
    apart: bool = False,
    **given: Any,
) -> LayerRow:
    return LayerRow(name, inputs, given, change or {}, random, apart)
