"""What an optimizer remembers: a pytree of arrays, and the variables that hold it between steps."""

import contextlib
import contextvars
import functools
import warnings
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from lamina.core import binding
from lamina.core.configurable import Configurable
from lamina.core.errors import ShapeError
from lamina.core.naming import auto_name
from lamina.core.types import Array, ArrayLike, DTypeLike, ShapeLike
from lamina.core.variable import Variable
from lamina.ops.targets import divide_no_nan

Slots = dict[str, list[Any]]
"""For each kind of state, an array for each parameter; None where a parameter has none."""
Grads = dict[int, Array]
"""Gradients by the number of their parameter; parameters without one have no place."""
Own = dict[str, Array]
"""The states of one parameter by kind."""
Step = tuple[Array, Own]
"""What a rule gives: a parameter's new value, and its new states."""

ACCUMULATED = "accumulated_weight"
"""What the gradients that are accumulated weigh together; below 0 where that is not known."""

_weight: contextvars.ContextVar[Any] = contextvars.ContextVar("weight", default=1.0)


@contextlib.contextmanager
def weighing(weight: Any) -> Iterator[None]:
    """Gradients applied inside the block weigh so much among those that are accumulated."""
    token = _weight.set(weight)
    try:
        yield
    finally:
        _weight.reset(token)


def shares(number: Array, known: Array) -> tuple[Array, Array, Array]:
    """Factors of what is accumulated and of the next gradient, and what both weigh together.

    Kept is the weighted mean so far, times how many gradients are in it, as Keras keeps it.

    Args:
        number: How many gradients are in it.
        known: What they weigh; below 0 where that is not known: then as much each as the next.
    """
    weight = _weight.get()
    before = jnp.where(number == 0, 0, jnp.where(known < 0, number * weight, known))
    total = (before + weight).astype(known.dtype)
    keep = (number + 1) / jnp.maximum(number, 1) * divide_no_nan(before, total)
    return keep, divide_no_nan(weight, total) * (number + 1), total


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


class Stateful(Configurable):
    """The part of an optimizer that owns variables."""

    name: str
    use_ema: bool
    gradient_accumulation_steps: int | None
    _iterations: Variable
    _rate: Any

    def __init__(self) -> None:
        self.built = False
        self._trainable_variables: list[Variable] = []
        self._index: dict[int, int] = {}
        self._added: list[Variable] = []
        self._places: list[tuple[str, int]] = []

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

    # --- making ---------------------------------------------------------------------------------

    def init(self, params: Sequence[Any]) -> OptimizerState:
        """The state before the first step, for a list of arrays or of their shapes and dtypes."""
        slots: Slots = {name: [None] * len(params) for group in self._groups() for name in group}
        for name, index, (shape, dtype) in self._specs(params):
            slots[name][index] = jnp.full(shape, self.slot_value(name), dtype)
        if self.gradient_accumulation_steps:
            slots[ACCUMULATED] = [jnp.float32(-1)]
        rate = self._rate.value if isinstance(self._rate, Variable) else None
        return OptimizerState(jnp.zeros((), jnp.int32), rate, slots)

    def build(self, variables: Iterable[Variable]) -> None:
        """Make the state of these variables, which ``apply`` will change. Done once."""
        if self.built:
            return
        self._know(variables)
        for name, index, (shape, dtype) in self._specs(self._trainable_variables):
            label = f"{self._trainable_variables[index].path.replace('/', '_')}_{name}"
            self._added.append(self._make_variable(label, shape, dtype, self.slot_value(name)))
            self._places.append((name, index))
        if self.gradient_accumulation_steps:
            self._added.append(self._make_variable(ACCUMULATED, (), "float32", -1.0))
            self._places.append((ACCUMULATED, 0))
        self.built = True

    def _know(self, variables: Iterable[Variable]) -> None:
        self._trainable_variables = list(variables)
        self._index = {id(each): index for index, each in enumerate(self._trainable_variables)}

    def _groups(self) -> tuple[tuple[str, ...], ...]:
        average = (("average",),) if self.use_ema else ()
        sums = (("gradient_accumulator",),) if self.gradient_accumulation_steps else ()
        return (*average, *sums, *self.slot_groups())

    def _specs(self, params: Sequence[Any]) -> Iterator[tuple[str, int, tuple[ShapeLike, Any]]]:
        """Kind, number of the parameter, shape and dtype of each state, in the order of files."""
        known = self._trainable_variables or params
        for group in self._groups():
            for index, param in enumerate(params):
                for name in group:
                    spec: Any = param.shape, param.dtype
                    if name not in ("average", "gradient_accumulator"):
                        spec = self.slot_spec(name, index, known[index])
                    if spec is not None:
                        yield name, index, spec

    def _make_variable(
        self, name: str, shape: ShapeLike, dtype: Any, start: Any,
        aggregation: str = "only_first_replica",
    ) -> Variable:  # fmt: skip
        if isinstance(start, (int, float)):
            start = functools.partial(np.full, fill_value=start)
        return Variable(
            start, shape, dtype, trainable=False, autocast=False, aggregation=aggregation,
            name=name, path=f"{self.name}/{name}",
        )  # fmt: skip

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
        variable = self._make_variable(name, shape, dtype, initializer, aggregation)
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
        starts = initializer if several else [initializer] * len(names)
        made: list[list[Variable]] = [[] for _ in names]
        for variable in trainable_variables:
            for place, label, start in zip(made, names, starts, strict=True):
                place.append(self.add_variable_from_reference(variable, label, start))
        return made[0] if isinstance(name, str) else tuple(made)

    # --- reading and writing --------------------------------------------------------------------

    @property
    def variables(self) -> list[Variable]:
        """All variables of the optimizer, in the order of files."""
        rate = [self._rate] if isinstance(self._rate, Variable) else []
        return [self._iterations, *rate, *self._added]

    @property
    def stored_variables(self) -> list[Variable]:
        """The variables that files hold, which are those of Keras."""
        return [each for each in self.variables if not each.path.endswith(ACCUMULATED)]

    @property
    def _model_variables_moving_average(self) -> list[Variable]:
        """The moving averages of the variables, in their order; none without ``use_ema``."""
        pairs = zip(self._added, self._places, strict=True)
        return [variable for variable, (name, _) in pairs if name == "average"]

    @property
    def owned_variables(self) -> list[Variable]:
        """As ``variables``: the name by which the core finds them."""
        return self.variables

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

    def assign(self, variable: Variable, value: ArrayLike) -> None:
        """Set a variable."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: ArrayLike) -> None:
        """Add to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: ArrayLike) -> None:
        """Subtract from a variable."""
        variable.assign_sub(value)

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
        for index, variable in enumerate(self.stored_variables):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Take the variables from ``store``; warns and changes nothing if it has others."""
        own = {id(each): str(index) for index, each in enumerate(self.stored_variables)}
        if len(store) != len(own):
            hint = "" if self.built else " It was not built yet: call build(variables) before."
            warnings.warn(
                f"The state of {self.name} was not loaded: the file has {len(store)} arrays, the "
                f"optimizer {len(own)} variables.{hint}",
                stacklevel=2,
            )
            return
        given = {key: np.asarray(store[place]) for key, place in own.items()}
        self.set_weights([given.get(id(each), np.float32(-1)) for each in self.variables])
