"""`Loss`: values for each position, weighted, masked and reduced."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import jax.numpy as jnp

from lamina.core import masking, nest
from lamina.core.configurable import Configurable
from lamina.core.dtypes import DTypePolicy
from lamina.core.errors import StateError, unknown
from lamina.core.naming import auto_name
from lamina.core.types import Array, Config, Nest
from lamina.ops.targets import align_weight, as_array, divide_no_nan, masked_weight

Reduction: TypeAlias = (
    Literal["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"] | None
)
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


_counts: contextvars.ContextVar[list[Any] | None] = contextvars.ContextVar("counts", default=None)


@contextlib.contextmanager
def counting() -> Iterator[list[Any]]:
    """What each loss inside the block divides its sum by: how many values count, or weights.

    A loss that divides by nothing has 1.
    """
    token = _counts.set(counts := [])
    try:
        yield counts
    finally:
        _counts.reset(token)


class Loss(Configurable):
    """What training makes small: a number, or one for each sample, from targets and predictions.

    Args:
        name: Name in logs.
        reduction: How values become one number. ``"sum_over_batch_size"`` and ``"mean"`` divide
            their weighted sum by how many there are (masked ones not counted),
            ``"mean_with_sample_weight"`` by the sum of weights, ``"sum"`` by nothing;
            ``"none"`` or None keeps them apart.
        dtype: Dtype, or policy whose compute dtype, targets and predictions are cast to.

    Subclasses define ``call(y_true, y_pred)``, which gives one value for each sample or position.

    >>> class Cubic(Loss):
    ...     def call(self, true, pred):
    ...         return jnp.mean(jnp.abs(true - pred) ** 3, axis=-1)
    >>> float(Cubic()([[0.0]], [[2.0]]))
    8.0
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: Reduction = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        if reduction not in REDUCTIONS:
            raise unknown("reduction of a loss", reduction, [str(each) for each in REDUCTIONS])
        self.name = name or auto_name(type(self).__name__)
        self.reduction: Reduction = reduction
        self._dtype = getattr(dtype, "compute_dtype", None) or DTypePolicy(dtype).compute_dtype

    @property
    def dtype(self) -> str:
        """Dtype of the computation."""
        return self._dtype

    def __call__(self, y_true: Nest, y_pred: Nest, sample_weight: Any = None) -> Array:
        """The reduced loss; ``sample_weight`` has one weight for each sample or value."""
        if not hasattr(self, "_dtype"):
            raise StateError(f"{type(self).__name__}.__init__ must call super().__init__() first.")
        masks = [None if nest.is_nested(y_pred) else masking.get_mask(y_pred)]
        y_true, y_pred = self._arrays(y_true), self._arrays(y_pred)
        values = self.call(y_true, y_pred)
        masks = [mask for mask in (*masks, masking.get_mask(values)) if mask is not None]
        mask = None
        for each in masks:
            mask = each if mask is None else mask & each
        return reduce(as_array(values, self.dtype), sample_weight, mask, self.reduction)

    def _arrays(self, y: Nest) -> Nest:
        if any(hasattr(leaf, "dtype") for leaf in nest.flatten(y)):
            return nest.map_structure(lambda leaf: as_array(leaf, self.dtype), y)
        return as_array(y, self.dtype)  # numbers, or nested lists of numbers

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """One value for each sample or position."""
        raise StateError(f"{type(self).__name__} defines no call(y_true, y_pred).")

    def get_config(self) -> Config:
        """The constructor's arguments; the dtype only if one was given."""
        config = super().get_config()
        if self._given.get("dtype") is None:
            config.pop("dtype", None)
        return config

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def reduce(values: Array, sample_weight: Any, mask: Any, reduction: Reduction) -> Array:
    """Values, weighted and masked, as one number or, with reduction None, as they are."""
    weight = masked_weight(
        sample_weight, mask, values.dtype, reduction in ("mean", "sum_over_batch_size")
    )
    if weight is not None:
        weight, values = align_weight(weight, values)
        values = values * weight
    count: Any = 1.0 if reduction == "sum" else values.size
    if reduction == "mean_with_sample_weight" and weight is not None:
        count = jnp.sum(weight) * (values.size / weight.size)
    elif mask is not None and reduction != "sum":
        count = jnp.sum(mask, dtype=values.dtype) * (values.size / mask.size)
    if (counts := _counts.get()) is not None:
        counts.append(count)
    if reduction in (None, "none") or values.ndim == 0 or values.shape == (0,):
        return values
    if reduction == "sum":
        return jnp.sum(values)
    if reduction == "mean_with_sample_weight" and weight is not None:
        return divide_no_nan(jnp.sum(values), jnp.sum(weight))
    return divide_no_nan(jnp.sum(values), jnp.asarray(values.size, values.dtype))
