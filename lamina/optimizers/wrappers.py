"""Optimizers around others: dynamic loss scaling, and any optax transformation."""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.errors import ArgumentError, FileError, StateError
from lamina.core.types import Array, Config
from lamina.core.variable import Variable
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.options import OPTIONS
from lamina.optimizers.state import Grads, OptimizerState, Slots

_DEFAULTS = inspect.signature(Optimizer.__init__).parameters


class LossScaleOptimizer(Optimizer):
    """Multiplies the loss so that small float16 gradients do not vanish, and finds by how much.

    Args:
        inner_optimizer: The optimizer that makes the steps, with gradients divided again.
        initial_scale: What the loss is multiplied by at the start.
        dynamic_growth_steps: After how many finite steps in a row the scale is doubled; a step
            whose gradients are not finite is left out, and halves it.
        name: Name, also of the variables.

    Micikevicius et al., "Mixed Precision Training" (2018), section 3.2.
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not kwargs.pop("dynamic", True):
            raise ArgumentError(
                "A LossScaleOptimizer finds its scale by itself; dynamic=False is no more.",
                fix="set `loss_scale_factor` on the `inner_optimizer` instead",
            )
        super().__init__(0.0, name=name, **kwargs)
        for option in OPTIONS:  # files of older versions name them all, at their defaults
            if option != "name" and getattr(self, option) != _DEFAULTS[option].default:
                raise ArgumentError(
                    f"LossScaleOptimizer would not follow {option}={getattr(self, option)}.",
                    fix=f"set `{option}` on the `inner_optimizer`",
                )
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        inner_optimizer.loss_scale_factor = None
        self.step_counter = self._make_variable("step_counter", (), "int32", 0)
        self.dynamic_scale = self._make_variable("dynamic_scale", (), "float32", initial_scale)
        self._own = [self.step_counter, self.dynamic_scale]

    @property
    def variables(self) -> list[Variable]:
        """Its own variables, then those of the inner optimizer."""
        own = self._own if self.built else []
        return [*super().variables, *own, *self.inner_optimizer.variables]

    @property
    def iterations(self) -> Any:
        """How many steps the inner optimizer made."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    def build(self, variables: Iterable[Variable]) -> None:
        """Make the state of these variables, here and in the inner optimizer."""
        variables = list(variables)
        self.inner_optimizer.build(variables)
        self._know(variables)
        self.built = True

    def init(self, params: Sequence[Any]) -> OptimizerState:
        """The state before the first step, with the inner one's under ``"inner"``."""
        scale = jnp.float32(self.initial_scale)
        slots: dict[str, Any] = {"step_counter": [jnp.int32(0)], "dynamic_scale": [scale]}
        slots["inner"] = self.inner_optimizer.init(params)
        return OptimizerState(jnp.int32(0), jnp.float32(0), slots)

    def pack(self, arrays: Sequence[Array]) -> OptimizerState:
        """The state with these arrays, given in the order of ``variables``."""
        count, rate, counter, scale, *rest = arrays
        slots: dict[str, Any] = {"step_counter": [counter], "dynamic_scale": [scale]}
        slots["inner"] = self.inner_optimizer.pack(rest)
        return OptimizerState(count, rate, slots)

    def unpack(self, state: OptimizerState) -> list[Array]:
        """The arrays of a state in the order of ``variables``."""
        slots: dict[str, Any] = state.slots
        inner = self.inner_optimizer.unpack(slots["inner"])
        own = [state.iterations, state.learning_rate]
        return [*own, *slots["step_counter"], *slots["dynamic_scale"], *inner]

    def _rate_at(self, state: OptimizerState) -> Array:
        inner: Any = state.slots["inner"]
        return self.inner_optimizer._rate_at(inner)

    def _update(
        self, grads: Sequence[Any], state: OptimizerState, params: Sequence[Array], rate: Array
    ) -> tuple[list[Array], OptimizerState]:
        slots: dict[str, Any] = state.slots
        (counter,), (scale,), inner = slots["step_counter"], slots["dynamic_scale"], slots["inner"]
        finite, present = self.check_finite(grads), list(params)
        grads = [None if grad is None else grad / scale.astype(grad.dtype) for grad in grads]
        present, inner = jax.lax.cond(
            finite,
            lambda: self.inner_optimizer._update(grads, inner, present, rate),
            lambda: (present, inner),
        )
        grown = counter == self.dynamic_growth_steps - 1
        counter = jnp.where(finite & ~grown, counter + 1, 0)
        scale = scale * jnp.where(finite, jnp.where(grown, 2.0, 1.0), 0.5)
        slots = {"step_counter": [counter], "dynamic_scale": [scale], "inner": inner}
        return present, state._replace(slots=slots)

    def _key(self) -> tuple[Any, ...]:
        return super()._key(), self.inner_optimizer._key()

    def check_finite(self, grads: Sequence[Any]) -> Array:
        """Whether all gradients are finite."""
        return jnp.all(jnp.stack([jnp.all(jnp.isfinite(g)) for g in grads if g is not None]))

    def scale_loss(self, loss: Array) -> Array:
        """The loss times the present scale, to be differentiated."""
        return loss * (self._own[1].value if self.built else self.initial_scale)

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """As the inner optimizer does."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> Config:
        """The constructor's arguments."""
        names = ("name", "inner_optimizer", "initial_scale", "dynamic_growth_steps")
        config = super().get_config()
        return {name: config[name] for name in names}


class OptaxOptimizer(Optimizer):
    """An ``optax.GradientTransformation`` with the face of an optimizer.

    Its state is kept and saved as that of others is; its learning rate is its own affair.
    """

    def __init__(self, transformation: Any, name: str | None = None) -> None:
        super().__init__(_no_rate, name=name or "optax")
        self.transformation = transformation
        self._treedef: Any = None

    def build(self, variables: Iterable[Variable]) -> None:
        """Make the state of these variables."""
        if self.built:
            return
        super().build(variables)
        params = [each.value for each in self._trainable_variables]
        leaves, self._treedef = jax.tree.flatten(self.transformation.init(params))
        for index, leaf in enumerate(leaves):
            path = f"{self.name}/state_{index}"
            self._added.append(Variable(leaf, trainable=False, autocast=False, path=path))
            self._places.append(("state", index))

    def init(self, params: Sequence[Any]) -> OptimizerState:
        """The state before the first step, with the transformation's leaves under ``"state"``."""
        leaves, self._treedef = jax.tree.flatten(self.transformation.init(list(params)))
        return OptimizerState(jnp.int32(0), None, {"state": [jnp.asarray(x) for x in leaves]})

    def _follow(
        self, grads: Grads, params: list[Array], slots: Slots, rate: Array, done: Array
    ) -> tuple[list[Array], Slots]:
        state = jax.tree.unflatten(self._treedef, slots.get("state", []))
        whole = [grads.get(i, jnp.zeros_like(param)) for i, param in enumerate(params)]
        moves, state = self.transformation.update(whole, state, params)
        for index in grads:
            params[index] = (params[index] + moves[index]).astype(params[index].dtype)
        return params, {"state": jax.tree.leaves(state)}

    @property
    def learning_rate(self) -> Any:
        """Not known: it is part of the transformation."""
        raise StateError(
            "The learning rate of an optax transformation is not known outside it.",
            fix="make the transformation with optax.inject_hyperparams to change it",
        )

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.learning_rate  # noqa: B018  # raises

    def get_config(self) -> Config:
        """Refused: a transformation is made of functions, which no file holds."""
        raise FileError(
            "An optax transformation cannot be written into a config.",
            fix="save the weights alone, and compile again after loading",
        )


def _no_rate() -> float:
    return 0.0
