"""`Input`, where the description of a model begins."""

from typing import Any

from lamina.core.errors import ArgumentError
from lamina.core.graph import Node
from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor, standardize_shape
from lamina.core.types import Config, DTypeLike, Nest, Shape, ShapeLike


class InputLayer(Layer):
    """The place of one input in a model. `Input` makes one and returns its symbolic tensor.

    Args:
        shape: Shape of one example; None where a size is unknown.
        batch_size: The number of examples, where it is fixed.
        batch_shape: Shape of a batch, instead of ``shape`` and ``batch_size``.
        dtype: Of the values; floatx when left out.
        sparse: Whether a sparse array may come.
        input_tensor: A symbolic tensor to stand for, instead of a new one.
        optional: Whether the value may be None.
    """

    is_input = True

    def __init__(
        self,
        shape: ShapeLike | None = None,
        batch_size: int | None = None,
        dtype: DTypeLike = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: ShapeLike | None = None,
        input_tensor: SymbolicTensor | None = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        shape = kwargs.pop("input_shape", shape)
        batch_shape = kwargs.pop("batch_input_shape", batch_shape)
        if input_tensor is not None:
            self._check_same(input_tensor, shape, batch_size, batch_shape, dtype)
            batch_shape, dtype, sparse = input_tensor.shape, input_tensor.dtype, input_tensor.sparse
        elif (shape is None) == (batch_shape is None) or (batch_size and batch_shape):
            raise ArgumentError(
                "An Input needs its shape, said once.",
                met=f"shape={shape}, batch_size={batch_size}, batch_shape={batch_shape}",
                fix="give shape=(...) without the batch axis, or batch_shape=(None, ...)",
            )
        if ragged:
            raise ArgumentError(
                "An Input cannot be ragged: JAX has no ragged arrays. Pad the rows to one length, "
                "and mask what was added (Masking, or Embedding(mask_zero=True))."
            )
        super().__init__(name=name, dtype=dtype, **kwargs)
        if batch_shape is None:
            assert shape is not None
            batch_shape = (batch_size, *standardize_shape(shape))
        self.batch_shape: Shape = standardize_shape(batch_shape)
        self.sparse = bool(sparse)
        self.optional = optional
        self.built = True
        if input_tensor is None:
            input_tensor = SymbolicTensor(self.batch_shape, self.dtype, self.sparse, name=self.name)
        Node(self, (), {}, input_tensor)

    @property
    def dtype(self) -> str:
        return self.dtype_policy.compute_dtype

    def call(self) -> None:
        """Nothing: a model puts the input's value in its place."""

    def get_config(self) -> Config:
        shape = {"batch_shape": self.batch_shape, "dtype": self.dtype, "sparse": self.sparse}
        return {**shape, "ragged": False, "name": self.name, "optional": self.optional}

    @staticmethod
    def _check_same(
        x: Any, shape: Any, batch_size: int | None, batch_shape: Any, dtype: DTypeLike
    ) -> None:
        if not isinstance(x, SymbolicTensor):
            raise ArgumentError(
                f"An Input can stand for a symbolic tensor only, not for a {type(x).__name__}."
            )
        pairs = {
            "shape": (shape and tuple(shape), x.shape[1:]),
            "batch_size": (batch_size, x.shape[0] if x.shape else None),
            "batch_shape": (batch_shape and tuple(batch_shape), x.shape),
            "dtype": (dtype, x.dtype),
        }
        for argument, (given, own) in pairs.items():
            if given is not None and given != own:
                raise ArgumentError(
                    f"An Input for the tensor '{x.name}' has its {argument} {own}, not {given}."
                )


def Input(
    shape: ShapeLike | None = None,
    batch_size: int | None = None,
    dtype: DTypeLike = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: ShapeLike | None = None,
    name: str | None = None,
    tensor: SymbolicTensor | None = None,
    optional: bool = False,
) -> Nest:
    """A symbolic tensor to begin a model with; see `InputLayer` for the arguments.

    >>> x = Input((28, 28), name="image")
    >>> x.shape, x.dtype
    ((None, 28, 28), 'float32')
    """
    layer = InputLayer(
        shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name
    )
    return layer.output
