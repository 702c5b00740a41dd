"""Convolutions in 1, 2 and 3 spatial dimensions: plain, depthwise, separable and transposed.

Inputs are (batch, spatial..., channels), or (batch, channels, spatial...) for "channels_first"; a
convolution here is what others call a correlation, the kernel is not flipped.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from lamina import activations, ops
from lamina.core import types as t
from lamina.core.errors import ArgumentError, ShapeError, unknown
from lamina.core.input_spec import InputSpec
from lamina.layers.arguments import data_format as standard_data_format
from lamina.layers.arguments import known_size, positive, sizes, with_activity_regularizer
from lamina.layers.lora import AdaptableLayer
from lamina.layers.weighted import WeightedLayer

Sizes = int | Sequence[int]


class ConvolutionLayer(WeightedLayer):
    """What all of them share: the geometry of the kernel, a bias, an activation.

    A subclass makes its kernels in ``build`` and applies them in ``convolve``.
    """

    rank = 0
    paddings: tuple[str, ...] = ("valid", "same")
    shrinks = True
    strides_or_dilation = True
    convolve: Any
    """``convolve(inputs)``: the inputs convolved with the layer's kernels."""

    def set_geometry(
        self, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any
    ) -> None:
        """Keep where kernels are placed, checked."""
        self.kernel_size = sizes(self, "kernel_size", kernel_size, self.rank)
        self.strides = sizes(self, "strides", strides, self.rank)
        self.dilation_rate = sizes(self, "dilation_rate", dilation_rate, self.rank)
        self.padding = padding.lower() if isinstance(padding, str) else padding
        if self.padding not in self.paddings:
            raise unknown(f"padding of {type(self).__name__}", padding, self.paddings)
        self.data_format = standard_data_format(data_format)
        if self.strides_or_dilation and max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ArgumentError(
                f"{type(self).__name__} has either strides or a dilation.",
                met=f"strides={self.strides}, dilation_rate={self.dilation_rate}",
                rule="one of the two is 1 in each dimension",
            )
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def set_outputs(
        self, activation: Any, use_bias: bool, initializer: Any, regularizer: Any, constraint: Any
    ) -> None:
        """Keep what happens to the convolved input."""
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.set_rules("bias", initializer, regularizer, constraint)

    def channels_of(self, input_shape: t.Shape) -> int:
        """The number of channels of inputs, which from now on all of them must have."""
        axis = -1 if self.data_format == "channels_last" else 1
        channels = known_size(self, input_shape, axis)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        self.check_sizes(input_shape)
        return channels

    def add_bias(self, size: int) -> None:
        self.bias = self.weight("bias", (size,)) if self.use_bias else None

    def call(self, inputs: t.Array) -> t.Array:
        self.check_sizes(inputs.shape)
        x = self.convolve(inputs)
        if self.bias is not None:
            last = self.data_format == "channels_last"
            x = x + self.bias.value.reshape(-1, *(() if last else (1,) * self.rank))
        return x if self.activation is None else self.activation(x)

    def options(self) -> dict[str, Any]:
        """The geometry as arguments of the functions in `lamina.ops`."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }

    def check_sizes(self, shape: t.Shape) -> None:
        """Refuse inputs that are smaller than the kernel."""
        if self.padding != "valid" or not self.shrinks:
            return
        spatial = shape[1:-1] if self.data_format == "channels_last" else shape[2:]
        spread = [
            (k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)
        ]
        if any(n is not None and n < k for n, k in zip(spatial, spread, strict=True)):
            raise ShapeError(
                f"{self._who()} has a kernel that does not fit into its input: nothing is left.",
                met=f"input shape {tuple(shape)}, kernel_size {self.kernel_size}, dilation_rate "
                f"{self.dilation_rate}, data_format '{self.data_format}'",
                rule=f"with padding='valid' the spatial sizes are at least {tuple(spread)}",
                fix="padding='same', a smaller kernel, less pooling before, or larger inputs",
            )

    def get_config(self) -> t.Config:
        return with_activity_regularizer(super().get_config())


class Conv(AdaptableLayer, ConvolutionLayer):
    """Convolution with ``filters`` kernels; base of `Conv1D`, `Conv2D` and `Conv3D`.

    Args:
        filters: Number of channels of the output.
        kernel_size, strides, dilation_rate: One int for all spatial dimensions, or one for each.
        padding: "valid" for none, "same" for output sizes of input size / stride, and in 1
            dimension "causal": no output depends on later inputs.
        groups: In how many groups of their own the channels are convolved.
        activation: A function of the result, or its name; none when left out.
        lora_rank, lora_alpha: Enable LoRA when the layer is built; see `enable_lora`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        groups: int = 1,
        activation: t.ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: t.InitializerLike = "glorot_uniform",
        bias_initializer: t.InitializerLike = "zeros",
        kernel_regularizer: t.RegularizerLike = None,
        bias_regularizer: t.RegularizerLike = None,
        activity_regularizer: t.RegularizerLike = None,
        kernel_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = positive(self, "filters", filters)
        self.set_geometry(kernel_size, strides, padding, data_format, dilation_rate)
        self.groups = positive(self, "groups", groups)
        self.set_outputs(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self.set_rules("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.set_abilities(lora_rank, lora_alpha)
        if self.filters % self.groups:
            raise ArgumentError(
                f"{type(self).__name__} cannot divide its filters into groups.",
                met=f"filters={filters}, groups={groups}",
                rule="filters is a multiple of groups",
            )

    def build(self, input_shape: t.Shape) -> None:
        channels = self.channels_of(input_shape)
        if channels % self.groups:
            raise ShapeError(
                f"{self._who()} cannot divide the channels of its input into groups.",
                met=f"input shape {tuple(input_shape)}: {channels} channels, groups={self.groups}",
                rule="the number of channels is a multiple of groups",
            )
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.weight("kernel", shape)
        self.add_bias(self.filters)

    def convolve(self, inputs: t.Array) -> t.Array:
        return self.convolution_op(inputs, self.kernel.value)

    def convolution_op(self, inputs: t.Array, kernel: t.Array) -> t.Array:
        """The convolution itself: for subclasses that change inputs or kernel before it."""
        options = self.options()
        if self.padding == "causal":
            before = ((self.kernel_size[0] - 1) * self.dilation_rate[0], 0)
            last = self.data_format == "channels_last"
            inputs = jnp.pad(inputs, ((0, 0), before, (0, 0)) if last else ((0, 0), (0, 0), before))
            options["padding"] = "valid"
        return ops.conv(inputs, kernel, **options)


class Conv1D(Conv):
    """Convolution along steps: (batch, steps, channels) gives (batch, new steps, filters).

    >>> import numpy as np
    >>> Conv1D(1, 2, kernel_initializer="ones")(np.float32([[[1], [2], [4]]]))[..., 0]
    Array([[3., 6.]], dtype=float32)
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class Conv2D(Conv):
    """Convolution of images: (batch, rows, columns, channels).

    >>> import numpy as np
    >>> Conv2D(5, 3, strides=2, padding="same")(np.ones((2, 7, 8, 3))).shape
    (2, 4, 4, 5)
    """

    rank = 2


class Conv3D(Conv):
    """Convolution of volumes: (batch, 3 spatial axes, channels)."""

    rank = 3


class DepthwiseConv(ConvolutionLayer):
    """Each channel convolved with kernels of its own; base of `DepthwiseConv1D` and `2D`.

    Args:
        depth_multiplier: Number of kernels of a channel: of outputs there are this many times as
            many as channels.

    The other arguments are those of `Conv`; strides and dilation go together here.
    """

    strides_or_dilation = False

    def __init__(
        self,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        activation: t.ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: t.InitializerLike = "glorot_uniform",
        bias_initializer: t.InitializerLike = "zeros",
        depthwise_regularizer: t.RegularizerLike = None,
        bias_regularizer: t.RegularizerLike = None,
        activity_regularizer: t.RegularizerLike = None,
        depthwise_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)
        self.set_geometry(kernel_size, strides, padding, data_format, dilation_rate)
        self.set_outputs(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self.set_rules(
            "depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint
        )

    def build(self, input_shape: t.Shape) -> None:
        channels = self.channels_of(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self.weight("depthwise", shape, variable="kernel")
        self.add_bias(channels * self.depth_multiplier)

    def convolve(self, inputs: t.Array) -> t.Array:
        return ops.depthwise_conv(inputs, self.kernel.value, **self.options())


class DepthwiseConv1D(DepthwiseConv):
    """Depthwise convolution along steps: (batch, steps, channels)."""

    rank = 1


class DepthwiseConv2D(DepthwiseConv):
    """Depthwise convolution of images: (batch, rows, columns, channels).

    >>> import numpy as np
    >>> DepthwiseConv2D(3, depth_multiplier=2)(np.ones((1, 5, 5, 4))).shape
    (1, 3, 3, 8)
    """

    rank = 2


class SeparableConv(ConvolutionLayer):
    """A depthwise convolution, and one of size 1 that mixes channels (Chollet, 2017).

    Base of `SeparableConv1D` and `SeparableConv2D`; arguments as in `Conv` and `DepthwiseConv`.
    """

    strides_or_dilation = False

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        depth_multiplier: int = 1,
        activation: t.ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: t.InitializerLike = "glorot_uniform",
        pointwise_initializer: t.InitializerLike = "glorot_uniform",
        bias_initializer: t.InitializerLike = "zeros",
        depthwise_regularizer: t.RegularizerLike = None,
        pointwise_regularizer: t.RegularizerLike = None,
        bias_regularizer: t.RegularizerLike = None,
        activity_regularizer: t.RegularizerLike = None,
        depthwise_constraint: t.ConstraintLike = None,
        pointwise_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)
        self.filters = positive(self, "filters", filters)
        self.set_geometry(kernel_size, strides, padding, data_format, dilation_rate)
        self.set_outputs(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self.set_rules(
            "depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint
        )
        self.set_rules(
            "pointwise", pointwise_initializer, pointwise_regularizer, pointwise_constraint
        )

    def build(self, input_shape: t.Shape) -> None:
        channels, ones = self.channels_of(input_shape), (1,) * self.rank
        deep = (*self.kernel_size, channels, self.depth_multiplier)
        mixing = (*ones, channels * self.depth_multiplier, self.filters)
        self.depthwise_kernel = self.weight("depthwise", deep, variable="depthwise_kernel")
        self.pointwise_kernel = self.weight("pointwise", mixing, variable="pointwise_kernel")
        self.add_bias(self.filters)

    def convolve(self, inputs: t.Array) -> t.Array:
        kernels = self.depthwise_kernel.value, self.pointwise_kernel.value
        return ops.separable_conv(inputs, *kernels, **self.options())


class SeparableConv1D(SeparableConv):
    """Separable convolution along steps: (batch, steps, channels)."""

    rank = 1


class SeparableConv2D(SeparableConv):
    """Separable convolution of images: (batch, rows, columns, channels).

    >>> import numpy as np
    >>> SeparableConv2D(6, 3)(np.ones((1, 5, 5, 4))).shape
    (1, 3, 3, 6)
    """

    rank = 2


class ConvTranspose(ConvolutionLayer):
    """The transpose of a convolution as a linear map, which enlarges by its strides.

    Base of `Conv1DTranspose`, `Conv2DTranspose` and `Conv3DTranspose`.

    Args:
        output_padding: Less than the strides: which of the sizes that `Conv` brings to the
            input's the output has. By default "same" gives input size * stride, and "valid"
            (input size - 1) * stride + max(kernel size, stride).

    The other arguments are those of `Conv`.
    """

    shrinks = False

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        output_padding: Sizes | None = None,
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        activation: t.ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: t.InitializerLike = "glorot_uniform",
        bias_initializer: t.InitializerLike = "zeros",
        kernel_regularizer: t.RegularizerLike = None,
        bias_regularizer: t.RegularizerLike = None,
        activity_regularizer: t.RegularizerLike = None,
        kernel_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = positive(self, "filters", filters)
        self.set_geometry(kernel_size, strides, padding, data_format, dilation_rate)
        self.output_padding = output_padding
        if output_padding is not None:
            self.output_padding = sizes(self, "output_padding", output_padding, self.rank, 0)
            if any(p >= s for p, s in zip(self.output_padding, self.strides, strict=True)):
                raise ArgumentError(
                    f"{type(self).__name__} needs an `output_padding` less than its strides.",
                    met=f"output_padding={output_padding}, strides={self.strides}",
                )
        self.set_outputs(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self.set_rules("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)

    def build(self, input_shape: t.Shape) -> None:
        shape = (*self.kernel_size, self.filters, self.channels_of(input_shape))
        self.kernel = self.weight("kernel", shape)
        self.add_bias(self.filters)

    def convolve(self, inputs: t.Array) -> t.Array:
        options = {**self.options(), "output_padding": self.output_padding}
        return ops.conv_transpose(inputs, self.kernel.value, **options)


class Conv1DTranspose(ConvTranspose):
    """Transposed convolution along steps: (batch, steps, channels)."""

    rank = 1


class Conv2DTranspose(ConvTranspose):
    """Transposed convolution of images: (batch, rows, columns, channels).

    >>> import numpy as np
    >>> Conv2DTranspose(4, 3, strides=2, padding="same")(np.ones((1, 5, 5, 2))).shape
    (1, 10, 10, 4)
    """

    rank = 2


class Conv3DTranspose(ConvTranspose):
    """Transposed convolution of volumes: (batch, 3 spatial axes, channels)."""

    rank = 3

    def __init__(  # data_format and output_padding in the order that Keras has here
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Sizes | None = None,
        dilation_rate: Sizes = 1,
        activation: t.ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: t.InitializerLike = "glorot_uniform",
        bias_initializer: t.InitializerLike = "zeros",
        kernel_regularizer: t.RegularizerLike = None,
        bias_regularizer: t.RegularizerLike = None,
        activity_regularizer: t.RegularizerLike = None,
        kernel_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate,
            activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, **kwargs,
        )  # fmt: skip


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
Convolution1DTranspose, Convolution2DTranspose = Conv1DTranspose, Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
