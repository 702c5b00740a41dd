"""`RNN`: a cell, applied to the steps of a sequence one after the other."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core import binding, nest
from lamina.core import types as t
from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.symbolic import declared_shape
from lamina.core.variable import Variable
from lamina.layers.recurrent_cells import Mask, RecurrentCell
from lamina.layers.stacked_cells import (
    StackedRNNCells,
    as_list,
    build_cell,
    call_cell,
    checked_cell,
    initial_state,
    output_size,
)
from lamina.layers.stepping import scan
from lamina.ops.fast.recurrence import Cell, Weights, recur


class Memory:
    """The states that a stateful layer keeps from batch to batch.

    They are variables of the layer, and not among its weights, as the state of a generator is.
    """

    beside_weights = True

    def __init__(self, states: Any) -> None:
        self.states = states

    @property
    def owned_variables(self) -> list[Variable]:
        """The states, in order."""
        return nest.flatten(self.states)


class RNN(Layer):
    """Applies a cell to the steps of a sequence, handing on the cell's states.

    Args:
        cell: A layer (or any object) with a method ``call(inputs, states)``, which gives an output
            and the new states, and a ``state_size``: an int, or a list of ints. It may have an
            ``output_size`` and a ``get_initial_state(batch_size)``. A list of cells is stacked.
        return_sequences: Whether the outputs of all steps are returned, not only the last one.
        return_state: Whether the last states are returned behind the output.
        go_backwards: Whether to begin with the last step; outputs then are in that order.
        stateful: Whether each batch begins with the states that the batch before ended with.
            The batch size must be known: ``Input(batch_size=...)``.
        unroll: Whether to compile the steps one by one instead of as a loop. For few steps.
        zero_output_for_mask: Whether outputs at masked steps are 0, not those of the step before.

    Call arguments:
        sequences: (batch, steps, features...).
        initial_state: States to begin with, in place of zeros.
        mask: (batch, steps), False where states are to stay as they are.

    Returns:
        (batch, units) or, with ``return_sequences``, (batch, steps, units); with ``return_state``
        a tuple of that and the states.

    >>> import numpy as np
    >>> from lamina.layers import LSTMCell
    >>> layer = RNN(LSTMCell(3), return_sequences=True, return_state=True)
    >>> output, h, c = layer(np.ones((2, 5, 4)))
    >>> output.shape, h.shape
    ((2, 5, 3), (2, 3))
    """

    supports_masking = True

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        cell = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell
        self.cell = checked_cell(self, cell)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.state_size = as_list(cell.state_size)
        self._memory: Memory | None = None
        self.input_spec = InputSpec(min_ndim=3)

    def build(  # type: ignore[override]
        self, sequences_shape: t.Shape, initial_state_shape: Any = None
    ) -> None:
        build_cell(self.cell, (sequences_shape[0], *sequences_shape[2:]))
        if self.stateful:
            self._memory = self._new_memory(sequences_shape)

    def _new_memory(self, shape: t.Shape) -> Memory:
        if shape[0] is None:
            raise ArgumentError(
                f"{self._who()} is stateful, so it needs to know the batch size.",
                met=f"input shape {shape}",
                rule="a stateful layer keeps one state for each row of the batch",
                fix="give it: Input(shape, batch_size=...)",
            )
        specs = jax.eval_shape(lambda: self.get_initial_state(shape[0]))
        settings: Any = {"trainable": False, "dtype": self.variable_dtype, "name": "rnn_state"}
        return Memory(nest.map_structure(lambda x: Variable("zeros", x.shape, **settings), specs))

    @property
    def states(self) -> Any:
        """The variables that hold the states of a stateful layer; None before it is built."""
        return None if self._memory is None else self._memory.states

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """What the first step begins with."""
        return as_list(initial_state(self.cell, batch_size, self.compute_dtype))

    def reset_state(self) -> None:
        """Set the states of a stateful layer to zeros."""
        for variable in nest.flatten(self.states) if self._memory is not None else ():
            variable.assign(jnp.zeros(variable.shape, variable.dtype))

    def reset_states(self) -> None:
        """As `reset_state`."""
        self.reset_state()

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = nest.flatten(previous_mask)[0] if self.return_sequences else None
        return [mask, *(None for _ in self.state_size)] if self.return_state else mask

    def call(
        self,
        sequences: t.Array,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        states = self._begin(sequences, initial_state)
        x = jnp.swapaxes(sequences, 0, 1)
        keep = None if mask is None else self._steps_kept(x, nest.flatten(mask)[0])
        outputs, states = self._scan(x, states, keep, training)
        outputs = outputs.astype(self.compute_dtype)
        states = nest.map_structure(lambda s: s.astype(self.compute_dtype), states)
        if self._memory is not None and self._fits_memory(sequences):
            for variable, state in zip(
                self._memory.owned_variables, nest.flatten(states), strict=True
            ):
                variable.assign(state)
        if self.return_sequences:
            output = jnp.swapaxes(outputs[::-1] if self.go_backwards else outputs, 0, 1)
        else:
            output = outputs[0 if self.go_backwards else -1]
        return (output, *states) if self.return_state else output

    # --- before the first step ------------------------------------------------------------------

    def _fits_memory(self, sequences: t.Array) -> bool:
        """Whether the batch has the size of the states kept; False while that is unknown.

        Raises:
            ShapeError: when it has another size.
        """
        assert self._memory is not None
        batch, kept = declared_shape(sequences)[0], self._memory.owned_variables[0].shape[0]
        if batch not in (None, kept):
            raise ShapeError(
                f"{self._who()} is stateful and keeps states for another batch size.",
                met=f"a batch of {batch}, states for {kept}",
                rule="all batches of a stateful layer have the size that it was built with",
                fix="leave out the last, smaller batch, or pad it",
            )
        return batch is not None

    def _begin(self, sequences: t.Array, given: Any) -> list[Any]:
        """The states before the first step, in the cell's dtype."""
        batch, dtype = sequences.shape[0], getattr(self.cell, "compute_dtype", self.compute_dtype)
        remembered = self._memory is not None and self._fits_memory(sequences)
        if given is None:
            states = self.states if remembered else self.get_initial_state(batch)
        else:
            wanted = jax.eval_shape(lambda: self.get_initial_state(batch))
            leaves = nest.flatten(given)
            met = [declared_shape(x) for x in leaves]
            rule = [declared_shape(x) for x in nest.flatten(wanted)]
            if not _fit(met, rule):
                raise ShapeError(
                    f"{self._who()} cannot begin with this initial_state.",
                    met="shapes " + ", ".join(map(str, met)),
                    rule=f"the cell has {len(rule)} state(s), of shape {', '.join(map(str, rule))}",
                )
            states = nest.pack_like(wanted, leaves)
        return nest.map_structure(lambda s: jnp.asarray(getattr(s, "value", s), dtype), states)

    def _steps_kept(self, x: t.Array, mask: Any) -> t.Array:
        """The mask as (steps, batch)."""
        mask = jnp.asarray(mask, bool)
        if mask.ndim < 2 or not _fit([declared_shape(mask)[1::-1]], [declared_shape(x)[:2]]):
            raise ShapeError(
                f"{self._who()} cannot use this mask.",
                met=f"mask {declared_shape(mask)}, (batch, steps) = {declared_shape(x)[1::-1]}",
                rule="a mask has the shape (batch, steps)",
            )
        return jnp.swapaxes(jnp.any(mask, tuple(range(2, mask.ndim))), 0, 1)

    # --- the steps ------------------------------------------------------------------------------

    def _scan(self, x: t.Array, states: list[Any], keep: Any, training: bool) -> tuple[Any, Any]:
        """Outputs in the order of the sequence, and the last states; ``x`` is time-major."""
        cell, frame = self.cell, binding.current()
        drawing = dict(_drawing(cell, x[0], states, training))
        for each, masks in drawing.items():
            object.__setattr__(each, "_masks", masks)  # unnoticed: no program depends on it
        try:
            if _is_ours(cell) and frame is not None and cell.compute_dtype == frame.compute_dtype:
                mask, recurrent_mask = drawing[cell]
                parts = None if self.unroll else cell.in_two_parts()
                if parts and recurrent_mask is None and not isinstance(mask, tuple):
                    return self._recur(parts, x if mask is None else x * mask, states, keep)
                x, step, layer = *_taken_apart(cell, x, mask, recurrent_mask), None
            else:
                step, layer = (lambda x, states: call_cell(cell, x, states, training)), cell
            return self._run(step, layer, x, states, keep)
        finally:
            for each in drawing:
                object.__delattr__(each, "_masks")

    def _recur(self, parts: Cell, x: t.Array, states: Any, keep: Any) -> tuple[Any, Any]:
        weights = Weights(self.cell.kernel.value, self.cell.recurrent_kernel.value,
                          *self.cell.biases())  # fmt: skip
        new, outputs = recur(parts, self.go_backwards, weights, x, tuple(states), keep)
        if keep is not None and self.zero_output_for_mask:
            outputs = _where(keep, outputs, 0)
        return outputs, list(new)

    def _run(self, step: Any, layer: Any, x: t.Array, states: Any, keep: Any) -> tuple[Any, Any]:
        def once(carry: Any, step_input: Any) -> Any:
            old, held = carry
            x, keep = step_input
            output, new = step(x, old)
            new = self._arranged(new, old)
            if keep is not None:
                new = nest.map_structure(lambda a, b: _where(keep, a, b), new, old)
                output = _where(keep, output, 0 if self.zero_output_for_mask else held)
                held = None if self.zero_output_for_mask else output
            return (new, held), output

        held = None
        if keep is not None and not self.zero_output_for_mask:
            held = _before(step, x, states)
        carry = (states, held)
        unroll = self.unroll and declared_shape(x)[0] is not None
        (states, _), outputs = scan(once, layer, carry, (x, keep), self.go_backwards, unroll)
        return outputs, states

    def _arranged(self, new: Any, old: Any) -> Any:
        """The states that a cell gave, in the structure and dtypes of those that it got."""
        found, wanted = nest.flatten(new), nest.flatten(old)
        if [a.shape for a in found] != [b.shape for b in wanted]:
            raise ShapeError(
                f"{self._who()}: the cell gives other states than it takes.",
                met="gives " + ", ".join(str(declared_shape(a)) for a in found),
                rule="takes " + ", ".join(str(declared_shape(b)) for b in wanted),
                fix="state_size, or get_initial_state, says what the cell's call returns",
            )
        return nest.pack_like(old, [a.astype(b.dtype) for a, b in zip(found, wanted, strict=True)])


def _is_ours(cell: Any) -> bool:
    """Whether a step may be taken apart: the cell's call is our own."""
    return (
        isinstance(cell, RecurrentCell)
        and type(cell).call is RecurrentCell.call
        and cell.activity_regularizer is None
    )


def _taken_apart(cell: RecurrentCell, x: t.Array, mask: Mask, recurrent_mask: Mask) -> Any:
    """What the steps take, and a step: with all projections made before, or each in its step."""
    if cell.projects_at_once():
        return cell.project(x, mask), lambda x, states: cell.step(x, states, recurrent_mask)
    return x, lambda x, states: cell.step(cell.project(x, mask), states, recurrent_mask)


def _drawing(cell: Any, x: t.Array, states: Any, training: bool) -> Iterator[tuple[Any, Any]]:
    """The cells inside ``cell`` that use dropout, with their masks for one sequence."""
    if isinstance(cell, RecurrentCell):
        yield cell, cell.draw_masks(x, states[0], training)
    stacked = cell.cells if isinstance(cell, StackedRNNCells) else []
    for each, own in zip(stacked, states, strict=False):
        yield from _drawing(each, x, as_list(own), training)
        x = jnp.zeros((x.shape[0], output_size(each)), x.dtype)


def _before(step: Any, x: t.Array, states: Any) -> t.Array:
    """What is held for a sequence whose first steps are masked: the state that is the output."""
    spec = jax.eval_shape(lambda x, states: step(x, states)[0], x[0], states)
    last = states[-1] if nest.is_nested(states[0]) else states
    first = nest.flatten(last)[0]
    same = first.shape == spec.shape
    return first.astype(spec.dtype) if same else jnp.zeros(spec.shape, spec.dtype)


def _fit(shapes: Any, wanted: Any) -> bool:
    """Whether shapes are equal, as far as their sizes are known."""
    return len(shapes) == len(wanted) and all(
        len(a) == len(b) and all(None in (i, j) or i == j for i, j in zip(a, b, strict=True))
        for a, b in zip(shapes, wanted, strict=True)
    )


def _where(keep: t.Array, a: t.Array, b: Any) -> t.Array:
    return jnp.where(keep.reshape(keep.shape + (1,) * (a.ndim - keep.ndim)), a, b)
