"""Intermediate outputs of any built model: functional, sequential or subclassed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from lamina.core import binding, nest
from lamina.core.errors import ArgumentError, StateError, unknown
from lamina.core.layer import Layer
from lamina.core.types import Nest
from lamina.models.model import Model


def extract(model: Model, layers: str | Layer | Sequence[str | Layer]) -> Model:
    """A model with the same inputs whose outputs are those of the named layers.

    Args:
        model: Any built model.
        layers: Names of layers, or layers, at any depth inside the model; a path such as
            ``"encoder/block4"`` where a name alone would not be unique.

    Returns:
        A model that shares its layers with ``model``. For a list it gives a list, for one name
        one output. Where a layer is called several times, the output of its first call.

    Raises:
        UnknownNameError: with the nearest name, when there is no such layer.

    >>> import lamina as keras
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, name="a"),
    ...                           keras.layers.Dense(2)])
    >>> extract(model, "a").output_shape
    (None, 4)
    """
    single = isinstance(layers, (str, Layer))
    wanted = [_find(model, each) for each in ([layers] if single else layers)]
    outputs: Any = _graph_outputs(model, wanted)
    if outputs is None:
        outputs = nest.flatten(Capture(model, wanted)(model.input))
    return Model(model.input, outputs[0] if single else outputs, name=f"{model.name}_features")


def _graph_outputs(model: Model, wanted: list[Layer]) -> list[Any] | None:
    """Outputs that are tensors of the model's own graph; None when one is not."""
    if model._plan is None and not hasattr(model, "_chain"):
        return None
    steps = {id(layer) for layer in model.layers}
    if not all(id(layer) in steps and layer._nodes for layer in wanted):
        return None
    if model._plan is not None:
        own = {id(node.operation): node for node in reversed(model._plan.graph.nodes)}
        return [own[id(layer)].output for layer in wanted]
    tensors = model._symbolic() and model._tensors  # type: ignore[attr-defined]
    return [tensors[model.layers.index(layer) + 1] for layer in wanted]


def _find(model: Model, which: str | Layer) -> Layer:
    inside = model._flatten_layers(include_self=False)
    if isinstance(which, Layer):
        if any(which is layer for layer in inside):
            return which
        raise ArgumentError(f"The layer '{which.name}' is not inside {model._who()}.")
    found = [layer for layer in inside if layer.name == which]
    if not found:
        found = [layer for layer in inside if f"/{layer.path}".endswith(f"/{which}")]
    if not found:
        raise unknown(f"layer of {model._who()}", which, [layer.name for layer in inside])
    if len(found) > 1:
        raise ArgumentError(
            f"{model._who()} has {len(found)} layers named '{which}'.",
            met=", ".join(layer.path for layer in found),
            fix="give the path, or the layer itself",
        )
    return found[0]


class Inside(NamedTuple):
    """The symbolic input and output of a layer inside a model that is no graph."""

    inputs: list[Any]
    output: Nest


def describe_inside(model: Model, layer: Layer) -> Inside | None:
    """What a layer inside a subclassed model gets and gives when the model is called."""
    if model is layer or not model.built:
        return None
    given, output = Capture(model, [layer], with_inputs=True)(model.input)
    return Inside(nest.flatten(given), output)


class Capture(Layer):
    """Calls a model and returns the outputs of some of the layers inside it.

    Args:
        model: What to call.
        wanted: Layers inside it.
        with_inputs: Whether to return the inputs of the first of them too, before its output.
    """

    masks_itself = True

    def __init__(
        self, model: Model, wanted: list[Layer], with_inputs: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.wanted = list(wanted)
        self.with_inputs = with_inputs

    def call(self, inputs: Nest) -> list[Nest]:
        frame = binding.current()
        assert frame is not None
        outer = frame.trace.captures
        frame.trace.captures = captured = {}
        try:
            self.model(inputs)
        finally:
            frame.trace.captures = outer
        missing = [layer.name for layer in self.wanted if id(layer) not in captured]
        if missing:
            raise StateError(
                f"{self.model._who()} did not call {missing} for this input, so it has no output."
            )
        if self.with_inputs:
            return list(captured[id(self.wanted[0])])
        return [captured[id(layer)][1] for layer in self.wanted]
