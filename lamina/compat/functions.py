"""Functions of TensorFlow that are no single op of Lamina."""

import functools
import types
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina import ops
from lamina.compat.adapting import set_seed, signatures
from lamina.compat.operators import constant_dtype, is_tensor
from lamina.compat.tape import lifted, outermost, run
from lamina.compat.tensor import Tensor, unwrap
from lamina.core import random
from lamina.core.dtypes import is_int
from lamina.core.errors import ArgumentError, DTypeError
from lamina.core.symbolic import SymbolicTensor

# --- making tensors -----------------------------------------------------------------------------


def constant(value: Any, dtype: Any = None, shape: Any = None) -> Any:
    """A tensor of these values; Python's floats are float32, its ints int32.

    >>> constant([1, 2])
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 2], dtype=int32)>
    """
    if dtype is None and not hasattr(value, "dtype") and not _has_tensors(value):
        dtype = constant_dtype(value)
        if dtype is None:
            raise DTypeError(
                "Tensors of Lamina's facade hold numbers.",
                met=type(value).__name__,
                fix="use Python's own strings, and the layers for text",
            )

    def convert(value: Any) -> Any:
        array = ops.convert_to_tensor(value, unwrap(dtype))
        return array if shape is None else jnp.broadcast_to(array, tuple(shape))

    return run(convert, (value,))


def _has_tensors(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_has_tensors(each) for each in value)
    return is_tensor(value)


def convert_to_tensor(value: Any, dtype: Any = None, dtype_hint: Any = None) -> Any:
    """A tensor of these values; a tensor is returned as it is."""
    return value if isinstance(value, Tensor) and dtype is None else constant(value, dtype)


def shape_of(input: Any, out_type: Any = None) -> Any:
    """The shape: an int32 tensor; inside a layer's call its sizes as they are known."""
    sizes = tuple(input.shape)
    if isinstance(input, SymbolicTensor) or not outermost():
        known = all(isinstance(size, int) for size in sizes)
        return np.array(sizes, "int32") if known else sizes
    return Tensor(jnp.array(sizes, "int32"))


# --- drawing numbers ----------------------------------------------------------------------------


class Generator:
    """A source of draws with a state of its own.

    >>> Generator.from_seed(1).normal((2, 3)).shape
    TensorShape([2, 3])
    """

    def __init__(self, source: random.SeedGenerator) -> None:
        self.normal = functools.partial(RANDOM["normal"], seed=source)
        self.uniform = functools.partial(RANDOM["uniform"], seed=source)

    @classmethod
    def from_seed(cls, seed: int, alg: Any = None) -> "Generator":
        """A generator that draws the same numbers for the same seed."""
        return cls(random.SeedGenerator(seed))


def _uniform(
    shape: Any, minval: Any = 0, maxval: Any = 1, dtype: Any = None, seed: Any = None
) -> Any:
    """Draws of floats, or of integers where ``dtype`` says so."""
    if dtype is not None and is_int(dtype):
        return random.randint(shape, minval, maxval, dtype, seed)
    return random.uniform(shape, minval, maxval, dtype, seed)


RANDOM = {
    "Generator": Generator,
    "set_seed": set_seed,
    **signatures(
        "categorical(logits,num_samples,dtype=int32,seed) normal(shape,mean,stddev,dtype,seed) "
        "shuffle(value,seed>seed) truncated_normal(shape,mean,stddev,dtype,seed)",
        random,
    ),
    **signatures(
        "uniform(shape,minval=0,maxval=1,dtype,seed)", types.SimpleNamespace(uniform=_uniform)
    ),
}

# --- arithmetic ---------------------------------------------------------------------------------


@lifted
def matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """The matrix product, of either matrix transposed where asked for."""
    a = ops.swapaxes(a, -1, -2) if transpose_a else a
    return ops.matmul(a, ops.swapaxes(b, -1, -2) if transpose_b else b)


@lifted
def split(value: Any, num_or_size_splits: Any, axis: int = 0) -> Any:
    """Parts along an axis: so many, or of these sizes."""
    if isinstance(num_or_size_splits, (list, tuple)):
        num_or_size_splits = [int(each) for each in np.cumsum(num_or_size_splits)[:-1]]
    return ops.split(value, num_or_size_splits, axis)


@lifted
def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    """``x`` divided by its L2 norm along ``axis``."""
    return ops.multiply(
        x, ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis, keepdims=True), epsilon))
    )


# --- the process --------------------------------------------------------------------------------

_OPTIONS = frozenset("autograph jit_compile reduce_retracing experimental_relax_shapes "
                     "experimental_compile".split())  # fmt: skip


def function(func: Any = None, input_signature: Any = None, **options: Any) -> Any:
    """The function itself, which runs as it stands: JAX compiles the layers and ops in it."""
    unknown = options.keys() - _OPTIONS
    if unknown:
        raise ArgumentError(f"tf.function does not take {sorted(unknown)}.")
    return (lambda given: given) if func is None else func


def show(*inputs: Any, output_stream: Any = None, sep: str = " ", end: str = "\n") -> None:
    """Print values, those of tensors alone; inside compiled code when it runs."""
    plain = unwrap(list(inputs))
    if any(isinstance(each, Tracer) for each in plain):
        jax.debug.print(sep.join("{}" for _ in plain), *plain)
    else:
        print(*plain, sep=sep, end=end, file=output_stream)


class PhysicalDevice(NamedTuple):
    """A device as TensorFlow names it."""

    name: str
    device_type: str


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """JAX's devices; "CPU", "GPU" or "TPU" alone where asked for."""
    kinds = [each.platform.upper().replace("CUDA", "GPU") for each in jax.devices()]
    kinds = kinds if "CPU" in kinds else ["CPU", *kinds]
    return [
        PhysicalDevice(f"/physical_device:{kind}:{kinds[:index].count(kind)}", kind)
        for index, kind in enumerate(kinds)
        if device_type in (None, kind)
    ]


TABLES: dict[str, dict[str, Any]] = {
    "": {
        "boolean_mask": lifted(lambda tensor, mask: jnp.asarray(tensor)[np.asarray(mask)]),
        "constant": constant, "convert_to_tensor": convert_to_tensor,
        "einsum": lifted(ops.einsum), "executing_eagerly": lambda: True, "function": function,
        "is_tensor": is_tensor, "matmul": matmul, "meshgrid": lifted(ops.meshgrid), "print": show,
        "rank": lambda input: constant(input.ndim), "shape": shape_of,
        "size": lifted(lambda input: jnp.asarray(jnp.size(input), "int32")), "split": split,
    },
    "math": {
        "l2_normalize": l2_normalize,
        "squared_difference": lifted(lambda x, y: ops.square(ops.subtract(x, y))),
    },
    "nn": {
        "l2_loss": lifted(lambda t: ops.sum(ops.square(t)) / 2), "l2_normalize": l2_normalize,
        **signatures("dropout(x,rate,noise_shape,seed)", random),
    },
    "linalg": {"matmul": matmul},
    "random": RANDOM,
    "config": {
        "list_physical_devices": list_physical_devices,
        "list_logical_devices": list_physical_devices,
    },
}  # fmt: skip
"""The functions by the module that they are in; ``tf`` itself is ""."""
