"""`Metric`: a figure of merit that is updated batch by batch."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core import binding, tracking
from lamina.core.configurable import Configurable
from lamina.core.dtypes import DTypePolicy
from lamina.core.errors import ArgumentError, ShapeError, StateError
from lamina.core.naming import auto_name
from lamina.core.types import Array, DTypeLike, ShapeLike
from lamina.core.variable import Variable, read_all


class Metric(Configurable):
    """A figure of merit over many batches, with its running sums in variables.

    Args:
        dtype: Dtype, or policy whose compute dtype, the figure is computed in.
        name: Name in logs.

    A subclass makes variables with ``add_weight``, changes them in ``update_state`` and computes
    the figure in ``result``. Both may be traced: they compute with arrays and read no values.

    >>> class Largest(Metric):
    ...     def __init__(self, name="largest"):
    ...         super().__init__(name=name)
    ...         self.value = self.add_weight(name="value")
    ...     def update_state(self, values):
    ...         self.value.assign(jnp.maximum(self.value.value, jnp.max(values)))
    ...     def result(self):
    ...         return self.value.value
    >>> largest = Largest()
    >>> largest.update_state(jnp.array([1.0, 3.0])); float(largest(jnp.array([2.0])))
    3.0
    """

    _direction: str | None = None
    """``"up"`` where more is better, ``"down"`` where less is."""

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or auto_name(type(self).__name__)
        self._dtype = getattr(dtype, "compute_dtype", None) or DTypePolicy(dtype).compute_dtype
        self._added: list[Variable] = []

    @property
    def dtype(self) -> str:
        """Dtype of the computation."""
        return self._dtype

    def add_variable(
        self,
        shape: ShapeLike,
        initializer: Any = None,
        dtype: DTypeLike = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """A new variable of the metric, of zeros unless it is given an initializer."""
        if "_added" not in vars(self):
            raise StateError(f"{type(self).__name__}.__init__ must call super().__init__() first.")
        name = name or auto_name("variable")
        variable = Variable(
            "zeros" if initializer is None else initializer, shape, dtype,
            trainable=False, autocast=False, aggregation=aggregation, name=name,
            path=f"{self.name}/{name}",
        )  # fmt: skip
        self._added.append(variable)
        return variable

    def add_weight(
        self,
        shape: ShapeLike = (),
        initializer: Any = None,
        dtype: DTypeLike = None,
        name: str | None = None,
    ) -> Variable:
        """As `add_variable`; a number unless it is given a shape."""
        return self.add_variable(shape, initializer, dtype, name=name)

    @property
    def variables(self) -> list[Variable]:
        """The metric's variables, then those of metrics that it holds."""
        found = [thing for _, thing in tracking.walk(vars(self))]
        own = [thing for thing in found if tracking.is_variable(thing)]
        for holder in found:
            own += holder.variables if isinstance(holder, Metric) else []
        return tracking.unique(own)

    @property
    def owned_variables(self) -> list[Variable]:
        """As ``variables``: the name by which the core finds them."""
        return self.variables

    def build(self, y_true_shape: ShapeLike, y_pred_shape: ShapeLike) -> None:
        """Make variables whose shapes depend on the data; done before a traced update."""

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take a batch into account."""
        raise StateError(f"{type(self).__name__} defines no update_state().")

    def result(self) -> Any:
        """The figure, or a dict of figures, over all batches since the last reset."""
        raise StateError(f"{type(self).__name__} defines no result().")

    def reset_state(self) -> None:
        """Forget all batches: the variables become 0."""
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take a batch into account; returns the figure so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    # --- as functions of arrays -----------------------------------------------------------------

    def stateless_update_state(
        self, metric_variables: Sequence[Array], *args: Any, **kwargs: Any
    ) -> list[Array]:
        """The variables' arrays after a batch, given those before it; nothing is changed."""
        with self._bound(metric_variables) as trace:
            self.update_state(*args, **kwargs)
        return [trace.values[each] for each in self.variables]

    def stateless_result(self, metric_variables: Sequence[Array]) -> Any:
        """The figure that the variables' arrays stand for."""
        with self._bound(metric_variables):
            return read_all(self.result())

    def stateless_reset_state(self) -> list[Array]:
        """The variables' arrays after a reset."""
        zeros = [jnp.zeros(each.shape, each.dtype) for each in self.variables]
        with self._bound(zeros) as trace:
            self.reset_state()
        return [trace.values[each] for each in self.variables]

    @contextlib.contextmanager
    def _bound(self, arrays: Sequence[Array]) -> Iterator[binding.Trace]:
        variables = self.variables
        if len(arrays) != len(variables):
            raise ArgumentError(
                f"Metric '{self.name}' needs one array for each of its variables.",
                met=f"{len(arrays)} arrays, {len(variables)} variables",
                fix="" if variables else "call build(y_true_shape, y_pred_shape) before",
            )
        with binding.bind(list(zip(variables, arrays, strict=True))) as trace:
            yield trace

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def matrix_width(name: str, y_true_shape: ShapeLike, y_pred_shape: ShapeLike) -> int:
    """The last size of (batch, features) shapes, or an error if they are not such."""
    if len(y_true_shape) != 2 or len(y_pred_shape) != 2 or y_pred_shape[-1] is None:
        raise ShapeError(
            f"Metric '{name}' needs matrices.",
            met=f"y_true of shape {tuple(y_true_shape)}, y_pred of shape {tuple(y_pred_shape)}",
            rule="(batch, features), with the number of features known",
        )
    return y_pred_shape[-1]
