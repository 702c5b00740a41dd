"""`Optimizer`: a pair of pure functions, ``init`` and ``update``, with Keras's face on top."""

import functools
import inspect
import re
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple, Self, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina.core import binding, registry
from lamina.core.configurable import Configurable
from lamina.core.errors import ArgumentError, DTypeError, ShapeError, StateError, nearest
from lamina.core.naming import auto_name
from lamina.core.settings import settings
from lamina.core.types import Array, ArrayLike, Config, CustomObjects, DTypeLike, ShapeLike
from lamina.core.variable import Variable

Slots = dict[str, list[Any]]
"""For each kind of state, an array for each parameter; None where a parameter has none."""


class OptimizerState(NamedTuple):
    """What an optimizer remembers between steps, as a pytree of arrays.

    Attributes:
        iterations: How many updates were made, an int32 scalar.
        learning_rate: The rate, a scalar; None if a schedule or a callable gives it.
        slots: For each kind of state (``"momentum"``), an array for each parameter.
    """

    iterations: Array
    learning_rate: Array | None
    slots: Slots


class SharedOptions(TypedDict, total=False):
    """Keyword arguments that all optimizers take; see `Optimizer`."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


class OptimizerOptions(SharedOptions, total=False):
    """Those of the optimizers that do not list ``weight_decay`` among their own."""

    weight_decay: float | None


OPTIONS = tuple(sorted(OptimizerOptions.__annotations__))


class Optimizer(Configurable):
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
        gradient_accumulation_steps: How many gradients are averaged before one step is made.
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
        self.built = False
        self._trainable_variables: list[Variable] = []
        self._index: dict[int, int] = {}
        self._added: list[Variable] = []
        self._places: list[tuple[str, int]] = []
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
        unknown = {key: value for key, value in unknown.items() if (key, value) != ("decay", None)}
        if not unknown:
            return
        name = next(iter(unknown))
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

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """Kinds of state, in the order of files; kinds of one group alternate by parameter."""
        return ()

    def slot_spec(self, name: str, index: int, param: Any) -> tuple[ShapeLike, Any] | None:
        """Shape and dtype of the state of a parameter; None if it has none of this kind."""
        return param.shape, param.dtype

    def slot_value(self, name: str) -> float:
        """What a state is filled with at the start."""
        return 0.0

    def rule(
        self, grad: Array, param: Array, slots: dict[str, Array], rate: Array, step: Array
    ) -> tuple[Array, dict[str, Array]]:
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
        slots: Slots = {}
        for name in (name for group in self._groups() for name in group):
            specs = [self._spec(name, index, param) for index, param in enumerate(params)]
            slots[name] = [
                spec and jnp.full(spec[0], self.slot_value(name), spec[1]) for spec in specs
            ]
        rate = self._rate.value if isinstance(self._rate, Variable) else None
        return OptimizerState(jnp.zeros((), jnp.int32), rate, slots)

    def update(
        self, grads: Sequence[Any], state: OptimizerState, params: Sequence[Array]
    ) -> tuple[list[Array], OptimizerState]:
        """Parameters and state after a step; parameters whose gradient is None do not change."""
        return self._update(grads, state, params, self._rate_at(state))

    def _rate_at(self, state: OptimizerState) -> Array:
        if isinstance(self._rate, Variable):
            rate: Any = state.learning_rate
        else:
            rate = self._rate(state.iterations) if self.scheduled else self._rate()
        return jnp.asarray(rate, settings.floatx)

    def _update(
        self, grads: Sequence[Any], state: OptimizerState, params: Sequence[Array], rate: Array
    ) -> tuple[list[Array], OptimizerState]:
        given = [index for index, grad in enumerate(grads) if grad is not None]
        if not given:
            raise ArgumentError(
                f"{self.name}: no parameter has a gradient.",
                fix="compute the loss from the model's trainable variables",
            )
        params, slots, count = list(params), dict(state.slots), state.iterations
        grads = [None if g is None else jnp.asarray(g).astype(p.dtype)
                 for g, p in zip(grads, params, strict=True)]  # fmt: skip
        if self.loss_scale_factor is not None:
            grads = [None if grad is None else grad / self.loss_scale_factor for grad in grads]
        steps = self.gradient_accumulation_steps
        done = count // steps if steps else count
        if steps:
            params, slots = self._accumulate(grads, params, slots, rate, count, done, steps)
        else:
            params, slots = self._advance(grads, params, slots, rate, done)
        if self.use_ema:
            params, slots["average"] = self._averaged(params, slots["average"], done)
        for index in given if self.built else ():
            constraint = self._trainable_variables[index].constraint
            if constraint is not None:
                params[index] = constraint(params[index])
        return params, OptimizerState(count + 1, state.learning_rate, slots)

    def _advance(
        self, grads: list[Any], params: list[Array], slots: Slots, rate: Array, done: Array
    ) -> tuple[list[Array], Slots]:
        grads = self._clipped(grads)
        params, slots = list(params), {name: list(values) for name, values in slots.items()}
        for index, (grad, param) in enumerate(zip(grads, params, strict=True)):
            decay = self._decay(index, param)
            if grad is not None and decay is not None:
                params[index] = (param - param * decay * rate).astype(param.dtype)
        return self._follow(grads, params, slots, rate, done)

    def _follow(
        self, grads: list[Any], params: list[Array], slots: Slots, rate: Array, done: Array
    ) -> tuple[list[Array], Slots]:
        """Parameters after their rule's step; changes the lists it was given."""
        if self._by_assignment:
            return self._assigned(grads, params, slots, rate, done)
        kinds = [name for group in self.slot_groups() for name in group]
        step = (done + 1).astype(settings.floatx)
        for index, (grad, param) in enumerate(zip(grads, params, strict=True)):
            if grad is None:
                continue
            own = {name: slots[name][index] for name in kinds}
            value, changed = self.rule(grad, param, own, rate, step)
            params[index] = value.astype(param.dtype)
            for name, new in changed.items():
                slots[name][index] = new.astype(own[name].dtype)
        return params, slots

    def _accumulate(
        self, grads: list[Any], params: list[Array], slots: Slots,
        rate: Array, count: Array, done: Array, steps: int,
    ) -> tuple[list[Array], Slots]:  # fmt: skip
        held = slots.pop("gradient_accumulator")
        sums = [h if g is None else h + g for h, g in zip(held, grads, strict=True)]
        means = [None if g is None else s / steps for s, g in zip(sums, grads, strict=True)]
        due = (count + 1) % steps == 0
        params, slots = jax.lax.cond(
            due,
            lambda: self._advance(means, params, slots, rate, done),
            lambda: (params, slots),
        )
        slots["gradient_accumulator"] = [jnp.where(due, 0, each) for each in sums]
        return params, slots

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

    def _clipped(self, grads: list[Any]) -> list[Any]:
        def each(function: Callable[[Array], Array]) -> list[Any]:
            return [None if grad is None else function(grad) for grad in grads]

        limit = self.clipvalue
        if limit:
            return each(lambda grad: jnp.clip(grad, -limit, limit))
        if self.clipnorm:
            return each(lambda grad: grad * _shrink(jnp.sum(grad * grad), self.clipnorm))
        if self.global_clipnorm:
            total = jnp.sum(jnp.stack([jnp.sum(g * g) for g in grads if g is not None]))
            return each(lambda grad: grad * _shrink(total, self.global_clipnorm))
        return grads

    def _decay(self, index: int, param: Any) -> float | None:
        return self.weight_decay if self._decays(index) else None

    def _decays(self, index: int) -> bool:
        if not self.built:
            return True
        variable, (variables, pattern) = self._trainable_variables[index], self._undecayed
        named = pattern is not None and re.search(pattern, variable.name) is not None
        return id(variable) not in variables and not named

    # --- variables ------------------------------------------------------------------------------

    @property
    def variables(self) -> list[Variable]:
        """All variables of the optimizer, in the order of files."""
        rate = [self._rate] if isinstance(self._rate, Variable) else []
        return [self._iterations, *rate, *self._added]

    @property
    def owned_variables(self) -> list[Variable]:
        """As ``variables``: the name by which the core finds them."""
        return self.variables

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
        return self._rate(self._iterations.value) if self.scheduled else self._rate()

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

    def build(self, variables: Iterable[Variable]) -> None:
        """Make the state of these variables, which ``apply`` will change. Done once."""
        if self.built:
            return
        self._trainable_variables = list(variables)
        self._index = {id(each): index for index, each in enumerate(self._trainable_variables)}
        for group in self._groups():
            for index, variable in enumerate(self._trainable_variables):
                for name in group:
                    spec = self._spec(name, index, variable)
                    if spec is not None:
                        label = f"{variable.path.replace('/', '_')}_{name}"
                        made = self._make_variable(label, *spec, self.slot_value(name))
                        self._added.append(made)
                        self._places.append((name, index))
        self.built = True

    def _groups(self) -> tuple[tuple[str, ...], ...]:
        average = (("average",),) if self.use_ema else ()
        sums = (("gradient_accumulator",),) if self.gradient_accumulation_steps else ()
        return (*average, *sums, *self.slot_groups())

    def _spec(self, name: str, index: int, param: Any) -> tuple[ShapeLike, Any] | None:
        if name in ("average", "gradient_accumulator"):
            return param.shape, param.dtype
        known = self._trainable_variables
        return self.slot_spec(name, index, known[index] if known else param)

    def _make_variable(self, name: str, shape: ShapeLike, dtype: Any, value: float) -> Variable:
        return Variable(
            functools.partial(np.full, fill_value=value),
            shape,
            dtype,
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
            name=name,
            path=f"{self.name}/{name}",
        )

    def state(self) -> OptimizerState:
        """The state as it stands in the variables."""
        return self.pack([binding.read(each) for each in self.variables])

    def pack(self, arrays: Sequence[Array]) -> OptimizerState:
        """The state with these arrays, given in the order of ``variables``."""
        arrays = list(arrays)
        count = arrays.pop(0)
        rate = arrays.pop(0) if isinstance(self._rate, Variable) else None
        size = max((index + 1 for _, index in self._places), default=0)
        slots: Slots = {name: [None] * size for name, _ in self._places}
        for (name, index), array in zip(self._places, arrays, strict=True):
            slots[name][index] = array
        return OptimizerState(count, rate, slots)

    def unpack(self, state: OptimizerState) -> list[Array]:
        """The arrays of a state in the order of ``variables``."""
        rate = [] if state.learning_rate is None else [state.learning_rate]
        return [state.iterations, *rate, *(state.slots[name][i] for name, i in self._places)]

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

    def get_config(self) -> Config:
        """The constructor's arguments as plain values; the learning rate as it is now."""
        given, rate = dict(self._given), self._rate
        names = [*OPTIONS, *(each for each in given if each not in (*OPTIONS, "learning_rate"))]
        config = {name: registry.plain(self._argument(name)) for name in names if self._has(name)}
        if "learning_rate" in given:
            number = isinstance(rate, Variable)
            config["learning_rate"] = float(rate) if number else registry.serialize(rate)
        return config

    def _has(self, name: str) -> bool:
        return name in self._given or hasattr(self, name)

    def _argument(self, name: str) -> Any:
        return super()._argument(name) if name in self._given else getattr(self, name)

    @classmethod
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        """An optimizer like the one that ``config`` was taken from."""
        with registry.CustomObjectScope(custom_objects or {}):
            return super().from_config(config)

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the variables' arrays, in the order of ``variables``."""
        return [each.numpy() for each in self.variables]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set the variables, given in the order of ``variables``; all of them or none."""
        variables = self.variables
        shapes = [tuple(np.shape(each)) for each in weights]
        if not self.built or shapes != [each.shape for each in variables]:
            raise ShapeError(
                f"These weights are not for {self.name}.",
                met=f"{len(shapes)} arrays of shapes {shapes[:8]}",
                rule=f"it has {len(variables)}: {[each.shape for each in variables][:8]}",
                fix="" if self.built else "call build(variables) before",
            )
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Put each variable's array into ``store`` under its number."""
        for index, variable in enumerate(self.variables):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Take the variables from ``store``; warns and changes nothing if it has others."""
        if len(store) != len(self.variables):
            hint = "" if self.built else " It was not built yet: call build(variables) before."
            warnings.warn(
                f"The state of {self.name} was not loaded: the file has {len(store)} arrays, the "
                f"optimizer {len(self.variables)} variables.{hint}",
                stacklevel=2,
            )
            return
        self.set_weights([np.asarray(store[str(index)]) for index in range(len(store))])

    # --- optimizers of one's own, in the form of Keras --------------------------------------------

    @property
    def _by_assignment(self) -> bool:
        return type(self).update_step is not Optimizer.update_step

    def _assigned(
        self, grads: list[Any], params: list[Array], slots: Slots, rate: Array, done: Array
    ) -> tuple[list[Array], Slots]:
        variables, added = self._trainable_variables, slots.get("own", [])
        own = [v for v, (name, _) in zip(self._added, self._places, strict=True) if name == "own"]
        values = [*zip(variables, params, strict=True), *zip(own, added, strict=True)]
        values.append((self._iterations, done * (self.gradient_accumulation_steps or 1)))
        if isinstance(self._rate, Variable):
            values.append((self._rate, rate))
        with binding.bind(values) as trace:
            for grad, variable in zip(grads, variables, strict=True):
                if grad is not None:
                    self.update_step(grad, variable, rate)
        if own:
            slots["own"] = [trace.values[each] for each in own]
        return [trace.values[each] for each in variables], slots

    def add_variable(
        self,
        shape: ShapeLike,
        initializer: Any = "zeros",
        dtype: DTypeLike = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """A new variable of the optimizer, saved with it."""
        name = name or auto_name("variable")
        variable = Variable(
            initializer, shape, dtype, False, False, aggregation, name=name,
            path=f"{self.name}/{name}",
        )  # fmt: skip
        self._places.append(("own", sum(kind == "own" for kind, _ in self._places)))
        self._added.append(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """A new variable of the shape and dtype of another one, named after it."""
        label = f"{reference_variable.path.replace('/', '_')}_{name or 'var'}"
        shape, dtype = reference_variable.shape, reference_variable.dtype
        return self.add_variable(shape, initializer, dtype, name=label)

    def add_optimizer_variables(
        self, trainable_variables: Iterable[Variable], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """A variable for each given one; with several names, a list for each name."""
        names = [name] if isinstance(name, str) else list(name)
        several = isinstance(initializer, (list, tuple))
        initializers = list(initializer) if several else [initializer] * len(names)
        made: list[list[Variable]] = [[] for _ in names]
        for variable in trainable_variables:
            for place, label, start in zip(made, names, initializers, strict=True):
                place.append(self.add_variable_from_reference(variable, label, start))
        return made[0] if isinstance(name, str) else tuple(made)

    def assign(self, variable: Variable, value: ArrayLike) -> None:
        """Set a variable."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: ArrayLike) -> None:
        """Add to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: ArrayLike) -> None:
        """Subtract from a variable."""
        variable.assign_sub(value)

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


def _shrink(squared_norm: Array, limit: float | None) -> Array:
    """The factor that brings a norm down to a limit; 1 where it is below."""
    assert limit is not None
    return limit / jnp.maximum(jnp.sqrt(squared_norm), limit)
