"""Further dtype policies: quantized ones, and one policy for each layer of a model.

They are values, that are parsed, compared and written to files; what they ask of a layer is done
elsewhere. Plain policies are in `lamina.core.dtypes`.
"""

import re
from collections.abc import Iterator, MutableMapping
from typing import Any

from lamina.core import registry
from lamina.core.dtypes import DTypePolicy, default_policy
from lamina.core.dtypes import get_policy as get
from lamina.core.errors import ArgumentError, DTypeError, unknown
from lamina.core.types import Config, DTypePolicyLike

MODES = ("int8", "float8", "int4", "gptq", "awq")


class QuantizedDTypePolicy(DTypePolicy):
    """Weights kept in few bits, by the scheme ``mode``; the rest as the policy ``source_name``.

    Args:
        mode: "int8", "float8", "int4", "gptq" or "awq".
        source_name: The policy that the layer had before; the default one when left out.

    >>> policy = QuantizedDTypePolicy("int8", "mixed_bfloat16")
    >>> policy.name, policy.quantization_mode, policy.compute_dtype
    ('int8_from_mixed_bfloat16', 'int8', 'bfloat16')
    """

    def __init__(self, mode: str, source_name: str | None = None) -> None:
        super().__init__(source_name)
        if mode not in MODES:
            raise ArgumentError(f"Invalid quantization mode {mode!r}.", rule=f"one of {MODES}")
        if mode == "int8" and self.compute_dtype == "float16":
            raise ArgumentError(
                "Weights in int8 cannot be computed with in float16.",
                rule="scales of int8 weights overflow in float16",
                fix="use bfloat16 or float32",
            )
        self.mode = self.quantization_mode = mode
        self.source_name = self.name
        self.name = f"{mode}_from_{self.source_name}"


class QuantizedFloat8DTypePolicy(QuantizedDTypePolicy):
    """As `QuantizedDTypePolicy`, for float8 training.

    Args:
        amax_history_length: Over how many steps the largest value is looked for.
    """

    default_amax_history_length = 1024

    def __init__(
        self, mode: str, source_name: str | None = None, amax_history_length: int = 1024
    ) -> None:
        super().__init__(mode, source_name)
        if not isinstance(amax_history_length, int):
            raise DTypeError(
                f"`amax_history_length` counts steps; {amax_history_length!r} is no int."
            )
        self.amax_history_length = amax_history_length


class _SizedDTypePolicy(QuantizedDTypePolicy):
    """A policy whose mode carries numbers: ``"gptq/4/128"``."""

    form = ""
    bits: tuple[int, ...] = ()

    def __init__(self, mode: str, source_name: str | None = None) -> None:
        (kind, *names), (base, *texts) = self.form.split("/"), mode.split("/")
        if base != kind or len(texts) != len(names):
            raise self._invalid("mode", mode)
        for name, text in zip(names, texts, strict=True):
            if not re.fullmatch(r"-?\d+", text):
                raise self._invalid("mode", mode, f"{name} must be an integer")
            number = int(text)
            if name == "weight_bits" and number not in self.bits:
                raise self._invalid(name, mode, f"weight_bits is one of {self.bits}")
            if name != "weight_bits" and (number < -1 or number == 0):
                raise self._invalid(name, mode, f"{name} is -1 or a positive integer")
            setattr(self, name, number)
        super().__init__(base, source_name)
        self.name = f"{mode}_from_{self.source_name}"

    def get_config(self) -> Config:
        return {**super().get_config(), "mode": self.name.partition("_from_")[0]}

    def _invalid(self, part: str, mode: str, rule: str = "") -> ArgumentError:
        what = "mode" if part == "mode" else f"{part} in mode"
        return ArgumentError(
            f"Invalid {what} for {type(self).__name__}: '{mode}'.",
            rule=rule,
            fix=f"write it as '{self.form}'",
        )


class Int4DTypePolicy(_SizedDTypePolicy):
    """Weights of 4 bits in blocks with scales of their own: ``"int4/<block_size>"``.

    >>> Int4DTypePolicy("int4/128", "float32").block_size
    128
    """

    form = "int4/block_size"
    block_size: int


class GPTQDTypePolicy(_SizedDTypePolicy):
    """Weights quantized by GPTQ: ``"gptq/<weight_bits>/<group_size>"``."""

    form, bits = "gptq/weight_bits/group_size", (2, 3, 4, 8)
    weight_bits: int
    group_size: int


class AWQDTypePolicy(_SizedDTypePolicy):
    """Weights quantized by AWQ: ``"awq/4/<group_size>"``."""

    form, bits = "awq/weight_bits/group_size", (4,)
    weight_bits: int
    group_size: int


_QUANTIZED: dict[str, type[QuantizedDTypePolicy]] = {
    "int8": QuantizedDTypePolicy,
    "int4": QuantizedDTypePolicy,
    "float8": QuantizedFloat8DTypePolicy,
    "gptq": GPTQDTypePolicy,
    "awq": AWQDTypePolicy,
}


def quantized(name: str) -> QuantizedDTypePolicy:
    """The policy that a name such as ``"int8_from_float32"`` stands for.

    >>> quantized("gptq/4/128_from_float32").weight_bits
    4
    """
    mode, _, source = name.partition("_from_")
    kind, _, sizes = mode.partition("/")
    if kind not in _QUANTIZED or not source or "_from_" in source:
        raise unknown("dtype policy", name, [f"{mode}_from_float32" for mode in _QUANTIZED])
    return (Int4DTypePolicy if kind == "int4" and sizes else _QUANTIZED[kind])(mode, source)


class DTypePolicyMap(DTypePolicy, MutableMapping[str, DTypePolicy]):
    """A policy for each layer, by the layer's path.

    A key is a path, or a regular expression that matches whole paths. A layer whose path is no
    key has the one policy whose expression matches, else the default one.

    Args:
        default_policy: For paths that match nothing; the default of the process when left out.
        policy_map: Policies, or their names, by key.

    >>> policies = DTypePolicyMap("float32", {"model/body/.*": "bfloat16"})
    >>> policies["model/body/dense"].name, policies["model/head"].name
    ('bfloat16', 'float32')
    """

    def __init__(
        self, default_policy: DTypePolicyLike = None, policy_map: dict[str, Any] | None = None
    ) -> None:
        if isinstance(default_policy, DTypePolicyMap):
            raise ArgumentError("A map as the `default_policy` of a map has no meaning.")
        if policy_map is not None and not isinstance(policy_map, dict):
            raise DTypeError(f"A policy_map is a dict of policies by path, not {policy_map!r}.")
        self._default = None if default_policy is None else get(default_policy)
        self._policies: dict[str, DTypePolicy] = {}
        self.update(policy_map or {})

    @property
    def default_policy(self) -> DTypePolicy:
        """The policy of paths that match nothing."""
        return default_policy() if self._default is None else self._default

    @property
    def name(self) -> str:  # type: ignore[override]
        """``"map_"`` and the name of the default policy."""
        return f"map_{self.default_policy.name}"

    @property
    def variable_dtype(self) -> str:  # type: ignore[override]
        """That of the default policy."""
        return self.default_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:  # type: ignore[override]
        """That of the default policy."""
        return self.default_policy.compute_dtype

    @property
    def quantization_mode(self) -> str | None:  # type: ignore[override]
        """That of the default policy."""
        return self.default_policy.quantization_mode

    def for_path(self, path: str) -> DTypePolicy:
        """The policy of the layer at a path."""
        return self[path]

    def with_path(self, path: str, policy: Any) -> "DTypePolicyMap":
        """A map with another policy for the layer at a path."""
        return DTypePolicyMap(self._default, {**self._policies, path: policy})

    def __getitem__(self, path: str) -> DTypePolicy:
        if path in self._policies:
            return self._policies[path]
        found = [key for key in self._policies if re.fullmatch(key, path)]
        if len(found) > 1:
            raise ArgumentError(
                f"The path '{path}' matches multiple keys of the map.",
                met=f"keys {found}",
                rule="a path is a key itself, or matches one key at most",
            )
        return self._policies[found[0]] if found else self.default_policy

    def __setitem__(self, key: str, policy: Any) -> None:
        if key in self._policies:
            raise ArgumentError(
                f"A policy for '{key}' already exists: {self._policies[key].name}.",
                fix="delete it first",
            )
        try:
            self._policies[key] = get(policy)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"Cannot interpret {policy!r} for '{key}': {error}") from error

    def __delitem__(self, key: str) -> None:
        del self._policies[key]

    def __contains__(self, key: object) -> bool:
        return key in self._policies

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, DTypePolicyMap) and self._default == other._default
        return same and self._policies == other._policies  # type: ignore[union-attr]

    __hash__ = None  # type: ignore[assignment]

    def get_config(self) -> Config:
        """As in Keras's files: without a default policy, all names are left to the process's."""
        policies = {key: registry.serialize(policy) for key, policy in self._policies.items()}
        for stored in policies.values() if self._default is None else ():
            name = "source_name" if "source_name" in stored["config"] else "name"
            stored["config"][name] = None
        default = self._given.get("default_policy")
        return {"default_policy": registry.plain(default), "policy_map": policies}

    def __repr__(self) -> str:
        default = None if self._default is None else self._default.name
        mapping = [(key, policy.name) for key, policy in self._policies.items()]
        return f"<DTypePolicyMap default_policy={default}, mapping={mapping}>"


def serialize(dtype_policy: Any) -> Config:
    """The config of a policy.

    >>> serialize(DTypePolicy("float16"))["config"]
    {'name': 'float16'}
    """
    return registry.plain(dtype_policy)
