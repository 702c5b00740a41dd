"""Blocks of code in which variables, names or devices mean something else.

`StatelessScope` is the public form of `lamina.core.binding.bind` that Keras has.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core import binding, calling
from lamina.core.binding import Frame, Trace
from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.naming import check_name
from lamina.core.types import Array
from lamina.core.variable import Variable


class _Scope:
    """A frame that is in force inside a ``with`` block."""

    def _frame(self, outer: Frame | None) -> Frame:
        raise TypeError("a scope makes its own frame")

    def __enter__(self) -> Any:
        self._block = contextlib.ExitStack()
        self._block.enter_context(binding.push(self._frame(binding.current())))
        return self

    def __exit__(self, *error: object) -> None:
        self._block.close()


class StatelessScope(_Scope):
    """A block in which no variable changes: writes are kept beside it, and read from there.

    Args:
        state_mapping: ``(variable, array)`` pairs: what variables stand for in the block.
        collect_losses: Whether `losses` holds the losses that layers add in the block.
        initialize_variables: Taken for Keras's sake; variables get their arrays when first read.

    Raises:
        ShapeError: when an array has not the shape of its variable.

    >>> counter = Variable(1.0)
    >>> with StatelessScope([(counter, 5.0)]) as scope:
    ...     _ = counter.assign_add(1.0)
    >>> float(scope.get_current_value(counter)), float(counter.value)
    (6.0, 1.0)
    """

    def __init__(
        self,
        state_mapping: Iterable[tuple[Variable, Any]] | None = None,
        collect_losses: bool = False,
        initialize_variables: bool = True,
    ) -> None:
        self.collect_losses = collect_losses
        self.initialize_variables = initialize_variables
        self._trace = Trace(dict(map(_pair, state_mapping or ())), catching=True)
        self._own_losses: list[Array] = []

    def _frame(self, outer: Frame | None) -> Frame:
        self._trace.describing = outer is not None and outer.trace.describing
        frame = Frame(self._trace, parent=outer)
        frame.training = outer.training if outer is not None else None
        return frame

    @property
    def losses(self) -> list[Array]:
        """The losses that were added in the block."""
        found = [value for _, value in self._trace.losses] if self.collect_losses else []
        return [*found, *self._own_losses]

    def add_loss(self, loss: Array) -> None:
        """Add a scalar to `losses`."""
        self._own_losses.append(loss)

    def add_update(self, update: tuple[Variable, Any]) -> None:
        """Let a variable stand for another array from now on: ``(variable, array)``."""
        self._trace.values[update[0]] = update[1]

    def get_current_value(self, variable: Variable) -> Array | None:
        """What a variable stands for at the end; None when it was neither given nor written."""
        return self._trace.values.get(variable)


def _pair(pair: tuple[Any, Any]) -> tuple[Variable, Array]:
    variable, value = pair
    if not isinstance(variable, Variable):
        raise ArgumentError(
            "state_mapping has a key that is no Variable.", met=f"a {type(variable).__name__}"
        )
    array = jnp.asarray(getattr(value, "value", value), variable.dtype)
    if array.shape != tuple(variable.shape):
        raise ShapeError(
            f"An array for the variable '{variable.path}' does not fit.",
            met=f"array {array.shape}, variable {tuple(variable.shape)}",
        )
    return variable, array


class SymbolicScope(_Scope):
    """A block in which only shapes are wanted: variables are read as zeros and never written."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs

    def _frame(self, outer: Frame | None) -> Frame:
        return Frame(Trace({}, describing=True), parent=outer)


class name_scope(_Scope):
    """A block whose name is a part of the paths of variables made in it.

    >>> with name_scope("encoder"):
    ...     Variable(1.0, name="scale").path
    'encoder/scale'
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        del kwargs
        self.name = check_name(name, "A scope")

    def _frame(self, outer: Frame | None) -> Frame:
        if outer is None:
            trace = Trace({})
            self._block.callback(lambda: calling.hand_out(trace.losses))
            return Frame(trace, scope=self.name)
        return Frame(outer.trace, None, outer.training, outer.compute_dtype, outer, self.name)


@contextlib.contextmanager
def device(device_name: Any) -> Iterator[None]:
    """A block whose arrays are made on a device: ``"cpu:0"``, ``"gpu:1"`` or a `jax.Device`.

    >>> with device("cpu:0"):
    ...     x = jnp.ones(3)
    """
    if isinstance(device_name, str):
        platform, _, number = device_name.lower().rpartition(":")
        platform, number = (platform, number) if platform else (number, "0")
        try:
            device_name = jax.devices(platform)[int(number)]
        except (RuntimeError, IndexError, ValueError) as error:
            raise ArgumentError(
                f"There is no device {device_name!r}.",
                met=f"devices {[f'{d.platform}:{d.id}' for d in jax.devices()]}",
            ) from error
    elif not isinstance(device_name, jax.Device):
        raise ArgumentError(
            "`device_name` names no device.",
            met=repr(device_name),
            rule="it is as 'cpu:0' or 'gpu:1', or a jax.Device",
        )
    with jax.default_device(device_name):
        yield
