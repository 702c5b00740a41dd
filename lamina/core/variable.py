"""`Variable`: a named cell with shape, dtype and initializer; its array is made at first use."""

import operator
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina.core import binding, nest, random
from lamina.core.dtypes import canonical, is_float, standardize_dtype
from lamina.core.errors import ArgumentError, DTypeError, ShapeError, describe_value
from lamina.core.naming import auto_name, check_name
from lamina.core.registry import late
from lamina.core.settings import lock
from lamina.core.types import Array, ArrayLike, DTypeLike, InitializerLike, Nest, ShapeLike

AGGREGATIONS = (None, "none", "mean", "sum", "only_first_replica")


class Variable:
    """A named array that a layer owns and training changes.

    Args:
        initializer: An array, or an initializer (then ``shape`` is needed) that makes the array
            when it is first read.
        shape: Shape of the array, of non-negative ints.
        dtype: Dtype of the stored array; ``floatx`` when left out and not given by an array.
        trainable: Whether gradients should change it.
        autocast: Whether a float variable is read in the compute dtype inside a layer's call.
        aggregation: How replicas are combined: "none", "mean", "sum" or "only_first_replica".
        name: Last part of `path`.

    Inside `lamina.core.binding.bind` it reads and writes the array bound to it there.

    >>> v = Variable([1.0, 2.0], name="v")
    >>> v.assign_add([1.0, 1.0]).numpy()
    array([2., 3.], dtype=float32)
    """

    __array_priority__ = 1000
    is_variable = True
    in_view = False
    """Whether it belongs to a view made inside a transformation, and so may hold traced arrays."""

    def __init__(
        self,
        initializer: InitializerLike = None,
        shape: ShapeLike | None = None,
        dtype: DTypeLike = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = "none",
        synchronization: str | None = "auto",
        name: str | None = None,
        *,
        path: str | None = None,
    ) -> None:
        if aggregation not in AGGREGATIONS:
            raise ArgumentError(f"aggregation={aggregation!r} is none of {AGGREGATIONS}.")
        self.name = check_name(name if name is not None else auto_name("variable"), "A variable")
        self._path = path
        self.autocast = autocast
        self.aggregation = aggregation
        self.synchronization = synchronization
        self.regularizer: Any = None
        self.constraint: Any = None
        self.overwrite_with_gradient = False
        self._trainable = self.made_trainable = bool(trainable)
        self._array: Array | None = None
        self._initializer: Any = None
        if callable(initializer) or isinstance(initializer, (str, dict)):
            self._defer(initializer, shape, dtype)
        else:
            self._hold(initializer, shape, dtype)
        frame = binding.current()
        if path is None and frame is not None:
            outer = frame.path()
            self._path = f"{outer}/{self.name}" if outer else self.name

    def _defer(self, initializer: Any, shape: ShapeLike | None, dtype: DTypeLike) -> None:
        if shape is None:
            raise ArgumentError(
                f"The variable '{self.name}' has an initializer but no shape: give `shape`."
            )
        self._shape = _static_shape(shape, self.name)
        self._dtype = canonical(dtype)
        if not callable(initializer):
            initializer = late("initializers.get")(initializer)
        self._initializer = initializer() if isinstance(initializer, type) else initializer
        self._key = random.creation_key()

    def _hold(self, value: Any, shape: ShapeLike | None, dtype: DTypeLike) -> None:
        if value is None:
            raise ArgumentError(
                f"The variable '{self.name}' needs an initial value or an initializer."
            )
        if dtype is None and not hasattr(value, "dtype"):
            array = np.asarray(value)
            dtype = standardize_dtype(None) if is_float(array.dtype) else array.dtype
        elif dtype is None:
            dtype = value.dtype
        self._dtype = canonical(dtype)
        array = _as_array(value, self._dtype)
        if shape is not None and tuple(shape) != array.shape:
            array = jnp.broadcast_to(array, _static_shape(shape, self.name))
        # A copy of its own: donated or changed buffers of the caller must not reach the variable.
        self._array = array.copy() if isinstance(value, jax.Array) else array
        self._shape = tuple(array.shape)

    # --- what it is -----------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self._shape

    @property
    def dtype(self) -> str:
        """Dtype that reading gives: the stored one, or the compute dtype inside a layer's call."""
        frame = binding.current()
        if frame is not None and frame.compute_dtype and self.autocast and is_float(self._dtype):
            return frame.compute_dtype
        return self._dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._shape)

    @property
    def path(self) -> str:
        """Names of the layers around the variable and its own, joined by '/'."""
        return self._path or self.name

    @property
    def trainable(self) -> bool:
        """Whether gradients should change it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        late("core.tracking.bump")()

    # --- reading and writing --------------------------------------------------------------------

    @property
    def value(self) -> Array:
        """The array, in the compute dtype inside a layer's call."""
        array = binding.read(self)
        dtype = self.dtype
        return array if array.dtype == dtype else array.astype(dtype)

    def stored(self) -> Array:
        """The variable's own array, made now if it was not yet."""
        if self._array is None:
            materialize([self])
        assert self._array is not None
        return self._array

    def store(self, array: Array) -> None:
        """Replace the variable's own array, whatever is bound."""
        self._array = array

    def traced(self) -> bool:
        """Whether its own array belongs to a transformation in progress."""
        return self.in_view or isinstance(self._array, Tracer)

    @property
    def made(self) -> bool:
        """Whether its array exists already."""
        return self._array is not None

    def assign(self, value: ArrayLike) -> "Variable":
        """Set the array; ``value`` must have the variable's shape.

        Returns:
            The variable.

        Raises:
            ShapeError: when the shapes differ; the variable is left as it was.
        """
        value = value.value if isinstance(value, Variable) else value
        if hasattr(value, "to_symbolic_config"):
            raise DTypeError(f"The variable '{self.path}' cannot be assigned a symbolic tensor.")
        array = _as_array(value, self._dtype)
        if tuple(array.shape) != self._shape:
            raise ShapeError(
                f"The variable '{self.path}' cannot be assigned this value.",
                met=f"value shape {tuple(array.shape)}, variable shape {self._shape}",
                rule="a variable keeps its shape",
            )
        binding.write(self, array)
        return self

    def assign_add(self, value: ArrayLike) -> "Variable":
        """Add ``value`` to the array."""
        return self.assign(binding.read(self) + _as_array(value, self._dtype))

    def assign_sub(self, value: ArrayLike) -> "Variable":
        """Subtract ``value`` from the array."""
        return self.assign(binding.read(self) - _as_array(value, self._dtype))

    def numpy(self) -> np.ndarray:
        """A copy of the array on the host."""
        return np.array(self.value)

    # --- behaving like an array -----------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.value, dtype=dtype)

    def __jax_array__(self) -> Array:
        return self.value

    def __getitem__(self, key: Any) -> Array:
        return self.value[key]

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __index__(self) -> int:
        return operator.index(self.value.item())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(jax.Array, name):
            raise AttributeError(f"A Variable has no attribute '{name}'.")
        return getattr(self.value, name)

    def __repr__(self) -> str:
        state = "" if self.made else ", not made yet"
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}{state}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Variable":
        clone = object.__new__(type(self))
        clone.__dict__.update(self.__dict__)
        memo[id(self)] = clone
        return clone

    __hash__ = object.__hash__


# A variable given to a function of JAX is its array there, as any other array.
jax.tree_util.register_pytree_node(
    Variable,
    lambda variable: ((variable.value,), None),
    lambda _, arrays: arrays[0],  # pyright: ignore[reportArgumentType]
)


def read_all(structure: Nest) -> Nest:
    """A nest with the arrays of its variables in place of them.

    >>> read_all({"a": Variable(1.0), "b": 2})
    {'a': Array(1., dtype=float32), 'b': 2}
    """
    return nest.map_structure(lambda x: x.value if isinstance(x, Variable) else x, structure)


def _binary(name: str, function: Callable[[Any, Any], Any], swapped: bool) -> Callable[..., Any]:
    def method(self: Variable, other: Any) -> Any:
        if hasattr(other, "to_symbolic_config"):
            return NotImplemented
        other = other.value if isinstance(other, Variable) else other
        return function(other, self.value) if swapped else function(self.value, other)

    method.__name__ = name
    return method


for _name in (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
):
    _function = getattr(operator, f"__{_name}__")
    setattr(Variable, f"__{_name}__", _binary(f"__{_name}__", _function, swapped=False))
    setattr(Variable, f"__r{_name}__", _binary(f"__r{_name}__", _function, swapped=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    _function = getattr(operator, f"__{_name}__")
    setattr(Variable, f"__{_name}__", _binary(f"__{_name}__", _function, swapped=False))
for _name in ("neg", "pos", "abs", "invert"):
    _function = getattr(operator, f"__{_name}__")
    setattr(Variable, f"__{_name}__", lambda self, _f=_function: _f(self.value))


def materialize(variables: Iterable[Variable]) -> None:
    """Make the arrays of those variables that have none, each from its own key.

    Runs outside whatever transformation is in progress, so the arrays are concrete.
    """
    with lock, jax.ensure_compile_time_eval():
        for variable in variables:
            if variable._array is None:
                assert variable._initializer is not None
                with random.using_key(variable._key):
                    value = variable._initializer(variable._shape, dtype=variable._dtype)
                array = _as_array(value, variable._dtype)
                if tuple(array.shape) != variable._shape:
                    raise ShapeError(
                        f"The initializer of '{variable.path}' gave another shape.",
                        met=f"{tuple(array.shape)} instead of {variable._shape}",
                    )
                variable._array = array


def _as_array(value: Any, dtype: str) -> Array:
    if isinstance(value, jax.Array):
        return value if value.dtype == dtype else value.astype(dtype)
    if isinstance(value, Variable):
        return _as_array(value.value, dtype)
    try:
        # Copied first, since device_put may share memory; jnp.asarray compiles for each shape.
        with jax.ensure_compile_time_eval():  # a layer may be made while a function is traced
            return jax.device_put(np.array(value, dtype))
    except (TypeError, ValueError) as error:
        raise DTypeError(f"Not an array of {dtype}: {describe_value(value)}.") from error


def _static_shape(shape: ShapeLike, name: str) -> tuple[int, ...]:
    if isinstance(shape, int):
        shape = (shape,)
    sizes = tuple(None if size is None else operator.index(size) for size in shape)
    if any(size is None or size < 0 for size in sizes):
        raise ShapeError(
            f"The variable '{name}' cannot have the shape {sizes}.",
            rule="every size of a variable is a known number, 0 or more",
            fix="make the variable in build(), where the input's sizes are known",
        )
    return sizes  # type: ignore[return-value]
