"""Convolutional LSTMs, in one, two and three dimensions."""

from typing import Any

import jax
import jax.numpy as jnp

from lamina import ops
from lamina.core import types as t
from lamina.core.errors import ArgumentError, ShapeError, unknown
from lamina.core.input_spec import InputSpec
from lamina.layers.arguments import data_format as standard_data_format
from lamina.layers.arguments import known_size, sizes
from lamina.layers.recurrent import CellRNN
from lamina.layers.recurrent_cells import Mask, RecurrentCell, lstm_step

Sizes = int | tuple[int, ...]


class ConvLSTMCell(RecurrentCell):
    """An LSTM's step whose products with kernels are convolutions (Shi et al., 2015).

    Args:
        rank: How many spatial dimensions, 1 to 3. The other arguments are those of `ConvLSTM`.

    States have the shape of the convolved input, with ``filters`` channels.
    """

    gates = 4
    number_of_states = 2
    size_argument = "filters"
    filters: int
    kernel_size: Any
    strides: Any
    padding: str
    data_format: str
    dilation_rate: Any

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
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
        self.implementation = 1
        for name in ("kernel_size", "strides", "dilation_rate"):
            setattr(self, name, sizes(self, name, getattr(self, name), rank))
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ArgumentError(
                f"{type(self).__name__} cannot have both strides and a dilation.",
                met=f"strides={self.strides}, dilation_rate={self.dilation_rate}",
                fix="leave one of them at 1",
            )
        if str(padding).lower() not in ("valid", "same"):
            raise unknown("padding", padding, ("valid", "same"))
        self.padding = padding.lower()
        self.data_format = standard_data_format(data_format)
        self.channels_axis = 1 if self.data_format == "channels_first" else -1

    def build(self, input_shape: t.Shape) -> None:
        channels = known_size(self, input_shape, self.channels_axis)
        spatial = input_shape[2:] if self.channels_axis == 1 else input_shape[1:-1]
        if None in spatial:
            raise ShapeError(
                f"{self._who()} cannot be built: spatial sizes of its input are not known.",
                met=f"input shape {input_shape}",
                rule="its states have these sizes from the first step on",
            )
        width = 4 * self.filters
        kernel = (*self.kernel_size, channels, width)
        self.make_weights(kernel, (*self.kernel_size, self.filters, width), (width,))
        step = jax.ShapeDtypeStruct((1, *input_shape[1:]), self.compute_dtype)  # type: ignore[arg-type]
        part = jax.ShapeDtypeStruct((*kernel[:-1], self.filters), self.compute_dtype)
        self.state_shape = jax.eval_shape(self._convolved, step, part).shape[1:]

    def get_initial_state(self, batch_size: Any = None) -> list[t.Array]:
        zeros = jnp.zeros((batch_size, *self.state_shape), self.compute_dtype)
        return [zeros, zeros]

    def _convolved(self, x: t.Array, kernel: t.Array) -> t.Array:
        layout = self.padding, self.data_format
        return ops.conv(x, kernel, self.strides, *layout, self.dilation_rate)

    def projects_at_once(self) -> bool:
        return True  # XLA:CPU is slow at gradients of convolutions inside a loop

    def project(self, inputs: t.Array, mask: Mask) -> t.Array:
        """What the inputs add to the gates, which lie side by side on the last axis."""
        rank = len(self.kernel_size) + 2
        before = inputs.shape[: inputs.ndim - rank]

        def convolved(x: t.Array, kernel: t.Array) -> t.Array:
            y = self._convolved(x.reshape(-1, *x.shape[1 - rank :]), kernel)
            y = jnp.moveaxis(y, self.channels_axis, -1)
            return y.reshape(*before, -1, *y.shape[1:])

        projected = self.each_gate(convolved, inputs, self.kernel.value, mask)
        return projected if self.bias is None else projected + self.bias.value

    def step(self, projected: t.Array, states: list[t.Array], mask: Mask) -> Any:
        def convolved(x: t.Array, kernel: t.Array) -> t.Array:
            y = ops.conv(x, kernel, 1, "same", self.data_format)
            return jnp.moveaxis(y, self.channels_axis, -1)

        h, c = states
        gates = projected + self.each_gate(convolved, h, self.recurrent_kernel.value, mask)
        new = lstm_step(self, gates, jnp.moveaxis(c, self.channels_axis, -1))
        states = [jnp.moveaxis(state, -1, self.channels_axis) for state in new]
        return states[0], states


class ConvLSTM(CellRNN):
    """A recurrent layer of `ConvLSTMCell`: base of the three below.

    Args:
        filters: Channels of the output.
        kernel_size, strides, dilation_rate: Ints, for all spatial dimensions or for each.
        padding: "valid" or "same"; states are always padded to keep their size.
        data_format: Where the channels of a step are.
        dropout, recurrent_dropout: How much of the input, of the state, is dropped in training.

    The other arguments are those of `LSTM`. Input is (batch, steps, spatial..., channels), or
    (batch, steps, channels, spatial...) for "channels_first".
    """

    cell_class = ConvLSTMCell
    rank = 0

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
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
        activity_regularizer: t.RegularizerLike = None,
        kernel_constraint: t.ConstraintLike = None,
        recurrent_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__({**locals(), "rank": self.rank})
        self.input_spec = InputSpec(ndim=self.rank + 3)


class ConvLSTM1D(ConvLSTM):
    """A convolutional LSTM over (batch, steps, length, channels).

    >>> import numpy as np
    >>> ConvLSTM1D(2, 3)(np.ones((1, 4, 8, 3))).shape
    (1, 6, 2)
    """

    rank = 1


class ConvLSTM2D(ConvLSTM):
    """A convolutional LSTM over (batch, steps, rows, columns, channels)."""

    rank = 2


class ConvLSTM3D(ConvLSTM):
    """A convolutional LSTM over (batch, steps, 3 spatial axes, channels)."""

    rank = 3
