"""`Function`: the steps from some symbolic tensors to others, as one operation."""

from typing import Any

from lamina.core import nest
from lamina.core.errors import ArgumentError
from lamina.core.operation import Operation
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Nest
from lamina.models.plan import Plan


class Function(Operation):
    """The computation that leads from ``inputs`` to ``outputs``.

    Args:
        inputs: A nest of symbolic tensors.
        outputs: A nest of symbolic tensors that were made from them.

    >>> import lamina as keras
    >>> x = keras.Input((3,))
    >>> keras.Function(x, x * 2)(keras.ops.ones((1, 3)))
    Array([[2., 2., 2.]], dtype=float32)
    """

    def __init__(self, inputs: Nest, outputs: Nest, name: str | None = None) -> None:
        super().__init__(name=name)
        self._plan = Plan(inputs, outputs)
        self.inputs: list[SymbolicTensor] = self._plan.input_tensors
        self.outputs: list[SymbolicTensor] = self._plan.output_tensors

    @property
    def operations(self) -> list[Operation]:
        """The layers and ops on the way, each after those that it needs."""
        return self._plan.graph.operations

    def call(self, inputs: Nest) -> Nest:
        return self._run(inputs, lambda op, args, kwargs: op(*args, **kwargs))

    def compute_output_spec(self, inputs: Nest) -> Nest:
        return self._run(inputs, lambda op, args, kwargs: op.compute_output_spec(*args, **kwargs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of the outputs for shapes of the inputs."""
        dtypes = iter([x.dtype for x in self.inputs])
        inputs = nest.map_shapes(lambda s: SymbolicTensor(s, next(dtypes)), input_shape)
        return nest.map_structure(lambda x: x.shape, self.compute_output_spec(inputs))

    def _run(self, inputs: Nest, call: Any) -> Nest:
        leaves = nest.flatten(inputs)
        if len(leaves) != len(self.inputs):
            raise ArgumentError(
                f"The function '{self.name}' takes {len(self.inputs)} input(s).",
                met=f"{len(leaves)} of them",
            )
        return self._plan.run(self._plan.layers, leaves, call)
