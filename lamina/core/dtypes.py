"""Dtypes, dtype policies, and which dtype a computation of several dtypes gives."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import registry
from lamina.core.configurable import Configurable
from lamina.core.errors import ArgumentError, DTypeError, unknown
from lamina.core.settings import settings

FLOATS = ("bfloat16", "float16", "float32", "float64", "float8_e4m3fn", "float8_e5m2")
INTEGERS = (
    "int4", "int8", "int16", "int32", "int64", "uint4", "uint8", "uint16", "uint32", "uint64",
)  # fmt: skip
NAMES = frozenset((*FLOATS, *INTEGERS, "bool", "complex64", "complex128", "string"))
_ALIASES = {"half": "float16", "float": "float32", "double": "float64", "int": "int32",
            "bfloat": "bfloat16", "single": "float32"}  # fmt: skip
_PYTHON = {bool: "bool", int: "int32", str: "string"}


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype, whichever way it was given; None stands for ``settings.floatx``.

    >>> standardize_dtype(np.int8), standardize_dtype("float"), standardize_dtype(None)
    ('int8', 'float32', 'float32')
    """
    if dtype is None or dtype is float:
        return settings.floatx
    if isinstance(dtype, str) and dtype in NAMES:
        return dtype
    if isinstance(dtype, type) and dtype in _PYTHON:
        return _PYTHON[dtype]
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None)
    if name is None:
        try:
            name = jnp.dtype(dtype).name
        except TypeError:
            name = str(dtype).rpartition(".")[2]
    name = _ALIASES.get(name, name)
    if name not in NAMES:
        raise unknown("dtype", dtype, NAMES)
    return name


def canonical(dtype: Any) -> str:
    """The dtype that JAX really uses for this one: 32 bits for 64 unless ``jax_enable_x64`` is set.

    >>> canonical("int64")
    'int32'
    """
    return jax.dtypes.canonicalize_dtype(standardize_dtype(dtype)).name


def is_float(dtype: Any) -> bool:
    """Whether values of this dtype are real floating-point numbers.

    >>> is_float("bfloat16"), is_float("int32")
    (True, False)
    """
    return standardize_dtype(dtype).startswith(("float", "bfloat"))


def is_int(dtype: Any) -> bool:
    """Whether values of this dtype are integers (bool is none)."""
    return standardize_dtype(dtype) in INTEGERS


def result_type(*dtypes: Any) -> str:
    """The dtype that arithmetic on these gives: jax's promotion, but int with int stays int32.

    Python's ``float`` and ``int`` count as weak: they take the other's dtype.

    >>> result_type("int32", float), result_type("float16", "float32")
    ('float32', 'float32')
    """
    if not dtypes:
        return settings.floatx
    if all(each in (float, int, bool) for each in dtypes):
        return settings.floatx if float in dtypes else standardize_dtype(max(dtypes, key=_rank))
    weak = [each if each in (float, int) else jnp.dtype(standardize_dtype(each)) for each in dtypes]
    examples = [each(0) if isinstance(each, type) else jnp.zeros((), each) for each in weak]
    found = jnp.result_type(*examples).name
    known = [standardize_dtype(each) for each in dtypes if each not in (float, int)]
    if float in dtypes and not any(is_float(each) or "complex" in each for each in known):
        return settings.floatx
    wide = {"int64", "uint64", "float64", "complex128"}.intersection(known)
    return found if wide or not found.endswith("64") or found == "complex64" else found[:-2] + "32"


def _rank(kind: type) -> int:
    return (bool, int, float).index(kind)


class DTypePolicy(Configurable):
    """Which dtype a layer stores its variables in, and which it computes in.

    ``"float32"`` and the like use one dtype for both; ``"mixed_bfloat16"`` and
    ``"mixed_float16"`` store float32 and compute in half the width.

    >>> policy = DTypePolicy("mixed_bfloat16")
    >>> policy.variable_dtype, policy.compute_dtype
    ('float32', 'bfloat16')
    """

    keras_module = "keras"

    def __init__(self, name: str | None = None) -> None:
        name = default_policy().name if name is None else name
        if not isinstance(name, str):
            raise DTypeError(f"A policy has a name as 'mixed_float16', not {name!r}.")
        self.name = name
        if name.startswith("mixed_"):
            self.compute_dtype = name.removeprefix("mixed_")
            self.variable_dtype = "float32"
            known = self.compute_dtype in ("float16", "bfloat16")
        else:
            known = name in NAMES or name in _ALIASES
            self.compute_dtype = self.variable_dtype = _ALIASES.get(name, name)
        if not known:
            kinds = ("mixed_float16", "mixed_bfloat16", *FLOATS)
            raise unknown("dtype policy", name, kinds)

    quantization_mode: str | None = None

    def for_path(self, path: str) -> "DTypePolicy":
        """The policy of the layer at a path: this one, for all."""
        return self

    def with_path(self, path: str, policy: Any) -> "DTypePolicy":
        """The policy with another one for the layer at a path: that one."""
        return get_policy(policy)

    def convert_input(self, x: Any, autocast: bool, dtype: Any) -> Any:
        """``x`` as an array, in ``dtype`` when ``autocast`` and both are floating-point."""
        x = jnp.asarray(x) if isinstance(x, np.ndarray) else x
        if autocast and hasattr(x, "astype") and is_float(x.dtype) and is_float(dtype):
            return x if standardize_dtype(x.dtype) == dtype else x.astype(dtype)
        return x

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<{type(self).__name__} "{self.name}">'


FloatDTypePolicy = DTypePolicy


def default_policy() -> DTypePolicy:
    """The policy of layers that were given none."""
    return settings.dtype_policy or DTypePolicy(settings.floatx)


def set_default_policy(policy: Any) -> None:
    """Set the policy of layers made from now on that are given none.

    Args:
        policy: A policy, or its name: ``"mixed_bfloat16"``.
    """
    if not isinstance(policy, (str, DTypePolicy)):
        raise ArgumentError(
            f"Invalid `policy` argument: {policy!r}.", fix="give a DTypePolicy, or its name"
        )
    settings.dtype_policy = get_policy(policy)


def get_policy(identifier: Any) -> DTypePolicy:
    """The policy that a name, dtype, config or policy stands for; None for the default one.

    >>> get_policy("float16").compute_dtype
    'float16'
    """
    if identifier is None:
        return default_policy()
    if isinstance(identifier, dict):
        found = registry.deserialize(identifier)
        return DTypePolicy(**found) if isinstance(found, dict) else found
    if isinstance(identifier, str):
        kind = registry.late("core.policies.quantized") if "_from_" in identifier else DTypePolicy
        return kind(identifier)
    if isinstance(identifier, DTypePolicy):
        return identifier
    return DTypePolicy(standardize_dtype(identifier))
