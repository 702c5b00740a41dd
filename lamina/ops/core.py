"""Conversions, control flow, and writing into arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import nest
from lamina.core.dtypes import canonical, is_float, standardize_dtype
from lamina.core.errors import ArgumentError, ShapeError, unknown
from lamina.core.operation import op
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Array, ArrayLike, DTypeLike, Nest, ShapeLike
from lamina.core.variable import Variable
from lamina.ops._rules import array_op


@array_op(shape=lambda x, dtype: SymbolicTensor(x.shape, dtype))
def cast(x: ArrayLike, dtype: DTypeLike) -> Array:
    """The array in another dtype.

    >>> cast([1.7, -1.7], "int32")
    Array([ 1, -1], dtype=int32)
    """
    return jnp.asarray(x).astype(canonical(dtype))


@array_op()
def saturate_cast(x: ArrayLike, dtype: DTypeLike) -> Array:
    """The array in another dtype, values beyond its range at the range's end.

    >>> saturate_cast([300, -5], "uint8")
    Array([255,   0], dtype=uint8)
    """
    x, name = jnp.asarray(x), canonical(dtype)
    if name == "bool":
        return x.astype(bool)
    info = jnp.finfo(name) if is_float(name) else jnp.iinfo(name)
    own = x.dtype.name
    if own != "bool":
        limits = jnp.finfo(own) if is_float(own) else jnp.iinfo(own)
        x = jnp.clip(x, _inside(info.min, limits, own), _inside(info.max, limits, own))
    return x.astype(name)


def _inside(value: Any, limits: Any, dtype: str) -> Any:
    """A bound as a number that ``dtype`` holds; one it would round up past stays below it."""
    value = min(max(value, limits.min), limits.max)
    bound = np.asarray(value, dtype)
    if is_float(dtype) and float(bound) > float(value):
        bound = np.nextafter(bound, np.asarray(0, dtype))
    return bound


def convert_to_tensor(
    x: ArrayLike, dtype: DTypeLike = None, sparse: bool | None = None, ragged: bool | None = None
) -> Array:
    """The value as a jax array; symbolic tensors stay what they are.

    >>> convert_to_tensor([1, 2])
    Array([1, 2], dtype=int32)
    """
    if sparse or ragged:
        raise ArgumentError("ops.convert_to_tensor: there are no sparse or ragged arrays here.")
    if isinstance(x, SymbolicTensor):
        same = dtype is None or standardize_dtype(dtype) == x.dtype
        return x if same else cast(x, dtype)  # type: ignore[return-value]
    x = x.value if isinstance(x, Variable) else x
    return jnp.asarray(x, None if dtype is None else canonical(dtype))


def convert_to_numpy(x: ArrayLike) -> np.ndarray:
    """A copy of the value as a NumPy array."""
    return np.array(x)


def is_tensor(x: Any) -> bool:
    """Whether a value is a jax array (a Variable or a NumPy array is none)."""
    return isinstance(x, jax.Array)


def dtype(x: Any) -> str:
    """The name of an array's dtype."""
    return standardize_dtype(x.dtype if hasattr(x, "dtype") else jnp.result_type(x))


@op
def stop_gradient(variable: ArrayLike) -> Array:
    """The array as a constant to differentiation."""
    return jax.lax.stop_gradient(jnp.asarray(variable))


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function with the gradient that it returns itself.

    ``f`` returns its result and a function from the result's cotangent to its arguments'.

    >>> @custom_gradient
    ... def clipped(x):
    ...     return x * x, lambda upstream: jnp.clip(upstream * 2 * x, -1, 1)
    >>> float(jax.grad(clipped)(5.0))
    1.0
    """
    inner = jax.custom_gradient(f)

    def call(*args: Any, **kwargs: Any) -> Any:
        named = {key: _value(each) for key, each in kwargs.items()}
        return inner(*[_value(each) for each in args], **named)

    return call


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Variable) else x


def _like(x: Any) -> SymbolicTensor:
    return SymbolicTensor(jnp.shape(x), dtype(x))


# --- writing into arrays ------------------------------------------------------------------------


@array_op(2, lambda indices, values, shape: SymbolicTensor(shape, values.dtype))
def scatter(indices: ArrayLike, values: ArrayLike, shape: ShapeLike) -> Array:
    """Zeros of this shape with values added at indices.

    Args:
        indices: Integers of shape (n, k): n positions of the first k axes.
        values: Shape (n, *shape[k:]).
    """
    values = jnp.asarray(values)
    place = tuple(jnp.moveaxis(jnp.asarray(indices), -1, 0))
    return jnp.zeros(shape, values.dtype).at[place].add(values)


@array_op(3, lambda inputs, *_, **__: _like(inputs))
def scatter_update(
    inputs: ArrayLike, indices: ArrayLike, updates: ArrayLike, reduction: str | None = None
) -> Array:
    """The array with elements at indices replaced, or combined with by "add", "max", "min", "mul".

    Args:
        indices: Integers of shape (n, k): n positions of the first k axes.
        updates: Shape (n, *inputs.shape[k:]).
    """
    methods = {None: "set", "add": "add", "max": "max", "min": "min", "mul": "multiply"}
    if reduction not in methods:
        raise unknown("reduction of ops.scatter_update", reduction, filter(None, methods))
    place = jnp.asarray(inputs).at[tuple(jnp.moveaxis(jnp.asarray(indices), -1, 0))]
    return getattr(place, methods[reduction])(updates)


def _block(inputs: Any, start_indices: Any, shape: Any) -> SymbolicTensor:
    start = [None] * len(shape) if isinstance(start_indices, SymbolicTensor) else start_indices
    if not inputs.ndim == len(shape) == len(start):
        raise ShapeError(
            "ops.slice: an axis each, for the inputs, start_indices and shape.",
            met=f"inputs of {inputs.ndim} axes, {len(start)} start_indices, shape {tuple(shape)}",
        )
    return SymbolicTensor(
        [_length(*each) for each in zip(inputs.shape, start, shape, strict=True)], inputs.dtype
    )


def _length(size: Any, start: Any, wanted: Any) -> int | None:
    if wanted != -1:
        return wanted
    return None if size is None or not isinstance(start, int) else size - start


@array_op(shape=_block)
def slice(inputs: ArrayLike, start_indices: Any, shape: ShapeLike) -> Array:
    """The block of this shape that begins at ``start_indices``; a size -1 reaches to the end."""
    inputs = jnp.asarray(inputs)
    pairs = zip(inputs.shape, start_indices, shape, strict=True)
    sizes = [size - start if want == -1 else want for size, start, want in pairs]
    return jax.lax.dynamic_slice(inputs, start_indices, sizes)


@array_op()
def slice_update(inputs: ArrayLike, start_indices: Any, updates: ArrayLike) -> Array:
    """The array with the block that begins at ``start_indices`` replaced by ``updates``."""
    inputs = jnp.asarray(inputs)
    updates = jnp.asarray(updates, inputs.dtype)
    return jax.lax.dynamic_update_slice(inputs, updates, start_indices)


# --- control flow -------------------------------------------------------------------------------


@op
def cond(pred: ArrayLike, true_fn: Callable[[], Nest], false_fn: Callable[[], Nest]) -> Nest:
    """What ``true_fn()`` gives where ``pred`` is true, else what ``false_fn()`` gives."""
    return jax.lax.cond(pred, true_fn, false_fn)


@op
def switch(index: ArrayLike, branches: Sequence[Callable[..., Nest]], *operands: Nest) -> Nest:
    """What the branch of this number (clipped to the branches there are) gives for operands."""
    return jax.lax.switch(index, list(branches), *operands)


@op(
    shape=lambda cond, body, loop_vars, maximum_iterations=None: nest.map_structure(
        _like, loop_vars
    )
)
def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Nest,
    maximum_iterations: int | None = None,
) -> Nest:
    """The loop variables after ``body`` was applied to them for as long as ``cond`` holds.

    >>> int(while_loop(lambda i: i < 5, lambda i: i + 2, 0))
    6
    """
    several = isinstance(loop_vars, (tuple, list))
    start = tuple(loop_vars) if several else (loop_vars,)

    def going(state: tuple[Any, Any]) -> Any:
        more = cond(*state[1])
        return more if maximum_iterations is None else more & (state[0] < maximum_iterations)

    def step(state: tuple[Any, Any]) -> tuple[Any, Any]:
        out = body(*state[1])
        return state[0] + 1, tuple(out) if several else (out,)

    end = jax.lax.while_loop(going, step, (0, start))[1]
    return end if several else end[0]


@op
def fori_loop(
    lower: ArrayLike, upper: ArrayLike, body_fun: Callable[[Any, Any], Any], init_val: Nest
) -> Nest:
    """``body_fun(i, value)`` applied for i from ``lower`` up to, but without, ``upper``."""
    return jax.lax.fori_loop(lower, upper, body_fun, init_val)


@op
def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Nest,
    xs: Nest = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Nest, Nest]:
    """``f(carry, x) -> (carry, y)`` over the first axis of ``xs``: the last carry, and all y.

    Args:
        length: Number of steps, where ``xs`` is None.
        unroll: Steps in one iteration of the compiled loop; True for all.
    """
    if not isinstance(unroll, bool) and (not isinstance(unroll, int) or unroll < 1):
        raise ArgumentError(f"ops.scan: unroll={unroll!r} is neither a bool nor an int above 0.")
    return jax.lax.scan(f, init, xs, length, reverse, unroll)


@op
def associative_scan(
    f: Callable[[Any, Any], Any], elems: Nest, reverse: bool = False, axis: int = 0
) -> Nest:
    """The running results of an associative operation along an axis, in parallel."""
    return jax.lax.associative_scan(f, elems, reverse, axis)


@op
def map(f: Callable[[Any], Any], xs: Nest) -> Nest:
    """``f`` of each slice along the first axis, one after the other."""
    return jax.lax.map(f, xs)


@op
def vectorized_map(function: Callable[[Any], Any], elements: Nest) -> Nest:
    """``function`` of each slice along the first axis, all at once."""
    return jax.vmap(function)(elements)


def vectorize(
    pyfunc: Callable[..., Any], *, excluded: Any = None, signature: str | None = None
) -> Callable[..., Any]:
    """A function of scalars (or of the shapes in ``signature``) as one of arrays, broadcasting."""
    return jnp.vectorize(pyfunc, excluded=frozenset(excluded or ()), signature=signature)
