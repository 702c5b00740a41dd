"""Checks of arrays, of layers, of the optimizer, and of callbacks."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lamina import layers, optimizers
from lamina.core.fingerprint import structure
from lamina.core.operation import FunctionOperation
from lamina.training.endings import entries
from lamina.training.seen import Finding, Sample, Seen

HIGHEST_RATE = 10.0
_ADAPTIVE = (optimizers.Adam, optimizers.Adamax, optimizers.Nadam, optimizers.RMSprop)
_MIXING = (layers.Dense, layers.EinsumDense, layers.Conv1D, layers.Conv2D, layers.Conv3D)
_NORMALISING = ("BatchNormalization", "GroupNormalization", "LayerNormalization", "Normalization",
                "RMSNormalization", "Rescaling", "SpectralNormalization")  # fmt: skip


def finite(seen: Seen) -> Iterator[Finding]:
    """NaN and inf in the data."""
    if any(callback.expects_nan for callback in seen.callbacks):
        return
    handled = seen.own_step or not structure(seen.model).ours or _may_mend(seen)
    for sample in seen.arrays():
        place = _first_bad(sample)
        if place is None:
            continue
        if sample.name.startswith("y") and not any(term.target is sample and term.kind
                                                   for term in seen.terms):  # fmt: skip
            continue  # a loss of one's own may take NaN for "missing"
        index = ", ".join(map(str, (place[0] * sample.stride, *place[1:])))
        yield Finding(
            "nan-in-data",
            f"{sample.name}[{index}] is {sample.values[tuple(place)]}, and a number that is none "
            "makes the loss, and then all weights, NaN. Ask where it comes from; fill it in, or "
            "leave the sample out.",
            certain=not (handled and sample.name.startswith("x")),
        )


def _first_bad(sample: Sample) -> list[int] | None:
    values = sample.values
    if values.dtype.kind not in "fV" or not values.size:
        return None
    with np.errstate(all="ignore"):
        if np.isfinite(values.min()) and np.isfinite(values.max()):  # NaN goes through both
            return None
    return np.argwhere(~np.isfinite(values))[0].tolist()


def _may_mend(seen: Seen) -> bool:
    """Whether something in the model may make numbers of what is none."""
    plans = [getattr(layer, "_plan", None) for layer in seen.layers]
    nodes = [node for plan in plans if plan is not None for node in plan.graph.nodes]
    known = any(isinstance(layer, (layers.Masking, layers.Lambda)) for layer in seen.layers)
    return known or any(isinstance(node.operation, FunctionOperation) for node in nodes)


def inputs(seen: Seen) -> Iterator[Finding]:
    """Numbers that the first layers cannot take, or not well."""
    for name, layer in entries(seen.model):
        sample = _input(seen, name)
        if sample is None or not sample.values.size:
            continue
        if isinstance(layer, layers.Embedding):
            yield from _past_the_table(layer, sample)
        elif isinstance(layer, _MIXING):
            yield from _unscaled(seen, layer, sample)
            yield from _channels_first(layer, sample)


def _input(seen: Seen, name: str) -> Sample | None:
    if isinstance(seen.x, Sample):
        return seen.x
    if isinstance(seen.x, dict):
        found = seen.x.get(name)
    else:
        plan = getattr(seen.model, "_plan", None)
        names = [] if plan is None else [x.name for x in plan.input_tensors]
        flat = isinstance(seen.x, list) and len(seen.x) == len(names) and name in names
        found = seen.x[names.index(name)] if flat else None
    return found if isinstance(found, Sample) else None


def _past_the_table(layer: Any, sample: Sample) -> Iterator[Finding]:
    values = sample.values
    low, high = values.min(), values.max()
    if low < 0 or high >= layer.input_dim:
        yield Finding(
            "index-out-of-range",
            f"{sample.name} holds {low if low < 0 else high:g}, but {layer._who()} has "
            f"{layer.input_dim} rows, 0 to {layer.input_dim - 1}: its output would be NaN. "
            "input_dim is the largest number plus 1.",
            certain=True,
        )


def _unscaled(seen: Seen, layer: Any, sample: Sample) -> Iterator[Finding]:
    values = sample.values
    wide = values.ndim > 2 or values.shape[-1] >= 64
    if not wide or any(type(each).__name__ in _NORMALISING for each in seen.layers):
        return
    if values.dtype.kind not in "iuf" or not (values.min() >= 0 and 128 <= values.max() <= 255):
        return
    if np.all(values[: max(1, 4096 * len(values) // values.size)] % 1 == 0):
        yield Finding(
            "unscaled-data",
            f"{sample.name} holds whole numbers from 0 to {values.max():g}, as bytes of pictures, "
            f"and goes to {layer._who()} as it is. Networks learn badly from large numbers: give "
            f"{sample.name} / 255, or put layers.Rescaling(1 / 255) first.",
        )


def _channels_first(layer: Any, sample: Sample) -> Iterator[Finding]:
    shape = sample.values.shape
    if isinstance(layer, layers.Conv2D) and layer.data_format == "channels_last":
        if len(shape) == 4 and shape[1] in (1, 3) and shape[2] == shape[3] >= 16:
            yield Finding(
                "channels-first",
                f"{sample.name} has the shape {shape}, which looks like channels first, but "
                f"{layer._who()} takes channels last. Give "
                f"np.moveaxis({sample.name}, 1, -1), or data_format='channels_first'.",
            )


def same_layers(seen: Seen) -> Iterator[Finding]:
    """Lists that hold one layer several times, as ``[Dense(8)] * 3`` does."""
    for owner in seen.layers:
        for name, value in vars(owner).items():
            if not isinstance(value, list) or len(value) < 2 or name.startswith("_"):
                continue
            first = value[0]
            if all(each is first for each in value) and isinstance(first, _MIXING):
                yield Finding(
                    "same-layer",
                    f"{owner._who()}.{name} holds one layer {len(value)} times, {first._who()}, "
                    "with one set of weights. Make a new one for each place: [Dense(8) for _ in "
                    f"range({len(value)})].",
                )


def zero_kernels(seen: Seen) -> Iterator[Finding]:
    """Kernels of zeros inside a chain of layers: all units stay alike."""
    chain = [layer for layer in getattr(seen.model, "_chain", ()) if isinstance(layer, _MIXING)]
    for layer in chain[:-1]:
        if type(vars(layer).get("kernel_initializer")).__name__ not in (
            "Zeros",
            "ZerosInitializer",
        ):
            continue
        if layer.trainable and not np.any(np.asarray(layer.kernel)):
            yield Finding(
                "zero-kernel",
                f"The kernel of {layer._who()} is all zeros: its units get the same gradients, or "
                "none, and stay alike. Leave kernel_initializer out.",
            )


def learning_rates(seen: Seen) -> Iterator[Finding]:
    """Rates at which an adaptive optimizer cannot arrive anywhere."""
    optimizer = seen.model.optimizer
    if isinstance(optimizer, _ADAPTIVE) and float(optimizer.learning_rate) >= HIGHEST_RATE:
        yield Finding(
            "learning-rate",
            f"{type(optimizer).__name__} moves each weight by about its learning rate a step, "
            f"which is {float(optimizer.learning_rate):g}. Usual rates are 1e-4 to 1e-2.",
        )


def callbacks(seen: Seen) -> Iterator[Finding]:
    """What callbacks say of logs they follow and files they write."""
    names = None
    if not seen.own_step and not any(_adds_logs(callback) for callback in seen.callbacks):
        names = [name for name, _ in seen.model._named_metrics()]
        names += [f"val_{name}" for name in names] if seen.validated else []
    for callback in seen.callbacks:
        for code, message in callback.mistakes(names):
            yield Finding(code, message, certain=code != "monitor-missing")


def _adds_logs(callback: Any) -> bool:
    """Whether a callback may put names of its own into the logs."""
    ours = type(callback).__module__.partition(".")[0] == "lamina"
    return not ours or "on_epoch_end" in vars(callback)


CHECKS: list[Callable[[Seen], Iterator[Finding]]] = [
    finite, inputs, same_layers, zero_kernels, learning_rates, callbacks,
]  # fmt: skip
