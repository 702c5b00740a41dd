"""Every op against Keras on JAX: signature, value, dtype, gradient, shape, and form in files."""

import functools
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina.ops as ops
from lamina.core.symbolic import SymbolicTensor
from lamina.ops import names

keras = pytest.importorskip("keras")

rng = np.random.default_rng(0)
F = rng.normal(size=(2, 3)).astype("float32")
G = rng.normal(size=(2, 3)).astype("float32") + 3
U = rng.uniform(-0.9, 0.9, (2, 3)).astype("float32")
V = np.array([1.0, 2.0, 3.0], "float32")
W = np.array([0.5, -1.0, 2.0], "float32")
S = rng.normal(size=(3, 3)).astype("float32")
PD = (S @ S.T + 3 * np.eye(3)).astype("float32")
I = np.array([[1, 2, 3], [4, 6, 8]], "int32")
J = np.array([[3, 2, 2], [1, 4, 12]], "int32")
B = np.array([[True, False, True], [False, False, True]])
N = np.array([[1.0, np.nan, 3.0], [np.inf, -np.inf, -0.0]], "float32")
M = np.array([[1.0, np.nan, 3.0], [5.0, 2.0, -1.0]], "float32")
C = (F + 1j * G).astype("complex64")
IDS = np.array([0, 2, 1], "int32")
T3 = rng.normal(size=(3, 4, 5)).astype("float32")
IMAGE = rng.normal(size=(2, 6, 5, 4)).astype("float32")
KERNEL = rng.normal(size=(3, 2, 4, 6)).astype("float32")
HEADS = rng.normal(size=(2, 4, 3, 8)).astype("float32")
PROBS = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], "float32")
HOT = np.array([[0, 1, 0], [0, 0, 1]], "float32")

UNARY = (
    "absolute abs arctan arcsinh cbrt ceil cos cosh deg2rad erf erfc exp exp2 expm1 fabs floor i0 "
    "negative rad2deg sign signbit sin sinc sinh square tan tanh trunc relu relu6 sigmoid softplus "
    "softsign silu log_sigmoid hard_sigmoid hard_silu elu selu gelu celu tanh_shrink hard_tanh "
    "hard_shrink soft_shrink squareplus sparse_plus sparse_sigmoid leaky_relu softmax log_softmax "
    "sparsemax all any amax amin argmax argmin argsort average cumprod cumsum count_nonzero diff "
    "flip max mean median min prod ptp std sum var logsumexp sort ravel fliplr flipud transpose "
    "real imag conj conjugate angle isreal isfinite isinf isnan isneginf isposinf copy ndim size "
    "trapezoid norm trace diagonal diag tril triu zeros_like ones_like corrcoef nonzero round "
    "logical_not stop_gradient nan_to_num rms_normalization layer_normalization normalize"
).split()
BINARY = (
    "add subtract multiply divide true_divide floor_divide mod fmod maximum minimum fmax fmin "
    "hypot arctan2 logaddexp logaddexp2 nextafter heaviside divide_no_nan equal not_equal less "
    "less_equal greater greater_equal logical_and logical_or logical_xor inner outer vdot kron "
    "append power isclose allclose cdist isin"
).split()
INTEGERS = (
    "bitwise_and bitwise_or bitwise_xor bitwise_left_shift left_shift bitwise_right_shift "
    "right_shift gcd lcm"
).split()
NAN = (
    "nanmax nanmin nanmean nansum nanprod nanstd nanvar nanmedian nanargmax nanargmin nancumsum "
    "nancumprod"
).split()

Case = tuple[str, tuple[Any, ...], dict[str, Any]]


def case(name: str, *args: Any, **kwargs: Any) -> Case:
    return name, args, kwargs


CASES: list[Case] = [
    *(case(name, F) for name in UNARY),
    *(case(name, F, G) for name in BINARY),
    *(case(name, I, J) for name in INTEGERS),
    *(case(name, M) for name in NAN),
    *(case(name, M, axis=1) for name in NAN),
    *(case(name, np.abs(F)) for name in "log log2 log10 log1p sqrt rsqrt reciprocal".split()),
    *(case(name, U) for name in "arcsin arccos arctanh erfinv".split()),
    *(case(name, N) for name in "isnan isinf isfinite isposinf isneginf nan_to_num".split()),
    *(case(name, C) for name in "real imag conj angle abs isreal".split()),
    *(case(name, F, axis=0) for name in "sum mean max min std var all any argmax sort".split()),
    *(case(name, F, axis=-1, keepdims=True) for name in "sum prod mean logsumexp median".split()),
    case("arccosh", G),
    case("bitwise_invert", I),
    case("bitwise_not", I),
    case("ldexp", F, I),
    case("clip", F, -0.5, 0.5),
    case("clip", I, 2, 5),
    case("polar", G, U),
    case("power", G, 2),
    case("round", F, 1),
    case("threshold", F, 0.1, -1.0),
    case("leaky_relu", F, 0.3),
    case("gelu", F, approximate=False),
    case("glu", IMAGE),
    case("softmax", IMAGE, axis=(1, 2)),
    case("where", B, F, G),
    case("where", B, 1.0, 2),
    case("where", B),
    case("max", F, initial=9.0),
    case("average", F, axis=1, weights=V),
    case("quantile", F, 0.3),
    case("percentile", F, V, axis=1),
    case("nanquantile", M, 0.3, axis=1),
    case("nanpercentile", M, 30.0),
    case("argpartition", V, 1),
    case("top_k", F, 2),
    case("in_top_k", IDS[:2], F, 2),
    case("searchsorted", V, F),
    case("digitize", F, V),
    case("bincount", I[0]),
    case("bincount", I, minlength=12),
    case("bincount", I[0], weights=V),
    case("histogram", V, 4),
    case("unique", J),
    case("diff", F, 2),
    case("trapezoid", F, V),
    case("cumsum", F, axis=1),
    *(case(f"segment_{name}", S, IDS, num_segments=4) for name in ("sum", "max", "min", "prod")),
    case("reshape", F, (3, -1)),
    case("transpose", T3, (2, 0, 1)),
    case("moveaxis", T3, 0, -1),
    case("swapaxes", T3, 0, 1),
    case("squeeze", F[None]),
    case("squeeze", F[:, None], 1),
    case("expand_dims", F, 1),
    case("expand_dims", F, (0, -1)),
    case("broadcast_to", V, (2, 3)),
    case("flip", F, axis=1),
    case("rot90", F),
    case("roll", F, 1),
    case("roll", F, 1, axis=1),
    case("repeat", F, 2, axis=1),
    case("tile", F, (2, 1)),
    case("pad", F, ((1, 0), (2, 1))),
    case("pad", F, 1, mode="edge"),
    case("pad", F, 1, constant_values=7.0),
    case("concatenate", [F, G], axis=1),
    case("concatenate", [F, I]),
    case("stack", [F, G], axis=1),
    case("hstack", [F, G]),
    case("vstack", [F, G]),
    case("dstack", [F, G]),
    case("split", F, 3, axis=1),
    case("split", F, [1], axis=1),
    case("array_split", F, 2, axis=1),
    case("hsplit", F, 3),
    case("vsplit", F, 2),
    case("dsplit", T3, 5),
    case("unstack", F, axis=1),
    case("meshgrid", V, W),
    case("meshgrid", V, W, indexing="ij"),
    case("get_item", T3, (slice(None), 1)),
    case("take", F, IDS, axis=1),
    case("take", F, [0, 5]),
    case("take_along_axis", F, J % 3, axis=1),
    case("unravel_index", IDS, (2, 3)),
    case("select", [B, ~B], [F, G]),
    case("diag", V, k=1),
    case("diagflat", F),
    case("diagonal", T3, offset=1, axis1=1, axis2=2),
    case("view", F, "int32"),
    case("trace", T3, axis1=1, axis2=2),
    case("vander", V, N=4),
    case("full_like", F, 2),
    case("arange", 5),
    case("arange", 1, 6, 2),
    case("arange", 0.0, 1.0, 0.3),
    case("linspace", 0, 1, 5),
    case("logspace", 0, 2, 3),
    case("geomspace", 1.0, 8.0, 4),
    case("zeros", (2, 3)),
    case("ones", (2,)),
    case("full", (2, 2), 3),
    case("eye", 3, 4, 1),
    case("identity", 3),
    case("tri", 3, 4, 1),
    case("empty", (2,)),
    case("empty_like", F),
    case("array", F),
    case("array", [1, 2], "float32"),
    *(case(name, 6) for name in "bartlett blackman hamming hanning".split()),
    case("kaiser", 6, 2.0),
    case("matmul", F, S),
    case("matmul", V, S),
    case("matmul", T3, T3[0].T),
    case("dot", F, V),
    case("tensordot", T3, T3, axes=[[1, 2], [1, 2]]),
    case("einsum", "abc,dbc->ad", T3, T3),
    case("cross", V, W),
    case("correlate", V, W, mode="full"),
    case("norm", S, ord="fro"),
    case("norm", F, ord=1, axis=1),
    case("norm", S, ord="nuc"),
    case("det", S),
    case("slogdet", S),
    case("logdet", PD),
    case("inv", S),
    case("pinv", F),
    case("cholesky", PD),
    case("cholesky_inverse", np.linalg.cholesky(PD)),
    case("lu_factor", S),
    case("qr", S),
    case("svd", S, compute_uv=False),
    case("eigh", PD),
    case("eig", PD),
    case("solve", S, F.T),
    case("solve_triangular", np.tril(S), F.T, lower=True),
    case("lstsq", S, F.T),
    case("matrix_rank", S),
    case("cast", F, "int32"),
    case("saturate_cast", 300 * F, "uint8"),
    case("saturate_cast", 1e30 * F, "int32"),
    case("convert_to_tensor", F),
    case("convert_to_numpy", F),
    case("scatter", J[:, :1], F, (5, 3)),
    case("scatter_update", S, [[0], [1]], F),
    case("scatter_update", S, [[0, 1], [1, 1]], V[:2], reduction="add"),
    case("slice", T3, (1, 0, 2), (1, 2, -1)),
    case("slice_update", S, (1, 0), F),
    case("shape", F),
    case("one_hot", IDS, 4),
    case("one_hot", I, 9, axis=0, dtype="int32"),
    case("multi_hot", I, 9),
    case("categorical_crossentropy", HOT, PROBS),
    case("sparse_categorical_crossentropy", IDS[:2], PROBS),
    case("categorical_crossentropy", HOT, F, from_logits=True),
    case("binary_crossentropy", HOT, PROBS),
    case("sparse_categorical_crossentropy", IDS[:2], F, from_logits=True),
    case("psnr", F, G, 5.0),
    case("binary_crossentropy", HOT, F, from_logits=True),
    case("moments", IMAGE, (0, 1, 2)),
    case("batch_normalization", F, V, V, -1, offset=W, scale=V),
    case("normalize", F, order=3),
    case("layer_normalization", F, V, W),
    case("rms_normalization", F, V),
    case("unfold", IMAGE, 2),
    case("fold", IMAGE.reshape(2, 20, 6)[:, :16], (3, 4), 2),
    case("depth_to_space", IMAGE, 2),
    case("depth_to_space", IMAGE, 2, data_format="channels_last"),
    case("space_to_depth", IMAGE[:, :, :4], 2),
    case("max_pool", IMAGE, 2, 2),
    case("max_pool", IMAGE, (3, 2), 2, "same"),
    case("average_pool", IMAGE, 2, 2),
    case("average_pool", IMAGE, 3, 2, "same"),
    case("adaptive_average_pool", IMAGE, (4, 2)),
    case("adaptive_max_pool", IMAGE, 3),
    case("conv", IMAGE, KERNEL),
    case("conv", IMAGE, KERNEL, 2, "same"),
    case("conv", IMAGE, KERNEL[:, :, :2], dilation_rate=2),
    case("depthwise_conv", IMAGE, KERNEL),
    case("separable_conv", IMAGE, KERNEL[..., :1], KERNEL[:1, :1]),
    case("conv_transpose", IMAGE, KERNEL.swapaxes(2, 3), 2, "same"),
    case("conv_transpose", IMAGE, KERNEL.swapaxes(2, 3), 3),
    case("dot_product_attention", HEADS, HEADS, HEADS),
    case("conv_transpose", IMAGE, KERNEL.swapaxes(2, 3), 2, "same", output_padding=1),
    case("dot_product_attention", HEADS, HEADS, HEADS, is_causal=True, scale=0.3),
]
CASES = [each for each in CASES if each[0] != "sparsemax"]  # Keras's rows do not sum to 1


def label(value: Any) -> str:
    return value if isinstance(value, str) else ""


def leaves(value: Any) -> list[Any]:
    return jax.tree.leaves(value)


every_case = pytest.mark.parametrize(("name", "args", "kwargs"), CASES, ids=label)


@pytest.mark.parametrize("name", ops.__all__)
def test_signature(name):
    theirs, ours = (inspect.signature(getattr(room, name)) for room in (keras.ops, ops))
    shown = [[(p.name, p.kind, p.default) for p in s.parameters.values()] for s in (theirs, ours)]
    assert shown[0] == shown[1]


@every_case
def test_value_and_dtype(name, args, kwargs):
    theirs = leaves(getattr(keras.ops, name)(*args, **kwargs))
    ours = leaves(getattr(ops, name)(*args, **kwargs))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None)
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


NO_GRADIENT = {"nextafter", "eig", "cholesky_inverse", "view", "lu_factor", "sparsemax", "unique"}


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
            results = leaves(getattr(room, name)(*filled, **kwargs))
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
BY_VALUE = {"nonzero", "unique", "bincount"}  # whose shapes depend on values
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
            getattr(keras.ops, name)(
                *symbolic(lambda s, d: keras.KerasTensor(s, d), name, args), **kwargs
            )
        )
        operation = theirs._keras_history.operation
        stored = keras.saving.serialize_keras_object(operation)
    except (TypeError, ValueError, AttributeError, IndexError, NotImplementedError):
        return
    ours = first_leaf(getattr(ops, name)(*symbolic(SymbolicTensor, name, args), **kwargs))
    step, number, _ = ours.record
    node = step._nodes[number]
    config = names.split_arguments(step.function, node.args, node.kwargs)[1]
    assert names.keras_name(step.function) == (stored["module"], stored["class_name"])
    expected = {k: v for k, v in stored["config"].items() if k != "name"}
    assert set(config) >= set(expected) - {"rms_scaling"}
    assert ours.shape == theirs.shape or name in WRONG_SHAPE
