"""`Optimizer`: a pair of pure functions, ``init`` and ``update``, with Keras's face on top."""

import inspect
import re
import warnings
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina.core import binding, registry
from lamina.core.errors import ArgumentError, DTypeError, ShapeError, StateError, nearest
from lamina.core.naming import auto_name
from lamina.core.settings import settings
from lamina.core.types import Array, Config, CustomObjects
from lamina.core.variable import Variable
from lamina.optimizers.options import OPTIONS
from lamina.optimizers.state import (
    ACCUMULATED,
    Grads,
    OptimizerState,
    Own,
    Slots,
    Stateful,
    Step,
    shares,
)


class Optimizer(Stateful):
    """How parameters follow their gradients.

    Args:
        learning_rate: A number, a schedule, or a function without arguments that gives a number.
        weight_decay: Share of each parameter, times the rate, that is taken off before a step.
        clipnorm: The largest L2 norm of each gradient.
        clipvalue: The largest absolute value in a gradient.
        global_clipnorm: The largest L2 norm of all gradients together.
        use_ema: Whether a moving average of the parameters is kept.
        ema_momentum: Weight of the old average in the new one.
        ema_overwrite_frequency: After how many steps parameters become their average, if ever.
        loss_scale_factor: What the loss was multiplied by, and gradients are divided by.
        gradient_accumulation_steps: How many gradients are averaged before one step is made. In
            `fit` each weighs as much as the loss of its batch divides by (what masks leave, or the
            sum of weights; samples, where there are several losses), so that the step is that of
            one large batch; elsewhere, and with ``reduction="sum"``, each counts the same.
        name: Name, also of the variables.

    The pure form, for arrays in any transformation::

        state = optimizer.init(params)
        params, state = optimizer.update(grads, state, params)

    The form with variables is ``build``, ``apply_gradients`` and ``apply``.

    A subclass lists its kinds of state in ``slot_groups`` and defines ``rule``; or, as in Keras,
    makes variables in ``build`` and assigns them in ``update_step(gradient, variable, rate)``.
    """

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self._refuse(kwargs)
        self.name = name or auto_name(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        clips = {each: getattr(self, each) for each in ("clipnorm", "clipvalue", "global_clipnorm")}
        if sum(value is not None for value in clips.values()) > 1:
            raise ArgumentError(f"Only one way of clipping can be set, not all of {clips}.")
        if gradient_accumulation_steps is not None and gradient_accumulation_steps < 2:
            raise ArgumentError("gradient_accumulation_steps must be 2 or more, or None.")
        if not 0 <= ema_momentum <= 1:
            raise ArgumentError(f"ema_momentum must lie between 0 and 1; it is {ema_momentum}.")
        if ema_overwrite_frequency is not None and ema_overwrite_frequency < 1:
            raise ArgumentError("ema_overwrite_frequency must be 1 or more, or None.")
        self._given = {**dict.fromkeys(OPTIONS), **self._given}
        self._undecayed: tuple[frozenset[int], str | None] = (frozenset(), None)
        self._iterations = self._make_variable("iteration", (), "int32", 0)
        self._rate = learning_rate
        if not callable(learning_rate):
            self._rate = self._make_variable("learning_rate", (), None, _number(learning_rate))

    def __init_subclass__(cls) -> None:
        # help() and editors show the options that **options stands for.
        own = inspect.signature(cls.__init__)
        parameters = list(own.parameters.values())[1:]
        if parameters and parameters[-1].name == "options":
            taken = {each.name for each in parameters}
            shared = list(inspect.signature(Optimizer.__init__).parameters.values())[2:-1]
            parameters[-1:] = [
                each.replace(kind=each.KEYWORD_ONLY) for each in shared if each.name not in taken
            ]
        cls.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]

    def _refuse(self, unknown: Mapping[str, Any]) -> None:
        name = next((key for key in unknown if (key, unknown[key]) != ("decay", None)), None)
        if name is None:
            return
        known = [each for each in inspect.signature(type(self)).parameters if each != "kwargs"]
        hint = {
            "lr": "Did you mean 'learning_rate'?",
            "decay": "Give a schedule as learning_rate, such as schedules.InverseTimeDecay.",
        }.get(name) or nearest(name, known)
        raise ArgumentError(
            f"{type(self).__name__} takes no argument '{name}'. {hint}".rstrip(),
            fix="it takes " + ", ".join(known),
        )

    # --- what a subclass defines ----------------------------------------------------------------

    def rule(self, grad: Array, param: Array, slots: Own, rate: Array, step: Array) -> Step:
        """One parameter's step: its new value, and its new states by kind.

        Args:
            grad: Gradient, clipped, of the parameter's shape and dtype.
            param: The parameter, decayed.
            slots: Its states by kind.
            rate: The learning rate, a scalar.
            step: The number of this step from 1, a float scalar.
        """
        raise StateError(f"{type(self).__name__} defines neither rule() nor update_step().")

    def update_step(self, gradient: Array, variable: Variable, learning_rate: Array) -> None:
        """One variable's step, by assignments: the form of Keras for optimizers of one's own."""
        raise StateError(f"{type(self).__name__} defines no update_step().")

    # --- the pure form --------------------------------------------------------------------------

    def init(self, params: Sequence[Any]) -> OptimizerState:
        """The state before the first step, for a list of arrays or of their shapes and dtypes."""
        if self._by_assignment:
            raise StateError(f"Build {self.name} on variables before asking for its state.")
        return super().init(params)

    def update(
        self, grads: Sequence[Any], state: OptimizerState, params: Sequence[Array]
    ) -> tuple[list[Array], OptimizerState]:
        """Parameters and state after a step; parameters whose gradient is None do not change."""
        return self._update(grads, state, params, self._rate_at(state))

    def _rate_at(self, state: OptimizerState) -> Array:
        number = isinstance(self._rate, Variable)
        rate = state.learning_rate if number else self._rate_after(state.iterations)
        return jnp.asarray(rate, settings.floatx)

    def _rate_after(self, iterations: Array) -> Any:
        return self._rate(iterations) if self.scheduled else self._rate()

    def _update(
        self, grads: Sequence[Any], state: OptimizerState, params: Sequence[Array], rate: Array
    ) -> tuple[list[Array], OptimizerState]:
        pairs = enumerate(zip(grads, params, strict=True))
        given = {i: jnp.asarray(g).astype(p.dtype) for i, (g, p) in pairs if g is not None}
        if not given:
            raise ArgumentError(
                f"{self.name}: no parameter has a gradient.",
                fix="compute the loss from the model's trainable variables",
            )
        own = dict(enumerate(self._trainable_variables)) if self.built else {}
        ready = {i: given.pop(i) for i in [*given] if i in own and own[i].overwrite_with_gradient}
        if self.loss_scale_factor is not None:
            given = {index: grad / self.loss_scale_factor for index, grad in given.items()}
        count, steps = state.iterations, self.gradient_accumulation_steps
        done = count // steps if steps else count
        step = self._accumulate if steps else self._advance
        params, slots = step(given, list(params), state.slots, rate, count)
        if self.use_ema:
            params, slots["average"] = self._averaged(params, slots["average"], done)
        for index in own.keys() & given:
            if (constraint := own[index].constraint) is not None:
                params[index] = constraint(params[index])
        params = [ready.get(index, param) for index, param in enumerate(params)]
        return params, OptimizerState(count + 1, state.learning_rate, slots)

    def _advance(
        self, grads: Grads, params: list[Array], slots: Slots, rate: Array, done: Array
    ) -> tuple[list[Array], Slots]:
        grads, params = self._clipped(grads), list(params)
        for index in grads:
            param = params[index]
            decay = self._decay(index, param) if self._decays(index) else None
            if decay is not None:
                params[index] = (param - param * decay * rate).astype(param.dtype)
        slots = {name: list(values) for name, values in slots.items()}
        return self._follow(grads, params, slots, rate, done)

    def _follow(
        self, grads: Grads, params: list[Array], slots: Slots, rate: Array, done: Array
    ) -> tuple[list[Array], Slots]:
        """Parameters after their rule's step; changes the lists it was given."""
        if self._by_assignment:
            return self._assigned(grads, params, slots, rate, done)
        kinds = [name for group in self.slot_groups() for name in group]
        step = (done + 1).astype(settings.floatx)
        for index, grad in grads.items():
            own = {name: slots[name][index] for name in kinds}
            value, changed = self.rule(grad, params[index], own, rate, step)
            params[index] = value.astype(params[index].dtype)
            for name, new in changed.items():
                slots[name][index] = new.astype(own[name].dtype)
        return params, slots

    def _accumulate(
        self, grads: Grads, params: list[Array], slots: Slots, rate: Array, count: Array
    ) -> tuple[list[Array], Slots]:
        steps: Any = self.gradient_accumulation_steps
        slots, name, number = dict(slots), "gradient_accumulator", count % steps
        known, *rest = slots.pop(ACCUMULATED)
        keep, share, total = shares(number, known)
        sums = [(keep * h + share * grads[i]).astype(h.dtype) if i in grads else h
                for i, h in enumerate(slots.pop(name))]  # fmt: skip
        means, due = {index: sums[index] / steps for index in grads}, number + 1 == steps
        params, slots = jax.lax.cond(
            due,
            lambda: self._advance(means, params, slots, rate, count // steps),
            lambda: (params, slots),
        )
        slots[ACCUMULATED] = [total, *rest]
        return params, {**slots, name: [jnp.where(due, 0, each) for each in sums]}

    def _averaged(
        self, params: list[Array], averages: list[Array], done: Array
    ) -> tuple[list[Array], list[Array]]:
        momentum = jnp.where(done == 0, 0, self.ema_momentum)
        averages = [
            (momentum * old + (1 - momentum) * param).astype(old.dtype)
            for old, param in zip(averages, params, strict=True)
        ]
        if self.ema_overwrite_frequency:
            due = (done + 1) % self.ema_overwrite_frequency == 0
            params = [jnp.where(due, a, p) for a, p in zip(averages, params, strict=True)]
        return params, averages

    def _clipped(self, grads: Grads) -> Grads:
        if self.clipvalue:
            limit = self.clipvalue
            return {index: jnp.clip(grad, -limit, limit) for index, grad in grads.items()}
        limit = self.clipnorm or self.global_clipnorm
        if not limit:
            return grads
        squares = {index: jnp.sum(grad * grad) for index, grad in grads.items()}
        if not self.clipnorm:
            squares = dict.fromkeys(grads, jnp.sum(jnp.stack(list(squares.values()))))
        # The factor brings a norm down to the limit; it is 1 where the norm is below.
        return {
            index: grad * (limit / jnp.maximum(jnp.sqrt(squares[index]), limit))
            for index, grad in grads.items()
        }

    def _decay(self, index: int, param: Any) -> float | None:
        return self.weight_decay

    def _decays(self, index: int) -> bool:
        if not self.built:
            return True
        variable, (variables, pattern) = self._trainable_variables[index], self._undecayed
        named = pattern is not None and re.search(pattern, variable.name) is not None
        return id(variable) not in variables and not named

    # --- variables ------------------------------------------------------------------------------

    @property
    def iterations(self) -> Any:
        """How many steps were made; with gradient accumulation, whole ones."""
        steps = self.gradient_accumulation_steps
        return self._iterations.value // steps if steps else self._iterations

    @property
    def scheduled(self) -> bool:
        """Whether a schedule gives the learning rate."""
        return hasattr(self._rate, "get_config")

    @property
    def learning_rate(self) -> Any:
        """The learning rate now: a variable, or what the schedule or callable gives."""
        if isinstance(self._rate, Variable):
            return self._rate
        return self._rate_after(self._iterations.value)

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if callable(value):
            self._rate = value
        elif isinstance(self._rate, Variable):
            self._rate.assign(_number(value))
        else:
            raise DTypeError(
                f"The learning rate of {self.name} comes from a schedule or function, so it "
                "cannot be set to a number.",
                fix="set it to another schedule, or make the optimizer with a number",
            )

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """Make a step with pairs of gradient and variable; returns the count of steps."""
        grads, variables = zip(*grads_and_vars, strict=True)
        self.apply(grads, variables)
        return self._iterations

    def apply(
        self, grads: Sequence[Any], trainable_variables: Iterable[Variable] | None = None
    ) -> None:
        """Make a step, changing variables and state.

        Args:
            grads: A gradient for each variable; None leaves its variable as it is.
            trainable_variables: The variables; those that ``build`` got when left out.
        """
        if trainable_variables is not None:
            self.build(trainable_variables := list(trainable_variables))
        elif not self.built:
            raise StateError(f"{self.name} has no variables yet: call build(variables) first.")
        variables = self._trainable_variables
        grads = self._sorted(list(grads), trainable_variables or variables)
        missing = [v.path for g, v in zip(grads, variables, strict=True) if g is None]
        whole = trainable_variables is None or len(trainable_variables) == len(variables)
        if whole and 0 < len(missing) < len(variables):
            warnings.warn(
                f"These variables have no gradient, so they do not change: {missing}.", stacklevel=2
            )
        state = self.state()
        params = [binding.read(each) for each in variables]
        params, state = self._run(grads, state, params)
        for variable, array in zip(variables, params, strict=True):
            binding.write(variable, array)
        for variable, array in zip(self.variables, self.unpack(state), strict=True):
            binding.write(variable, array)

    def _sorted(self, grads: list[Any], variables: Sequence[Variable]) -> list[Any]:
        if len(grads) != len(variables):
            raise ArgumentError(
                f"{self.name}: each variable needs a gradient, or None.",
                met=f"{len(grads)} gradients, {len(variables)} variables",
            )
        result: list[Any] = [None] * len(self._trainable_variables)
        for grad, variable in zip(grads, variables, strict=True):
            index = self._index.get(id(variable))
            if index is None:
                raise ArgumentError(
                    f"{self.name} does not know the variable '{variable.path}'.",
                    rule="an optimizer changes the variables that it was built with",
                    fix="make a new optimizer for another model",
                )
            if grad is not None and tuple(np.shape(grad)) != variable.shape:
                raise ShapeError(
                    f"{self.name}: the gradient of '{variable.path}' has another shape.",
                    met=f"gradient {tuple(np.shape(grad))}, variable {variable.shape}",
                )
            result[index] = grad
        return result

    def _run(
        self, grads: list[Any], state: OptimizerState, params: list[Array]
    ) -> tuple[list[Array], OptimizerState]:
        """``update``, compiled when called on arrays that are no tracers."""
        rate = self._rate_at(state)
        traced = any(isinstance(x, Tracer) for x in jax.tree.leaves((grads, params, rate)))
        if traced or self._by_assignment:
            return self._update(grads, state, params, rate)
        if self not in _programs:
            here = weakref.ref(self)
            _programs[self] = jax.jit(
                lambda key, *args: _alive(here)._update(*args), static_argnums=0
            )
        return _programs[self](self._key(), grads, state, params, rate)

    def _key(self) -> tuple[Any, ...]:
        """What a compiled step depends on besides arrays: the settings of this optimizer."""
        plain = (bool, int, float, str, type(None))
        own = tuple((k, v) for k, v in vars(self).items() if isinstance(v, plain))
        return own, self._undecayed

    def stateless_apply(
        self,
        optimizer_variables: Sequence[Array],
        grads: Sequence[Any],
        trainable_variables: Sequence[Array],
    ) -> tuple[list[Array], list[Array]]:
        """New arrays of the trainable variables and of ``variables``; nothing is changed."""
        if not self.built:
            raise StateError(f"{self.name} has no variables yet: call build(variables) first.")
        for what, got, own in (
            ("optimizer_variables", optimizer_variables, self.variables),
            ("trainable_variables", trainable_variables, self._trainable_variables),
        ):
            if len(got) != len(own):
                raise ArgumentError(f"{what} must have {len(own)} arrays; it has {len(got)}.")
        params, state = self.update(grads, self.pack(optimizer_variables), trainable_variables)
        return params, self.unpack(state)

    def exclude_from_weight_decay(
        self, var_list: Sequence[Variable] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Keep weight decay from these variables, and from those named like one of these."""
        if self.built:
            raise StateError("Weight decay can be set aside for variables only before build().")
        pattern = "|".join(sorted(set(var_names))) if var_names else None
        self._undecayed = frozenset(id(each) for each in var_list or ()), pattern

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Set variables to their moving averages, if these are kept."""
        if self.use_ema:
            averages = self.state().slots["average"]
            for variable in var_list:
                variable.assign(averages[self._index[id(variable)]])

    def scale_loss(self, loss: Array) -> Array:
        """The loss times ``loss_scale_factor``, to be differentiated."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # --- keeping --------------------------------------------------------------------------------

    def _argument(self, name: str) -> Any:
        """The present value of a constructor argument; of a schedule, the schedule."""
        if name != "learning_rate":
            return super()._argument(name)
        return float(self._rate) if isinstance(self._rate, Variable) else self._rate

    @classmethod
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        """An optimizer like the one that ``config`` was taken from."""
        with registry.CustomObjectScope(custom_objects or {}):
            return super().from_config(config)

    # --- optimizers of one's own, in the form of Keras --------------------------------------------

    @property
    def _by_assignment(self) -> bool:
        return type(self).update_step is not Optimizer.update_step

    def _assigned(
        self, grads: Grads, params: list[Array], slots: Slots, rate: Array, done: Array
    ) -> tuple[list[Array], Slots]:
        variables, added = self._trainable_variables, slots.get("own", [])
        own = [v for v, (name, _) in zip(self._added, self._places, strict=True) if name == "own"]
        values = [*zip(variables, params, strict=True), *zip(own, added, strict=True)]
        values.append((self._iterations, done * (self.gradient_accumulation_steps or 1)))
        if isinstance(self._rate, Variable):
            values.append((self._rate, rate))
        with binding.bind(values) as trace:
            for index, grad in grads.items():
                self.update_step(grad, variables[index], rate)
        if own:
            slots["own"] = [trace.values[each] for each in own]
        return [trace.values[each] for each in variables], slots

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


_programs: weakref.WeakKeyDictionary[Optimizer, Any] = weakref.WeakKeyDictionary()


def _alive(reference: weakref.ref[Any]) -> Any:
    optimizer = reference()
    assert optimizer is not None  # its programs are forgotten with it
    return optimizer


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise DTypeError(
            f"A learning rate is a number, not {value!r}.",
            fix="give a number, a schedule of lamina.optimizers.schedules, or a function",
        ) from error
