"""Functions of TensorFlow that are no single op of Lamina."""

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import ops
from lamina.compat import randoms
from lamina.compat.operators import constant_dtype, is_tensor
from lamina.compat.tape import lifted, outermost, run
from lamina.compat.tensor import DType, Tensor, TensorShape, unwrap
from lamina.core.errors import ArgumentError, DTypeError, explain
from lamina.core.symbolic import SymbolicTensor


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str = "Const") -> Any:
    """A tensor of these values; Python's floats are float32, its ints int32.

    >>> constant([1, 2])
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 2], dtype=int32)>
    """
    if dtype is None and not hasattr(value, "dtype") and not _has_tensors(value):
        dtype = constant_dtype(value)
        if dtype is None:
            raise DTypeError(
                explain(
                    "Tensors of Lamina's facade hold numbers.",
                    met=type(value).__name__,
                    fix="use Python's own strings, and the layers for text",
                )
            )

    def convert(value: Any) -> Any:
        array = ops.convert_to_tensor(value, unwrap(dtype))
        return array if shape is None else jnp.broadcast_to(array, tuple(shape))

    return run(convert, (value,))


def _has_tensors(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_has_tensors(each) for each in value)
    return is_tensor(value)


def convert_to_tensor(value: Any, dtype: Any = None, dtype_hint: Any = None, name: Any = None) -> Any:
    """A tensor of these values; a tensor is returned as it is."""
    if isinstance(value, Tensor) and dtype is None:
        return value
    return constant(value, dtype)


def cast(x: Any, dtype: Any, name: Any = None) -> Any:
    """The values in another dtype."""
    return run(ops.cast, (x, unwrap(dtype)))


def matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, name: Any = None
) -> Any:
    """The matrix product, of either matrix transposed where asked for."""
    a = run(ops.swapaxes, (a, -1, -2)) if transpose_a else a
    b = run(ops.swapaxes, (b, -1, -2)) if transpose_b else b
    return run(ops.matmul, (a, b))


def arange(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: Any = None) -> Any:
    """Numbers from ``start`` (0 when one number is given) up to, but without, ``limit``."""
    start, limit = (0, start) if limit is None else (start, limit)
    return run(ops.arange, (start, limit, delta), {"dtype": unwrap(dtype)})


def split(value: Any, num_or_size_splits: Any, axis: int = 0, num: Any = None, name: Any = None) -> Any:
    """Parts along an axis: so many, or of these sizes."""
    if isinstance(num_or_size_splits, (list, tuple)):
        num_or_size_splits = [int(each) for each in np.cumsum(num_or_size_splits)[:-1]]
    return run(ops.split, (value, num_or_size_splits, axis))


def shape_of(input: Any, out_type: Any = None, name: Any = None) -> Any:  # noqa: A002
    """The shape: an int32 tensor; inside a layer's call its sizes as they are known."""
    sizes = tuple(input.shape)
    if isinstance(input, SymbolicTensor) or not outermost():
        known = all(isinstance(size, int) for size in sizes)
        return np.array(sizes, "int32") if known else sizes
    return Tensor(jnp.array(sizes, "int32"))


def rank(input: Any, name: Any = None) -> Any:  # noqa: A002
    """The number of axes, as an int32 tensor."""
    return constant(input.ndim)


def size(input: Any, out_type: Any = None, name: Any = None) -> Any:  # noqa: A002
    """The number of elements, as an int32 tensor."""
    return run(lambda x: jnp.asarray(x.size, "int32"), (input,))


def function(func: Any = None, input_signature: Any = None, **options: Any) -> Any:
    """The function itself, which runs as it stands: JAX compiles the layers and ops in it."""
    unknown = options.keys() - {
        "autograph", "jit_compile", "reduce_retracing", "experimental_relax_shapes",
        "experimental_implements", "experimental_autograph_options",
        "experimental_attributes", "experimental_compile", "experimental_follow_type_hints",
    }  # fmt: skip
    if unknown:
        raise ArgumentError(f"tf.function does not take {sorted(unknown)}.")
    return (lambda given: given) if func is None else func


def show(*inputs: Any, output_stream: Any = None, sep: str = " ", end: str = "\n", **_: Any) -> None:
    """Print values, those of tensors alone; inside compiled code when it runs."""
    plain = [unwrap(each) for each in inputs]
    if any(isinstance(each, jax.core.Tracer) for each in plain):
        jax.debug.print(sep.join("{}" for _ in plain), *plain)
    else:
        print(*(np.asarray(p) if is_tensor(p) else p for p in plain), sep=sep, end=end)


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a gradient of its own: ``f(x)`` returns its value and the function for it."""
    return lifted(ops.custom_gradient(f))


def logits_loss(loss: Callable[..., Any]) -> Callable[..., Any]:
    """A loss from logits with TensorFlow's parameters."""

    def wrapper(labels: Any, logits: Any, axis: int = -1, name: Any = None) -> Any:
        return run(loss, (labels, logits))

    wrapper.__doc__ = f"As `lamina.ops.{loss.__name__}` from logits."
    return wrapper


def _sigmoid_loss(labels: Any, logits: Any) -> Any:
    return ops.binary_crossentropy(labels, logits, from_logits=True)


def _softmax_loss(labels: Any, logits: Any) -> Any:
    return ops.categorical_crossentropy(labels, logits, from_logits=True)


def _sparse_loss(labels: Any, logits: Any) -> Any:
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def leaky_relu(features: Any, alpha: float = 0.2, name: Any = None) -> Any:
    """``x`` where positive, ``alpha * x`` elsewhere."""
    return run(ops.leaky_relu, (features, alpha))


def dropout(x: Any, rate: float, noise_shape: Any = None, seed: Any = None, name: Any = None) -> Any:
    """Elements set to 0 with probability ``rate``, the others scaled to keep the mean."""
    from lamina.core import random

    return run(random.dropout, (x, rate, noise_shape, randoms.op_seed(seed)))


def moments(x: Any, axes: Any, shift: Any = None, keepdims: bool = False, name: Any = None) -> Any:
    """Mean and variance over axes."""
    return run(ops.moments, (x, axes, keepdims))


def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: Any = None) -> Any:
    """``x`` divided by its L2 norm along ``axis``."""
    return run(lambda x: x * jax.lax.rsqrt(
        jnp.maximum(jnp.sum(x * x, axis, keepdims=True), epsilon)), (x,))  # fmt: skip


def conv2d(
    input: Any,  # noqa: A002
    filters: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    dilations: Any = None,
    name: Any = None,
) -> Any:
    """Convolution of images (batch, height, width, channels) with filters (h, w, in, out)."""
    options = [_last(data_format), _inner(dilations or 1)]
    return run(ops.conv, (input, filters, _inner(strides), padding.lower(), *options))


def _pool(op: Callable[..., Any]) -> Callable[..., Any]:
    def pool(
        input: Any,  # noqa: A002
        ksize: Any,
        strides: Any,
        padding: str,
        data_format: str = "NHWC",
        name: Any = None,
    ) -> Any:
        given = (_inner(ksize), _inner(strides), padding.lower(), _last(data_format))
        return run(op, (input, *given))

    pool.__doc__ = op.__doc__
    return pool


def _last(data_format: str) -> str:
    return "channels_last" if data_format == "NHWC" else "channels_first"


def _inner(sizes: Any) -> Any:
    """Sizes of height and width: of one number, of two, or of four for all axes."""
    return sizes if isinstance(sizes, int) else tuple(sizes[1:3] if len(sizes) == 4 else sizes)


def confusion_matrix(
    labels: Any, predictions: Any, num_classes: Any = None, weights: Any = None, dtype: Any = "int32",
    name: Any = None,
) -> Any:  # fmt: skip
    """Counts of (label, prediction) pairs: a row for each label."""

    def count(labels: Any, predictions: Any) -> Any:
        classes = num_classes or int(max(jnp.max(labels), jnp.max(predictions))) + 1
        table = jnp.zeros((classes, classes), unwrap(dtype))
        return table.at[labels, predictions].add(1 if weights is None else unwrap(weights))

    return run(count, (constant(labels), constant(predictions)))


class PhysicalDevice:
    """A device as TensorFlow names it."""

    def __init__(self, device_type: str, index: int) -> None:
        self.device_type = device_type
        self.name = f"/physical_device:{device_type}:{index}"

    def __repr__(self) -> str:
        return f"PhysicalDevice(name='{self.name}', device_type='{self.device_type}')"


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """JAX's devices; "CPU", "GPU" or "TPU" alone where asked for."""
    kinds = [each.platform.upper().replace("CUDA", "GPU") for each in jax.devices()]
    kinds = kinds if "CPU" in kinds else ["CPU", *kinds]
    found = [PhysicalDevice(kind, kinds[:i].count(kind)) for i, kind in enumerate(kinds)]
    return [each for each in found if device_type in (None, each.device_type)]


TOP = {
    "cast": cast, "constant": constant, "convert_to_tensor": convert_to_tensor,
    "custom_gradient": custom_gradient, "executing_eagerly": lambda: True, "function": function,
    "matmul": matmul, "print": show, "range": arange, "rank": rank, "shape": shape_of,
    "size": size, "split": split,
}  # fmt: skip
MATH = {
    "add_n": lambda inputs, name=None: run(lambda xs: sum(xs[1:], xs[0]), (list(inputs),)),
    "confusion_matrix": confusion_matrix,
    "l2_normalize": l2_normalize,
    "squared_difference": lambda x, y, name=None: run(lambda a, b: (a - b) ** 2, (x, y)),
    "in_top_k": lambda targets, predictions, k, name=None: run(
        ops.in_top_k, (targets, predictions, k)
    ),
    "top_k": lambda input, k=1, sorted=True, name=None: run(ops.top_k, (input, k, sorted)),
}
NN = {
    "avg_pool2d": _pool(ops.average_pool), "bias_add": lambda value, bias, data_format=None,
    name=None: run(ops.add, (value, bias)), "conv2d": conv2d, "dropout": dropout,
    "l2_loss": lambda t, name=None: run(lambda x: jnp.sum(x * x) / 2, (t,)),
    "l2_normalize": l2_normalize, "leaky_relu": leaky_relu, "max_pool2d": _pool(ops.max_pool),
    "moments": moments, "sigmoid_cross_entropy_with_logits": logits_loss(_sigmoid_loss),
    "softmax_cross_entropy_with_logits": logits_loss(_softmax_loss),
    "sparse_softmax_cross_entropy_with_logits": logits_loss(_sparse_loss),
}  # fmt: skip
CONFIG = {
    "list_physical_devices": list_physical_devices,
    "list_logical_devices": list_physical_devices,
    "run_functions_eagerly": lambda run_eagerly: None,
}
