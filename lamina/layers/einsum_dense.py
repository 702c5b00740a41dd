"""`EinsumDense`: a dense layer whose contraction is written as an einsum equation."""

import re
from typing import Any

import jax.numpy as jnp

from lamina import activations
from lamina.core import types as t
from lamina.core.errors import ShapeError
from lamina.core.input_spec import InputSpec
from lamina.core.types import Shape
from lamina.layers.arguments import with_activity_regularizer
from lamina.layers.lora import AdaptableLayer

_FORM = re.compile(
    r"(?P<left>\.{3})?(?P<input>[a-zA-Z]+)(?P<right>\.{3})?,(?P<kernel>[a-zA-Z]+)->"
    r"(?(left)\.{3})(?P<output>[a-zA-Z]+)(?(right)\.{3})"
)


class EinsumDense(AdaptableLayer):
    """``activation(einsum(equation, x, kernel) + bias)``.

    Args:
        equation: As ``"abc,cd->abd"``; the input and the output may begin, or end, with ``...``.
        output_shape: Sizes of the output's named axes without the first; None where it is the
            input's.
        activation: A function of the result, or its name.
        bias_axes: The letters of the output's axes that the bias has; no bias when left out.

    >>> import numpy as np
    >>> EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")(np.ones((2, 3, 4))).shape
    (2, 3, 5)
    """

    kernel_initializer: Any

    def __init__(
        self,
        equation: str,
        output_shape: int | t.ShapeLike,
        activation: t.ActivationLike = None,
        bias_axes: str | None = None,
        kernel_initializer: t.InitializerLike = "glorot_uniform",
        bias_initializer: t.InitializerLike = "zeros",
        kernel_regularizer: t.RegularizerLike = None,
        bias_regularizer: t.RegularizerLike = None,
        kernel_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.equation = equation
        sizes = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.partial_output_shape = sizes
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.set_rules("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.set_rules("bias", bias_initializer, bias_regularizer, bias_constraint)
        self.set_abilities(lora_rank, lora_alpha, quantization_config)

    def build(self, input_shape: Shape) -> None:
        axes = _Axes(self, input_shape)
        shape = [axes.sizes[letter] for letter in axes.kernel]
        if None in shape:
            raise axes.error(
                f"the size of the kernel's axis '{axes.kernel[shape.index(None)]}' is unknown",
                fix="give it in output_shape, or in the shape of the Input",
            )
        self.kernel = self.weight("kernel", shape, self._fanned(axes))
        self.bias = None if self.bias_axes is None else self.weight("bias", axes.bias_shape())
        self.input_spec = InputSpec(ndim=len(input_shape))

    def call(self, inputs: t.Array) -> t.Array:
        x = jnp.einsum(self.equation, inputs, self.kernel.value)
        x = x if self.bias is None else x + self.bias.value
        return x if self.activation is None else self.activation(x)

    def get_config(self) -> t.Config:
        config = super().get_config()
        if "output_shape" in config:
            config["output_shape"] = self.partial_output_shape
        return with_activity_regularizer(config)

    def _fanned(self, axes: "_Axes") -> Any:
        """The kernel's initializer, told which of its axes are inputs and which are outputs."""
        initializer = self.kernel_initializer
        if getattr(initializer, "input_axes", ()) is not None:
            return initializer
        places = range(len(axes.kernel))
        outputs = [i for i in places if axes.kernel[i] in axes.output]
        inputs = [i for i in places if i not in outputs]
        config = {**initializer.get_config(), "input_axes": inputs, "output_axes": outputs}
        return type(initializer).from_config(config)


class _Axes:
    """The axes of an equation for one input shape: their letters, and the size of each."""

    def __init__(self, layer: EinsumDense, shape: Shape) -> None:
        self.layer, self.shape = layer, shape
        found = _FORM.fullmatch(layer.equation.replace(" ", ""))
        if found is None:
            raise self.error(
                "its equation cannot be read",
                rule="it is as 'ab,bc->ac', '...ab,bc->...ac' or 'ab...,bc->ac...'",
            )
        self.input, self.kernel, self.output = found["input"], found["kernel"], found["output"]
        elided = len(shape) - len(self.input)
        if elided < 0 or (elided and not found["left"] and not found["right"]):
            raise self.error(f"the equation's input has {len(self.input)} axes")
        self.elided_right = elided if found["right"] else 0
        inputs = shape[elided:] if found["left"] else shape
        outputs = layer.partial_output_shape
        if not (found["left"] and elided):
            outputs = (shape[0], *outputs)
        if len(outputs) != len(self.output):
            raise self.error("output_shape does not have the sizes of the output's axes")
        self.sizes: dict[str, int | None] = dict(zip(self.input, inputs, strict=False))
        for letter, size in zip(self.output, outputs, strict=True):
            known = self.sizes.get(letter)
            if None not in (size, known) and size != known:
                raise self.error(f"the axis '{letter}' has the sizes {known} and {size}")
            self.sizes[letter] = known if size is None else size
        self._check_letters()

    def _check_letters(self) -> None:
        lost = [x for x in self.output if x not in self.input + self.kernel]
        lost += [x for x in self.kernel if x not in self.input + self.output]
        lost += [x for x in self.layer.bias_axes or "" if x not in self.output]
        if lost:
            raise self.error(
                f"the axis '{lost[0]}' comes from nowhere",
                rule="an axis of the output is one of the input or the kernel; an axis of the "
                "kernel is one of the input or the output; one of the bias is one of the output",
            )

    def bias_shape(self) -> tuple[int | None, ...]:
        """The output's named axes from the first one with a bias on; 1 for those without."""
        wanted = self.layer.bias_axes or ""
        tail = self.output[min(map(self.output.index, wanted), default=0) :]
        sizes = [self.sizes[letter] if letter in wanted else 1 for letter in tail]
        return (*sizes, *[1] * self.elided_right)

    def error(self, what: str, rule: str = "", fix: str = "") -> ShapeError:
        layer = self.layer
        return ShapeError(
            f"{layer._who()} cannot be built: {what}.",
            met=f"equation '{layer.equation}', input {tuple(self.shape)}, output_shape "
            f"{layer.partial_output_shape}, bias_axes {layer.bias_axes!r}",
            rule=rule,
            fix=fix,
        )
