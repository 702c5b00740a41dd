"""Functions of TensorFlow that are no single op of Lamina."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina import ops
from lamina.compat.operators import constant_dtype, is_tensor
from lamina.compat.tape import outermost, run
from lamina.compat.tensor import Tensor, unwrap
from lamina.core import random
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


def arange(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None) -> Any:
    """Numbers from ``start`` (0 when one number is given) up to, but without, ``limit``."""
    start, limit = (0, start) if limit is None else (start, limit)
    return run(ops.arange, (start, limit, delta), {"dtype": dtype})


def shape_of(input: Any, out_type: Any = None) -> Any:
    """The shape: an int32 tensor; inside a layer's call its sizes as they are known."""
    sizes = tuple(input.shape)
    if isinstance(input, SymbolicTensor) or not outermost():
        known = all(isinstance(size, int) for size in sizes)
        return np.array(sizes, "int32") if known else sizes
    return Tensor(jnp.array(sizes, "int32"))


# --- drawing numbers ----------------------------------------------------------------------------

_sources: dict[int, random.SeedGenerator] = {}


def set_seed(seed: int) -> None:
    """Set the global seed; draws with a seed of their own begin anew too."""
    _sources.clear()
    random.set_seed(seed)


def source_of(seed: Any) -> Any:
    """Where a draw that was given a seed comes from: each draw moves it on."""
    if seed is None or isinstance(seed, random.SeedGenerator):
        return seed
    return _sources.setdefault(int(seed), random.SeedGenerator(int(seed)))


def _draw(
    function: Any, shape: Any, low: Any, high: Any, dtype: Any = None, seed: Any = None
) -> Any:
    sizes = tuple(int(size) for size in shape)
    return run(lambda *ab: function(sizes, *ab, unwrap(dtype), source_of(seed)), (low, high))


def normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
) -> Any:
    """Draws from a normal distribution."""
    return _draw(random.normal, shape, mean, stddev, dtype, seed)


def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
) -> Any:
    """Draws from a normal distribution within two standard deviations."""
    return _draw(random.truncated_normal, shape, mean, stddev, dtype, seed)


def uniform(
    shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = None, seed: Any = None
) -> Any:
    """Draws from a uniform distribution on [minval, maxval); integers for an integer dtype."""
    return _draw(random.uniform, shape, minval, 1 if maxval is None else maxval, dtype, seed)


class Generator:
    """A source of draws with a state of its own.

    >>> Generator.from_seed(1).normal((2, 3)).shape
    TensorShape([2, 3])
    """

    def __init__(self, source: random.SeedGenerator) -> None:
        self._source = source

    @classmethod
    def from_seed(cls, seed: int, alg: Any = None) -> "Generator":
        """A generator that draws the same numbers for the same seed."""
        return cls(random.SeedGenerator(seed))

    def normal(self, shape: Any, *args: Any, **kwargs: Any) -> Any:
        """Draws from a normal distribution."""
        return normal(shape, *args, seed=self._source, **kwargs)

    def uniform(self, shape: Any, *args: Any, **kwargs: Any) -> Any:
        """Draws from a uniform distribution on [minval, maxval)."""
        return uniform(shape, *args, seed=self._source, **kwargs)


RANDOM = {
    "Generator": Generator, "normal": normal, "set_seed": set_seed, "uniform": uniform,
    "truncated_normal": truncated_normal,
    "shuffle": lambda value, seed=None: run(
        lambda x: random.shuffle(x, seed=source_of(seed)), (value,)
    ),
    "categorical": lambda logits, num_samples, dtype="int32", seed=None: run(
        lambda x: random.categorical(x, num_samples, dtype, source_of(seed)), (logits,)
    ),
}  # fmt: skip

# --- arithmetic ---------------------------------------------------------------------------------


def matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """The matrix product, of either matrix transposed where asked for."""
    a = run(ops.swapaxes, (a, -1, -2)) if transpose_a else a
    b = run(ops.swapaxes, (b, -1, -2)) if transpose_b else b
    return run(ops.matmul, (a, b))


def split(value: Any, num_or_size_splits: Any, axis: int = 0) -> Any:
    """Parts along an axis: so many, or of these sizes."""
    if isinstance(num_or_size_splits, (list, tuple)):
        num_or_size_splits = [int(each) for each in np.cumsum(num_or_size_splits)[:-1]]
    return run(ops.split, (value, num_or_size_splits, axis))


def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    """``x`` divided by its L2 norm along ``axis``."""

    def normalized(x: Any) -> Any:
        x = jnp.asarray(x)
        return x / jnp.sqrt(jnp.maximum(jnp.sum(x * x, axis, keepdims=True), epsilon))

    return run(normalized, (x,))


def confusion_matrix(labels: Any, predictions: Any, num_classes: Any = None) -> Any:
    """Counts of (label, prediction) pairs: a row for each label."""

    def count(labels: Any, predictions: Any) -> Any:
        classes = num_classes or int(max(jnp.max(labels), jnp.max(predictions))) + 1
        return jnp.zeros((classes, classes), "int32").at[labels, predictions].add(1)

    return run(count, (constant(labels), constant(predictions)))


MATH = {
    "add_n": lambda inputs: run(lambda xs: sum(xs[1:], xs[0]), (list(inputs),)),
    "confusion_matrix": confusion_matrix,
    "l2_normalize": l2_normalize,
    "squared_difference": lambda x, y: run(lambda *ab: ops.square(ops.subtract(*ab)), (x, y)),
}

# --- networks -----------------------------------------------------------------------------------


def _logits_loss(loss: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(labels: Any, logits: Any) -> Any:
        return run(loss, (labels, logits), {"from_logits": True})

    return wrapper


NN = {
    "dropout": lambda x, rate, noise_shape=None, seed=None: run(
        random.dropout, (x, rate, noise_shape, source_of(seed))
    ),
    "l2_loss": lambda t: run(lambda x: ops.sum(ops.square(x)) / 2, (t,)),
    "l2_normalize": l2_normalize,
    "sigmoid_cross_entropy_with_logits": _logits_loss(ops.binary_crossentropy),
    "softmax_cross_entropy_with_logits": _logits_loss(ops.categorical_crossentropy),
    "sparse_softmax_cross_entropy_with_logits": _logits_loss(ops.sparse_categorical_crossentropy),
}

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


CONFIG = {"list_physical_devices": list_physical_devices,
          "list_logical_devices": list_physical_devices}  # fmt: skip
TOP = {
    "boolean_mask": lambda tensor, mask: run(lambda x: jnp.asarray(x)[np.asarray(mask)], (tensor,)),
    "cast": lambda x, dtype: run(ops.cast, (x, unwrap(dtype))),
    "constant": constant,
    "convert_to_tensor": convert_to_tensor,
    "executing_eagerly": lambda: True,
    "function": function,
    "matmul": matmul,
    "print": show,
    "range": arange,
    "rank": lambda input: constant(input.ndim),
    "shape": shape_of,
    "size": lambda input: run(lambda x: jnp.asarray(jnp.size(x), "int32"), (input,)),
    "split": split,
}
