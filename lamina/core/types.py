"""Names for the unions that the API accepts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import jax
import numpy as np

Array: TypeAlias = jax.Array
ArrayLike: TypeAlias = Any
"""A jax or NumPy array, a Variable, a SymbolicTensor, a number, or nested lists of numbers."""

Shape: TypeAlias = tuple[int | None, ...]
ShapeLike: TypeAlias = Sequence[int | None]
DTypeLike: TypeAlias = str | np.dtype | type | None
Nest: TypeAlias = Any
"""Arrays in nested lists, tuples and dicts."""

Config: TypeAlias = dict[str, Any]
ActivationName: TypeAlias = Literal[
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu",
    "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish",
    "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign",
    "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh", "tanh_shrink",
    "threshold",
]  # fmt: skip
ActivationLike: TypeAlias = ActivationName | str | Callable[[Any], Any] | Config | None
InitializerName: TypeAlias = Literal[
    "constant", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "identity",
    "lecun_normal", "lecun_uniform", "ones", "orthogonal", "random_normal", "random_uniform",
    "stft", "truncated_normal", "variance_scaling", "zeros",
]  # fmt: skip
InitializerLike: TypeAlias = (
    InitializerName | str | Callable[..., Any] | Config | np.ndarray | jax.Array | None
)
RegularizerLike: TypeAlias = str | Callable[[Any], Any] | Config | None
ConstraintLike: TypeAlias = str | Callable[[Any], Any] | Config | None
DTypePolicyLike: TypeAlias = Any
"""A policy name such as ``"mixed_bfloat16"``, a dtype name, a DTypePolicy, or its config."""
SeedLike: TypeAlias = Any
"""An int, a SeedGenerator, a key of two uint32, or None for the global seed."""
CustomObjects: TypeAlias = Mapping[str, Any] | None
