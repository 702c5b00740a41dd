"""Array functions. They take arrays, nested lists of numbers, variables, or symbolic tensors."""

# ruff: noqa: I001, RUF022
# fmt: off
from lamina.ops.convolution import (
    conv, conv_transpose, depth_to_space, depthwise_conv, fold, separable_conv, space_to_depth,
    unfold,
)
from lamina.ops.core import (
    associative_scan, cast, cond, convert_to_numpy, convert_to_tensor, custom_gradient, dtype,
    fori_loop, is_tensor, map, saturate_cast, scan, scatter, scatter_update, slice,
    slice_update, stop_gradient, switch, vectorize, vectorized_map, while_loop,
)
from lamina.ops.creation import (
    arange, array, bartlett, blackman, copy, empty, empty_like, eye, full, full_like, geomspace,
    hamming, hanning, identity, kaiser, linspace, logspace, ones, ones_like, tri, vander, zeros,
    zeros_like,
)
from lamina.ops.ctc import ctc_decode, ctc_loss
from lamina.ops.einops import rearrange
from lamina.ops.elementwise import (
    abs, absolute, add, angle, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, cbrt,
    ceil, clip, conj, conjugate, cos, cosh, deg2rad, divide, divide_no_nan, erf, erfc, erfinv,
    exp, exp2, expm1, fabs, floor, floor_divide, fmax, fmin, fmod, gcd, heaviside, hypot, i0,
    imag, isreal, lcm, ldexp, log, log10, log1p, log2, logaddexp, logaddexp2, maximum, minimum,
    mod, multiply, nan_to_num, negative, nextafter, polar, power, rad2deg, real, reciprocal,
    round, rsqrt, sign, signbit, sin, sinc, sinh, sqrt, square, subtract, tan, tanh,
    true_divide, trunc,
)
from lamina.ops.matrices import (
    cdist, cholesky, cholesky_inverse, corrcoef, correlate, cross, det, dot, eig, eigh, einsum,
    inner, inv, jvp, kron, logdet, lstsq, lu_factor, matmul, matrix_rank, norm, outer, pinv, qr,
    slogdet, solve, solve_triangular, svd, tensordot, trace, vdot,
)
from lamina.ops.logic import (
    bitwise_and, bitwise_invert, bitwise_left_shift, bitwise_not, bitwise_or,
    bitwise_right_shift, bitwise_xor, equal, greater, greater_equal, isclose, isfinite, isinf,
    isnan, isneginf, isposinf, left_shift, less, less_equal, logical_and, logical_not,
    logical_or, logical_xor, not_equal, right_shift, where,
)
from lamina.ops.networks import (
    binary_crossentropy, categorical_crossentropy, celu, dot_product_attention, elu, gelu, glu,
    hard_shrink, hard_sigmoid, hard_silu, hard_swish, hard_tanh, leaky_relu, log_sigmoid,
    log_softmax, multi_hot, one_hot, psnr, relu, relu6, selu, sigmoid, silu, soft_shrink,
    softmax, softplus, softsign, sparse_categorical_crossentropy, sparse_plus, sparse_sigmoid,
    sparsemax, squareplus, swish, tanh_shrink, threshold,
)
from lamina.ops.normalization import (
    batch_normalization, layer_normalization, moments, normalize, rms_normalization,
)
from lamina.ops.pooling import (
    adaptive_average_pool, adaptive_max_pool, average_pool, max_pool,
)
from lamina.ops.reductions import (
    all, allclose, amax, amin, any, argmax, argmin, argpartition, argsort, average, bincount,
    count_nonzero, cumprod, cumsum, diff, digitize, histogram, in_top_k, isin, logsumexp, max,
    mean, median, min, nanargmax, nanargmin, nancumprod, nancumsum, nanmax, nanmean, nanmedian,
    nanmin, nanpercentile, nanprod, nanquantile, nanstd, nansum, nanvar, percentile, prod, ptp,
    quantile, searchsorted, sort, std, sum, top_k, trapezoid, unique, var,
)
from lamina.ops.segments import segment_max, segment_min, segment_prod, segment_sum
from lamina.ops.shaping import (
    append, array_split, broadcast_to, concatenate, diag, diagflat, diagonal, dsplit, dstack,
    expand_dims, flip, fliplr, flipud, get_item, hsplit, hstack, meshgrid, moveaxis, ndim,
    nonzero, pad, ravel, repeat, reshape, roll, rot90, select, shape, size, split, squeeze,
    stack, swapaxes, take, take_along_axis, tile, transpose, tril, triu, unravel_index, unstack,
    view, vsplit, vstack,
)

from lamina.ops.signal import (
    extract_sequences, fft, fft2, ifft2, irfft, istft, rfft, stft, view_as_complex, view_as_real,
)

__all__ = [
    "abs", "absolute", "adaptive_average_pool", "adaptive_max_pool", "add", "all", "allclose",
    "amax", "amin", "angle", "any", "append", "arange", "arccos", "arccosh", "arcsin", "arcsinh",
    "arctan", "arctan2", "arctanh", "argmax", "argmin", "argpartition", "argsort", "array",
    "array_split", "associative_scan", "average", "average_pool", "bartlett", "batch_normalization",
    "binary_crossentropy", "bincount", "bitwise_and", "bitwise_invert", "bitwise_left_shift",
    "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "blackman", "broadcast_to",
    "cast", "categorical_crossentropy", "cbrt", "cdist", "ceil", "celu", "cholesky",
    "cholesky_inverse", "clip", "concatenate", "cond", "conj", "conjugate", "conv",
    "conv_transpose", "convert_to_numpy", "convert_to_tensor", "copy", "corrcoef", "correlate",
    "cos", "cosh", "count_nonzero", "cross", "ctc_decode", "ctc_loss", "cumprod", "cumsum",
    "custom_gradient", "deg2rad", "depth_to_space", "depthwise_conv", "det", "diag", "diagflat",
    "diagonal", "diff", "digitize", "divide", "divide_no_nan", "dot", "dot_product_attention",
    "dsplit", "dstack", "dtype", "eig", "eigh", "einsum", "elu", "empty", "empty_like", "equal",
    "erf", "erfc", "erfinv", "exp", "exp2", "expand_dims", "expm1", "extract_sequences", "eye",
    "fabs", "fft", "fft2", "flip", "fliplr", "flipud", "floor", "floor_divide", "fmax", "fmin",
    "fmod", "fold", "fori_loop", "full", "full_like", "gcd", "gelu", "geomspace", "get_item", "glu",
    "greater", "greater_equal", "hamming", "hanning", "hard_shrink", "hard_sigmoid", "hard_silu",
    "hard_swish", "hard_tanh", "heaviside", "histogram", "hsplit", "hstack", "hypot", "i0",
    "identity", "ifft2", "imag", "in_top_k", "inner", "inv", "irfft", "is_tensor", "isclose",
    "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal", "istft", "jvp",
    "kaiser", "kron", "layer_normalization", "lcm", "ldexp", "leaky_relu", "left_shift", "less",
    "less_equal", "linspace", "log", "log10", "log1p", "log2", "log_sigmoid", "log_softmax",
    "logaddexp", "logaddexp2", "logdet", "logical_and", "logical_not", "logical_or", "logical_xor",
    "logspace", "logsumexp", "lstsq", "lu_factor", "map", "matmul", "matrix_rank", "max",
    "max_pool", "maximum", "mean", "median", "meshgrid", "min", "minimum", "mod", "moments",
    "moveaxis", "multi_hot", "multiply", "nan_to_num", "nanargmax", "nanargmin", "nancumprod",
    "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin", "nanpercentile", "nanprod",
    "nanquantile", "nanstd", "nansum", "nanvar", "ndim", "negative", "nextafter", "nonzero", "norm",
    "normalize", "not_equal", "one_hot", "ones", "ones_like", "outer", "pad", "percentile", "pinv",
    "polar", "power", "prod", "psnr", "ptp", "qr", "quantile", "rad2deg", "ravel", "real",
    "rearrange", "reciprocal", "relu", "relu6", "repeat", "reshape", "rfft", "right_shift",
    "rms_normalization", "roll", "rot90", "round", "rsqrt", "saturate_cast", "scan", "scatter",
    "scatter_update", "searchsorted", "segment_max", "segment_min", "segment_prod", "segment_sum",
    "select", "selu", "separable_conv", "shape", "sigmoid", "sign", "signbit", "silu", "sin",
    "sinc", "sinh", "size", "slice", "slice_update", "slogdet", "soft_shrink", "softmax",
    "softplus", "softsign", "solve", "solve_triangular", "sort", "space_to_depth",
    "sparse_categorical_crossentropy", "sparse_plus", "sparse_sigmoid", "sparsemax", "split",
    "sqrt", "square", "squareplus", "squeeze", "stack", "std", "stft", "stop_gradient", "subtract",
    "sum", "svd", "swapaxes", "swish", "switch", "take", "take_along_axis", "tan", "tanh",
    "tanh_shrink", "tensordot", "threshold", "tile", "top_k", "trace", "transpose", "trapezoid",
    "tri", "tril", "triu", "true_divide", "trunc", "unfold", "unique", "unravel_index", "unstack",
    "vander", "var", "vdot", "vectorize", "vectorized_map", "view", "view_as_complex",
    "view_as_real", "vsplit", "vstack", "where", "while_loop", "zeros", "zeros_like",
]  # fmt: skip

from lamina.ops import image, linalg, nn, numpy  # noqa: F401, faces of what is above
