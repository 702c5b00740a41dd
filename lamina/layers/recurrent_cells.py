"""Cells: one step of a recurrent layer."""

from typing import Any

import jax
import jax.numpy as jnp

from lamina import activations
from lamina.core import random
from lamina.core import types as t
from lamina.layers.arguments import known_size, positive
from lamina.layers.weighted import WeightedLayer
from lamina.ops.fast.recurrence import Cell

Given = dict[str, Any]
"""A constructor's ``locals()``: its arguments by name."""

Mask = t.Array | tuple[t.Array, ...] | None
"""What an input or a state is multiplied by: one array for all gates, or one for each."""


def arguments(given: Given) -> Given:
    """The arguments in a constructor's ``locals()``, those of ``**kwargs`` among them."""
    hidden = ("self", "kwargs", "__class__")
    return {k: v for k, v in given.items() if k not in hidden} | given["kwargs"]


class RecurrentCell(WeightedLayer):
    """A step made of a projection of its input, and of what the state adds to it.

    The projection does not depend on the state, so a recurrent layer may make that of all steps of
    a sequence at once. A subclass defines ``step(projected, states, mask)``; or ``advance(gates,
    states)``, which gives the new states, the first of which is the output, from the gates that
    ``merge`` makes of both parts.

    Dropout multiplies inputs (``dropout``) and states (``recurrent_dropout``) by masks that are
    the same in all steps of a sequence (Gal and Ghahramani, 2016).
    """

    gates = 1
    number_of_states = 1
    size_argument = "units"
    advance: Any = None
    _masks: tuple[Mask, Mask] | None = None

    units: int
    activation: Any
    recurrent_activation: Any
    recurrent_initializer: Any
    recurrent_regularizer: Any
    recurrent_constraint: Any
    bias_initializer: Any
    use_bias: bool
    dropout: float
    recurrent_dropout: float

    def __init__(self, given: Given) -> None:
        given = arguments(given)
        base = ("trainable", "dtype", "autocast", "name", "activity_regularizer")
        super().__init__(**{name: given.pop(name) for name in base if name in given})
        self._given.pop("implementation", None)
        implementation = given.pop("implementation", 2)
        for name in ("kernel", "recurrent", "bias"):
            rules = ("initializer", "regularizer", "constraint")
            self.set_rules(name, *(given.pop(f"{name}_{rule}") for rule in rules))
        for name, value in given.items():
            setattr(self, name, activations.get(value) if name.endswith("activation") else value)
        self.dropout = min(1.0, max(0.0, self.dropout))
        self.recurrent_dropout = min(1.0, max(0.0, self.recurrent_dropout))
        self.implementation = 1 if self.recurrent_dropout else implementation
        self.seed_generator = random.SeedGenerator(given["seed"])
        size = positive(self, self.size_argument, given[self.size_argument])
        setattr(self, self.size_argument, size)
        self.output_size = size
        several = self.number_of_states > 1
        self.state_size: Any = [size] * self.number_of_states if several else size

    def build(self, input_shape: t.Shape) -> None:
        width = self.gates * self.units
        self.make_weights((known_size(self, input_shape), width), (self.units, width), (width,))

    def make_weights(self, kernel: t.ShapeLike, recurrent: t.ShapeLike, bias: t.ShapeLike) -> None:
        """Make the variables in these shapes."""
        self.kernel = self.weight("kernel", kernel)
        self.recurrent_kernel = self.add_weight(
            recurrent,
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
            name="recurrent_kernel",
        )
        forget = getattr(self, "unit_forget_bias", False)
        initializer = self._forget_bias if forget else None
        self.bias = self.weight("bias", bias, initializer) if self.use_bias else None

    def _forget_bias(self, shape: t.ShapeLike, dtype: t.DTypeLike = None) -> t.Array:
        """A bias of 1 for the second of four gates (Jozefowicz et al., 2015)."""
        size = self.output_size
        drawn = self.bias_initializer((3 * size,), dtype=dtype)
        return jnp.concatenate([drawn[:size], jnp.ones(size, drawn.dtype), drawn[size:]])

    def get_initial_state(self, batch_size: Any = None) -> list[t.Array]:
        """The states before the first step: zeros."""
        shape = (batch_size, self.output_size)
        return [jnp.zeros(shape, self.compute_dtype) for _ in range(self.number_of_states)]

    def call(self, inputs: t.Array, states: Any, training: bool = False) -> tuple[t.Array, Any]:
        nested = isinstance(states, (list, tuple))
        states = list(states) if nested else [states]
        masks = self._masks or self.draw_masks(inputs, states[0], training)
        output, states = self.step(self.project(inputs, masks[0]), states, masks[1])
        return output, states if nested else states[0]

    # --- dropout --------------------------------------------------------------------------------

    def draw_masks(self, inputs: t.Array, state: t.Array, training: bool) -> tuple[Mask, Mask]:
        """Masks for the input and for the state; None where there is no dropout."""
        if not training:
            return None, None
        return self._mask(inputs, self.dropout), self._mask(state, self.recurrent_dropout)

    def _mask(self, x: t.Array, rate: float) -> Mask:
        if not rate:
            return None
        ones, seed = jnp.ones_like(x), self.seed_generator
        if self.gates == 1 or self.implementation != 1:
            return random.dropout(ones, rate, seed=seed)
        return tuple(random.dropout(ones, rate, seed=seed) for _ in range(self.gates))

    # --- what the steps are made of -------------------------------------------------------------

    def merge(self, projected: t.Array, recurred: t.Array) -> t.Array:
        """The gates, from what the input and what the state add to them."""
        return projected + recurred

    def step(self, projected: t.Array, states: list[t.Array], mask: Mask) -> Any:
        """The output and the new states."""
        gates = self.merge(projected, self.recur(states[0], mask) + self.biases()[1])
        states = list(self.advance(gates, states))
        return states[0], states

    def biases(self) -> tuple[t.Array, t.Array]:
        """What is added to the products with the input and with the state."""
        none = jnp.zeros((), self.kernel.value.dtype)
        return none if self.bias is None else self.bias.value, none

    def in_two_parts(self) -> Cell | None:
        """A step whose gradients need few products in the loop; None if this cell has none."""
        functions = [self.activation, getattr(self, "recurrent_activation", None)]
        ours = all(each is None or each in vars(activations).values() for each in functions)
        if self.advance is None or self.projects_at_once() or not ours:
            return None
        return Cell(self.merge, self.advance)

    def projects_at_once(self) -> bool:
        """Whether to project all steps of a sequence before the first one.

        On a CPU that is slower (LSTM of `bench/recurrent.py`: 4.4 against 2.0 ms forward, 9.5
        against 7.0 with gradients): XLA then reads a slice of all projections inside the loop
        that computes the gates, and does not vectorise it.
        """
        return jax.default_backend() != "cpu"

    def project(self, inputs: t.Array, mask: Mask) -> t.Array:
        """What the input adds to the gates, in shape (..., gates * units)."""
        return self.each_gate(jnp.matmul, inputs, self.kernel.value, mask) + self.biases()[0]

    def recur(self, state: t.Array, mask: Mask) -> t.Array:
        """What the state adds to the gates."""
        return self.each_gate(jnp.matmul, state, self.recurrent_kernel.value, mask)

    def each_gate(self, function: Any, x: t.Array, kernel: t.Array, mask: Mask) -> t.Array:
        """``function(x, kernel)`` with the input masked, for each gate in its own way."""
        if not isinstance(mask, tuple):
            return function(x if mask is None else x * mask, kernel)
        kernels = jnp.split(kernel, self.gates, -1)
        pairs = zip(mask, kernels, strict=True)
        return jnp.concatenate([function(x * own, part) for own, part in pairs], -1)


class SimpleRNNCell(RecurrentCell):
    """``activation(x @ kernel + h @ recurrent_kernel + bias)``: the new state, and the output.

    Args:
        units: Size of the state.
        dropout, recurrent_dropout: How much of the input, of the state, is dropped in training.
        seed: For equal numbers in each run.

    Call arguments:
        inputs: (batch, features), one step of a sequence.
        states: A list of one array (batch, units).

    >>> import numpy as np
    >>> output, states = SimpleRNNCell(3)(np.ones((2, 4)), [np.zeros((2, 3))])
    >>> output.shape, len(states)
    ((2, 3), 1)
    """

    def __init__(
        self,
        units: int,
        activation: t.ActivationLike = "tanh",
        use_bias: bool = True,
        kernel_initializer: t.InitializerLike = "glorot_uniform",
        recurrent_initializer: t.InitializerLike = "orthogonal",
        bias_initializer: t.InitializerLike = "zeros",
        kernel_regularizer: t.RegularizerLike = None,
        recurrent_regularizer: t.RegularizerLike = None,
        bias_regularizer: t.RegularizerLike = None,
        kernel_constraint: t.ConstraintLike = None,
        recurrent_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(locals())

    def advance(self, gates: t.Array, states: Any) -> tuple[t.Array, ...]:
        return (gates if self.activation is None else self.activation(gates),)


class LSTMCell(RecurrentCell):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997).

    With gates i, f, o and candidate g from ``x @ kernel + h @ recurrent_kernel + bias``, the new
    state is ``c = f * c + i * g`` and ``h = o * activation(c)``.

    Args:
        units: Size of each of the two states.
        activation, recurrent_activation: Of candidate and output; of the gates.
        unit_forget_bias: Whether the bias of gate f begins at 1.
        dropout, recurrent_dropout: How much of the input, of h, is dropped in training.
        seed: For equal numbers in each run.

    Call arguments:
        inputs: (batch, features), one step of a sequence.
        states: h and c, each (batch, units).

    >>> import numpy as np
    >>> output, states = LSTMCell(3)(np.ones((2, 4)), [np.zeros((2, 3)), np.zeros((2, 3))])
    >>> output.shape, len(states)
    ((2, 3), 2)
    """

    gates = 4
    number_of_states = 2

    def __init__(
        self,
        units: int,
        activation: t.ActivationLike = "tanh",
        recurrent_activation: t.ActivationLike = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: t.InitializerLike = "glorot_uniform",
        recurrent_initializer: t.InitializerLike = "orthogonal",
        bias_initializer: t.InitializerLike = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: t.RegularizerLike = None,
        recurrent_regularizer: t.RegularizerLike = None,
        bias_regularizer: t.RegularizerLike = None,
        kernel_constraint: t.ConstraintLike = None,
        recurrent_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(locals())

    def advance(self, gates: t.Array, states: Any) -> tuple[t.Array, ...]:
        return lstm_step(self, gates, states[1])


def lstm_step(cell: RecurrentCell, gates: t.Array, c: t.Array) -> tuple[t.Array, t.Array]:
    """The states h and c of an LSTM, from the gates side by side and the state c."""
    i, f, g, o = jnp.split(gates, 4, -1)
    gate, activation = cell.recurrent_activation, cell.activation
    c = gate(f) * c + gate(i) * activation(g)
    return gate(o) * activation(c), c


class GRUCell(RecurrentCell):
    """Gated recurrent unit (Cho et al., 2014).

    With gates z and r, the new state is ``z * h + (1 - z) * candidate``. The candidate sees h
    through r: before the product with the recurrent kernel, or, with ``reset_after``, after it.

    Args:
        units: Size of the state.
        activation, recurrent_activation: Of the candidate; of the gates.
        dropout, recurrent_dropout: How much of the input, of the state, is dropped in training.
        reset_after: The form that cuDNN has. The bias then has two rows, for input and state.
        seed: For equal numbers in each run.

    Call arguments:
        inputs: (batch, features), one step of a sequence.
        states: A list of one array (batch, units).

    >>> import numpy as np
    >>> output, states = GRUCell(3)(np.ones((2, 4)), [np.zeros((2, 3))])
    >>> output.shape, len(states)
    ((2, 3), 1)
    """

    gates = 3
    reset_after: bool

    def __init__(
        self,
        units: int,
        activation: t.ActivationLike = "tanh",
        recurrent_activation: t.ActivationLike = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: t.InitializerLike = "glorot_uniform",
        recurrent_initializer: t.InitializerLike = "orthogonal",
        bias_initializer: t.InitializerLike = "zeros",
        kernel_regularizer: t.RegularizerLike = None,
        recurrent_regularizer: t.RegularizerLike = None,
        bias_regularizer: t.RegularizerLike = None,
        kernel_constraint: t.ConstraintLike = None,
        recurrent_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(locals())

    def build(self, input_shape: t.Shape) -> None:
        width = 3 * self.units
        bias = (2, width) if self.reset_after else (width,)
        self.make_weights((known_size(self, input_shape), width), (self.units, width), bias)

    def biases(self) -> tuple[t.Array, t.Array]:
        if self.bias is None or not self.reset_after:
            return super().biases()
        return self.bias.value[0], self.bias.value[1]

    def merge(self, projected: t.Array, recurred: t.Array) -> t.Array:
        """The gates z and r, and the two parts of the candidate."""
        split = 2 * self.units
        gates, parts = projected[..., :split] + recurred[..., :split], (projected, recurred)
        return jnp.concatenate([gates, *(part[..., split:] for part in parts)], -1)

    def advance(self, gates: t.Array, states: Any) -> tuple[t.Array, ...]:
        z, r, x_h, h_h = jnp.split(gates, 4, -1)
        z, r = self.recurrent_activation(z), self.recurrent_activation(r)
        return (z * states[0] + (1 - z) * self.activation(x_h + r * h_h),)

    def in_two_parts(self) -> Cell | None:
        return super().in_two_parts() if self.reset_after else None

    def step(self, projected: t.Array, states: list[t.Array], mask: Mask) -> Any:
        if self.reset_after:
            return super().step(projected, states, mask)
        (h,), split = states, 2 * self.units
        own = mask if isinstance(mask, tuple) else (1, 1, 1)
        z_kernel, r_kernel, h_kernel = jnp.split(self.recurrent_kernel.value, 3, -1)
        z = self.recurrent_activation(projected[..., : self.units] + (h * own[0]) @ z_kernel)
        r = self.recurrent_activation(projected[..., self.units : split] + (h * own[1]) @ r_kernel)
        h = z * h + (1 - z) * self.activation(projected[..., split:] + (r * h * own[2]) @ h_kernel)
        return h, [h]
