"""`convolve`: a convolution whose formulation, and that of its gradients, depends on the platform.

A convolution is a form that is linear in each of three arrays: input x, kernel k, cotangent y of
the output. The convolution is its derivative by y, the gradients of x and of k those by x and by k.
So one primitive, told which of the three to give, is closed under differentiation of any order,
forward or backward. Every platform lowers it to XLA's own convolutions, except the CPU, where
(float32 and float64; 2 cores of an Intel Xeon, jax 0.10.2; milliseconds, native -> here, all
measured side by side by ``bench/convolution.py``):

- Depthwise, up to 32 kernel elements: a sum of shifted products. 3x3 of (32, 48, 48, 32): 72 -> 4.5
  for the output, 78 -> 2.3 for the gradient of x, 87 -> 83 for that of k; 3x3 with stride 2 of
  (16, 56, 56, 64): 40 -> 4.2, 534 -> 2.0, 54 -> 21.
- Kernels of size 1: a matrix product. (32, 28, 28, 128) -> 128: 8.2 -> 6.5, 12.7 -> 13.6, and
  93 -> 12 for the gradient of k; (32, 14, 14, 256) -> 512: 32 -> 30, 31 -> 20, 143 -> 18.
- Unpadded, of two dimensions: a row of zeros is added, and its output cut off; XLA takes another
  path then. 3x3 of (64, 28, 28, 32) -> 64: 32 -> 11; (32, 14, 14, 256) -> 256: 110 -> 40.
- The gradient of x, without groups: written as a forward convolution, for the sake of loops, where
  XLA leaves the transposed one on a path that is 3 to 12 times slower. (64, 13, 13, 32) -> 64 in a
  loop: 8.0 -> 2.2 a step; (16, 28, 28, 128) -> 128: 209 -> 39; outside of a loop no difference.
- The gradient of k of all other convolutions without groups: a sum over pieces of the batch small
  enough for the cache. 3x3 of (64, 28, 28, 32) -> 64: 94 -> 23; (64, 16, 16, 64) -> 64: 132 -> 17;
  (32, 28, 28, 128) -> 128: 731 -> 219. Its operands are laid out by hand as for a forward
  convolution: inside `lax.scan` XLA leaves them as they are, and takes a path hundreds of times
  slower; (64, 13, 13, 32) -> 64 four times in a loop: 8,397 -> 17.
"""

import functools
import itertools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from lamina.core.types import Array

ROWS = 6272
"""Output positions of a piece of the batch: its columns of floats stay in a core's cache."""
PIECES = 16
ELEMENTS = 32
PATCH = 128
"""Numbers of input behind one of output, from which XLA is slow without padding."""
OPERANDS = {"y": ("x", "k"), "x": ("y", "k"), "k": ("x", "y")}


class Geometry(NamedTuple):
    """Where the kernel is placed: a number, or a pair, for each spatial axis."""

    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int
    first: bool
    """Whether channels come before the spatial axes."""


def convolve(
    x: Array, kernel: Array, strides: tuple[int, ...], padding: str, dilation: tuple[int, ...],
    groups: int = 1, first: bool = False,
) -> Array:  # fmt: skip
    """`lax.conv_general_dilated` of x with a kernel of shape (spatial..., channels, filters).

    Args:
        padding: "VALID" or "SAME".
        first: Whether x is (batch, channels, spatial...), not (batch, spatial..., channels).

    >>> convolve(jnp.ones((1, 4, 1)), jnp.ones((2, 1, 1)), (1,), "VALID", (1,))[..., 0]
    Array([[2., 2., 2.]], dtype=float32)
    """
    whole = all(isinstance(size, int) for size in (*x.shape, *kernel.shape))
    placed: Any = padding
    if whole:
        sizes = x.shape[2:] if first else x.shape[1:-1]
        spread = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation, strict=False)]
        placed = tuple(lax.padtype_to_pads(sizes, spread, strides, padding))
    geometry = Geometry(strides, placed, dilation, groups, first)
    options: dict[str, Any] = {"role": "y", "shape": None, "geometry": geometry}
    if whole and all(jax.typeof(each).sharding.mesh.empty for each in (x, kernel)):
        return _form.bind(x, kernel, **options)
    # Sizes that are symbols, and shardings that are part of the types, are left to lax's own rules.
    return native(x, kernel, **options)


# --- XLA's own ----------------------------------------------------------------------------------


def native(a: Array, b: Array, *, role: str, shape: Any, geometry: Geometry) -> Array:
    """The form's derivative by ``role``, from the other two in the order of `OPERANDS`.

    Args:
        shape: Of the result, for "x" and "k".
    """
    return _derivative(functools.partial(_plain, geometry), a, b, role, shape)


def _plain(geometry: Geometry, x: Array, kernel: Array) -> Array:
    rank, first = x.ndim - 2, geometry.first
    spatial = tuple(range(2, rank + 2) if first else range(1, rank + 1))
    data = (0, 1 if first else rank + 1, *spatial)
    return lax.conv_general_dilated(
        x, kernel, geometry.strides, geometry.padding, rhs_dilation=geometry.dilation,
        dimension_numbers=lax.ConvDimensionNumbers(data, (rank + 1, rank, *range(rank)), data),
        feature_group_count=geometry.groups,
    )  # fmt: skip


def _derivative(forward: Any, a: Array, b: Array, role: str, shape: Any) -> Array:
    """What ``role`` stands for, by transposing a function of x and k."""
    if role == "y":
        return forward(a, b)
    missing = jax.ShapeDtypeStruct(shape, a.dtype)
    if role == "x":
        return jax.linear_transpose(lambda x: forward(x, b), missing)(a)[0]
    return jax.linear_transpose(lambda kernel: forward(a, kernel), missing)(b)[0]


# --- on a CPU -----------------------------------------------------------------------------------


def on_cpu(a: Array, b: Array, *, role: str, shape: Any, geometry: Geometry) -> Array:
    """`native` in the formulation that is fastest on a CPU."""
    shapes = {role: shape, **dict(zip(OPERANDS[role], (a.shape, b.shape), strict=True))}
    kernel = shapes["k"]
    if a.dtype not in ("float32", "float64"):
        return native(a, b, role=role, shape=shape, geometry=geometry)
    elements, alone = math.prod(kernel[:-2]), geometry.groups > 1 == kernel[-2]
    if not (alone and elements <= ELEMENTS) and (elements > 1 or geometry.groups > 1):
        if role == "y" and geometry.groups == 1:
            return _with_a_row(geometry, a, b)
        if role == "x" and geometry.groups == 1:
            return _input_gradient(geometry, a, b, shape)
        if geometry.groups > 1:
            return native(a, b, role=role, shape=shape, geometry=geometry)
    if geometry.first:
        last = [jnp.moveaxis(v, 1, -1) if n != "k" else v
                for v, n in zip((a, b), OPERANDS[role], strict=True)]  # fmt: skip
        shape = (shape[0], *shape[2:], shape[1]) if role == "x" else shape
        result = on_cpu(*last, role=role, shape=shape, geometry=geometry._replace(first=False))
        return result if role == "k" else jnp.moveaxis(result, -1, 1)
    if alone:
        return _derivative(functools.partial(_shifted, geometry), a, b, role, shape)
    if elements == 1:
        return _derivative(functools.partial(_product, geometry), a, b, role, shape)
    pieces = min(-(-math.prod(b.shape[:-1]) // ROWS), PIECES, len(a))
    return sum(
        _kernel_gradient(geometry, x, y, shape)
        for x, y in zip(*(jnp.array_split(v, max(pieces, 1)) for v in (a, b)), strict=True)
    )  # type: ignore[return-value]


def _with_a_row(geometry: Geometry, x: Array, kernel: Array) -> Array:
    """The output; without padding, of an input with one more row, since XLA is quicker there."""
    if x.ndim != 4 or any(map(any, geometry.padding)) or math.prod(kernel.shape[:-1]) < PATCH:
        return _plain(geometry, x, kernel)
    axis = 2 if geometry.first else 1
    rows = (x.shape[axis] - (kernel.shape[0] - 1) * geometry.dilation[0] - 1) // geometry.strides[0]
    padded = _plain(geometry._replace(padding=((0, 1), (0, 0))), x, kernel)
    return lax.slice_in_dim(padded, 0, rows + 1, axis=axis)


def _shifted(geometry: Geometry, x: Array, kernel: Array) -> Array:
    """A depthwise convolution: for each kernel element, the shifted input times its numbers."""
    x = jnp.repeat(_padded(geometry, x), kernel.shape[-1] // x.shape[-1], -1)
    places = itertools.product(*map(range, kernel.shape[:-2]))
    return sum(_window(geometry, x, kernel, at) * kernel[at][0] for at in places)  # type: ignore


def _product(geometry: Geometry, x: Array, kernel: Array) -> Array:
    """A convolution with a kernel of size 1."""
    x = _window(geometry, _padded(geometry, x), kernel, (0,) * (x.ndim - 2))
    return jnp.dot(x.reshape(-1, x.shape[-1]), kernel.reshape(kernel.shape[-2:])).reshape(
        *x.shape[:-1], kernel.shape[-1]
    )


def _padded(geometry: Geometry, x: Array) -> Array:
    zero = jnp.zeros((), x.dtype)
    return lax.pad(x, zero, [(0, 0, 0), *((*pair, 0) for pair in geometry.padding), (0, 0, 0)])


def _window(geometry: Geometry, x: Array, kernel: Array, at: tuple[int, ...]) -> Array:
    """What the kernel's element ``at`` meets of the padded input, for each output."""
    slices = []
    axes = zip(at, x.shape[1:], kernel.shape, geometry.strides, geometry.dilation, strict=False)
    for i, size, elements, stride, spread in axes:
        count = (size - (elements - 1) * spread - 1) // stride + 1
        slices.append(slice(i * spread, i * spread + (count - 1) * stride + 1, stride))
    return x[(slice(None), *slices)]


def _input_gradient(geometry: Geometry, y: Array, kernel: Array, shape: Any) -> Array:
    """The gradient of x as a convolution of y by the turned kernel, with its channels exchanged.

    The barrier keeps XLA from folding the exchange into the convolution.
    """
    rank, first = y.ndim - 2, geometry.first
    spatial = tuple(range(2, rank + 2) if first else range(1, rank + 1))
    turned = jnp.swapaxes(jnp.flip(kernel, tuple(range(rank))), -1, -2)
    sizes = zip(spatial, kernel.shape, geometry.dilation, geometry.strides, geometry.padding,
                strict=False)  # fmt: skip
    padding = []
    for axis, elements, spread, stride, (low, _) in sizes:
        before = (elements - 1) * spread - low
        padding.append((before, shape[axis] - 1 - before - (y.shape[axis] - 1) * stride
                        + (elements - 1) * spread))  # fmt: skip
    data = (0, 1 if first else rank + 1, *spatial)
    return lax.conv_general_dilated(
        y, lax.optimization_barrier(turned), (1,) * rank, padding, lhs_dilation=geometry.strides,
        rhs_dilation=geometry.dilation,
        dimension_numbers=lax.ConvDimensionNumbers(data, (rank + 1, rank, *range(rank)), data),
    )  # fmt: skip


def _kernel_gradient(geometry: Geometry, x: Array, y: Array, shape: Any) -> Array:
    """The gradient of k as a convolution of x by y, with channels as batch and batch as channels.

    The barrier keeps XLA from folding the transposes back into the convolution.
    """
    x, y = lax.optimization_barrier((jnp.moveaxis(x, -1, 0), jnp.moveaxis(y, 0, -2)))
    x = jnp.moveaxis(x, 1, -1)
    padding = [
        (low, (out - 1) * stride + 1 + (k - 1) * spread - size - low)
        for (low, _), out, stride, k, spread, size in zip(
            geometry.padding, y.shape, geometry.strides, shape, geometry.dilation, x.shape[1:],
            strict=False,
        )
    ]  # fmt: skip
    swapped = geometry._replace(
        strides=geometry.dilation, padding=tuple(padding), dilation=geometry.strides
    )
    return jnp.moveaxis(_plain(swapped, x, y), 0, -2)


# --- the primitive ------------------------------------------------------------------------------

_form = Primitive("lamina_conv")
_jitted = jax.jit(_form.bind, static_argnames=("role", "shape", "geometry"))


@_form.def_impl
def _run(a: Array, b: Array, **given: Any) -> Array:
    at_once: bool = jax.config.jax_disable_jit  # type: ignore[attr-defined]
    return native(a, b, **given) if at_once else _jitted(a, b, **given)


@_form.def_abstract_eval
def _describe(a: Any, b: Any, **given: Any) -> Any:
    specs = (jax.ShapeDtypeStruct(each.shape, each.dtype) for each in (a, b))
    out = jax.eval_shape(functools.partial(native, **given), *specs)
    return ShapedArray(out.shape, out.dtype)


def _transpose(
    place: int, cotangent: Array, a: Any, b: Any, *, role: str, geometry: Geometry, **_: Any
) -> Array:
    """The cotangent of the operand at this place."""
    names, missing = OPERANDS[role], OPERANDS[role][place]
    values = {role: cotangent, names[1 - place]: (b, a)[place]}
    operands = [values[name] for name in OPERANDS[missing]]
    shape = (a, b)[place].aval.shape
    return _form.bind(*operands, role=missing, shape=shape, geometry=geometry)


def _batch(args: Any, axes: Any, **given: Any) -> tuple[Array, int]:
    return jax.vmap(functools.partial(native, **given), axes)(*args), 0


ad.defbilinear(_form, *(functools.partial(_transpose, place) for place in (0, 1)))
batching.primitive_batchers[_form] = _batch
mlir.register_lowering(_form, mlir.lower_fun(native, multiple_results=False))
mlir.register_lowering(_form, mlir.lower_fun(on_cpu, multiple_results=False), platform="cpu")
