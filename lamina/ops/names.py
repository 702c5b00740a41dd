"""How files name the steps that ops make, as Keras does: module, class, and config.

The class is the op's name in CamelCase, unless listed here. Static arguments are its config.
"""

import inspect
from typing import Any

from lamina.core.configurable import signature
from lamina.core.operation import OPS
from lamina.core.symbolic import any_symbolic

_MODULES = {
    "keras.src.ops.core": """
        associative_scan cast cond convert_to_tensor fori_loop map saturate_cast scan scatter
        scatter_update slice slice_update stop_gradient switch unstack vectorized_map while_loop
        """,
    "keras.src.ops.linalg": """
        cholesky cholesky_inverse det eig eigh inv jvp lstsq lu_factor matrix_rank norm pinv qr
        solve solve_triangular svd
        """,
    "keras.src.ops.math": """
        cdist erf erfc erfinv extract_sequences fft fft2 ifft2 in_top_k irfft istft logdet logsumexp
        rfft rsqrt segment_max segment_min segment_prod segment_sum stft top_k view_as_complex
        view_as_real
        """,
    "keras.src.ops.nn": """
        adaptive_average_pool adaptive_max_pool average_pool batch_normalization
        binary_crossentropy categorical_crossentropy celu conv conv_transpose ctc_decode ctc_loss
        depth_to_space depthwise_conv dot_product_attention elu fold gelu glu hard_shrink
        hard_sigmoid hard_silu hard_tanh layer_normalization leaky_relu log_sigmoid log_softmax
        max_pool moments multi_hot normalize one_hot polar psnr relu relu6 rms_normalization selu
        separable_conv sigmoid silu soft_shrink softmax softplus softsign space_to_depth
        sparse_categorical_crossentropy sparse_plus sparse_sigmoid sparsemax squareplus tanh_shrink
        threshold unfold
        """,
    "keras.src.ops.einops": "rearrange",
    "keras.src.ops.image": """
        affine_transform crop_images elastic_transform extract_patches gaussian_blur hsv_to_rgb
        map_coordinates pad_images perspective_transform resize rgb_to_grayscale rgb_to_hsv
        scale_and_translate sobel_edges ssim
        """,
    "keras.src.activations.activations": "re_lu mish",
}
_CLASSES = {
    "allclose": "AllClose", "batch_normalization": "BatchNorm", "cdist": "CDist",
    "ctc_decode": "CTCDecode", "ctc_loss": "CTCLoss", "fft": "FFT", "fft2": "FFT2",
    "ifft2": "IFFT2", "irfft": "IRFFT", "isin": "IsIn", "istft": "ISTFT", "jvp": "JVP",
    "layer_normalization": "LayerNorm", "psnr": "PSNR", "re_lu": "ReLU", "rfft": "RFFT",
    "rms_normalization": "RMSNorm", "searchsorted": "SearchSorted", "stft": "STFT", "svd": "SVD",
    "hsv_to_rgb": "HSVToRGB", "rgb_to_grayscale": "RGBToGrayscale", "rgb_to_hsv": "RGBToHSV",
    "ssim": "SSIM",
}  # fmt: skip
_ARRAYS = frozenset(
    """
    a abs_ angle array b beta bias bins choicelist condition condlist constant_values coordinates
    default depthwise_kernel elems elements end_points f false_fn fill_value gamma image1 image2
    images index indices init init_val inputs kernel key loop_vars mask mean offset operands output
    output_length pointwise_kernel pred predictions q query branches scale segment_ids
    sequence_lengths sorted_sequence start start_indices start_points step stop target
    target_length targets tensor transform translation true_fn updates value values variable
    variance data weights x x1 x2 xs y atol rtol
    """.split()
)
_STORED = {
    "allclose": ("rtol", "atol"), "bincount": ("weights",), "diagonal": ("offset",),
    "histogram": ("bins",), "squareplus": ("b",), "trace": ("offset",), "trapezoid": ("x",),
    "unique": ("fill_value",), "affine_transform": ("fill_value",),
    "elastic_transform": ("fill_value",), "map_coordinates": ("fill_value",),
    "perspective_transform": ("fill_value",), "resize": ("fill_value",),
}  # fmt: skip
"""Parameters that are no array of the call, for all that they are called like one."""
_CALLED = {"rearrange": ("pattern", "axes_lengths"), "scale_and_translate": ("output_shape",)}
"""Static parameters that Keras keeps among the arguments of the call."""


def keras_name(op: str) -> tuple[str, str]:
    """Keras's module and class for the step that an op makes.

    >>> keras_name("matmul"), keras_name("layer_normalization")
    (('keras.src.ops.numpy', 'Matmul'), ('keras.src.ops.nn', 'LayerNorm'))
    """
    name = _CLASSES.get(op) or "".join(part[:1].upper() + part[1:] for part in op.split("_"))
    return _MODULE_OF.get(op, "keras.src.ops.numpy"), name


_MODULE_OF = {op: module for module, ops in _MODULES.items() for op in ops.split()}


def function_of(class_name: str) -> str | None:
    """The op whose steps Keras names so; None when there is none.

    >>> function_of("GetItem")
    'get_item'
    """
    return next((op for op in OPS if keras_name(op)[1] == class_name), None)


def split_arguments(
    function: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """``(call arguments, config)`` of an op's step, by parameter name, as files hold them.

    >>> split_arguments("expand_dims", ("a tensor", 1), {})
    ({'x': 'a tensor'}, {'axis': 1})
    """
    bound = signature(OPS[function].plain).bind(*args, **kwargs)  # type: ignore[attr-defined]
    bound.apply_defaults()
    called: dict[str, Any] = {}
    config: dict[str, Any] = {}
    for key, value in bound.arguments.items():
        in_call = any_symbolic([value]) or _is_array(function, key)
        if bound.signature.parameters[key].kind is inspect.Parameter.VAR_KEYWORD:
            (called if in_call else config).update(value)
        else:
            (called if in_call else config)[key] = value
    return called, config


def positional(function: str, called: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Call arguments as ``(args, kwargs)``: all by position, but for names that are free."""
    fixed = signature(OPS[function].plain).parameters  # type: ignore[attr-defined]
    args = tuple(value for key, value in called.items() if key in fixed)
    return args, {key: value for key, value in called.items() if key not in fixed}


def _is_array(function: str, parameter: str) -> bool:
    is_array = parameter in _ARRAYS and parameter not in _STORED.get(function, ())
    return is_array or parameter in _CALLED.get(function, ())
