"""Every op that takes arrays, at least once, with small inputs.

Not here are the ops that take functions (`cond`, `scan`, `jvp`, ...) or anything at all
(`dtype`, `is_tensor`): tests/ops has them.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import jax
import numpy as np
import pytest

import lamina.ops

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
SIGNAL = rng.normal(size=(2, 40)).astype("float32")
SPECTRUM = [rng.normal(size=(2, 8, 6)).astype("float32") for _ in range(2)]
FRAMES = (2 * rng.normal(size=(2, 6, 4))).astype("float32")
PHOTO = rng.uniform(size=(2, 6, 5, 3)).astype("float32")
FIRST_CHANNELS = {"data_format": "channels_first"}
CORNERS = np.array([[0, 0], [4, 0], [0, 5], [4, 5]], "float32")
MOVED = CORNERS + np.array([[0.5, 0.25], [-1, 0.5], [0, -1], [0.75, 0]], "float32")
AFFINE = np.array([0.9, 0.2, 0.3, -0.1, 1.1, 0.4, 0, 0], "float32")
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

TAKE_FUNCTIONS = set(
    "associative_scan cond custom_gradient fori_loop jvp map scan switch vectorize vectorized_map "
    "while_loop dtype is_tensor".split()
)
BY_VALUE = {"nonzero", "unique", "bincount"}
"""Ops with results whose shapes depend on values."""


@dataclass(frozen=True, eq=False)
class OpRow:
    """An op and its arguments; the NumPy arrays among them, at any depth, are its inputs."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __call__(self, arrays: Sequence[Any] | None = None) -> Any:
        """The op of its arguments, with others in place of the arrays among them."""
        leaves, structure = jax.tree.flatten((self.args, self.kwargs))
        if arrays is not None:
            given = iter(arrays)
            leaves = [next(given) if isinstance(x, np.ndarray) else x for x in leaves]
        args, kwargs = jax.tree.unflatten(structure, leaves)
        return attrgetter(self.name)(lamina.ops)(*args, **kwargs)

    @property
    def arrays(self) -> list[np.ndarray]:
        return [x for x in jax.tree.leaves((self.args, self.kwargs)) if isinstance(x, np.ndarray)]

    def map(self, function: Callable[[np.ndarray], Any]) -> list[Any]:
        return [function(x) for x in self.arrays]

    @property
    def by_value(self) -> bool:
        """Whether the shape of the result, or the result as a NumPy array, needs the values."""
        where = self.name == "where" and len(self.args) == 1
        return self.name in BY_VALUE or where or self.name == "convert_to_numpy"

    def __str__(self) -> str:
        args, kwargs = jax.tree.map(
            lambda x: f"{x.dtype}{x.shape}" if isinstance(x, np.ndarray) else x,
            (self.args, self.kwargs),
        )
        shown = [self.name, *map(str, args), *(f"{key}={value}" for key, value in kwargs.items())]
        return re.sub("[ ']", "", "-".join(shown))[:70]


def op(name: str, *args: Any, **kwargs: Any) -> OpRow:
    return OpRow(name, args, kwargs)


OPS = [
    *(op(name, F) for name in UNARY),
    *(op(name, F, G) for name in BINARY),
    *(op(name, I, J) for name in INTEGERS),
    *(op(name, M) for name in NAN),
    *(op(name, M, axis=1) for name in NAN),
    *(op(name, np.abs(F)) for name in "log log2 log10 log1p sqrt rsqrt reciprocal".split()),
    *(op(name, U) for name in "arcsin arccos arctanh erfinv".split()),
    *(op(name, N) for name in "isnan isinf isfinite isposinf isneginf nan_to_num".split()),
    *(op(name, C) for name in "real imag conj angle abs isreal".split()),
    *(op(name, F, axis=0) for name in "sum mean max min std var all any argmax sort".split()),
    *(op(name, F, axis=-1, keepdims=True) for name in "sum prod mean logsumexp median".split()),
    op("arccosh", G),
    op("hard_swish", F),
    op("swish", F),
    op("bitwise_invert", I),
    op("bitwise_not", I),
    op("ldexp", F, I),
    op("clip", F, -0.5, 0.5),
    op("clip", I, 2, 5),
    op("polar", G, U),
    op("power", G, 2),
    op("round", F, 1),
    op("threshold", F, 0.1, -1.0),
    op("leaky_relu", F, 0.3),
    op("gelu", F, approximate=False),
    op("glu", IMAGE),
    op("softmax", IMAGE, axis=(1, 2)),
    op("where", B, F, G),
    op("where", B, 1.0, 2),
    op("where", B),
    op("max", F, initial=9.0),
    op("average", F, axis=1, weights=V),
    op("quantile", F, 0.3),
    op("percentile", F, V, axis=1),
    op("nanquantile", M, 0.3, axis=1),
    op("nanpercentile", M, 30.0),
    op("argpartition", V, 1),
    op("top_k", F, 2),
    op("in_top_k", IDS[:2], F, 2),
    op("searchsorted", V, F),
    op("digitize", F, V),
    op("bincount", I[0]),
    op("bincount", I, minlength=12),
    op("bincount", I[0], weights=V),
    op("histogram", V, 4),
    op("unique", J),
    op("diff", F, 2),
    op("trapezoid", F, V),
    op("cumsum", F, axis=1),
    *(op(f"segment_{name}", S, IDS, num_segments=4) for name in ("sum", "max", "min", "prod")),
    op("reshape", F, (3, -1)),
    op("transpose", T3, (2, 0, 1)),
    op("moveaxis", T3, 0, -1),
    op("swapaxes", T3, 0, 1),
    op("squeeze", F[None]),
    op("squeeze", F[:, None], 1),
    op("expand_dims", F, 1),
    op("expand_dims", F, (0, -1)),
    op("broadcast_to", V, (2, 3)),
    op("flip", F, axis=1),
    op("rot90", F),
    op("roll", F, 1),
    op("roll", F, 1, axis=1),
    op("repeat", F, 2, axis=1),
    op("tile", F, (2, 1)),
    op("pad", F, ((1, 0), (2, 1))),
    op("pad", F, 1, mode="edge"),
    op("pad", F, 1, constant_values=7.0),
    op("concatenate", [F, G], axis=1),
    op("concatenate", [F, I]),
    op("stack", [F, G], axis=1),
    op("hstack", [F, G]),
    op("vstack", [F, G]),
    op("dstack", [F, G]),
    op("split", F, 3, axis=1),
    op("split", F, [1], axis=1),
    op("array_split", F, 2, axis=1),
    op("hsplit", F, 3),
    op("vsplit", F, 2),
    op("dsplit", T3, 5),
    op("unstack", F, axis=1),
    op("meshgrid", V, W),
    op("meshgrid", V, W, indexing="ij"),
    op("get_item", T3, (slice(None), 1)),
    op("take", F, IDS, axis=1),
    op("take", F, [0, 5]),
    op("take_along_axis", F, J % 3, axis=1),
    op("unravel_index", IDS, (2, 3)),
    op("select", [B, ~B], [F, G]),
    op("diag", V, k=1),
    op("diagflat", F),
    op("diagonal", T3, offset=1, axis1=1, axis2=2),
    op("view", F, "int32"),
    op("trace", T3, axis1=1, axis2=2),
    op("vander", V, N=4),
    op("full_like", F, 2),
    op("arange", 5),
    op("arange", 1, 6, 2),
    op("arange", 0.0, 1.0, 0.3),
    op("linspace", 0, 1, 5),
    op("logspace", 0, 2, 3),
    op("geomspace", 1.0, 8.0, 4),
    op("zeros", (2, 3)),
    op("ones", (2,)),
    op("full", (2, 2), 3),
    op("eye", 3, 4, 1),
    op("identity", 3),
    op("tri", 3, 4, 1),
    op("empty", (2,)),
    op("empty_like", F),
    op("array", F),
    op("array", [1, 2], "float32"),
    *(op(name, 6) for name in "bartlett blackman hamming hanning".split()),
    op("kaiser", 6, 2.0),
    op("matmul", F, S),
    op("matmul", V, S),
    op("matmul", T3, T3[0].T),
    op("dot", F, V),
    op("tensordot", T3, T3, axes=[[1, 2], [1, 2]]),
    op("einsum", "abc,dbc->ad", T3, T3),
    op("cross", V, W),
    op("correlate", V, W, mode="full"),
    op("norm", S, ord="fro"),
    op("norm", F, ord=1, axis=1),
    op("norm", S, ord="nuc"),
    op("det", S),
    op("slogdet", S),
    op("logdet", PD),
    op("inv", S),
    op("pinv", F),
    op("cholesky", PD),
    op("cholesky_inverse", np.linalg.cholesky(PD)),
    op("lu_factor", S),
    op("qr", S),
    op("svd", S, compute_uv=False),
    op("eigh", PD),
    op("eig", PD),
    op("solve", S, F.T),
    op("solve_triangular", np.tril(S), F.T, lower=True),
    op("lstsq", S, F.T),
    op("matrix_rank", S),
    op("cast", F, "int32"),
    op("saturate_cast", 300 * F, "uint8"),
    op("saturate_cast", 1e30 * F, "int32"),
    op("convert_to_tensor", F),
    op("convert_to_numpy", F),
    op("scatter", J[:, :1], F, (5, 3)),
    op("scatter_update", S, [[0], [1]], F),
    op("scatter_update", S, [[0, 1], [1, 1]], V[:2], reduction="add"),
    op("slice", T3, (1, 0, 2), (1, 2, -1)),
    op("slice_update", S, (1, 0), F),
    op("shape", F),
    op("one_hot", IDS, 4),
    op("one_hot", I, 9, axis=0, dtype="int32"),
    op("multi_hot", I, 9),
    op("categorical_crossentropy", HOT, PROBS),
    op("sparse_categorical_crossentropy", IDS[:2], PROBS),
    op("categorical_crossentropy", HOT, F, from_logits=True),
    op("binary_crossentropy", HOT, PROBS),
    op("sparse_categorical_crossentropy", IDS[:2], F, from_logits=True),
    op("psnr", F, G, 5.0),
    op("binary_crossentropy", HOT, F, from_logits=True),
    op("moments", IMAGE, (0, 1, 2)),
    op("batch_normalization", F, V, V, -1, offset=W, scale=V),
    op("normalize", F, order=3),
    op("layer_normalization", F, V, W),
    op("rms_normalization", F, V),
    op("unfold", IMAGE, 2),
    op("fold", IMAGE.reshape(2, 20, 6)[:, :16], (3, 4), 2),
    op("depth_to_space", IMAGE, 2),
    op("depth_to_space", IMAGE, 2, data_format="channels_last"),
    op("space_to_depth", IMAGE[:, :, :4], 2),
    op("max_pool", IMAGE, 2, 2),
    op("max_pool", IMAGE, (3, 2), 2, "same"),
    op("average_pool", IMAGE, 2, 2),
    op("average_pool", IMAGE, 3, 2, "same"),
    op("adaptive_average_pool", IMAGE, (4, 2)),
    op("adaptive_max_pool", IMAGE, 3),
    op("conv", IMAGE, KERNEL),
    op("conv", IMAGE, KERNEL, 2, "same"),
    op("conv", IMAGE, KERNEL[:, :, :2], dilation_rate=2),
    op("depthwise_conv", IMAGE, KERNEL),
    op("separable_conv", IMAGE, KERNEL[..., :1], KERNEL[:1, :1]),
    op("conv_transpose", IMAGE, KERNEL.swapaxes(2, 3), 2, "same"),
    op("conv_transpose", IMAGE, KERNEL.swapaxes(2, 3), 3),
    op("dot_product_attention", HEADS, HEADS, HEADS),
    op("conv_transpose", IMAGE, KERNEL.swapaxes(2, 3), 2, "same", output_padding=1),
    op("dot_product_attention", HEADS, HEADS, HEADS, is_causal=True, scale=0.3),
    op("fft", [F, G]),
    op("fft2", [S, PD]),
    op("ifft2", [S, PD]),
    op("rfft", F),
    op("rfft", SIGNAL, 16),
    op("irfft", [F, G]),
    op("irfft", [F, G], 5),
    op("stft", SIGNAL, 8, 3, 10),
    op("stft", SIGNAL, 8, 4, 8, "hamming", center=False),
    op("stft", SIGNAL, 5, 5, 8, None),
    op("istft", SPECTRUM, 8, 3, 10),
    op("istft", SPECTRUM, 10, 4, 10, length=20, window=None, center=False),
    op("extract_sequences", SIGNAL, 8, 3),
    op("view_as_complex", F[:, :2]),
    op("view_as_real", C),
    op("rearrange", T3, "a b c -> c (a b)"),
    op("rearrange", IMAGE, "b (h k) w (c d) -> (b k) c d h w", k=2, d=2),
    op("ctc_loss", I % 4, FRAMES, IDS[1:], np.array([6, 4], "int32")),
    op("ctc_loss", I % 3, FRAMES, IDS[1:], np.array([6, 4], "int32"), mask_index=3),
    op("ctc_decode", FRAMES, np.array([6, 3], "int32")),
    op("ctc_decode", FRAMES, np.array([6, 3], "int32"), merge_repeated=False, mask_index=3),
    op("ctc_decode", FRAMES, np.array([6, 3], "int32"), "beam_search", 5, 2),
    op("image.rgb_to_grayscale", PHOTO),
    op("image.rgb_to_hsv", PHOTO),
    op("image.hsv_to_rgb", PHOTO),
    *(op("image.resize", PHOTO, (4, 7), name)
      for name in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")),
    op("image.resize", PHOTO, (3, 3), antialias=True, **FIRST_CHANNELS),
    op("image.resize", PHOTO, (3, 4), crop_to_aspect_ratio=True),
    op("image.resize", PHOTO[0], (9, 4), pad_to_aspect_ratio=True, fill_value=0.5),
    op("image.resize", (200 * PHOTO).astype("uint8"), (4, 4)),
    op("image.affine_transform", PHOTO, np.stack([AFFINE, AFFINE])),
    op("image.affine_transform", PHOTO[0], AFFINE, "nearest", "reflect"),
    op("image.perspective_transform", PHOTO, np.stack([CORNERS] * 2), np.stack([MOVED] * 2)),
    op("image.perspective_transform", PHOTO[0], CORNERS, MOVED, "nearest", 0.5),
    op("image.map_coordinates", F, 3 * PHOTO[..., 0, :2].T, 1),
    op("image.map_coordinates", F, 3 * PHOTO[..., 0, :2].T, 0, "wrap"),
    op("image.gaussian_blur", PHOTO, (3, 5), (1.0, 2.0), data_format="channels_last"),
    op("image.gaussian_blur", PHOTO, (4, 3), (1.0, 0.5), **FIRST_CHANNELS),
    op("image.elastic_transform", PHOTO, 3.0, 1.0, seed=3),
    op("image.crop_images", PHOTO, 1, 2, target_height=3, target_width=3),
    op("image.crop_images", PHOTO, 1, 0, 2, 1, **FIRST_CHANNELS),
    op("image.pad_images", PHOTO, 1, 2, 0, target_width=9),
    op("image.extract_patches", PHOTO, (3, 2)),
    op("image.extract_patches", PHOTO, 3, 2, padding="same"),
    op("image.extract_patches", PHOTO, 2, 1, 2, **FIRST_CHANNELS),
    op("image.extract_patches_3d", IMAGE[None], (2, 3, 2)),
    op("image.sobel_edges", PHOTO),
    op("image.ssim", IMAGE, IMAGE + PHOTO[..., :1], 2.0, 3),
    op("image.scale_and_translate", PHOTO, (2, 4, 4, 3), V[:2], W[:2], (1, 2), "linear"),
]  # fmt: skip

FIRST = list({row.name: row for row in reversed(OPS)}.values())[::-1]
"""One row for each op."""

each_op_once = pytest.mark.parametrize("row", FIRST, ids=str)
