"""The form of a layer's row in the catalogue, and the arrays that rows are made of.

An argument may be a `part`: a layer, which is made anew each time.
"""

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
class Part:
    """A layer inside a row's layer, of the library that the row's is of."""

    kind: str
    arguments: dict[str, Any]

    def __call__(self, library: Any, **more: Any) -> Any:
        policy = {"dtype": more["dtype"]} if "dtype" in more else {}
        given = {key: _made(value, library, policy) for key, value in self.arguments.items()}
        return getattr(library, self.kind)(**given, **more)

    def __repr__(self) -> str:
        return self.kind


def _made(value: Any, library: Any, policy: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_made(each, library, policy) for each in value]
    return value(library, **policy) if isinstance(value, Part) else value


def part(kind: str, **arguments: Any) -> Part:
    """A layer of this kind; it is named after it, since each library counts names of its own."""
    return Part(kind, {"name": f"a_{kind.lower()}", **arguments})


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

    def make(self, library: Any = lamina.layers, **more: Any) -> Any:
        """A fresh layer: Lamina's, or that of another module of layers."""
        return Part(self.name, self.arguments)(library, **more)

    def args(self, inputs: Any = None) -> tuple[Any, ...]:
        """What the layer is called with: the row's inputs, or others arranged as they are."""
        inputs = self.inputs if inputs is None else inputs
        return tuple(inputs) if self.apart else (inputs,)

    @property
    def holds(self) -> bool:
        """Whether there is another layer in the layer, with settings of its own."""
        held = [v[0] if type(v) is list else v for v in self.arguments.values()]
        return any(isinstance(each, Part) for each in held)

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
