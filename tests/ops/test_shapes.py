"""Reshape, einsum and slicing of any shapes: the values NumPy has in float64, and the descriptions.

A described shape may leave a size open, but never say another one than the array has.
"""

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lamina import Input, layers, ops
from lamina.core.symbolic import SymbolicTensor

few = settings(max_examples=40, deadline=None)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def numbers(shape: Any) -> np.ndarray:
    return np.random.default_rng(7).integers(-9, 9, tuple(shape)).astype("float32")


def agrees(described: Any, shape: Any) -> bool:
    return len(described) == len(shape) and all(
        a in (None, b) for a, b in zip(described, shape, strict=True)
    )


@st.composite
def reshapes(draw: Any) -> tuple[list[int], list[int]]:
    """A shape, and another one of as many elements, one size of which may be -1."""
    shape = draw(shapes)
    left, target = math.prod(shape), []
    while left > 1 and len(target) < 3:
        size = draw(st.sampled_from([n for n in range(1, left + 1) if left % n == 0]))
        target.append(size)
        left //= size
    target.append(left)
    if draw(st.booleans()):
        target[draw(st.integers(0, len(target) - 1))] = -1
    return shape, target


@few
@given(reshapes(), st.booleans())
def test_reshape(pair: Any, known: bool) -> None:
    shape, target = pair
    x = numbers(shape)
    expected = x.astype("float64").reshape(target)
    assert_array_equal(ops.reshape(x, target), expected)
    symbolic = SymbolicTensor(shape if known else (None, *shape[1:]))
    assert agrees(ops.reshape(symbolic, target).shape, expected.shape)
    batch = np.stack([x, x + 1])
    layer = layers.Reshape(target)
    assert_array_equal(layer(batch), batch.reshape(2, *expected.shape))
    assert layers.Reshape(target)(Input(tuple(shape))).shape == (None, *expected.shape)


@st.composite
def equations(draw: Any) -> tuple[str, list[tuple[int, ...]]]:
    """An equation of one to three operands, and their shapes."""
    sizes = {letter: draw(st.integers(1, 3)) for letter in "abcd"}
    terms = draw(
        st.lists(
            st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True),
            min_size=1,
            max_size=3,
        )
    )
    letters = sorted({letter for term in terms for letter in term})
    output = draw(st.permutations(letters))[: draw(st.integers(0, len(letters)))]
    equation = ",".join(map("".join, terms)) + "->" + "".join(output)
    return equation, [tuple(sizes[letter] for letter in term) for term in terms]


@few
@given(equations(), st.booleans())
def test_einsum(drawn: Any, known: bool) -> None:
    equation, operands = drawn
    arrays = [numbers(shape) for shape in operands]
    expected = np.einsum(equation, *(array.astype("float64") for array in arrays))
    assert_allclose(ops.einsum(equation, *arrays), expected, rtol=1e-5, atol=1e-4)
    symbolic = [SymbolicTensor(s if known else (None, *s[1:])) for s in operands]
    assert agrees(ops.einsum(equation, *symbolic).shape, expected.shape)


@st.composite
def keys(draw: Any) -> tuple[list[int], tuple[Any, ...]]:
    """A shape, and a key: ints, slices with steps of both signs, new axes, an ellipsis."""
    shape = draw(shapes)
    key: list[Any] = []
    for size in shape[: draw(st.integers(0, len(shape)))]:
        ends = st.none() | st.integers(-size - 1, size + 1)
        step = st.none() | st.sampled_from([-2, -1, 1, 2])
        key.append(
            draw(st.integers(-size, size - 1))
            if draw(st.booleans())
            else slice(draw(ends), draw(ends), draw(step))
        )
    for extra in draw(st.sampled_from([[], [None], [...], [None, ...]])):
        key.append(extra)
    return shape, tuple(key)


@few
@given(keys(), st.booleans())
def test_slicing(drawn: Any, known: bool) -> None:
    shape, key = drawn
    x = numbers(shape)
    expected = x.astype("float64")[key]
    assert_array_equal(ops.get_item(x, key), expected)
    symbolic = SymbolicTensor(shape if known else (None, *shape[1:]))
    assert agrees(symbolic[key].shape, expected.shape)


@few
@given(shapes, st.data())
def test_slices_of_fixed_sizes(shape: list[int], data: Any) -> None:
    starts = [data.draw(st.integers(0, size - 1)) for size in shape]
    sizes = [data.draw(st.integers(1, n - start)) for n, start in zip(shape, starts, strict=True)]
    x = numbers(shape)
    places = tuple(slice(a, a + n) for a, n in zip(starts, sizes, strict=True))
    assert_array_equal(ops.slice(x, starts, sizes), x[places])
    changed = x.copy()
    changed[places] = 5
    assert_array_equal(ops.slice_update(x, starts, np.full(sizes, 5, "float32")), changed)
    assert ops.slice(SymbolicTensor(shape), starts, sizes).shape == tuple(sizes)
