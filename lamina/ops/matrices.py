"""Products of arrays, decompositions, and systems of equations.

Matrices are the last two axes; axes before them are batches. int8 times int8 gives int32.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
from jax.core import Tracer

from lamina.core.dtypes import canonical
from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.operation import op
from lamina.core.symbolic import SymbolicTensor, evaluate_fitting
from lamina.core.types import Array, ArrayLike, Nest
from lamina.ops._rules import _shape, array_op, as_floats, axes_tuple, broadcast_shapes


def _wide(*xs: ArrayLike) -> str | None:
    return "int32" if all(jnp.result_type(x) == jnp.int8 for x in xs) else None


def _product(x1: Any, x2: Any) -> SymbolicTensor:
    a, b = tuple(x1.shape), tuple(x2.shape)
    inner = (a[-1] if a else 0), (b[-2] if len(b) > 1 else b[0] if b else 0)
    if 0 in (len(a), len(b)) or (None not in inner and inner[0] != inner[1]):
        raise ShapeError(
            "ops.matmul cannot multiply these matrices.",
            met=f"shapes {a} and {b}",
            rule="the last size of the first equals the second to last of the second",
        )
    batch = broadcast_shapes("matmul", [a[:-2], b[:-2]])
    dtypes = [jnp.dtype(canonical(x.dtype)) for x in (x1, x2)]
    dtype = "int32" if dtypes == [jnp.int8, jnp.int8] else jnp.result_type(*dtypes)
    return SymbolicTensor((*batch, *a[-2:-1], *(b[-1:] if len(b) > 1 else ())), dtype)


@array_op(2, shape=_product)
def matmul(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The product of matrices (..., n, k) and (..., k, m), whose batches broadcast.

    >>> matmul([[1, 2]], [[3], [4]])
    Array([[11]], dtype=int32)
    """
    return jnp.matmul(x1, x2, preferred_element_type=_wide(x1, x2))


@array_op(2)
def dot(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Sums of products: the last axis of x1 meets the only, or second to last, of x2."""
    return jnp.dot(x1, x2)


@array_op(2)
def vdot(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The scalar product of the flat arrays, the first conjugated."""
    return jnp.vdot(x1, x2)


@array_op(2)
def inner(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The sums of products over the last axes."""
    return jnp.inner(x1, x2)


@array_op(2)
def outer(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The products of all pairs of elements of the flat arrays, shape (size1, size2)."""
    return jnp.outer(x1, x2)


@array_op(2)
def kron(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The Kronecker product: each element of x1 times the whole of x2."""
    return jnp.kron(x1, x2)


@array_op(2)
def tensordot(x1: ArrayLike, x2: ArrayLike, axes: Any = 2) -> Array:
    """The sums of products over axes: so many last and first ones, or two lists of them."""
    return jnp.tensordot(x1, x2, axes)


def _einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Nest:
    """An unknown size is that of the same letter elsewhere."""
    terms = subscripts.replace(" ", "").split("->")[0].split(",")
    sizes: dict[str, int | None] = {}
    if "." not in subscripts:
        for term, x in zip(terms, operands, strict=False):
            sizes |= {a: n for a, n in zip(term, _shape(x), strict=False) if n not in (None, 1)}
        operands = tuple(_read(sizes, *each) for each in zip(terms, operands, strict=True))
    plain: Any = einsum
    return evaluate_fitting(lambda xs: plain.plain(subscripts, *xs, **kwargs), operands)


def _read(sizes: dict[str, int | None], term: str, x: Any) -> Any:
    if not isinstance(x, SymbolicTensor) or len(term) != x.ndim:
        return x
    shape = [sizes.get(a) if n is None else n for a, n in zip(term, x.shape, strict=True)]
    return SymbolicTensor(shape, x.dtype, name="read")


@op(shape=_einsum)
def einsum(subscripts: str, *operands: ArrayLike, **kwargs: Any) -> Array:
    """Sums of products by Einstein's convention: letters left out of the result are summed.

    >>> einsum("ij,j->i", [[1, 2], [3, 4]], [1, 1])
    Array([3, 7], dtype=int32)
    """
    arrays = [jnp.asarray(x) for x in operands]
    kwargs.setdefault("preferred_element_type", _wide(*arrays))
    return jnp.einsum(subscripts, *arrays, **kwargs)


@array_op(2)
def cross(
    x1: ArrayLike,
    x2: ArrayLike,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Array:
    """The vector product of vectors of 2 or 3 elements along an axis."""
    return jnp.cross(x1, x2, axisa, axisb, axisc, axis)


@array_op(2)
def correlate(x1: ArrayLike, x2: ArrayLike, mode: str = "valid") -> Array:
    """The cross-correlation of two vectors; ``mode`` "valid", "same" or "full"."""
    dtype = jnp.result_type(x1, x2, 1.0)
    return jnp.correlate(jnp.asarray(x1, dtype), jnp.asarray(x2, dtype), mode)


@array_op()
def corrcoef(x: ArrayLike) -> Array:
    """The correlation coefficients of the rows with each other."""
    return jnp.corrcoef(as_floats(x))


@array_op(2)
def cdist(x: ArrayLike, y: ArrayLike) -> Array:
    """The distances of all pairs of vectors: (..., n, d) and (..., m, d) give (..., n, m)."""
    dtype = jnp.result_type(x, y, 1.0)
    x, y = jnp.asarray(x, dtype), jnp.asarray(y, dtype)
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1]:
        raise ShapeError(
            "ops.cdist takes two sets of vectors of one length.",
            met=f"shapes {x.shape} and {y.shape}",
        )
    return jnp.sqrt(jnp.sum(jnp.square(x[..., :, None, :] - y[..., None, :, :]), -1))


@array_op()
def trace(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The sums of the diagonals of the matrices that two axes form."""
    return jnp.trace(x, offset, axis1, axis2)


@array_op()
def norm(
    x: ArrayLike,
    ord: int | float | str | None = None,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
) -> Array:
    """The norm of vectors (one axis) or matrices (two), of all elements without an axis.

    Args:
        ord: A number for a p-norm, "fro", "nuc", or an infinity; Euclidean when left out.
    """
    return jnp.linalg.norm(as_floats(x), ord, axes_tuple(axis), keepdims)


# --- decompositions and equations ---------------------------------------------------------------


@array_op()
def det(x: ArrayLike) -> Array:
    """The determinants of square matrices."""
    return jnp.linalg.det(as_floats(x))


@array_op()
def slogdet(x: ArrayLike) -> tuple[Array, Array]:
    """The signs of the determinants, and the logarithms of their absolute values."""
    return tuple(jnp.linalg.slogdet(as_floats(x)))  # type: ignore[return-value]


@array_op()
def logdet(x: ArrayLike) -> Array:
    """The logarithms of the absolute values of the determinants."""
    return jnp.linalg.slogdet(as_floats(x))[1]


@array_op()
def inv(x: ArrayLike) -> Array:
    """The inverses of square matrices."""
    return jnp.linalg.inv(as_floats(x))


@array_op()
def pinv(x: ArrayLike, rcond: float | None = None) -> Array:
    """The Moore-Penrose inverses; singular values below ``rcond`` of the largest count as 0."""
    return jnp.linalg.pinv(as_floats(x), rcond)


@array_op()
def cholesky(x: ArrayLike, upper: bool = False) -> Array:
    """The triangular L with x = L Lᵀ (the upper U with x = Uᵀ U) of positive definite matrices.

    Raises:
        ArgumentError: where a matrix is not positive definite (inside `jax.jit` it gives NaN).
    """
    result = jnp.linalg.cholesky(as_floats(x), upper=upper)
    if not isinstance(result, Tracer) and bool(jnp.isnan(result).any()):
        raise ArgumentError("ops.cholesky needs positive definite matrices; this is not one.")
    return result


@array_op()
def cholesky_inverse(x: ArrayLike, upper: bool = False) -> Array:
    """The inverse of the matrix whose Cholesky factor is ``x``."""
    factor = as_floats(x)
    if factor.ndim < 2 or factor.shape[-1] != factor.shape[-2]:
        what = f"ops.cholesky_inverse takes square matrices, not the shape {factor.shape}."
        raise ShapeError(what)
    identity = jnp.broadcast_to(jnp.eye(factor.shape[-1], dtype=factor.dtype), factor.shape)
    root = jsl.solve_triangular(factor, identity, lower=not upper)
    return root @ root.mT if upper else root.mT @ root


@array_op()
def lu_factor(x: ArrayLike) -> tuple[Array, Array]:
    """The LU factors in one matrix, and the row exchanges made on the way."""
    factor: Any = jsl.lu_factor
    for _ in range(jnp.ndim(x) - 2):
        factor = jax.vmap(factor)
    return factor(as_floats(x))


def _matrix(name: str, x: Any) -> tuple[Any, Any, Any]:
    """The batch, rows and columns of matrices: probes cannot tell the smaller of unknown sizes."""
    if len(x.shape) < 2:
        raise ShapeError(f"ops.{name} takes matrices, not the shape {x.shape}.")
    return tuple(x.shape[:-2]), x.shape[-2], x.shape[-1]


def _qr_shapes(x: Any, mode: str = "reduced") -> tuple[SymbolicTensor, SymbolicTensor]:
    batch, rows, columns = _matrix("qr", x)
    _check_mode(mode)
    if None in (rows, columns):
        raise ShapeError(
            "ops.qr: the smaller size of these matrices is not known.",
            met=f"shape {x.shape}",
            rule="the last two sizes are known",
        )
    kept = rows if mode == "complete" else min(rows, columns)
    shapes = (*batch, rows, kept), (*batch, kept, columns)
    return SymbolicTensor(shapes[0], x.dtype), SymbolicTensor(shapes[1], x.dtype)


def _check_mode(mode: str) -> None:
    if mode not in ("reduced", "complete"):
        raise ArgumentError(f"ops.qr: mode={mode!r} is none of 'reduced', 'complete'.")


@array_op(shape=_qr_shapes)
def qr(x: ArrayLike, mode: str = "reduced") -> tuple[Array, Array]:
    """Q with orthonormal columns and upper triangular R with x = Q R; "complete" squares Q."""
    _check_mode(mode)
    return tuple(jnp.linalg.qr(as_floats(x), mode))  # type: ignore[return-value]


def _svd_shapes(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    batch, rows, columns = _matrix("svd", x)
    least = None if None in (rows, columns) else min(rows, columns)
    values = SymbolicTensor((*batch, least), x.dtype)
    if not compute_uv:
        return values
    left, right = (rows, columns) if full_matrices else (least, least)
    shapes = (*batch, rows, left), (*batch, right, columns)
    return SymbolicTensor(shapes[0], x.dtype), values, SymbolicTensor(shapes[1], x.dtype)


@array_op(shape=_svd_shapes)
def svd(x: ArrayLike, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """U, the singular values s, and Vᴴ with x = U diag(s) Vᴴ; only s without ``compute_uv``."""
    result = jnp.linalg.svd(as_floats(x), full_matrices, compute_uv)
    return tuple(result) if compute_uv else result


@array_op()
def eig(x: ArrayLike) -> tuple[Array, Array]:
    """The eigenvalues and eigenvectors (columns) of square matrices, complex; on the CPU only."""
    return tuple(jnp.linalg.eig(as_floats(x)))  # type: ignore[return-value]


@array_op()
def eigh(x: ArrayLike) -> tuple[Array, Array]:
    """The eigenvalues, ascending, and eigenvectors (columns) of symmetric matrices."""
    return tuple(jnp.linalg.eigh(as_floats(x)))  # type: ignore[return-value]


@array_op(2)
def solve(a: ArrayLike, b: ArrayLike) -> Array:
    """The x with a x = b, for vectors b, (..., n), or matrices, (..., n, k)."""
    a, b = as_floats(a), as_floats(b)
    if b.ndim == a.ndim - 1:
        return jnp.linalg.solve(a, b[..., None])[..., 0]
    return jnp.linalg.solve(a, b)


@array_op(2)
def solve_triangular(a: ArrayLike, b: ArrayLike, lower: bool = False) -> Array:
    """The x with a x = b, where only the upper (``lower``: lower) triangle of a counts."""
    return jsl.solve_triangular(as_floats(a), as_floats(b), lower=lower)


@array_op(2)
def lstsq(a: ArrayLike, b: ArrayLike, rcond: float | None = None) -> Array:
    """The x for which the squared error of a x = b is smallest."""
    return jnp.linalg.lstsq(as_floats(a), as_floats(b), rcond)[0]


@array_op()
def matrix_rank(x: ArrayLike, tol: float | None = None) -> Array:
    """How many singular values exceed ``tol``."""
    if jnp.ndim(x) < 2:
        raise ShapeError(f"ops.matrix_rank takes matrices, not the shape {jnp.shape(x)}.")
    return jnp.linalg.matrix_rank(as_floats(x), rtol=tol).astype("int32")


@op
def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> Any:
    """The value of a function at ``primals``, and its derivative in the direction ``tangents``."""
    return jax.jvp(fun, tuple(primals), tuple(tangents), has_aux=has_aux)
