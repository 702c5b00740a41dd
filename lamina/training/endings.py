"""Which activation an output comes from, and which layers the inputs go to first."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from lamina import layers
from lamina.core import nest
from lamina.core.errors import UndescribedError
from lamina.core.graph import Graph, Node, node_of
from lamina.core.operation import FunctionOperation

BOUNDS = {
    "elu": (-1, None), "exponential": (0, None), "hard_sigmoid": (0, 1), "hard_tanh": (-1, 1),
    "relu": (0, None), "relu6": (0, 6), "sigmoid": (0, 1), "softmax": (0, 1),
    "softplus": (0, None), "softsign": (-1, 1), "tanh": (-1, 1),
}  # fmt: skip
"""What activations can give: from, to; None is without bound."""

_KNOWN = {*BOUNDS, "gelu", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "selu", "silu"}
_PASSING_OPS = {"cast", "copy", "expand_dims", "moveaxis", "reshape", "squeeze", "swapaxes",
                "transpose"}  # fmt: skip
_PASSING = (
    layers.Cropping2D, layers.Dropout, layers.Flatten, layers.GaussianNoise, layers.Identity,
    layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.Permute,
    layers.RepeatVector, layers.Reshape, layers.SpatialDropout2D, layers.UpSampling2D,
)  # fmt: skip
_BOUNDLESS = (layers.BatchNormalization, layers.LayerNormalization)
_RECURRENT = (layers.GRU, layers.LSTM, layers.SimpleRNN)


class Ending(NamedTuple):
    """The activation of an output, the layer or op it stands in, and the axis of a softmax."""

    activation: str
    where: str
    axis: int = -1
    channels_first: bool = False


def endings(model: Any) -> list[Ending | None]:
    """The ending of each output; empty where a ``call`` does not return what a layer gave."""
    if not _ours(model):
        last = model._lamina.last and model._lamina.last()
        return [] if last is None else [_of_layer(last, 0)]
    return [_of_tensor(x) for x in _ends(model)[1]]


def entries(model: Any) -> Iterator[tuple[int, str, Any]]:
    """``(place and name of an input, layer)`` for layers that get it as it is, or reshaped."""
    inputs, outputs = _ends(model)
    nodes = Graph(inputs, outputs).nodes if outputs else []
    for index, x in enumerate(inputs):
        known = {id(x)}
        for node in nodes:
            if not any(id(each) in known for each in node.inputs):
                continue
            if _passes(node):
                known.update(map(id, node.outputs))
            elif hasattr(node.operation, "compile") and len(node.inputs) == 1:
                yield from ((index, x.name, layer) for *_, layer in entries(node.operation))
            else:
                yield index, x.name, getattr(node.operation, "layer", node.operation)


def _ours(layer: Any) -> bool:
    return type(layer).call.__module__.partition(".")[0] == "lamina"


def _ends(model: Any) -> tuple[list[Any], list[Any]]:
    """The symbolic inputs and outputs of a model that a graph or a chain of layers describes."""
    described = hasattr(model, "_symbolic") and _ours(model)
    try:
        inputs, outputs = model._symbolic() if described else ([], [])
    except UndescribedError:
        return [], []
    return nest.flatten(inputs), nest.flatten(outputs)


def _passes(node: Node) -> bool:
    if isinstance(node.operation, FunctionOperation):
        return node.operation.function in _PASSING_OPS
    linear = isinstance(node.operation, layers.Activation) and _name(node.operation) == "linear"
    return linear or isinstance(node.operation, _PASSING)


def _of_tensor(x: Any) -> Ending | None:
    node = node_of(x)
    while node is not None and node.inputs and _passes(node):
        x, node = node.inputs[0], node_of(node.inputs[0])
    if node is None or not isinstance(node.operation, FunctionOperation):
        return None if node is None else _of_layer(node.operation, x.record[2])
    name, given = node.operation.function, node.operation._call_arguments(*node.args, **node.kwargs)
    return Ending(name, node.operation.name, given.get("axis", -1)) if name in _KNOWN else None


def _of_layer(layer: Any, index: int) -> Ending | None:
    """The ending of an output of a layer; None when it is not known."""
    layer = layer.layer if isinstance(layer, layers.TimeDistributed) else layer
    if hasattr(layer, "compile") or not _ours(layer):
        return (endings(layer) + [None] * (index + 1))[index]
    name, axis = _name(layer), getattr(layer, "axis", -1)
    known = name in _KNOWN and isinstance(axis, int) and index == 0
    first = getattr(layer, "data_format", "") == "channels_first"
    return Ending(name, repr(layer.name), axis, first) if known else None


def _name(layer: Any) -> str:
    """The name of the activation that a layer of ours ends in; empty when it is not known."""
    if isinstance(layer, (layers.Softmax, *_BOUNDLESS)):
        return "softmax" if isinstance(layer, layers.Softmax) else "linear"
    if isinstance(layer, layers.ReLU):
        return "leaky_relu" if layer.negative_slope else "relu"
    function = getattr(layer, "activation", "")
    if isinstance(layer, layers.RNN) and not isinstance(layer, _RECURRENT):
        return ""
    name = "linear" if function is None else getattr(function, "__name__", "")
    ours = getattr(function, "__module__", "lamina").partition(".")[0] in ("lamina", "jax")
    return name if ours and (name == "tanh" or not isinstance(layer, layers.RNN)) else ""
