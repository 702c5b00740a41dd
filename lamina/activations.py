"""Activation functions by name, with Keras's arguments; the formulas are those of `lamina.ops`.

They are functions of their own, not the ops, since files name them as members of this room.
"""

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from lamina.core import lookup, registry
from lamina.core.types import ActivationLike, Array, ArrayLike, CustomObjects
from lamina.ops import elementwise, networks


def linear(x: ArrayLike) -> Array:
    """x itself."""
    return x


def relu(
    x: ArrayLike,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Array:
    """x, 0 up to ``threshold``, at most ``max_value``; with a slope below the threshold.

    >>> relu([-2.0, 3.0, 9.0], negative_slope=0.5, max_value=6.0)
    Array([-1.,  3.,  6.], dtype=float32)
    """
    return networks.re_lu(x, negative_slope, max_value, threshold)


def relu6(x: ArrayLike) -> Array:
    """min(max(x, 0), 6)."""
    return networks.relu6(x)


def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> Array:
    """x, times ``negative_slope`` where it is negative."""
    return networks.leaky_relu(x, negative_slope)


def elu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """x, and alpha * (exp(x) - 1) where it is negative (Clevert et al., 2015)."""
    return networks.elu(x, alpha)


def selu(x: ArrayLike) -> Array:
    """`elu` scaled so that activations keep mean 0 and variance 1 (Klambauer et al., 2017)."""
    return networks.selu(x)


def celu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """x, and alpha * (exp(x / alpha) - 1) where it is negative (Barron, 2017)."""
    return networks.celu(x, alpha)


def gelu(x: ArrayLike, approximate: bool = False) -> Array:
    """x times the normal distribution's integral up to x (Hendrycks and Gimpel, 2016)."""
    return networks.gelu(x, approximate)


def silu(x: ArrayLike) -> Array:
    """x * sigmoid(x), also called swish (Elfwing et al., 2017)."""
    return networks.silu(x)


def hard_silu(x: ArrayLike) -> Array:
    """x * hard_sigmoid(x), also called hard swish (Howard et al., 2019)."""
    return networks.hard_silu(x)


def mish(x: ArrayLike) -> Array:
    """x * tanh(softplus(x)) (Misra, 2019)."""
    return networks.mish(x)


def glu(x: ArrayLike, axis: int = -1) -> Array:
    """The first half of an axis times the sigmoid of the second (Dauphin et al., 2016)."""
    return networks.glu(x, axis)


def sigmoid(x: ArrayLike) -> Array:
    """1 / (1 + exp(-x))."""
    return networks.sigmoid(x)


def log_sigmoid(x: ArrayLike) -> Array:
    """log(sigmoid(x))."""
    return networks.log_sigmoid(x)


def hard_sigmoid(x: ArrayLike) -> Array:
    """relu6(x + 3) / 6: straight lines near the sigmoid."""
    return networks.hard_sigmoid(x)


def tanh(x: ArrayLike) -> Array:
    """The hyperbolic tangent."""
    return elementwise.tanh(x)


def tanh_shrink(x: ArrayLike) -> Array:
    """x - tanh(x)."""
    return networks.tanh_shrink(x)


def hard_tanh(x: ArrayLike) -> Array:
    """x, but not below -1 and not above 1."""
    return networks.hard_tanh(x)


def softplus(x: ArrayLike) -> Array:
    """log(1 + exp(x))."""
    return networks.softplus(x)


def softsign(x: ArrayLike) -> Array:
    """x / (1 + |x|)."""
    return networks.softsign(x)


def squareplus(x: ArrayLike, b: float = 4) -> Array:
    """(x + sqrt(x² + b)) / 2 (Barron, 2021)."""
    return networks.squareplus(x, b)


def soft_shrink(x: ArrayLike, threshold: float = 0.5) -> Array:
    """x moved towards 0 by ``threshold``, and 0 where it is nearer than that."""
    return networks.soft_shrink(x, threshold)


def hard_shrink(x: ArrayLike, threshold: float = 0.5) -> Array:
    """x, but 0 where it is not farther from 0 than ``threshold``."""
    return networks.hard_shrink(x, threshold)


def threshold(x: ArrayLike, threshold: float, default_value: float) -> Array:
    """x where it exceeds ``threshold``, else ``default_value``."""
    return networks.threshold(x, threshold, default_value)


def exponential(x: ArrayLike) -> Array:
    """e to the power of x."""
    return elementwise.exp(x)


def sparse_plus(x: ArrayLike) -> Array:
    """0 below -1, x above 1, and (x + 1)² / 4 between."""
    return networks.sparse_plus(x)


def sparse_sigmoid(x: ArrayLike) -> Array:
    """0 below -1, 1 above 1, and (x + 1) / 2 between."""
    return networks.sparse_sigmoid(x)


def softmax(x: ArrayLike, axis: int | Sequence[int] = -1) -> Array:
    """exp(x) as shares of their sum over an axis."""
    return networks.softmax(x, axis)


def log_softmax(x: ArrayLike, axis: int | Sequence[int] = -1) -> Array:
    """log(softmax(x))."""
    return networks.log_softmax(x, axis)


def sparsemax(x: ArrayLike, axis: int = -1) -> Array:
    """The nearest point of the probability simplex (Martins and Astudillo, 2016)."""
    return networks.sparsemax(x, axis)


swish, hard_swish = silu, hard_silu

__all__ = [
    "celu", "deserialize", "elu", "exponential", "gelu", "get", "glu", "hard_shrink",
    "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid",
    "log_softmax", "mish", "relu", "relu6", "selu", "serialize", "sigmoid", "silu", "soft_shrink",
    "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus",
    "swish", "tanh", "tanh_shrink", "threshold",
]  # fmt: skip
_KNOWN: dict[str, Any] = {name: found for name, found in globals().items() if name in __all__}


def get(identifier: ActivationLike) -> Callable[..., Array]:
    """The activation that a name, config, layer or callable stands for; `linear` for None.

    >>> get("relu") is relu, get(None) is linear
    (True, True)

    Raises:
        UnknownNameError: for a name that is no activation, with the nearest one.
    """
    return linear if identifier is None else lookup.find(identifier, "activation", _KNOWN)


def serialize(activation: Callable[..., Any]) -> Any:
    """The name of a built-in activation, the config of any other.

    >>> serialize(relu)
    'relu'
    """
    name = getattr(activation, "__name__", "")
    if isinstance(activation, FunctionType) and _KNOWN.get(name) is activation:
        return name
    return registry.serialize(activation)


def deserialize(config: Any, custom_objects: CustomObjects = None) -> Any:
    """The activation of a name or config."""
    found = lookup.from_config(config, _KNOWN, custom_objects)
    return get(found)
