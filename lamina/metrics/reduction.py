"""Sums and means of values, and of what a function gives for targets and predictions."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from lamina.core import masking
from lamina.core.types import Array, ArrayLike
from lamina.metrics.metric import Metric
from lamina.ops import formulas
from lamina.ops.targets import align_ranks, as_array, divide_no_nan, full_weight, masked_weight


def samplewise(
    values: ArrayLike, sample_weight: Any, reduce: Callable[..., Array], dtype: str
) -> tuple[Array, Any]:
    """Weighted values and weights, each reduced to one number for each sample.

    Values of more axes than the weights are reduced to the weights' axes first.
    """
    values = as_array(values, dtype)
    weight = None if sample_weight is None else as_array(sample_weight, dtype)
    if weight is not None:
        values, weight = align_ranks(values, weight)
        values = _reduced(values, reduce, weight.ndim)
        weight = full_weight(weight, values)
        values, weight = values * weight, _reduced(weight, reduce, 1)
    return _reduced(values, reduce, 1), weight


def _reduced(x: Array, reduce: Callable[..., Array], ndim: int) -> Array:
    return reduce(x, axis=tuple(range(ndim, x.ndim))) if x.ndim > ndim else x


class Sum(Metric):
    """The weighted sum of all values.

    >>> float(Sum()(jnp.array([1.0, 2.0])))
    3.0
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), dtype=self.dtype, name="total")

    def update_state(self, values: ArrayLike, sample_weight: Any = None) -> None:
        """Add values, times their weights."""
        values, _ = samplewise(values, sample_weight, jnp.sum, self.dtype)
        self.total.assign_add(jnp.sum(values))

    def result(self) -> Array:
        """The sum."""
        return self.total.value


class Mean(Metric):
    """The weighted mean of all values; values of a sample are averaged first.

    >>> float(Mean()(jnp.array([1.0, 2.0]), sample_weight=jnp.array([3.0, 1.0])))
    1.25
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), dtype=self.dtype, name="total")
        self.count = self.add_variable((), dtype=self.dtype, name="count")

    def update_state(self, values: ArrayLike, sample_weight: Any = None) -> None:
        """Take values with their weights into account."""
        values, weight = samplewise(values, sample_weight, jnp.mean, self.dtype)
        self.total.assign_add(jnp.sum(values))
        self.count.assign_add(jnp.size(values) if weight is None else jnp.sum(weight))

    def result(self) -> Array:
        """The mean; 0 before the first batch."""
        return divide_no_nan(self.total.value, self.count.value)


class MeanMetricWrapper(Mean):
    """The mean of what a function gives for targets and predictions.

    Args:
        fn: ``fn(y_true, y_pred, **kwargs)``, one value for each sample or position.
        name: Name in logs.
        dtype: Dtype of the mean.
        **kwargs: Passed to ``fn``; kept as attributes.
    """

    _formula: Any = None

    def __init_subclass__(cls, formula: Any = None, name: str | None = None) -> None:
        super().__init_subclass__()
        if formula is not None:
            cls._formula = staticmethod(formula)
            cls.__init__ = formulas.named(cls.__init__, name or formula.__name__)

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name, dtype)
        self.fn = fn
        self._options = tuple(kwargs)
        vars(self).update(kwargs)
        if self._direction is None and fn in formulas.FORMULAS.values():
            self._direction = "down"

    def update_state(  # type: ignore[override]
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any = None
    ) -> None:
        """Take a batch into account, without the positions that are masked in ``y_pred``."""
        weight = masked_weight(sample_weight, masking.get_mask(y_pred), self.dtype)
        values = self.fn(y_true, y_pred, **{name: getattr(self, name) for name in self._options})
        if weight is not None:
            weight = masked_weight(weight, masking.get_mask(values), self.dtype)
        super().update_state(values, weight)


class PlainMetric(MeanMetricWrapper):
    """The mean of a formula without options, whose name it has unless it is given one."""

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(self._formula, name, dtype)


class AxisMetric(MeanMetricWrapper):
    """The mean of a formula along an axis, whose name it has unless it is given one."""

    def __init__(self, name: str | None = None, dtype: Any = None, axis: int = -1) -> None:
        super().__init__(self._formula, name, dtype, axis=axis)
