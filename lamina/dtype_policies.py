"""Dtype policies: what layers store and compute in."""

from lamina.core.dtypes import DTypePolicy, FloatDTypePolicy
from lamina.core.dtypes import get_policy as get
from lamina.core.policies import (
    AWQDTypePolicy,
    DTypePolicyMap,
    GPTQDTypePolicy,
    Int4DTypePolicy,
    QuantizedDTypePolicy,
    QuantizedFloat8DTypePolicy,
    serialize,
)
from lamina.core.registry import deserialize

__all__ = ["AWQDTypePolicy", "DTypePolicy", "DTypePolicyMap", "FloatDTypePolicy",
           "GPTQDTypePolicy", "Int4DTypePolicy", "QuantizedDTypePolicy",
           "QuantizedFloat8DTypePolicy", "deserialize", "get", "serialize"]  # fmt: skip
