"""`Tensor`: an array that looks and prints as TensorFlow's eager tensors do."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core import nest


class DType(str):
    """A dtype: the string that names it, with TensorFlow's attributes.

    >>> DType("float32"), DType("float32") == "float32", DType("int8").is_integer
    (tf.float32, True, True)
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        """The name as a plain string."""
        return str.__str__(self)

    @property
    def as_numpy_dtype(self) -> Any:
        """NumPy's scalar type."""
        return jnp.dtype(self.name).type

    @property
    def is_floating(self) -> bool:
        """Whether it holds real floating-point numbers."""
        return "float" in self

    @property
    def is_integer(self) -> bool:
        """Whether it holds integers."""
        return "int" in self

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: '{self.name}'>"

    def __reduce__(self) -> Any:
        return DType, (self.name,)


class TensorShape(tuple[Any, ...]):
    """A shape: a tuple with TensorFlow's methods.

    >>> TensorShape((2, 3)), TensorShape((2, 3)).as_list(), TensorShape((2, 3)).rank
    (TensorShape([2, 3]), [2, 3], 2)
    """

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self)

    ndims = rank

    def as_list(self) -> list[Any]:
        """The sizes as a list."""
        return list(self)

    def num_elements(self) -> int:
        """The product of the sizes."""
        return int(np.prod(self))

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return TensorShape(found) if isinstance(key, slice) else found

    def __repr__(self) -> str:
        return f"TensorShape({list(self)})"

    def __str__(self) -> str:
        return tuple.__repr__(self)


class Tensor:
    """A `jax.Array` behind TensorFlow's face. Functions of the facade make it; users never do.

    Its operators are in `lamina.compat.operators`, since they record themselves on tapes.

    >>> t = Tensor(jnp.ones((1, 2)))
    >>> print(t)
    tf.Tensor([[1. 1.]], shape=(1, 2), dtype=float32)
    >>> t
    <tf.Tensor: shape=(1, 2), dtype=float32, numpy=array([[1., 1.]], dtype=float32)>
    >>> f"{t}"
    '[[1. 1.]]'
    """

    __array_priority__ = 2000
    __slots__ = ("__weakref__", "_array")

    def __init__(self, array: Any) -> None:
        self._array = array

    @property
    def shape(self) -> TensorShape:
        """Sizes of the axes."""
        return TensorShape(self._array.shape)

    @property
    def dtype(self) -> DType:
        """Dtype of the elements."""
        return DType(self._array.dtype.name)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._array.ndim

    def numpy(self) -> Any:
        """The values as a NumPy array; a NumPy scalar for a tensor without axes."""
        array = np.array(self._array)
        return array if array.ndim else array[()]

    def get_shape(self) -> TensorShape:
        """The shape."""
        return self.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._array, dtype=dtype)

    def __jax_array__(self) -> Any:
        return self._array

    def __format__(self, spec: str) -> str:
        return format(self.numpy(), spec)

    def __str__(self) -> str:
        return f"tf.Tensor({below(str(self.numpy()))}, {self._described()})"

    def __repr__(self) -> str:
        shown = repr(self.numpy()) if self.ndim else str(self.numpy())
        return f"<tf.Tensor: {self._described()}, numpy={below(shown)}>"

    def _described(self) -> str:
        return f"shape={self.shape}, dtype={self.dtype.name}"

    def __reduce__(self) -> Any:
        return _rebuilt, (np.asarray(self._array),)

    def __deepcopy__(self, memo: Any) -> "Tensor":
        return Tensor(self._array)

    __hash__ = object.__hash__


def _of_array(name: str) -> Any:
    return lambda self: getattr(self._array, name)()


for _name in ("__len__", "__bool__", "__float__", "__int__", "__index__"):
    setattr(Tensor, _name, _of_array(_name))


def _rebuilt(array: np.ndarray) -> Tensor:
    return Tensor(jnp.asarray(array))


def below(text: str) -> str:
    """Values of several lines begin on a line of their own."""
    return f"\n{text}" if "\n" in text else text


def unwrap(structure: Any) -> Any:
    """A nest with tensors as arrays, and the facade's dtypes as plain names."""
    kind = type(structure)
    if kind is Tensor:
        return structure._array
    if kind is DType:
        return structure.name
    if kind is TensorShape:
        return tuple(structure)
    if nest.is_nested(structure):
        return nest.map_structure(unwrap, structure)
    return structure
