"""Which activation an output comes from, and which layers the inputs go to first."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from lamina import layers
from lamina.core.graph import node_of
from lamina.core.operation import FunctionOperation
from lamina.core.symbolic import SymbolicTensor

BOUNDS = {
    "elu": (-1, None), "exponential": (0, None), "hard_sigmoid": (0, 1), "hard_tanh": (-1, 1),
    "relu": (0, None), "relu6": (0, 6), "sigmoid": (0, 1), "softmax": (0, 1),
    "softplus": (0, None), "softsign": (-1, 1), "tanh": (-1, 1),
}  # fmt: skip
"""What activations can give: from, to; None is without bound."""

_KNOWN = {*BOUNDS, "gelu", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "selu",
          "silu", "swish"}  # fmt: skip
_PASSING_OPS = {"cast", "copy", "expand_dims", "get_item", "moveaxis", "reshape", "squeeze",
                "stop_gradient", "swapaxes", "transpose"}  # fmt: skip
_PASSING = (
    layers.ActivityRegularization, layers.Cropping1D, layers.Cropping2D, layers.Dropout,
    layers.Flatten, layers.GaussianNoise, layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D, layers.Identity, layers.Permute, layers.RepeatVector,
    layers.Reshape, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.UpSampling2D,
)  # fmt: skip
_NORMALISING = (layers.BatchNormalization, layers.LayerNormalization)
_GATED = (layers.GRU, layers.LSTM, layers.SimpleRNN)


class Ending(NamedTuple):
    """The activation of an output, the layer or op it stands in, and the axis of a softmax."""

    activation: str
    where: str
    axis: int = -1


def endings(model: Any) -> list[Ending | None]:
    """The ending of each output; empty where a ``call`` does not return what a layer gave."""
    tensors = _outputs(model)
    if tensors is not None:
        return [_of_tensor(x) for x in tensors]
    chain = _chain(model)
    if chain:
        return [_of_chain(chain)]
    found = _of_last(model)
    return [found] if isinstance(found, Ending) else []


def entries(model: Any) -> Iterator[tuple[str, Any]]:
    """``(name of an input, layer)`` for the layers that get a model's inputs first, reshaped only.

    The name is empty when there is one input.
    """
    plan = _plan(model)
    if plan is None:
        yield from (("", layer) for layer in _first(_chain(model)))
        return
    for x in plan.input_tensors:
        name = x.name if len(plan.input_tensors) > 1 else ""
        known = {id(x)}
        for node in plan.graph.nodes:
            if not any(id(each) in known for each in node.inputs):
                continue
            if isinstance(node.operation, FunctionOperation):
                if node.operation.function in _PASSING_OPS:
                    known.update(map(id, node.outputs))
            elif isinstance(node.operation, _PASSING):
                known.update(map(id, node.outputs))
            else:
                yield from ((name, layer) for layer in _first([node.operation]))


def _first(chain: list[Any]) -> Iterator[Any]:
    for layer in chain:
        if isinstance(layer, layers.TimeDistributed):
            layer = layer.layer
        if hasattr(layer, "compile"):  # a model inside
            yield from (inner for _, inner in entries(layer))
            return
        if not isinstance(layer, (*_PASSING, layers.InputLayer)):
            yield layer
            return


def _ours(model: Any) -> bool:
    return type(model).call.__module__.partition(".")[0] == "lamina"


def _plan(model: Any) -> Any:
    return getattr(model, "_plan", None) if _ours(model) else None


def _outputs(model: Any) -> list[SymbolicTensor] | None:
    plan = _plan(model)
    return None if plan is None else plan.output_tensors


def _chain(model: Any) -> list[Any]:
    """The layers of a sequential model."""
    return list(getattr(model, "_chain", ())) if _ours(model) else []


def _of_tensor(x: SymbolicTensor) -> Ending | None:
    node = node_of(x)
    while node is not None and node.inputs:
        operation = node.operation
        if isinstance(operation, FunctionOperation):
            if operation.function in _KNOWN:
                axis = operation._call_arguments(*node.args, **node.kwargs).get("axis", -1)
                return Ending(operation.function, operation.name, axis)
            passed = operation.function in _PASSING_OPS
        else:
            assert x.record is not None
            found = _of_layer(operation, x.record[2])
            if isinstance(found, Ending):
                return found
            passed = found
        if not passed:
            return None
        x = node.inputs[0]
        node = node_of(x)
    return None


def _of_chain(chain: list[Any]) -> Ending | None:
    for layer in reversed(chain):
        found = _of_layer(layer)
        if isinstance(found, Ending):
            return found
        if not found:
            return None
    return None


def _of_last(layer: Any) -> Ending | bool:
    """The ending of a layer by the layer inside whose outputs it returned when last called."""
    last = layer._lamina.last and layer._lamina.last()
    found = _of_layer(last) if last is not None else False
    return found if isinstance(found, Ending) else False


def _of_layer(layer: Any, index: int = 0) -> Ending | bool:
    """The ending of a layer's output; else whether it passes on what it gets."""
    if isinstance(layer, _PASSING):
        return True
    if not _ours(layer):
        return _of_last(layer)
    if isinstance(layer, layers.TimeDistributed):
        return _of_layer(layer.layer)
    if hasattr(layer, "compile"):
        found = endings(layer)
        return (found[index] if index < len(found) else None) or False
    name = repr(layer.name)
    if isinstance(layer, layers.Softmax):
        return Ending("softmax", name, layer.axis) if isinstance(layer.axis, int) else False
    if isinstance(layer, layers.ReLU):
        return Ending("leaky_relu" if layer.negative_slope else "relu", name)
    if isinstance(layer, (layers.LeakyReLU, layers.PReLU)):
        return Ending("leaky_relu", name)
    if isinstance(layer, _NORMALISING):
        return Ending("linear", name)
    if not _activates(layer):
        return False
    function = layer.activation
    activation = "linear" if function is None else getattr(function, "__name__", "")
    if activation == "linear" and isinstance(layer, layers.Activation):
        return True
    if isinstance(layer, _GATED) and (activation != "tanh" or index > 0):
        return False
    ours = getattr(function, "__module__", "lamina").partition(".")[0] in ("lamina", "jax")
    return Ending(activation, name) if ours and activation in _KNOWN else False


def _activates(layer: Any) -> bool:
    """Whether the outputs of a layer are those of its activation."""
    convolution = hasattr(layer, "filters") and not isinstance(layer, layers.RNN)
    known = (layers.Dense, layers.EinsumDense, layers.Activation, *_GATED)
    return convolution or isinstance(layer, known)
