"""Several optimizers as one: each variable is trained by the optimizer that its path chooses."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any

import jax.numpy as jnp

from lamina.core.configurable import Configurable
from lamina.core.errors import (
    ArgumentError,
    DTypeError,
    StateError,
    UndescribedError,
    describe_value,
)
from lamina.core.types import Array, Config
from lamina.core.variable import Variable
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.state import OptimizerState
from lamina.optimizers.wrappers import LossScaleOptimizer


class OptimizerMap(Configurable, MutableMapping[str, Optimizer]):
    """Optimizers by the path of a variable, or by a pattern that matches whole paths.

    Args:
        default_optimizer: For variables that no key is for.
        optimizer_map: Optimizers by path or regular expression. ``".*head/.*"`` also fits the
            layers of a `Sequential` from a file, whose paths begin without the model's name.

    >>> from lamina.optimizers import SGD, Adam
    >>> rates = OptimizerMap(SGD(0.1), {"encoder/.*": Adam(1e-4)})
    >>> float(rates["encoder/dense/kernel"].learning_rate) < 0.001, rates["head/bias"].name[:3]
    (True, 'sgd')
    """

    def __init__(
        self,
        default_optimizer: Optimizer,
        optimizer_map: dict[str, Optimizer] | None = None,
    ) -> None:
        if not isinstance(default_optimizer, Optimizer):
            raise DTypeError(f"default_optimizer is {describe_value(default_optimizer)}.",
                             rule="it is an optimizer")  # fmt: skip
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise DTypeError(f"optimizer_map is {describe_value(optimizer_map)}, not a dict.")
        self._default = default_optimizer
        self.optimizer_map: dict[str, Optimizer] = optimizer_map or {}

    @property
    def default_optimizer(self) -> Optimizer:
        """The optimizer of variables that no key is for."""
        return self._default

    def __getitem__(self, key: str) -> Optimizer:
        if key in self.optimizer_map:
            return self.optimizer_map[key]
        found = [pattern for pattern in self.optimizer_map if re.fullmatch(pattern, key)]
        if len(found) > 1:
            raise ArgumentError(
                f"'{key}' has more than one optimizer.",
                met=f"patterns {found}",
                rule="at most one key of an OptimizerMap matches a path",
            )
        return self.optimizer_map[found[0]] if found else self._default

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if not isinstance(key, str):
            raise ArgumentError(f"A key of an OptimizerMap is a string, not {key!r}.")
        if key in self.optimizer_map:
            raise ArgumentError(f"The OptimizerMap has an optimizer for '{key}' already.")
        _check_inner(optimizer, f"for '{key}'")
        self.optimizer_map[key] = optimizer

    def __delitem__(self, key: str) -> None:
        del self.optimizer_map[key]

    def __len__(self) -> int:
        return len(self.optimizer_map)

    def __iter__(self) -> Iterator[str]:
        return iter(self.optimizer_map)

    def __call__(self, variable: Any) -> Optimizer:
        return self[variable.path]


def _check_inner(optimizer: Any, where: str) -> None:
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(f"The optimizer {where} is {describe_value(optimizer)}.",
                            rule="it is an Optimizer")  # fmt: skip
    if isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
        raise ArgumentError(
            f"The optimizer {where} is a {type(optimizer).__name__}.",
            rule="one that holds others cannot be inside a MultiOptimizer",
            fix="a LossScaleOptimizer goes around the MultiOptimizer",
        )


class MultiOptimizer(Optimizer):
    """Trains each variable with the optimizer that is chosen for it.

    Args:
        optimizer_map: An `OptimizerMap`, or a function of a variable that gives its optimizer.
        loss_scale_factor: What the loss was multiplied by; takes the place of the optimizers' own.
        name: Name, also of the variables.

    Attributes:
        optimizers: The optimizers, each once, with a learning rate and a count of steps each.

    Warns ``[pattern-unused]`` when a key of the map is for none of the variables.
    """

    def __init__(
        self,
        optimizer_map: OptimizerMap | Callable[[Any], Optimizer],
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ) -> None:
        self._inner: list[Optimizer] = []
        super().__init__(0.0, name=name)
        self.optimizer_map = optimizer_map
        for each in getattr(optimizer_map, "values", list)():
            self._hold(each)
        if hasattr(optimizer_map, "default_optimizer"):
            self._hold(optimizer_map.default_optimizer)  # type: ignore[union-attr]
        self.loss_scale_factor = loss_scale_factor
        self._places_of: list[list[int]] = []

    def _hold(self, optimizer: Optimizer) -> None:
        if not any(optimizer is each for each in self._inner):
            self._inner.append(optimizer)

    @property
    def optimizers(self) -> list[Optimizer]:
        """The optimizers inside: those of the map, its default one, and others as chosen."""
        return self._inner

    @property
    def loss_scale_factor(self) -> float | None:
        """What the loss was multiplied by; setting it sets that of all optimizers inside."""
        return self._loss_scale

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        self._loss_scale = value
        for each in self._inner:
            each.loss_scale_factor = value

    @property
    def learning_rate(self) -> Any:
        """Refused: each optimizer inside has its own."""
        raise UndescribedError(
            f"{self.name} has no learning rate of its own.",
            fix="each optimizer in `optimizers` has one",
        )

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.learning_rate  # noqa: B018  # raises

    @property
    def variables(self) -> list[Variable]:
        """Its own two variables, then those of each optimizer."""
        return [*super().variables, *(v for each in self._inner for v in each.variables)]

    def build(self, variables: Iterable[Variable]) -> None:
        """Choose an optimizer for each variable, and make their states."""
        if self.built:
            return
        self._know(variables)
        chosen = [self.optimizer_map(each) for each in self._trainable_variables]
        for variable, optimizer in zip(self._trainable_variables, chosen, strict=True):
            _check_inner(optimizer, f"of '{variable.path}'")
            self._hold(optimizer)
        self.loss_scale_factor = self._loss_scale
        for each in self._inner:
            places = [index for index, optimizer in enumerate(chosen) if optimizer is each]
            self._places_of.append(places)
            if places:
                each.build([self._trainable_variables[index] for index in places])
        self._tell_unused(chosen)
        self.built = True

    def _tell_unused(self, chosen: list[Optimizer]) -> None:
        keys = self.optimizer_map if isinstance(self.optimizer_map, OptimizerMap) else ()
        paths = [each.path for each in self._trainable_variables]
        idle = [key for key in keys if not any(re.fullmatch(key, path) for path in paths)]
        if idle:
            warnings.warn(
                f"{self.name}: no variable has a path like {idle}, so the default optimizer trains "
                f"them all [pattern-unused]. A pattern matches a whole path, such as '{paths[0]}'.",
                stacklevel=3,
            )

    # --- the pure form: the state of each optimizer under "inner" ---------------------------------

    def init(self, params: Sequence[Any]) -> OptimizerState:
        """The state before the first step; paths choose, so `build` comes before."""
        if not self.built:
            raise StateError(f"Build {self.name} on variables before asking for its state.")
        inner = [each.init([params[i] for i in places]) for each, places in self._parts()]
        return OptimizerState(jnp.int32(0), jnp.float32(0), {"inner": inner})

    def _parts(self) -> Iterable[tuple[Optimizer, list[int]]]:
        return zip(self._inner, self._places_of, strict=True)

    def pack(self, arrays: Sequence[Array]) -> OptimizerState:
        """The state with these arrays, given in the order of ``variables``."""
        (count, rate), begin, inner = arrays[:2], 2, []
        for each in self._inner:
            end = begin + len(each.variables)
            inner.append(each.pack(arrays[begin:end]))
            begin = end
        return OptimizerState(count, rate, {"inner": inner})

    def unpack(self, state: OptimizerState) -> list[Array]:
        """The arrays of a state in the order of ``variables``."""
        pairs = zip(self._inner, state.slots["inner"], strict=True)
        arrays: list[Any] = [state.iterations, state.learning_rate]
        return arrays + [x for each, inner in pairs for x in each.unpack(inner)]

    def _update(
        self, grads: Sequence[Any], state: OptimizerState, params: Sequence[Array], rate: Array
    ) -> tuple[list[Array], OptimizerState]:
        params, states = list(params), []
        for (each, places), inner in zip(self._parts(), state.slots["inner"], strict=True):
            own = [grads[index] for index in places]
            if any(grad is not None for grad in own):
                given = [params[index] for index in places]
                moved, inner = each._update(own, inner, given, each._rate_at(inner))
                for index, param in zip(places, moved, strict=True):
                    params[index] = param
            states.append(inner)
        return params, OptimizerState(state.iterations + 1, state.learning_rate, {"inner": states})

    def _key(self) -> tuple[Any, ...]:
        return super()._key(), tuple(each._key() for each in self._inner)

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """As each optimizer does with its own variables."""
        for each, places in self._parts():
            own = {id(self._trainable_variables[index]) for index in places}
            each.finalize_variable_values([v for v in var_list if id(v) in own])

    def get_config(self) -> Config:
        """The constructor's arguments."""
        config = super().get_config()
        return {name: config[name] for name in ("optimizer_map", "loss_scale_factor", "name")}
