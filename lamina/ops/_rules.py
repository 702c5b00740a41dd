"""What the array functions share: `@array_op` and `@elementwise`, and the rules of their shapes."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.dtypes import canonical
from lamina.core.errors import LaminaError, ShapeError
from lamina.core.operation import op, refused
from lamina.core.symbolic import SymbolicTensor, evaluate_fitting
from lamina.core.types import Nest, Shape

F = TypeVar("F", bound=Callable[..., Any])


def array_op(arrays: int = 1, shape: Callable[..., Nest] | None = None) -> Callable[[F], F]:
    """`op`, and the first ``arrays`` arguments may also be nested lists of numbers.

    >>> @array_op()
    ... def total(x):
    ...     return jnp.sum(x)
    >>> int(total([1, 2]))
    3
    """

    def decorate(function: F) -> F:
        names = tuple(inspect.signature(function).parameters)[:arrays]

        @functools.wraps(function)
        def converting(*args: Any, **kwargs: Any) -> Any:
            if any(type(each) in (list, tuple) for each in args[:arrays]):
                args = (*map(_as_array, args[:arrays]), *args[arrays:])
            for name in names:
                if type(kwargs.get(name)) in (list, tuple):
                    kwargs[name] = _as_array(kwargs[name])
            try:
                return function(*args, **kwargs)
            except (LaminaError, jax.errors.JAXTypeError, jax.errors.JAXIndexError):
                raise
            except (TypeError, ValueError, IndexError) as error:
                raise refused(function.__name__, (*args, *kwargs.values()), error) from error

        return op(converting, shape=shape)

    return decorate


def _as_array(value: Any) -> Any:
    return jnp.asarray(value) if type(value) in (list, tuple) else value


def elementwise(function: Callable[..., Any] | None = None, *, arrays: int | None = None) -> Any:
    """An op whose arguments broadcast against each other, and whose result has their shape.

    Args:
        function: The function of arrays.
        arrays: How many of its first arguments are arrays; all unless given.

    >>> @elementwise
    ... def both(x1, x2):
    ...     return jnp.add(x1, x2)
    >>> both(SymbolicTensor((None, 1)), SymbolicTensor((4,), "int32")).shape
    (None, 4)
    """
    if function is None:
        return functools.partial(elementwise, arrays=arrays)
    return array_op(arrays or len(_parameters(function)), broadcasting(function, arrays))(function)


def broadcasting(function: Callable[..., Any], arrays: int | None = None) -> Callable[..., Any]:
    """The rule of `elementwise`: the shape by broadcasting, the dtype by evaluation."""
    parameters = _parameters(function)
    names = parameters[:arrays]

    def rule(*args: Any, **kwargs: Any) -> SymbolicTensor:
        named = {**dict(zip(parameters, args, strict=False)), **kwargs}
        values = [named[name] for name in names if name in named]
        shape = broadcast_shapes(function.__name__, [_shape(x) for x in values if _is_array(x)])
        kinds = tuple(
            (k, _kind(v) if k in names else (type(v), axes_tuple(v))) for k, v in named.items()
        )
        return SymbolicTensor(shape, _result_dtype(function, kinds))

    return rule


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def broadcast_shapes(name: str, shapes: Sequence[Shape]) -> Shape:
    """The shape that these broadcast to; an unknown size gives way to a known one other than 1.

    >>> broadcast_shapes("add", [(None, 1), (3, None), (None,)])
    (3, None)
    """
    rank = max((len(shape) for shape in shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    result: list[int | None] = []
    for sizes in zip(*padded, strict=True):
        known = {size for size in sizes if size not in (None, 1)}
        if len(known) > 1:
            raise ShapeError(
                f"ops.{name} cannot broadcast these shapes.",
                met=" with ".join(str(tuple(shape)) for shape in shapes),
                rule="counted from the last axis, sizes are equal, or one of them is 1",
                fix="add an axis with ops.expand_dims, or reshape or transpose one of them",
            )
        result.append(known.pop() if known else None if None in sizes else 1)
    return tuple(result)


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") or isinstance(value, (list, tuple))


def _shape(value: Any) -> Shape:
    return value.shape if hasattr(value, "shape") else np.shape(value)


def _kind(value: Any) -> Any:
    """What a result's dtype depends on: an array's dtype and rank, or a number and its type."""
    if _is_array(value):
        dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
        return jax.ShapeDtypeStruct((1,) * len(_shape(value)), canonical(dtype))
    return type(value), value


@functools.lru_cache(maxsize=4096)
def _result_dtype(function: Callable[..., Any], kinds: tuple[tuple[str, Any], ...]) -> Any:
    """The dtype of a function's result, evaluated abstractly on arrays of one element."""
    specs = {
        name: SymbolicTensor(kind.shape, kind.dtype, name=name)
        for name, kind in kinds
        if not isinstance(kind, tuple)
    }
    static = {name: kind[1] for name, kind in kinds if isinstance(kind, tuple)}
    try:
        return evaluate_fitting(lambda arrays: function(**arrays, **static), specs).dtype
    except LaminaError:
        raise
    except Exception as error:
        raise refused(function.__name__, [*specs.values(), *static.values()], error) from error


def as_numbers(x: Any, *others: Any) -> Any:
    """``x`` as int32 when it and ``others`` are all bool; as it is otherwise."""
    return jnp.asarray(x, "int32") if jnp.issubdtype(jnp.result_type(x, *others), bool) else x


def as_floats(x: Any) -> Any:
    """``x`` as an array of floats: integers and bools in ``floatx``."""
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(canonical(None))


def axes_tuple(axis: Any) -> Any:
    """An axis argument as jax.numpy takes it: lists as tuples."""
    return tuple(axis) if isinstance(axis, list) else axis


def checked_axis(name: str, axis: Any, rank: int) -> int:
    """The axis counted from the first one; an error where there is none of this number."""
    if -rank <= axis < rank:
        return axis % rank
    raise ShapeError(f"ops.{name}: axis {axis} is out of bounds for an array of {rank} axes.")


def common_sizes(name: str, shapes: Sequence[Shape], free: int | None = None) -> list[int | None]:
    """The sizes that these shapes share, unknown ones filled from the others.

    Args:
        free: An axis along which they may differ.
    """
    rank = len(shapes[0])
    result: list[int | None] = []
    for axis in range(rank):
        sizes = {shape[axis] for shape in shapes if len(shape) == rank} - {None}
        if any(len(shape) != rank for shape in shapes) or (
            len(sizes) > 1 and (free is None or axis != free % rank)
        ):
            at = "" if free is None else f" along axis {free}"
            raise ShapeError(
                f"ops.{name} cannot join these shapes{at}.",
                met=", ".join(map(str, shapes)),
                rule="the same number of axes, and equal sizes along all the others",
            )
        result.append(sizes.pop() if sizes else None)
    return result
