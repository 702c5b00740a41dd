"""Every op against Keras on JAX: signature, value, dtype, gradient, shape, and form in files."""

import functools
import inspect
from operator import attrgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalogue_ops import BINARY, BY_VALUE, INTEGERS, NAN, OPS, UNARY, B

import lamina.ops as ops
from lamina.core.symbolic import SymbolicTensor
from lamina.ops import names

keras = pytest.importorskip("keras")


def leaves(value: Any) -> list[Any]:
    return jax.tree.leaves(value)


CASES = [row for row in OPS if row.name != "sparsemax"]  # Keras's rows do not sum to 1
every_case = pytest.mark.parametrize(
    ("name", "args", "kwargs"), [(c.name, c.args, c.kwargs) for c in CASES], ids=map(str, CASES)
)


IMAGE_OPS = [f"image.{name}" for name in ops.image.__all__]


@pytest.mark.parametrize("name", ops.__all__ + IMAGE_OPS)
def test_signature(name):
    theirs, ours = (inspect.signature(attrgetter(name)(room)) for room in (keras.ops, ops))
    shown = [[(p.name, p.kind, p.default) for p in s.parameters.values()] for s in (theirs, ours)]
    assert shown[0] == shown[1]


@every_case
def test_value_and_dtype(name, args, kwargs):
    theirs = leaves(attrgetter(name)(keras.ops)(*args, **kwargs))
    ours = leaves(attrgetter(name)(ops)(*args, **kwargs))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None)
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


NO_GRADIENT = {
    "nextafter", "eig", "cholesky_inverse", "view", "lu_factor", "sparsemax", "unique",
    "ctc_decode",
    "image.affine_transform",  # Keras on JAX leaves out the last two numbers of a transform
}  # fmt: skip


@every_case
def test_gradient(name, args, kwargs):
    floats = [i for i, x in enumerate(args) if getattr(x, "dtype", None) == "float32"]
    if not floats or name in NO_GRADIENT:
        return

    def total(room):
        def function(*arrays):
            filled = list(args)
            for i, x in zip(floats, arrays, strict=True):
                filled[i] = x
            results = leaves(attrgetter(name)(room)(*filled, **kwargs))
            kept = [x for x in results if jnp.result_type(x) == jnp.float32]
            return sum(
                (jnp.sum(x * jnp.cos(jnp.arange(jnp.size(x)).reshape(jnp.shape(x)))) for x in kept),
                0.0,
            )

        return jax.grad(function, tuple(range(len(floats))))

    given = [args[i] for i in floats]
    try:
        theirs = total(keras.ops)(*given)
    except (TypeError, ValueError, NotImplementedError, jax.errors.JAXTypeError):
        return
    for a, b in zip(total(ops)(*given), theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


DTYPES = ("bool", "uint8", "int8", "int32", "uint32", "bfloat16", "float16", "float32")
WEAK = {"arctan2", "logaddexp", "logaddexp2"}  # for Keras a Python float is a float32 there
PROMOTED = (
    BINARY + INTEGERS + ["matmul", "dot", "tensordot", "einsum", "cross", "concatenate", "where"]
)


def call(room, name, x, y):
    if name in ("concatenate",):
        return getattr(room, name)([x, y])
    extra = {"where": (B[0],), "einsum": ("i,i->",)}.get(name, ())
    return getattr(room, name)(*extra, x, y, **({"axes": 1} if name == "tensordot" else {}))


def dtype_or_error(function, *args):
    try:
        return str(leaves(jax.eval_shape(function, *args))[0].dtype)
    except Exception:
        return "error"


@pytest.mark.parametrize("name", PROMOTED)
def test_promotion(name):
    wrong = []
    for a in DTYPES:
        for b in (*DTYPES, 2, 2.5):
            shape = (2, 3) if name == "cdist" else (3,)
            x = jax.ShapeDtypeStruct(shape, a)
            if isinstance(b, str):
                y = (jax.ShapeDtypeStruct(shape, b),)
                run = lambda room: functools.partial(call, room, name)  # noqa: E731
            else:
                y = ()
                run = lambda room, b=b: functools.partial(call, room, name, y=b)  # noqa: E731
            theirs, ours = (dtype_or_error(run(room), x, *y) for room in (keras.ops, ops))
            if theirs not in ("error", ours) and not (name in WEAK and b == 2.5):
                wrong.append((a, b, ours, theirs))
    assert not wrong


@pytest.mark.parametrize(
    "name", UNARY + NAN + ["bitwise_invert", "log", "sqrt", "arcsin", "reciprocal"]
)
def test_dtype_of_one(name):
    wrong = []
    for dtype in DTYPES:
        x = jax.ShapeDtypeStruct((3, 3), dtype)
        theirs, ours = (dtype_or_error(getattr(room, name), x) for room in (keras.ops, ops))
        if theirs not in ("error", ours):
            wrong.append((dtype, ours, theirs))
    assert not wrong


NOT_STORED = {"convert_to_numpy", "ndim", "shape", "size", "convert_to_tensor", "eig"}
SQUARE = {"slogdet", "logdet"}
WRONG_SHAPE = {"corrcoef", "adaptive_average_pool", "adaptive_max_pool"}  # Keras's specs are wrong


def symbolic(make, name, args):
    def place(x):
        if isinstance(x, np.ndarray) and x.dtype.kind in "fib":
            batch = len(floats) == 1 and x.ndim and name not in SQUARE
            return make((None, *x.shape[1:]) if batch else x.shape, x.dtype.name)
        return [place(each) for each in x] if isinstance(x, list) else x

    floats = [x for x in args if isinstance(x, np.ndarray)]
    return [place(x) for x in args]


def first_leaf(value):
    return value if not isinstance(value, (list, tuple)) else value[0]


@every_case
def test_step_in_a_graph(name, args, kwargs):
    """The step's shape, module, class and config are those of Keras."""
    if name in NOT_STORED | BY_VALUE or (name == "where" and len(args) == 1):
        return
    if not any(isinstance(x, np.ndarray) for x in jax.tree.leaves(args)):
        return
    try:
        theirs = first_leaf(
            attrgetter(name)(keras.ops)(
                *symbolic(lambda s, d: keras.KerasTensor(s, d), name, args), **kwargs
            )
        )
        operation = theirs._keras_history.operation
        stored = keras.saving.serialize_keras_object(operation)
    except (TypeError, ValueError, AttributeError, IndexError, NotImplementedError):
        return
    ours = first_leaf(attrgetter(name)(ops)(*symbolic(SymbolicTensor, name, args), **kwargs))
    step, number, _ = ours.record
    node = step._nodes[number]
    config = names.split_arguments(step.function, node.args, node.kwargs)[1]
    assert names.keras_name(step.function) == (stored["module"], stored["class_name"])
    expected = {k: v for k, v in stored["config"].items() if k != "name"}
    assert set(config) >= set(expected) - {"rms_scaling"}
    assert ours.shape == theirs.shape or name in WRONG_SHAPE
