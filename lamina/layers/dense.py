"""`Dense`: a matrix, a bias, an activation."""

from typing import Any

from lamina import activations
from lamina.core import types as t
from lamina.core.input_spec import InputSpec
from lamina.layers.arguments import known_size, positive
from lamina.layers.lora import AdaptableLayer
from lamina.ops.fast.products import rows_times


class Dense(AdaptableLayer):
    """``activation(x @ kernel + bias)``, on the last axis of the input.

    Args:
        units: Size of the last axis of the output.
        activation: A function of the result, or its name; none when left out.
        use_bias: Whether to add a bias of shape (units,).
        kernel_initializer: For the kernel, of shape (features, units).
        activity_regularizer: A function of the output whose value joins the loss.
        lora_rank: Enables LoRA of this rank when the layer is built; see `enable_lora`.
        lora_alpha: How strongly it counts.
        quantization_config: Kept for `quantize`; a layer that is not quantized ignores it.

    Input of shape (..., features) gives output of shape (..., units).

    >>> import numpy as np
    >>> Dense(2, kernel_initializer="ones")(np.float32([[1, 2, 3]]))
    Array([[6., 6.]], dtype=float32)
    """

    supports_masking = True

    def __init__(
        self,
        units: int,
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
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = positive(self, "units", units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.set_rules("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.set_rules("bias", bias_initializer, bias_regularizer, bias_constraint)
        self.set_abilities(lora_rank, lora_alpha, quantization_config)
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: t.Shape) -> None:
        features = known_size(self, input_shape)
        self.kernel = self.weight("kernel", (features, self.units))
        self.bias = self.weight("bias", (self.units,)) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})

    def call(self, inputs: t.Array) -> t.Array:
        x = rows_times(inputs, self.kernel.value)
        x = x if self.bias is None else x + self.bias.value
        return x if self.activation is None else self.activation(x)

    def compute_output_shape(self, input_shape: t.Shape) -> t.Shape:
        return (*input_shape[:-1], self.units)
