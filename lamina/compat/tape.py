"""`GradientTape`: what the facade computes is recorded, step by step, and can be pulled back.

Every function of the facade runs through `run`. Under a tape, a step that depends on something
watched is computed by `jax.vjp`, so its pullback is that of the very values it used: masks of
dropout, statistics, the branch that Python took. `GradientTape.gradient` composes the pullbacks.
Under a second tape the pullbacks are steps themselves, hence derivatives of any order.

What does not run through the facade (NumPy, ``jax.numpy``) is not recorded, as in TensorFlow:
its gradient is None.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from lamina.compat.tensor import Tensor, unwrap
from lamina.core import binding, nest
from lamina.core.errors import ArgumentError, StateError
from lamina.core.symbolic import any_symbolic
from lamina.core.variable import Variable

_tapes: contextvars.ContextVar[tuple[Any, ...]] = contextvars.ContextVar("tapes", default=())
_level: contextvars.ContextVar[int] = contextvars.ContextVar("level", default=0)


def place() -> tuple[Any, int]:
    """Where the program stands: in which call of a layer, and how deep in steps being run."""
    return binding.current(), _level.get()


def active() -> list["GradientTape"]:
    """The tapes that record here. Inside a step none does: the step is recorded as a whole."""
    here = place()
    return [each for each in _tapes.get() if each.place == here]


def outermost() -> bool:
    """Whether results are for the user, so that they are tensors."""
    return place() == (None, 0) or bool(active())


@contextlib.contextmanager
def inside() -> Iterator[None]:
    """Mark that a step is being run."""
    token = _level.set(_level.get() + 1)
    try:
        yield
    finally:
        _level.reset(token)


def wrap(structure: Any) -> Any:
    """A nest of arrays as tensors; values that belong to a JAX transformation stay as they are."""
    if isinstance(structure, jax.Array):
        leave = isinstance(structure, Tracer) and not active()
        return structure if leave else Tensor(structure)
    return nest.map_structure(wrap, structure) if nest.is_nested(structure) else structure


def run(function: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
    """Call a function of arrays on tensors and variables; its arrays come back as tensors.

    Inside a layer's call, and on symbolic tensors, it is just the function.
    """
    kwargs = kwargs or {}
    if any_symbolic(args) or any_symbolic(kwargs.values()):
        return function(*unwrap(args), **unwrap(kwargs))
    tapes = active()
    leaves, treedef = nest.flatten_with((tuple(args), kwargs))
    places = [
        index
        for index, leaf in enumerate(leaves)
        if tapes and _differentiable(leaf) and any(each.knows(leaf) for each in tapes)
    ]
    if places:
        step = Step(function, leaves, treedef, places)
        for each in tapes:
            each.add(step)
        return step.result
    args, kwargs = nest.unflatten(treedef, [value_of(leaf) for leaf in leaves])
    if not outermost():
        return function(*args, **kwargs)
    with inside():
        result = function(*args, **kwargs)
    return wrap(result)


@functools.cache
def lifted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays as one of the facade."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return run(function, args, kwargs)

    return wrapper


def _differentiable(x: Any) -> bool:
    """Whether a value is a tensor or variable of numbers that have derivatives."""
    if not isinstance(x, (Tensor, Variable)):
        return False
    return jnp.issubdtype(jnp.dtype(x._dtype if isinstance(x, Variable) else x.dtype), jnp.inexact)


def value_of(x: Any) -> Any:
    """A leaf as functions of arrays take it: the array of a tensor or variable."""
    return x.value if isinstance(x, Variable) else unwrap(x)


class Step:
    """One recorded call: which tensors went in and came out, and the pullback between them."""

    def __init__(self, function: Any, leaves: list[Any], treedef: Any, places: list[int]) -> None:
        self._structure: Any = None
        self._rest: list[Any] = []
        fixed = [value_of(x) for x in leaves]

        def pure(*values: Any) -> tuple[dict[int, Any], dict[int, Any]]:
            filled = list(fixed)
            for index, value in zip(places, values, strict=True):
                filled[index] = value
            args, kwargs = nest.unflatten(treedef, filled)
            flat, self._structure = nest.flatten_with(function(*args, **kwargs))
            arrays = {i: x for i, x in enumerate(flat) if isinstance(x, jax.Array)}
            self._rest = [None if i in arrays else x for i, x in enumerate(flat)]
            floats = {i: x for i, x in arrays.items() if jnp.issubdtype(x.dtype, jnp.inexact)}
            return floats, {i: x for i, x in arrays.items() if i not in floats}

        self._pure = pure
        self.inputs = [leaves[index] for index in places]
        with inside():
            floats, self._pullback, others = jax.vjp(
                pure, *map(value_of, self.inputs), has_aux=True
            )
        flat = list(self._rest)
        for index, array in (floats | others).items():
            flat[index] = wrap(array)
        self.outputs = {index: flat[index] for index in floats}
        self.result = nest.unflatten(self._structure, flat)

    def pull(self, cotangents: dict[int, Any]) -> list[Any]:
        """Cotangents of the inputs for those of the outputs."""
        if not active():
            return list(self._pullback(unwrap(cotangents)))

        def backward(inputs: list[Any], cotangents: dict[int, Any]) -> list[Any]:
            return list(jax.vjp(self._pure, *inputs, has_aux=True)[1](cotangents))

        return run(backward, (self.inputs, cotangents))


class GradientTape:
    """Records what is computed in the ``with`` block from variables and watched tensors.

    Args:
        persistent: Whether `gradient` may be called more than once.
        watch_accessed_variables: Whether trainable variables are watched without being told.

    >>> x = Tensor(jnp.float32(3.0))
    >>> with GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = run(jnp.square, (x,))
    >>> tape.gradient(y, x).numpy()
    np.float32(6.0)
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self.persistent = persistent
        self.watch_accessed_variables = watch_accessed_variables
        self.place: Any = None
        self._steps: list[Step] = []
        self._known: dict[int, Any] = {}
        self._used = False

    def __enter__(self) -> "GradientTape":
        self.place = place()
        self._token = _tapes.set((*_tapes.get(), self))
        return self

    def __exit__(self, *exc: object) -> None:
        self.place = None
        _tapes.reset(self._token)

    def watch(self, tensor: Any) -> None:
        """Record what is computed from these tensors or variables."""
        for each in nest.flatten(tensor):
            if not hasattr(each, "__jax_array__"):
                raise ArgumentError(f"A tape watches tensors and variables, not {type(each)}.")
            self._known[id(each)] = each

    def knows(self, x: Any) -> bool:
        """Whether something watched went into a tensor or variable."""
        if self.watch_accessed_variables and isinstance(x, Variable) and x.trainable:
            self._known[id(x)] = x
        return id(x) in self._known

    def add(self, step: Step) -> None:
        """Note a step, if something that this tape watches went into it."""
        if any(self.knows(each) for each in step.inputs):
            self._steps.append(step)
            self._known.update((id(each), each) for each in step.outputs.values())

    def watched_variables(self) -> tuple[Variable, ...]:
        """The variables that were used or watched."""
        return tuple(each for each in self._known.values() if isinstance(each, Variable))

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = "none",
    ) -> Any:
        """Derivatives of the sum of ``target`` by each of ``sources``, in their structure.

        Args:
            output_gradients: Cotangents of the targets; ones when left out.
            unconnected_gradients: "none" or "zero": what a source is given that the target does
                not depend on.

        Raises:
            StateError: at the second call of a tape that is not persistent.
        """
        if self._used and not self.persistent:
            raise StateError(
                "This tape was used already.",
                rule="a tape gives its gradients once, unless it is persistent",
                fix="use tf.GradientTape(persistent=True), or ask for all gradients at once",
            )
        self._used = True
        targets = nest.flatten(target)
        ones = [None] * len(targets)
        given = ones if output_gradients is None else nest.flatten(output_gradients)
        found = self._pull_all(targets, given)
        if not self.persistent:
            self._steps = []

        def of(source: Any) -> Any:
            grad = found.get(id(source))
            if grad is None and str(unconnected_gradients).lower().endswith("zero"):
                grad = jnp.zeros_like(value_of(source))
            return grad

        grads = nest.map_structure(of, sources)
        return wrap(grads) if outermost() else grads

    def _pull_all(self, targets: list[Any], given: list[Any]) -> dict[int, Any]:
        found: dict[int, Any] = {}

        def put(x: Any, cotangent: Any) -> None:
            old = found.get(id(x))
            found[id(x)] = cotangent if old is None else run(jnp.add, (old, cotangent))

        for each, cotangent in zip(targets, given, strict=True):
            if _differentiable(each):
                ones = jnp.ones_like(value_of(each))
                put(each, ones if cotangent is None else cotangent)
        for step in reversed(list(self._steps)):
            if any(id(out) in found for out in step.outputs.values()):
                cotangents = {
                    place: found[id(out)] if id(out) in found else jnp.zeros_like(value_of(out))
                    for place, out in step.outputs.items()
                }
                for x, cotangent in zip(step.inputs, step.pull(cotangents), strict=True):
                    put(x, cotangent)
        return found
