"""Dtype policies: what layers store and compute in."""

from lamina.core.dtypes import DTypePolicy, FloatDTypePolicy
from lamina.core.dtypes import get_policy as get
from lamina.core.registry import deserialize
from lamina.core.registry import plain as serialize

__all__ = ["DTypePolicy", "FloatDTypePolicy", "deserialize", "get", "serialize"]
