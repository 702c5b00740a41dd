"""What any cell is, a user's own included; and several cells as one."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import calling, nest
from lamina.core import types as t
from lamina.core.errors import ArgumentError
from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor


def checked_cell(owner: Any, cell: Any) -> Any:
    """``cell`` if it can be a step of a recurrent layer.

    Raises:
        ArgumentError: when it lacks a ``call`` or a ``state_size``, or has no possible one.
    """
    missing = [name for name in ("call", "state_size") if name not in dir(cell)]
    size = None if missing else cell.state_size
    if missing or not isinstance(size, (int, np.integer, list, tuple)):
        raise ArgumentError(
            f"{type(owner).__name__} cannot use this cell.",
            met=f"{type(cell).__name__} without `{missing[0]}`"
            if missing
            else f"state_size={size!r}",
            rule="a cell has a method call(inputs, states) that gives (output, states), and a "
            "state_size: an int, or a list of ints, one for each state",
            fix="LSTMCell(units) in place of LSTM(units)" if isinstance(cell, Layer) else "",
        )
    return cell


def initial_state(cell: Any, batch_size: Any, dtype: str) -> Any:
    """What ``cell`` begins with: its own ``get_initial_state``, or zeros of its ``state_size``."""
    own = getattr(cell, "get_initial_state", None)
    if own is not None:
        return own(batch_size=batch_size)
    return zeros_of(cell.state_size, batch_size, getattr(cell, "compute_dtype", dtype))


def zeros_of(size: Any, batch_size: Any, dtype: str) -> Any:
    """Zeros for a state of this size, or a list of them for several."""
    if isinstance(size, (list, tuple)):
        return [zeros_of(each, batch_size, dtype) for each in size]
    return jnp.zeros((batch_size, size), dtype)


def output_size(cell: Any) -> Any:
    """The size of what ``cell`` puts out: that of its first state when it does not say."""
    size = getattr(cell, "output_size", None)
    return nest.flatten(cell.state_size)[0] if size is None else size


def build_cell(cell: Any, input_shape: t.Shape) -> None:
    """Make the variables of a cell for one step of this shape."""
    if not isinstance(cell, Layer) or cell.built:
        return
    if cell._builds_itself():
        cell.build(input_shape)
        return
    specs = jax.eval_shape(lambda: as_list(initial_state(cell, 1, "float32")))
    batch = input_shape[0]
    states = nest.map_structure(lambda x: SymbolicTensor((batch, *x.shape[1:]), x.dtype), specs)
    cell.compute_output_spec(SymbolicTensor(input_shape, cell.compute_dtype), states)
    cell.built = True


def call_cell(cell: Any, inputs: t.Array, states: Any, training: Any) -> tuple[t.Array, Any]:
    """One step of any cell."""
    knows = isinstance(cell, Layer) and calling.call_signature(cell).training
    step: Any = cell if callable(cell) else cell.call
    return step(inputs, states, training=training) if knows else step(inputs, states)


def as_list(states: Any) -> list[Any]:
    """States as the list that a cell is given."""
    return list(states) if nest.is_nested(states) else [states]


class StackedRNNCells(Layer):
    """Several cells as one, the output of each being the input of the next.

    Its state is the list of their states.

    >>> import numpy as np
    >>> from lamina.layers import GRUCell, RNN
    >>> RNN(StackedRNNCells([GRUCell(4), GRUCell(3)]))(np.zeros((2, 5, 6))).shape
    (2, 3)
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cells = [checked_cell(self, cell) for cell in cells]

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the cells' states."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        """The size of the last cell's output."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """The states before the first step."""
        return [initial_state(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def build(self, input_shape: t.Shape) -> None:
        for cell in self.cells:
            build_cell(cell, input_shape)
            input_shape = (input_shape[0], output_size(cell))

    def call(self, inputs: t.Array, states: Any, training: bool = False) -> tuple[t.Array, Any]:
        new = []
        for cell, own in zip(self.cells, states, strict=True):
            inputs, after = call_cell(cell, inputs, as_list(own), training)
            leaves = nest.flatten(after)
            new.append(nest.pack_like(own, leaves))
        return inputs, new
