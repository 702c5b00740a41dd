"""Checks of arrays, of layers, of the optimizer, and of callbacks."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from lamina import layers, optimizers
from lamina.core import nest
from lamina.core.fingerprint import structure
from lamina.core.graph import Graph
from lamina.core.operation import FunctionOperation
from lamina.training.endings import entries
from lamina.training.seen import Finding, Sample, Seen, judge

_ADAPTIVE = (optimizers.Adam, optimizers.Adamax, optimizers.Nadam, optimizers.RMSprop)
_MIXING = (layers.Dense, layers.EinsumDense, layers.Conv1D, layers.Conv2D, layers.Conv3D)


class Entry(NamedTuple):
    """An input and a layer that gets it first."""

    seen: Seen
    x: Any
    layer: Any


def not_finite(it: Entry) -> str:
    """error [nan-in-data]: {it.x.name}[{more}, and a number that is none makes the loss, and then
    all weights, NaN. Ask where it comes from; fill it in, or leave the sample out.
    """
    own = it.x.name.startswith("y") and not any(
        term.kind and term.target.name == it.x.name for term in it.seen.terms
    )  # a loss of one's own may take NaN for "missing"
    handled = any(callback.expects_nan for callback in it.seen.callbacks) or own
    values = it.x.values
    if handled or values.dtype.kind not in "fV" or np.isfinite([it.x.low, it.x.high]).all():
        return ""
    place = np.argwhere(~np.isfinite(values))[0].tolist()
    index = ", ".join(map(str, [place[0] * it.x.stride, *place[1:]]))
    return f"{index}] is {values[tuple(place)]}"


def perhaps_mended(it: Entry) -> str:
    """warning [nan-in-data]: {it.x.name}[{more}. Unless the model takes care of it, the loss, and
    then all weights, become NaN.
    """
    return not_finite(it)


def past_the_table(it: Entry) -> bool:
    """error [index-out-of-range]: {it.x.name} goes from {it.x.low:g} to {it.x.high:g}, but the
    Embedding '{it.layer.name}' has {it.layer.input_dim} rows, counted from 0: the output would be
    NaN. input_dim is the largest number plus 1.
    """
    embeds = isinstance(it.layer, layers.Embedding)
    return embeds and bool(it.x.low < 0 or it.x.high >= it.layer.input_dim)


def bytes_as_they_are(it: Entry) -> bool:
    """warning [unscaled-data]: {it.x.name} holds whole numbers up to {it.x.high:g}, as bytes of
    pictures, and goes to '{it.layer.name}' as it is. Networks learn badly from large numbers: give
    {it.x.name} / 255, or put layers.Rescaling(1 / 255) first.
    """
    wide = it.x.values.ndim > 2 or it.x.values.shape[-1] >= 64
    large = it.x.low >= 0 and 128 <= it.x.high <= 255 and not np.any(it.x.values[:64] % 1)
    scaled = any("Normal" in type(layer).__name__ for layer in it.seen.layers)
    return isinstance(it.layer, _MIXING) and wide and bool(large) and not scaled


def channels_first(it: Entry) -> bool:
    """warning [channels-first]: {it.x.name} has the shape {it.x.values.shape}, which looks like
    channels first, but '{it.layer.name}' takes channels last. Give np.moveaxis({it.x.name}, 1, -1),
    or data_format='channels_first'.
    """
    shape = it.x.values.shape
    last = isinstance(it.layer, layers.Conv2D) and it.layer.data_format == "channels_last"
    return last and len(shape) == 4 and shape[1] in (1, 3) and shape[2] == shape[3] >= 16


def same_layer(it: Any) -> str:
    """warning [same-layer]: The list '{more}' of '{it.name}' holds one layer several times, with
    one set of weights, as [Dense(8)] * 3 does. Make one for each place: [Dense(8) for _ in
    range(3)].
    """
    lists = {name: value for name, value in vars(it).items() if isinstance(value, list)}
    same = [name for name, value in lists.items()
            if len(value) > 1 and isinstance(value[0], _MIXING)
            and all(each is value[0] for each in value)]  # fmt: skip
    return same[0] if same and not same[0].startswith("_") else ""


def layer_in_a_row(it: Any) -> bool:
    """warning [same-layer]: '{it.operation.name}' is called on what it gave itself: one layer, with
    one set of weights, as [Dense(8)] * 3 makes it. Make one for each place: [Dense(8) for _ in
    range(3)]; if you mean it, give the layer a name.
    """
    again = isinstance(it.operation, _MIXING) and len(it.inputs) == 1
    named = it.operation._given.get("name") is not None if again else True
    return not named and any(parent.operation is it.operation for parent in it.parents)


def layer_side_by_side(it: Any) -> bool:
    """warning [same-layer]: '{it.operation.name}' joins the same output of one layer several times,
    as [Dense(8)] * 3 makes it. Make a layer for each place: [Dense(8) for _ in range(3)].
    """
    joins = isinstance(it.operation, layers.Concatenate) and it.parents
    made = [(id(parent.operation), *map(id, parent.inputs)) for parent in it.parents
            if isinstance(parent.operation, _MIXING)]  # fmt: skip
    return bool(joins) and len(made) > len(set(made))


def zero_kernel(it: Any) -> bool:
    """warning [zero-kernel]: The kernel of '{it.name}' is all zeros: its units get the same
    gradients, or none, and stay alike. Leave kernel_initializer out.
    """
    zeros = type(getattr(it, "kernel_initializer", None)).__name__ == "Zeros"
    return zeros and it.trainable and not np.any(np.asarray(it.kernel))


def learning_rate(it: Any) -> bool:
    """warning [learning-rate]: {it.name} moves each weight by about its learning rate a step, which
    is 10 or more. Usual rates are 1e-4 to 1e-2.
    """
    return isinstance(it, _ADAPTIVE) and float(it.learning_rate) >= 10


def findings(seen: Seen) -> Iterator[Finding]:
    """What is wrong with data, layers, optimizer and callbacks."""
    for part, checks in ((seen.x, _about_x(seen)), ((seen.y, seen.weights), [not_finite])):
        samples = [each for each in nest.flatten(part) if each is not None]
        yield from judge(checks, (Entry(seen, each, None) for each in samples))
    found = [Entry(seen, _input(seen.x, *place), layer) for *place, layer in entries(seen.model)]
    first = [past_the_table, bytes_as_they_are, channels_first]
    yield from judge(first, (each for each in found if each.x is not None))
    yield from judge([same_layer], seen.layers)
    twice = [layer_in_a_row, layer_side_by_side]
    yield from judge(twice, (node for graph in _graphs(seen) for node in graph.nodes))
    chain = [each for each in getattr(seen.model, "_chain", ()) if isinstance(each, _MIXING)]
    yield from judge([zero_kernel], chain[:-1])
    yield from judge([learning_rate], [seen.model.optimizer])
    yield from _callbacks(seen)


def _about_x(seen: Seen) -> list[Any]:
    """What to say of NaN in the inputs, by what the model may do about it."""
    nodes = [node.operation for graph in _graphs(seen) for node in graph.nodes]
    ops = {each.function for each in nodes if isinstance(each, FunctionOperation)}
    if ops & {"isfinite", "isinf", "isnan", "nan_to_num"}:
        return []
    own = seen.own_step or not structure(seen.model).ours
    masks = any(isinstance(layer, layers.Masking) for layer in seen.layers)
    return [perhaps_mended if ops or own or masks else not_finite]


def _graphs(seen: Seen) -> list[Graph]:
    """The graphs of the functional models among the layers."""
    return [layer._plan.graph for layer in seen.layers if getattr(layer, "_plan", None)]


def _input(x: Any, index: Any, name: Any) -> Any:
    """The samples of an input; None where that is not clear."""
    if isinstance(x, list):
        x = dict(enumerate(x)).get(index)
    found = x.get(name) if isinstance(x, dict) else x
    return found if isinstance(found, Sample) else None


def _callbacks(seen: Seen) -> Iterator[Finding]:
    ours = all(type(callback).__module__.startswith("lamina.") for callback in seen.callbacks)
    plain = not any("on_epoch_end" in vars(callback) for callback in seen.callbacks)
    names = None  # an event of a user's may put more into the logs
    if ours and plain and not seen.own_step:
        names = [name for name, _ in seen.model._named_metrics()]
        names += [f"val_{name}" for name in names] if seen.validated else []
    for callback in seen.callbacks:
        for code, message in callback.mistakes(names):
            yield Finding(code, message, certain=code != "monitor-missing")
