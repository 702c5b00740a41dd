"""The edges of ops against Keras: dtypes of arguments, unknown sizes, empty and 0-d arrays.

One test a group of checks and op, driven by the catalogue. Where Keras raises, nothing is asked.
"""

import functools
import inspect
import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from catalogue_ops import BINARY, BY_VALUE, FIRST, INTEGERS, NAN, OPS, UNARY, OpRow

import lamina.ops as ops
from lamina.core.symbolic import SymbolicTensor

keras = pytest.importorskip("keras")

DTYPES = ("bool", "uint8", "int8", "int32", "float16", "bfloat16", "float32")
NUMBERS = (2, 2.5, True)
ERROR = "error"


def leaves(value: Any) -> list[Any]:
    return jax.tree.leaves(value, is_leaf=lambda x: isinstance(x, (SymbolicTensor, Kept)))


Kept = keras.KerasTensor


def outcome(function: Callable[..., Any], *args: Any) -> Any:
    """Shape and dtype of each result, or that there is an error."""
    try:
        found = leaves(function(*args))
        return [(tuple(np.shape(x)), str(getattr(x, "dtype", type(x).__name__))) for x in found]
    except Exception:
        return ERROR


def described(make: Any, row: OpRow, room: Any, shape: Callable[..., Any]) -> Any:
    """What an op gives for symbolic tensors in place of the arrays of a row."""
    count = itertools.count()

    def place(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        return make(shape(x, next(count)), x.dtype.name)

    args, kwargs = jax.tree.map(place, (row.args, row.kwargs))
    try:
        found = leaves(getattr(room, row.name)(*args, **kwargs))
        return [(tuple(x.shape), str(x.dtype)) for x in found]
    except Exception:
        return ERROR


def differing(name: str, calls: dict[Any, Callable[[Any], Any]]) -> dict[Any, Any]:
    """For each call of an op on which we differ from Keras: ``(ours, Keras's)``."""
    wrong = {}
    for case, call in calls.items():
        theirs = outcome(lambda call=call: call(getattr(keras.ops, name)))
        if theirs != ERROR:
            mine = outcome(lambda call=call: call(getattr(ops, name)))
            if mine != theirs:
                wrong[case] = (mine, theirs)
    return wrong


def abstract(shape: tuple[int, ...], *dtypes: str) -> Any:
    return [jax.ShapeDtypeStruct(shape, dtype) for dtype in dtypes]


@pytest.mark.parametrize("name", BINARY + INTEGERS + ["where", "matmul", "dot", "clip"])
def test_dtypes_of_two(name: str) -> None:
    shape = (2, 3) if name == "cdist" else (3,)
    extra = {"where": (np.array([True, False, True]),), "clip": (np.ones(3, "int8"),)}.get(name, ())

    def call(a: Any, b: Any, op: Any) -> Any:
        given = [x for x in (a, b) if isinstance(x, str)]
        numbers = [x for x in (a, b) if not isinstance(x, str)]

        def function(*arrays: Any) -> Any:
            pool, rest = iter(arrays), iter(numbers)
            args = [next(pool) if isinstance(x, str) else next(rest) for x in (a, b)]
            return op(*extra, *args)

        return jax.eval_shape(function, *abstract(shape, *given))

    pairs = [*itertools.product(DTYPES, (*DTYPES, *NUMBERS)), *itertools.product(NUMBERS, DTYPES)]
    calls = {(a, b): functools.partial(call, a, b) for a, b in pairs}
    assert not {k: v for k, v in differing(name, calls).items() if not weak(name, k)}


def weak(name: str, case: tuple[Any, Any]) -> bool:
    """A Python float beside half-width floats is a float32 for Keras in these three alone."""
    return name in ("arctan2", "logaddexp", "logaddexp2") and 2.5 in case


ONE = [n for n in dict.fromkeys(UNARY + NAN) if n not in BY_VALUE]
SHAPES = [(), (0,), (0, 3), (2, 0), (1,), (3, 3), (2, 3, 4)]


@pytest.mark.parametrize("name", ONE)
def test_dtypes_and_shapes_of_one(name: str) -> None:
    calls = {
        (shape, dtype): lambda op, s=shape, d=dtype: jax.eval_shape(op, *abstract(s, d))
        for shape in SHAPES
        for dtype in (DTYPES if shape == (3, 3) else ("float32", "int32"))
    }
    for number in NUMBERS:
        calls[number] = lambda op, number=number: op(number)
    assert not differing(name, calls)


WITH_AXIS = [n for n in ONE if "axis" in inspect.signature(getattr(ops, n)).parameters]


@pytest.mark.parametrize("name", WITH_AXIS)
def test_axes(name: str) -> None:
    calls = {}
    for shape in [(2, 3, 4), (2, 0, 3), (0,), ()]:
        for axis in (None, 0, -1, 1, -3, (0,), (0, -1), [1], (), 5):
            for keep in ({}, {"keepdims": True}):
                calls[shape, str(axis), bool(keep)] = lambda op, s=shape, a=axis, k=keep: (
                    jax.eval_shape(lambda x: op(x, axis=a, **k), *abstract(s, "float32"))
                )
    assert not differing(name, calls)


PATTERNS: dict[str, Callable[..., Any]] = {
    "as they are": lambda x, i: x.shape,
    "unknown": lambda x, i: (None,) * x.ndim,
    "first unknown": lambda x, i: (None, *x.shape[1:]) if x.ndim else (),
    "last unknown": lambda x, i: (*x.shape[:-1], None) if x.ndim else (),
    "unknown in one": lambda x, i: (None,) * x.ndim if i == 0 else x.shape,
}


def fits(mine: Any, theirs: Any) -> bool:
    """Whether shapes and dtypes are Keras's; ours may know a size that Keras does not."""
    if mine == ERROR or len(mine) != len(theirs):
        return False
    return all(
        a[1] == b[1]
        and len(a[0]) == len(b[0])
        and all(m == t or t is None for m, t in zip(a[0], b[0], strict=True))
        for a, b in zip(mine, theirs, strict=True)
    )


WRONG_SPECS = {
    "abs", "angle", "imag", "real", "polar", "eig", "lu_factor", "multi_hot",  # dtype
    "adaptive_average_pool", "adaptive_max_pool", "corrcoef",  # shape
    "ndim", "searchsorted", "fold",  # an array for an int; int64; needs the number of patches
}  # fmt: skip
"""Ops for which Keras describes something else than it computes, or than jax can hold."""

ROWS = {n: [r for r in OPS if r.name == n and r.arrays] for n in (r.name for r in FIRST)}
ROWS["where"] = [row for row in ROWS["where"] if len(row.args) > 1]  # of one: as many as are true


@pytest.mark.parametrize("name", [n for n, rows in ROWS.items() if rows and n not in WRONG_SPECS])
def test_unknown_sizes(name: str) -> None:
    wrong = []
    for row in ROWS[name]:
        for pattern, shape in PATTERNS.items():
            theirs = described(keras.KerasTensor, row, keras.ops, shape)
            if theirs == ERROR:
                continue
            mine = described(SymbolicTensor, row, ops, shape)
            if not fits(mine, theirs):
                wrong.append((str(row), pattern, mine, theirs))
    assert not wrong


SLICES = [
    np.s_[::-1], np.s_[:, ::-2], np.s_[..., -1], np.s_[-2:, None], np.s_[:, 1:0:-1], np.s_[0:0],
    np.s_[None, ..., ::2], np.s_[1, -1], np.s_[-1:, :, -3::-1],
]  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 3, 4), (None, 3, 4), (None, None, 4)])
def test_slices(shape: Any) -> None:
    x = np.arange(24.0, dtype="float32").reshape(2, 3, 4)
    for key in SLICES:
        np.testing.assert_array_equal(ops.get_item(x, key), x[key])
        found = SymbolicTensor(shape)[key].shape
        try:
            wanted = keras.KerasTensor(shape)[key].shape
        except ValueError:
            wanted = tuple(n if shape == (2, 3, 4) else None for n in x[key].shape)
        sizes = list(zip(found, wanted, strict=True))
        assert all(a == b or b is None for a, b in sizes), (key, sizes)
