"""Which arrays the variables stand for now, and what a computation gives besides its result.

There is one context variable. It holds a `Frame`: the `Trace` in force, and what travels down
from call to call (training, compute dtype, the path of layers). Outside any call there is none.

* `bind` opens a trace in which variables stand for given arrays;
* `read` gives the array that a variable stands for;
* `write` makes it stand for another: in the trace that binds it, else in the variable itself.
"""

import contextlib
import contextvars
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax.core import Tracer

from lamina.core.errors import LeakError
from lamina.core.types import Array

if TYPE_CHECKING:
    from lamina.core.variable import Variable


class Trace:
    """What one computation binds, and what it collects.

    Attributes:
        values: Arrays that variables stand for, by variable.
        written: Variables that were written, in order of first writing.
        losses: ``(layer, scalar array)`` for each loss added during a call.
        masks: ``(array, mask)`` by the identity of the array, which is thus kept alive.
        captures: Outputs of layers by identity of the layer, while a model's features are wanted.
        describing: Whether only shapes are wanted, so that variables need no arrays.
        catching: Whether writes to variables that it does not bind end here too.
    """

    __slots__ = ("captures", "catching", "describing", "losses", "masks", "values", "written")

    def __init__(
        self, values: Mapping["Variable", Any], describing: bool = False, catching: bool = False
    ) -> None:
        self.values = dict(values)
        self.written: dict[Variable, None] = {}
        self.losses: list[tuple[Any, Array]] = []
        self.masks: dict[int, tuple[Any, Any]] = {}
        self.describing = describing
        self.catching = catching
        self.captures: dict[int, Any] | None = None

    def updates(self) -> dict["Variable", Any]:
        """The new arrays of the bound variables that were written."""
        return {variable: self.values[variable] for variable in self.written}


class Frame:
    """What a call hands down to the calls inside it."""

    __slots__ = ("compute_dtype", "ended", "layer", "parent", "scope", "trace", "training")

    def __init__(
        self,
        trace: Trace,
        layer: Any = None,
        training: bool | None = None,
        compute_dtype: str | None = None,
        parent: "Frame | None" = None,
        scope: str | None = None,
    ) -> None:
        self.trace = trace
        self.scope = scope
        self.layer = layer
        self.training = training
        self.compute_dtype = compute_dtype
        self.parent = parent
        self.ended: tuple[Any, Any] = (None, None)
        """A weak reference to the layer inside whose call ended last, and its outputs."""

    def outermost(self) -> Any:
        """The layer whose call encloses all others."""
        found, frame = self.layer, self.parent
        while frame is not None:
            found = frame.layer if frame.layer is not None else found
            frame = frame.parent
        return found

    def path(self) -> str:
        """Names of the layers being called or built, outermost first, joined by '/'."""
        names, frame = [], self
        while frame is not None:
            name = frame.scope if frame.layer is None else frame.layer.name
            if name is not None and (not names or name != names[-1]):
                names.append(name)
            frame = frame.parent
        return "/".join(reversed(names))


_frame: contextvars.ContextVar[Frame | None] = contextvars.ContextVar("lamina_frame", default=None)
current = _frame.get


@contextlib.contextmanager
def push(frame: Frame) -> Iterator[Frame]:
    """Make ``frame`` the current one inside the block."""
    token = _frame.set(frame)
    try:
        yield frame
    finally:
        _frame.reset(token)


@contextlib.contextmanager
def bind(
    values: Mapping["Variable", Any] | Sequence[tuple["Variable", Any]] = (),
    *,
    training: bool | None = None,
    describing: bool = False,
) -> Iterator[Trace]:
    """Open a trace in which each variable of ``values`` stands for the array beside it.

    Variables bound further out stay readable; writes to them go to the trace that binds them.
    """
    outer = _frame.get()
    pairs = values.items() if isinstance(values, Mapping) else values
    # A variable among the values stands for its array as it is now, also where it is its own.
    values = {
        key: read(value) if getattr(type(value), "is_variable", False) else value
        for key, value in pairs
    }
    trace = Trace(values, describing or (outer is not None and outer.trace.describing))
    frame = Frame(trace, parent=outer, training=training)
    if outer is not None:
        trace.captures = outer.trace.captures
        frame.compute_dtype = outer.compute_dtype
        frame.training = outer.training if training is None else training
    with push(frame):
        yield trace


def _binder(variable: "Variable", writing: bool = False) -> Trace | None:
    """The innermost trace that binds a variable, or would catch what is written to it."""
    frame, seen = _frame.get(), None
    while frame is not None:
        if frame.trace is not seen:
            seen = frame.trace
            if variable in seen.values or (writing and seen.catching):
                return seen
        frame = frame.parent
    return None


def read(variable: "Variable") -> Array:
    """The array that a variable stands for here, in the variable's own dtype."""
    trace = _binder(variable)
    if trace is not None:
        return trace.values[variable]
    frame = _frame.get()
    if frame is not None and frame.trace.describing:
        return jnp.zeros(variable.shape, variable.dtype)
    return variable.stored()


def write(variable: "Variable", array: Array) -> None:
    """Make a variable stand for ``array``, which has its shape and dtype."""
    trace = _binder(variable, writing=True)
    if trace is not None:
        trace.values[variable] = array
        trace.written[variable] = None
        return
    frame = _frame.get()
    if frame is not None and frame.trace.describing:
        return
    if isinstance(array, Tracer) and not variable.traced():
        raise LeakError(
            f"The variable '{variable.path}' was assigned inside a JAX transformation that "
            "does not know of it.",
            rule="what changes inside jit, grad, vmap or scan goes in and comes out as values",
            fix="pass the model as an argument of the transformed function and return it, or "
            "use model.stateless_call, lamina.grad or lamina.value_and_grad",
        )
    variable.store(array)


def collected(found: Any, trace: Trace, outputs: Any, masks: list[Any]) -> Any:
    """Outputs; updates by place of the variable; losses by place of the layer; masks."""
    place = {id(variable): index for index, variable in enumerate(found.variables)}
    updates = {place[id(variable)]: array for variable, array in trace.updates().items()}
    numbers = {id(each): index for index, each in enumerate(found.layers)}
    losses: dict[int, list[Any]] = {}
    for owner, value in trace.losses:
        losses.setdefault(numbers.get(id(owner), 0), []).append(value)
    return outputs, updates, losses, masks
