"""The names of TensorFlow that the facade has: tables of what each stands for in Lamina."""

import functools
import inspect
import itertools
from typing import Any

import jax

from lamina import activations
from lamina.compat import data, functions, operators, tape, tensor
from lamina.compat.adapting import adapted, signatures
from lamina.compat.keras_names import words
from lamina.core.symbolic import SymbolicTensor

_ONE = "abs acos=arccos asin=arcsin atan=arctan cos cosh exp floor logical_not negative round " \
    "sigmoid sign sin sinh sqrt square tan tanh"  # fmt: skip
_TWO = "add divide equal greater greater_equal less less_equal logical_and logical_or maximum " \
    "minimum multiply not_equal pow=power subtract truediv=divide"  # fmt: skip
_REDUCE = " ".join(f"reduce_{op}={op}" for op in "all any max mean min prod sum".split())
_MATH_ONE = "ceil erf expm1 imag is_finite=isfinite is_inf=isinf is_nan=isnan log log1p " \
    "log_sigmoid real reciprocal rsqrt softplus softsign"  # fmt: skip
_MATH_TWO = "atan2=arctan2 divide_no_nan floordiv=floor_divide floormod=mod logical_xor mod"

_SIGNATURES = {
    "": """
        argsort(values,axis=-1) broadcast_to(input,shape) cast(x,dtype)
        clip_by_value=clip(t,clip_value_min,clip_value_max) concat=concatenate(values,axis)
        expand_dims(input,axis) eye(num_rows,num_columns,-batch_shape,dtype>dtype)
        fill=full(dims,value) gather=take(params,indices,-validate_indices,axis=0,-batch_dims)
        identity=copy(input) linspace(start,stop,num)
        norm(tensor,ord>ord,axis>axis,keepdims>keepdims)
        one_hot(indices,depth,-on_value,-off_value,axis=-1,dtype=float32) ones(shape,dtype=float32)
        ones_like(input,dtype) pad(tensor,paddings,mode=constant,constant_values)
        range=arange(start,limit,delta,dtype) repeat(input,repeats,axis) reshape(tensor,shape)
        reverse=flip(tensor,axis) roll(input,shift,axis) sort(values,axis=-1) squeeze(input,axis)
        stack(values,axis=0) stop_gradient(input) tensordot(a,b,axes) tile(input,multiples)
        transpose(a,perm) unstack(value,num,axis=0) where(condition,x,y) zeros(shape,dtype=float32)
        zeros_like(input,dtype)""",
    "math": """
        bincount(arr,weights) count_nonzero(input,axis) cumprod(x,axis=0)
        in_top_k(targets,predictions,k) reduce_logsumexp=logsumexp(input_tensor,axis,keepdims)
        reduce_std=std(input_tensor,axis,keepdims) reduce_variance=var(input_tensor,axis,keepdims)
        segment_sum(data,segment_ids) top_k(input,k=1,sorted)
        unsorted_segment_sum=segment_sum(data,segment_ids,num_segments)""",
    "linalg": """
        cholesky(input) det(input) diag(diagonal) diag_part=diagonal(input) eigh(tensor) inv(input)
        lstsq(matrix,rhs) norm(tensor,ord>ord,axis>axis,keepdims>keepdims) pinv(a,rcond) qr(input)
        solve(matrix,rhs) trace(x)""",
    "nn": """
        bias_add=add(value,bias) embedding_lookup=take(params,ids,axis=0)
        in_top_k(targets,predictions,k) leaky_relu(features,alpha=0.2)
        moments(x,axes,-shift,keepdims) softmax(logits,axis=-1) log_softmax(logits,axis=-1)
        sigmoid_cross_entropy_with_logits=binary_crossentropy(labels,logits,from_logits=True)
        softmax_cross_entropy_with_logits=categorical_crossentropy(labels,logits,from_logits=True)
        sparse_softmax_cross_entropy_with_logits=sparse_categorical_crossentropy(labels,logits,
        from_logits=True) top_k(input,k=1,sorted)""",
}
_BOTH = "argmax(input,axis=0,-output_type) argmin(input,axis=0,-output_type) cumsum(x,axis=0)"
"""What stands in ``tf`` and in ``tf.math``."""

_DTYPES = "bfloat16 bool complex64 complex128 float16 float32 float64 int8 int16 int32 int64 " \
    "uint8 uint16 uint32 uint64".split()  # fmt: skip
_ACTIVATIONS = words("elu gelu relu relu6 selu sigmoid silu softplus softsign swish=silu tanh")

_USE = {
    "nothing has to be run in a session: tensors have values, see .numpy()": "Session",
    "use tf.keras.Input, or call a function on arrays": "placeholder",
    "write for TensorFlow 2: eager tensors and tf.keras": "compat compat.v1",
    "jax.default_device chooses where arrays are computed": "device",
    "use jax.sharding; a model's arrays are ordinary JAX arrays": "distribute",
    "use a model and model.fit": "estimator",
    "use lamina.ops or jax.image on arrays": "image",
    "use Python's own files, NumPy, or h5py": "io",
    "use lamina.ops.map or lamina.ops.vectorized_map": "map_fn vectorized_map",
    "subclass tf.keras.layers.Layer or tf.keras.Model": "Module",
    "functions run as Python anyway: call it": "py_function numpy_function",
    "pad to one length, and use masks": "ragged RaggedTensor",
    "use model.save('model.keras'), which Keras itself opens": "saved_model lite",
    "use dense arrays, or jax.experimental.sparse": "sparse SparseTensor",
    "use Python's own strings, and the layers for text": "strings string",
    "use tf.keras.optimizers, and model.save_weights": "train",
    "use Python's own lists, `if` and loops, or lamina.ops inside jax.jit":
        "TensorArray while_loop cond scan",
}  # fmt: skip
HINTS = {name: use for use, names in _USE.items() for name in names.split()}


@functools.cache
def namespaces() -> dict[str, dict[str, Any]]:
    """The tables of ``tf`` (under ""), ``math``, ``nn``, ``random`` and so on."""
    both = {
        **adapted(_ONE, "x"), **adapted(_TWO, "x,y"), **signatures(_BOTH),
        **adapted(_REDUCE, "input_tensor,axis,keepdims"),
        "add_n": tape.lifted(lambda inputs: sum(inputs[1:], inputs[0])),
    }  # fmt: skip
    found: dict[str, dict[str, Any]] = {
        "": {
            **both, **{name: tensor.DType(name) for name in _DTYPES}, "DType": tensor.DType,
            "GradientTape": tape.GradientTape, "Tensor": Tensor, "TensorShape": tensor.TensorShape,
            "Variable": operators.Variable, "newaxis": None,
        },
        "math": {**both, **adapted(_MATH_ONE, "x"), **adapted(_MATH_TWO, "x,y")},
        "nn": {name: tape.lifted(getattr(activations, our)) for name, our in _ACTIVATIONS.items()},
        "data": {"Dataset": data.Dataset, "AUTOTUNE": -1},
        "config.experimental": functions.TABLES["config"],
    }  # fmt: skip
    texts = {place: signatures(text) for place, text in _SIGNATURES.items()}
    for place, names in itertools.chain(texts.items(), functions.TABLES.items()):
        found.setdefault(place, {}).update(names)
    return {
        place: {name: _nameless(each) for name, each in names.items()}
        for place, names in found.items()
    }


def _nameless(function: Any) -> Any:
    """A function that also takes TensorFlow's name for its node in the graph, for nothing."""
    if not inspect.isfunction(function):
        return function

    @functools.wraps(function)
    def wrapper(*args: Any, name: Any = None, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class _TensorKinds(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, (tensor.Tensor, jax.Array, SymbolicTensor))


class Tensor(metaclass=_TensorKinds):
    """What ``isinstance(x, tf.Tensor)`` holds for: tensors, arrays inside calls, symbolic ones."""
