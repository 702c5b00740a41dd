"""What is known of one step of a model, and how it reads in a box."""

import inspect
import math
from collections.abc import Iterable
from typing import Any

from lamina.core.configurable import Configurable, signature
from lamina.core.fingerprint import structure
from lamina.core.graph import Node
from lamina.core.naming import to_snake_case
from lamina.core.operation import FunctionOperation, Operation
from lamina.core.settings import settings
from lamina.core.symbolic import SymbolicTensor
from lamina.core.tracking import is_layer
from lamina.core.types import Shape
from lamina.view.cost import Cost
from lamina.view.model_graph import Facts, Spec

LONGEST = 36
"""Characters of a value in a box; a longer one ends with an ellipsis."""
SHOWN_ELSEWHERE = {"name", "dtype", "trainable", "activation"}


def facts_of(step: Any, nodes: list[Node], cost: Cost | None = None, full: bool = True) -> Facts:
    """The facts of a step that is called as ``nodes``. ``full`` adds its config."""
    inputs, outputs = (
        tuple(Spec(x.shape, x.dtype) for node in nodes for x in getattr(node, side))
        for side in ("inputs", "outputs")
    )
    config, key = config_of(step, nodes) if full else (), _key(step, nodes)
    calls = max(1, len(nodes))
    flops = None if cost is None else cost.flops
    flags = ["shared"] if calls > 1 else []
    if not is_layer(step):
        return Facts(step, inputs, outputs, 0, 0, calls, config, flops, tuple(flags), key)
    weights = step.weights
    params, trained = (
        sum(math.prod(v.shape) for v in each) if step.built or weights else None
        for each in (weights, step.trainable_weights)
    )
    flags += ["frozen"] if not step.trainable else []
    flags += ["unbuilt"] if not step.built else []
    flags += ["lora"] if getattr(step, "lora_enabled", False) else []
    flags += ["quantized"] if getattr(step, "quantization_mode", None) else []
    return Facts(step, inputs, outputs, params, trained, calls, config, flops, tuple(flags), key)


def _key(step: Any, nodes: list[Node]) -> tuple[Any, ...]:
    """Equal for steps that compute the same in calls of the same shapes and static arguments."""
    own = structure(step).key if is_layer(step) else type(step).__name__
    if isinstance(step, FunctionOperation):
        own = step.function
    calls = [(_static((node.args, node.kwargs)), _specs(node)) for node in nodes]
    return (own, getattr(step, "trainable", None), repr(calls))


def _specs(node: Node) -> list[tuple[Shape, str]]:
    return [(x.shape, x.dtype) for x in (*node.inputs, *node.outputs)]


def _static(value: Any) -> Any:
    """A nest of arguments with tensors replaced by a mark."""
    if isinstance(value, (list, tuple)):
        return [_static(each) for each in value]
    if isinstance(value, dict):
        return {name: _static(each) for name, each in value.items()}
    return "tensor" if isinstance(value, SymbolicTensor) else value


def config_of(step: Operation, nodes: Iterable[Node] = ()) -> tuple[tuple[str, str], ...]:
    """The arguments that have no default or differ from it, initializers in one row.

    >>> import lamina as keras
    >>> config_of(keras.layers.Conv2D(8, 3, strides=2))
    (('filters', '8'), ('kernel_size', '3 × 3'), ('strides', '2 × 2'),
    ('initializers', 'glorot_uniform, zeros'))
    """
    if isinstance(step, FunctionOperation):
        return tuple(
            (name, value_text(value))
            for node in list(nodes)[:1]
            for name, value in node.kwargs.items()
            if not isinstance(value, SymbolicTensor) and value is not None
        )
    rows, initializers = [], []
    parameters = signature(type(step).__init__).parameters
    for name in step._given:
        value = step._argument(name)
        default = parameters[name].default if name in parameters else inspect.Parameter.empty
        if name.endswith("_initializer"):
            wanted = not name.startswith("bias") or getattr(step, "use_bias", True)
            initializers += [value_text(value)] if value is not None and wanted else []
        elif name in SHOWN_ELSEWHERE or value is None or _equal(value, default):
            continue
        elif default is None and step._given[name] is None:
            continue  # the layer itself chose it
        elif is_layer(value):
            rows.append((name, type(value).__name__))
        elif not isinstance(value, (list, tuple)) or not any(map(is_layer, value)):
            rows.append((name, value_text(value)))
    if initializers:
        rows.append(("initializers", _shortened(", ".join(dict.fromkeys(initializers)))))
    return tuple(rows)


def _equal(value: Any, default: Any) -> bool:
    if value is default or default is inspect.Parameter.empty:
        return value is default
    shown = value_text(value)
    repeated = len(value) if isinstance(value, (list, tuple)) else 1
    return shown in (value_text(default), value_text((default,) * repeated))


def value_text(value: Any) -> str:
    """A value of a config in a few characters.

    >>> value_text((3, 3)), value_text(0.30000000000000004), value_text([1, 2, [3]])
    ('3 × 3', '0.3', '[1, 2, [3]]')
    """
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple) and value and all(type(each) is int for each in value):
        return " × ".join(map(str, value))
    if isinstance(value, Configurable) and not isinstance(value, Operation):
        name = to_snake_case(type(value).__name__)
        given = {key: value._argument(key) for key in value._given}
        parameters = signature(type(value).__init__).parameters
        told = [
            value_text(each)
            for key, each in given.items()
            if each is not None
            and not (key in parameters and _equal(each, parameters[key].default))
        ]
        return _shortened(f"{name}({', '.join(told)})" if told else name)
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"array of shape {tuple(shape)}"
    if callable(value) or isinstance(value, Operation):
        return _shortened(
            getattr(value, "__name__", None) or getattr(value, "name", None) or type(value).__name__
        )
    return _shortened(value if isinstance(value, str) else repr(value))


def _shortened(text: str) -> str:
    text = " ".join(str(text).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def spec_text(spec: Spec) -> str:
    """A shape as it reads on an edge, and its dtype where that is not the usual one.

    >>> spec_text(Spec((None, 28, None, 3), "float32")), spec_text(Spec((None,), "int32"))
    ('batch × 28 × ? × 3', 'batch · int32')
    """
    first, *others = [*spec.shape, "scalar"][: max(1, len(spec.shape))]
    sizes = ["batch" if first is None else first, *("?" if n is None else n for n in others)]
    text = " × ".join(map(str, sizes))
    return text if spec.dtype == settings.floatx else f"{text} · {spec.dtype}"


def params_text(facts: Facts) -> str:
    """How many parameters there are, and how many are trained where that is not all.

    >>> params_text(Facts(params=1200, trainable=600)), params_text(Facts(params=9, trainable=0))
    ('1,200 (600 trained)', '9 (frozen)')
    """
    if facts.params is None or facts.trainable is None:
        return "?"
    text = f"{facts.params:,}"
    if facts.params == facts.trainable:
        return text
    return f"{text} ({facts.trainable:,} trained)" if facts.trainable else f"{text} (frozen)"


def count_text(number: float) -> str:
    """A large number in short.

    >>> count_text(950), count_text(25_610_152), count_text(3.86e9)
    ('950', '25.6 M', '3.86 G')
    """
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:g}"
