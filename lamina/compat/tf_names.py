"""The names of TensorFlow that the facade has: tables of what each stands for in Lamina."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from lamina import activations, ops
from lamina.compat import data, functions, operators, randoms, tape, tensor
from lamina.core.errors import ArgumentError, explain, nearest
from lamina.core.symbolic import SymbolicTensor

VERSION = "2.16.0+lamina"

_SAME = """
abs acos=arccos acosh=arccosh add asin=arcsin asinh=arcsinh atan=arctan atan2=arctan2
atanh=arctanh cos cosh divide equal exp floor greater greater_equal less less_equal logical_and
logical_not logical_or maximum minimum multiply negative not_equal pow=power round sigmoid sign
sin sinh sqrt square subtract tan tanh truediv=divide
"""
_MATH = """
add_n bincount ceil conj cumprod cumsum divide_no_nan erf erfinv expm1 floordiv=floor_divide
floormod=mod imag is_finite=isfinite is_inf=isinf is_nan=isnan log log1p log_sigmoid
logical_xor mod real reciprocal rsqrt softplus softsign squared_difference top_k in_top_k
"""
_REDUCTIONS = """
reduce_all=all reduce_any=any reduce_max=max reduce_mean=mean reduce_min=min reduce_prod=prod
reduce_sum=sum
"""

_SIGNATURES = {
    "tf": {
        "argsort": "argsort values axis=-1",
        "boolean_mask": "get_item tensor mask",
        "broadcast_to": "broadcast_to input shape",
        "clip_by_value": "clip t clip_value_min clip_value_max",
        "concat": "concatenate values axis",
        "einsum": "einsum equation *inputs",
        "expand_dims": "expand_dims input axis",
        "eye": "eye num_rows num_columns -batch_shape dtype>dtype",
        "fill": "full dims value",
        "gather": "take params indices -validate_indices axis=0 -batch_dims",
        "identity": "copy input",
        "linspace": "linspace start stop num",
        "meshgrid": "meshgrid *args indexing>indexing",
        "norm": "norm tensor ord>ord axis>axis keepdims>keepdims",
        "one_hot": "one_hot indices depth -on_value -off_value axis=-1 dtype=float32",
        "ones": "ones shape dtype=float32",
        "ones_like": "ones_like input dtype",
        "pad": "pad tensor paddings mode=constant constant_values>constant_values",
        "repeat": "repeat input repeats axis",
        "reshape": "reshape tensor shape",
        "reverse": "flip tensor axis",
        "roll": "roll input shift axis",
        "sort": "sort values axis=-1",
        "squeeze": "squeeze input axis",
        "stack": "stack values axis=0",
        "stop_gradient": "stop_gradient input",
        "tensordot": "tensordot a b axes",
        "tile": "tile input multiples",
        "transpose": "transpose a perm",
        "unstack": "unstack value num axis=0",
        "where": "where condition x y",
        "zeros": "zeros shape dtype=float32",
        "zeros_like": "zeros_like input dtype",
    },
    "tf math": {
        "argmax": "argmax input axis=0 -output_type",
        "argmin": "argmin input axis=0 -output_type",
        "cumsum": "cumsum x axis=0",
    },
    "math": {
        "count_nonzero": "count_nonzero input axis",
        "cumprod": "cumprod x axis=0",
        "reduce_logsumexp": "logsumexp input_tensor axis keepdims",
        "reduce_std": "std input_tensor axis keepdims",
        "reduce_variance": "var input_tensor axis keepdims",
        "segment_sum": "segment_sum data segment_ids",
        "unsorted_segment_sum": "segment_sum data segment_ids num_segments",
    },
    "linalg": {
        "cholesky": "cholesky input",
        "det": "det input",
        "diag": "diag diagonal",
        "diag_part": "diagonal input",
        "eigh": "eigh tensor",
        "inv": "inv input",
        "lstsq": "lstsq matrix rhs",
        "norm": "norm tensor ord>ord axis>axis keepdims>keepdims",
        "pinv": "pinv a rcond",
        "qr": "qr input",
        "solve": "solve matrix rhs",
        "tensor_diag": "diag diagonal",
        "trace": "trace x",
    },
    "nn": {
        "embedding_lookup": "take params ids axis=0",
        "softmax": "softmax logits axis=-1",
        "log_softmax": "log_softmax logits axis=-1",
    },
}
"""``"op parameters"``: TensorFlow's parameters in the order of the op's own. ``name=3`` has this
default, ``tf>op`` goes to the op's parameter of that name, ``-name`` may only be left out."""

_DTYPES = "bfloat16 bool complex64 complex128 float16 float32 float64 int8 int16 int32 int64 " \
    "uint8 uint16 uint32 uint64".split()  # fmt: skip
_ACTIVATIONS = "elu gelu relu relu6 selu sigmoid silu softplus softsign swish=silu tanh"

HINTS = {
    "Session": "nothing has to be run in a session: tensors have values, see .numpy()",
    "placeholder": "use tf.keras.Input, or call a function on arrays",
    "compat": "write for TensorFlow 2: eager tensors and tf.keras",
    "compat.v1": "write for TensorFlow 2: eager tensors and tf.keras",
    "device": "jax.default_device chooses where arrays are computed",
    "distribute": "use jax.sharding; a model's arrays are ordinary JAX arrays",
    "estimator": "use a model and model.fit",
    "image": "use lamina.ops or jax.image on arrays",
    "io": "use Python's own files, NumPy, or h5py",
    "lite": "a saved model is a .keras file, which Keras itself opens",
    "map_fn": "use lamina.ops.map or lamina.ops.vectorized_map",
    "Module": "subclass tf.keras.layers.Layer or tf.keras.Model",
    "py_function": "functions run as Python anyway: call it",
    "ragged": "pad to one length, and use masks",
    "RaggedTensor": "pad to one length, and use masks",
    "saved_model": "use model.save('model.keras')",
    "scan": "use lamina.ops.scan",
    "sparse": "use dense arrays, or jax.experimental.sparse",
    "strings": "use Python's own strings, and the layers for text",
    "string": "arrays hold numbers; use Python's own strings, and the layers for text",
    "summary": "use callbacks, or print",
    "train": "use tf.keras.optimizers, and model.save_weights",
    "TensorArray": "use a Python list and tf.stack, or lamina.ops.scan",
    "while_loop": "use Python's own loop, or lamina.ops.while_loop inside jax.jit",
    "cond": "use Python's own `if`, or lamina.ops.cond inside jax.jit",
}


@functools.cache
def namespaces() -> dict[str, dict[str, Any]]:
    """The tables of ``tf`` (under ""), ``math``, ``nn``, ``random`` and so on."""
    found: dict[str, dict[str, Any]] = {
        "": _top(), "math": {}, "nn": dict(functions.NN), "linalg": {}, "random": randoms.TABLE,
        "data": {"Dataset": data.Dataset, "AUTOTUNE": -1},
        "config": functions.CONFIG, "config.experimental": functions.CONFIG, "dtypes": {},
    }  # fmt: skip
    top, math, nn = found[""], found["math"], found["nn"]
    for word in f"{_SAME} {_MATH} {_REDUCTIONS}".split():
        name, _, op = word.partition("=")
        function = functions.MATH.get(name) or _same(getattr(ops, op or name))
        math[name] = function
        if word in f"{_SAME} {_REDUCTIONS}".split():
            top[name] = function
    for places, table in _SIGNATURES.items():
        for name, text in table.items():
            for place in places.split():
                found["" if place == "tf" else place][name] = adapted(name, text)
    for word in _ACTIVATIONS.split():
        name, _, ours = word.partition("=")
        nn[name] = tape.lifted(getattr(activations, ours or name))
    found["linalg"]["matmul"] = top["matmul"]
    math.update(functions.MATH, sigmoid=nn["sigmoid"], tanh=nn["tanh"])
    top.update({name: math[name] for name in ("floor", "add_n", "cumsum", "sigmoid", "tanh")})
    nn.update({name: math[name] for name in ("top_k", "in_top_k")})
    found["dtypes"] = {name: top[name] for name in (*_DTYPES, "DType", "as_dtype", "cast")}
    return found


def _top() -> dict[str, Any]:
    return {
        **functions.TOP,
        **{name: tensor.DType(name) for name in _DTYPES},
        "DType": tensor.DType,
        "as_dtype": lambda dtype: tensor.DType(ops.dtype(np.zeros((), dtype))),
        "GradientTape": tape.GradientTape,
        "Tensor": _Tensor,
        "TensorShape": tensor.TensorShape,
        "Variable": operators.Variable,
        "UnconnectedGradients": type("UnconnectedGradients", (), {"NONE": "none", "ZERO": "zero"}),
        "is_tensor": operators.is_tensor,
        "newaxis": None,
    }


class _TensorKinds(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, (tensor.Tensor, jax.Array, SymbolicTensor))


class _Tensor(metaclass=_TensorKinds):
    """What ``isinstance(x, tf.Tensor)`` holds for: tensors, arrays inside calls, symbolic ones."""


_STATIC = frozenset("axis shape perm depth dims multiples num num_rows num_columns paddings "
                    "num_segments axes repeats shift".split())  # fmt: skip


def _same(function: Callable[..., Any]) -> Callable[..., Any]:
    """An op whose parameters go by position; reductions take axis and keepdims as well."""

    def wrapper(*args: Any, name: Any = None, **kwargs: Any) -> Any:
        named = [kwargs.pop(key) for key in ("input_tensor", "x", "a", "input") if key in kwargs]
        others = [kwargs.pop(key) for key in ("y", "b") if key in kwargs]
        kwargs = {key: _static(key, value) for key, value in kwargs.items()}
        args = tuple(_static("axis" if i and kind else "", each) for i, each in enumerate(args))
        return tape.run(function, (*args, *named, *others), kwargs)

    kind = "axis" in inspect.signature(function).parameters
    wrapper.__name__ = wrapper.__qualname__ = function.__name__
    wrapper.__doc__ = function.__doc__
    return wrapper


def _static(name: str, value: Any) -> Any:
    """Arguments that say how to compute, as Python's ints and tuples."""
    if name not in _STATIC:
        return value
    if isinstance(value, (list, tuple)):
        return tuple(_static(name, each) for each in value)
    if hasattr(value, "__array__") and not isinstance(value, (jax.core.Tracer, str)):
        return _static(name, tuple(np.asarray(value).tolist())) if value.ndim else int(value)
    return value


def adapted(name: str, text: str) -> Callable[..., Any]:
    """An op of Lamina with TensorFlow's parameters; see ``_SIGNATURES``."""
    op, *words = text.split()
    function = getattr(ops, op)
    own = list(inspect.signature(function).parameters)
    targets: dict[str, str | None] = {}
    defaults: dict[str, Any] = {}
    variadic = any(word.startswith("*") for word in words)
    for word in words:
        known, _, default = word.partition("=")
        known, _, target = known.partition(">")
        if known.startswith("-"):
            targets[known[1:]] = None
            continue
        targets[known] = target or own[len([t for t in targets.values() if t is not None])]
        if default:
            defaults[known] = int(default) if default.lstrip("-").isdigit() else default

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        kwargs.pop("name", None)
        if variadic:
            return tape.run(function, args, kwargs)
        if len(args) > len(targets):
            raise ArgumentError(f"tf.{name} takes at most {len(targets)} arguments.")
        given = {**defaults, **_present(dict(zip(targets, args, strict=False))), **_present(kwargs)}
        for key in given:
            if targets.get(key) is None:
                hint = "Lamina has no such option." if key in targets else nearest(key, targets)
                raise ArgumentError(
                    explain(
                        f"tf.{name} does not take '{key}' here. {hint}".rstrip(),
                        fix=f"it takes {', '.join(k for k, v in targets.items() if v)}",
                    )
                )
        own_names = {targets[key]: _static(key, value) for key, value in given.items()}
        return tape.run(function, (), own_names)

    wrapper.__name__ = wrapper.__qualname__ = name
    wrapper.__doc__ = function.__doc__
    return wrapper


def _present(given: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value is not None}
