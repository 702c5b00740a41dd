"""`SimpleRNN`, `LSTM` and `GRU`: a recurrent layer and its cell in one."""

from typing import Any

from lamina.core import types as t
from lamina.core.configurable import signature
from lamina.core.errors import ArgumentError
from lamina.core.input_spec import InputSpec
from lamina.core.naming import to_snake_case
from lamina.layers.arguments import with_activity_regularizer
from lamina.layers.recurrent_cells import Given, GRUCell, LSTMCell, SimpleRNNCell, arguments
from lamina.layers.rnn import RNN


class CellRNN(RNN):
    """An `RNN` whose constructor takes the arguments of its cell.

    They are attributes of the layer, too.
    """

    cell_class: type

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "cell_class" in vars(cls):
            for name in _cell_arguments(cls):
                if not hasattr(cls, name):
                    setattr(cls, name, _of_cell(name))

    def __init__(self, given: Given) -> None:
        given = arguments(given)
        shared = {key: given[key] for key in ("dtype", "trainable") if key in given}
        names = [*_cell_arguments(type(self)), "implementation"]
        own = {name: given.pop(name) for name in names if name in given}
        name = to_snake_case(self.cell_class.__name__)
        cell = self.cell_class(**own, **shared, name=name)
        super().__init__(cell, **given)
        self.input_spec = InputSpec(ndim=3)

    def get_config(self) -> t.Config:
        config = with_activity_regularizer(super().get_config())
        return {name: config[name] for name in config if name not in _UNSAVED}


_UNSAVED = ("implementation", "use_cudnn")
"""Arguments that Keras does not write into configs: they change no result."""


def _cell_arguments(cls: type[CellRNN]) -> list[str]:
    names = signature(cls.cell_class.__init__).parameters
    return [name for name in names if name not in ("self", "kwargs")]


def _of_cell(name: str) -> property:
    return property(
        lambda self: getattr(self.cell, name), lambda self, value: setattr(self.cell, name, value)
    )


class SimpleRNN(CellRNN):
    """A recurrent layer of `SimpleRNNCell`: its arguments are those of the cell and of `RNN`.

    >>> import numpy as np
    >>> SimpleRNN(3)(np.ones((2, 5, 4))).shape
    (2, 3)
    """

    cell_class = SimpleRNNCell

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
        activity_regularizer: t.RegularizerLike = None,
        kernel_constraint: t.ConstraintLike = None,
        recurrent_constraint: t.ConstraintLike = None,
        bias_constraint: t.ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(locals())


class CudnnRNN(CellRNN):
    """A `CellRNN` for which Keras has the argument ``use_cudnn``.

    It is accepted, and asks for nothing: XLA compiles the layer on every device.
    """

    def __init__(self, given: Given) -> None:
        use_cudnn = given["use_cudnn"]
        if use_cudnn not in ("auto", True, False):
            raise ArgumentError(
                f"{type(self).__name__} takes 'auto', True or False as `use_cudnn`.",
                met=f"use_cudnn={use_cudnn!r}",
            )
        super().__init__({key: value for key, value in given.items() if key != "use_cudnn"})
        self.use_cudnn = use_cudnn


class LSTM(CudnnRNN):
    """A recurrent layer of `LSTMCell`: its arguments are those of the cell and of `RNN`.

    >>> import numpy as np
    >>> LSTM(3, return_sequences=True)(np.ones((2, 5, 4))).shape
    (2, 5, 3)
    """

    cell_class = LSTMCell

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
        use_cudnn: bool | str = "auto",
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(locals())


class GRU(CudnnRNN):
    """A recurrent layer of `GRUCell`: its arguments are those of the cell and of `RNN`.

    >>> import numpy as np
    >>> GRU(3, reset_after=False)(np.ones((2, 5, 4))).shape
    (2, 3)
    """

    cell_class = GRUCell

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
        reset_after: bool = True,
        use_cudnn: bool | str = "auto",
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(locals())
