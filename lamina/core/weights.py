"""The variables of a layer: making them, listing them, setting them; losses and metrics beside."""

import math
from typing import Any

import numpy as np

from lamina.core import binding, nest, tracking
from lamina.core.dtypes import is_float
from lamina.core.errors import ArgumentError, ShapeError, StateError
from lamina.core.holder import Holder, uninitialised
from lamina.core.naming import auto_name
from lamina.core.registry import late
from lamina.core.types import (
    Array,
    ArrayLike,
    ConstraintLike,
    DTypeLike,
    InitializerLike,
    RegularizerLike,
    ShapeLike,
)  # fmt: skip
from lamina.core.variable import Variable, materialize


class Weights(Holder):
    """The part of a layer that owns variables."""

    name: Any
    built: Any
    trainable: Any
    variable_dtype: Any

    def _who(self) -> str:
        """How errors name the layer: class, and path of names."""
        frame = binding.current()
        path = frame.path() if frame is not None else ""
        inside = path and path.rsplit("/", 1)[-1] != self.name
        return f"{type(self).__name__} '{f'{path}/{self.name}' if inside else path or self.name}'"

    def add_weight(
        self,
        shape: ShapeLike | None = None,
        initializer: InitializerLike = None,
        dtype: DTypeLike = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: RegularizerLike = None,
        constraint: ConstraintLike = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Make a variable of this layer; its array is made when it is first read.

        Args:
            shape: Its shape; a scalar when left out.
            initializer: glorot_uniform for floats and zeros for other dtypes, when left out.
            dtype: The policy's variable dtype when left out.
            trainable: Whether training changes it.
            regularizer: A function of the array whose value is added to the loss.
            constraint: A function applied to the array after each step of an optimizer.
        """
        if not self._lamina.initialised:
            raise uninitialised(self)
        if isinstance(shape, str):
            raise ArgumentError(
                f"{self._who()}: the first argument of add_weight is a shape, not {shape!r}.",
                fix=f"give the name as a keyword argument: add_weight(..., name={shape!r})",
            )
        frame = binding.current()
        if frame is not None and frame.layer is self and not self._lamina.building:
            raise ArgumentError(
                f"{self._who()} makes a variable in its call().",
                rule="a layer makes its variables once; call() would make new ones each time",
                fix="make them in build() or __init__()",
            )
        dtype = self.variable_dtype if dtype is None else dtype
        if initializer is None:
            initializer = "glorot_uniform" if is_float(dtype) else "zeros"
        inside = frame is not None
        variable = Variable(
            initializer,
            () if shape is None else shape,
            dtype,
            trainable,
            autocast,
            aggregation,
            name=name if name is not None else auto_name("variable"),
            path=None if inside else f"{self._lamina.path or self.name}/{name or 'variable'}",
        )
        if regularizer is not None:
            variable.regularizer = late("regularizers.get")(regularizer)
        if constraint is not None:
            variable.constraint = late("constraints.get")(constraint)
        variable.overwrite_with_gradient = overwrite_with_gradient
        self._lamina.variables.append(variable)
        tracking.bump()
        return variable

    add_variable = add_weight

    @property
    def variables(self) -> list[Variable]:
        """All variables: own ones, states (of random generators, ...), then those of sub-layers."""
        found = self._own_weights()
        found += [
            v
            for owner in self._owners()
            if getattr(owner, "beside_weights", False)
            for v in owner.owned_variables
        ]
        for layer in self._sublayers():
            found += layer.variables
        return tracking.unique(found)

    @property
    def weights(self) -> list[Variable]:
        """All variables but the states of random generators: trainable ones of a layer first."""
        found = self._own_weights()
        for layer in self._sublayers():
            found += layer.weights
        return tracking.unique(found)

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that training changes; none of those of a frozen layer, at any depth."""
        if not self.trainable:
            return []
        found = [v for v in self._lamina.variables if v.trainable]
        for layer in self._sublayers():
            found += layer.trainable_variables
        return tracking.unique(found)

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that training does not change, states of random generators included."""
        trained = {id(v) for v in self.trainable_variables}
        return [v for v in self.variables if id(v) not in trained]

    trainable_weights = trainable_variables

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training does not change."""
        trained = {id(v) for v in self.trainable_variables}
        return [v for v in self.weights if id(v) not in trained]

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the weights' arrays, on the host."""
        materialize(self.weights)
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, weights: list[ArrayLike]) -> None:
        """Set all weights; every shape is checked before the first one changes.

        Raises:
            ShapeError: naming the weight, when one does not fit; no weight is changed then.
        """
        own = self.weights
        if len(own) != len(weights):
            raise ShapeError(
                f"{self._who()} has {len(own)} weights; {len(weights)} arrays were given.",
                met=", ".join(f"{v.path} {v.shape}" for v in own[:8]) or "a layer not built yet",
                fix="" if self.built else "call or build the layer first",
            )
        for variable, array in zip(own, weights, strict=True):
            shape = np.shape(array)
            if tuple(shape) != variable.shape:
                raise ShapeError(
                    f"{self._who()}.set_weights: an array does not fit '{variable.path}'.",
                    met=f"array {tuple(shape)}, weight {variable.shape}",
                    rule="no weight was changed",
                )
        for variable, array in zip(own, weights, strict=True):
            variable.assign(array)

    def count_params(self) -> int:
        """Number of elements in all weights."""
        if not self.built:
            raise StateError(f"{self._who()} is not built, so its number of weights is not known.")
        return sum(math.prod(v.shape) for v in self.weights)

    def save_own_variables(self, store: Any) -> None:
        """Put the arrays of the layer's own variables (not its sub-layers') into ``store``."""
        for index, variable in enumerate(self._stored_weights()):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Set the layer's own variables from what `save_own_variables` stored."""
        own = self._stored_weights()
        if len(store.keys()) != len(own):
            raise ShapeError(
                f"{self._who()} has {len(own)} variables, but {len(store.keys())} are stored.",
                met=", ".join(f"{v.name} {v.shape}" for v in own) or "no variables",
                fix="" if own or self.built else "build the layer before loading weights",
            )
        arrays = [store[str(index)] for index in range(len(own))]
        for variable, array in zip(own, arrays, strict=True):
            if tuple(array.shape) != variable.shape:
                raise ShapeError(
                    f"{self._who()}: stored {tuple(array.shape)} does not fit '{variable.name}' "
                    f"{variable.shape}."
                )
        for variable, array in zip(own, arrays, strict=True):
            variable.assign(array)

    def _own_weights(self) -> list[Variable]:
        own = self._lamina.variables
        return sorted(own, key=lambda v: not v.made_trainable)

    def _stored_weights(self) -> list[Variable]:
        """What files have of the layer's own variables."""
        return self._own_weights()

    # --- losses and metrics ---------------------------------------------------------------------

    def add_loss(self, loss: Any) -> None:
        """Add scalar losses to those of training; called in ``call``."""
        frame = binding.current()
        for value in nest.flatten(loss):
            value = value() if callable(value) else value
            if frame is None:
                self._lamina.losses.append(value)
                self._lamina.lossy = True
            else:
                frame.trace.losses.append((self, value))

    @property
    def losses(self) -> list[Array]:
        """Losses added by the last call, then those of the weights' regularizers."""
        frame = binding.current()
        if frame is not None:
            inside = {id(each) for each in self._flatten_layers()}
            added = [value for owner, value in frame.trace.losses if id(owner) in inside]
        else:
            added = [value for each in self._flatten_layers() for value in each._lamina.losses]
        return added + self._weight_losses()

    def _weight_losses(self) -> list[Array]:
        return [
            v.regularizer(v.value) for v in self.trainable_variables if v.regularizer is not None
        ]

    @property
    def metrics(self) -> list[Any]:
        """Metrics held by the layer and its sub-layers."""
        found = [owner for owner in self._owners() if _is_metric(owner)]
        for layer in self._sublayers():
            found += layer.metrics
        return tracking.unique(found)

    @property
    def metrics_variables(self) -> list[Variable]:
        """The variables of `metrics`."""
        return [v for metric in self.metrics for v in metric.variables]


def _is_metric(owner: Any) -> bool:
    return hasattr(owner, "update_state")
