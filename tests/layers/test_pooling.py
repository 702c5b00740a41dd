"""Pooling against float64 formulas, its gradients at ties, and what it refuses."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from numpy.testing import assert_allclose, assert_array_equal

from lamina import layers, ops
from lamina.core.errors import LaminaError
from lamina.ops.fast.pooling import LONGEST, window_max, window_sum

few = settings(max_examples=25, deadline=None)


@st.composite
def geometries(draw: Any) -> tuple[np.ndarray, Any, Any, str]:
    """An input with ties, a window that fits into it, strides, and a padding."""
    rank = draw(st.integers(1, 3))
    spatial = draw(st.lists(st.integers(1, 6), min_size=rank, max_size=rank))
    window = tuple(draw(st.integers(1, n)) for n in spatial)
    strides = tuple(draw(st.lists(st.integers(1, 4), min_size=rank, max_size=rank)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.integers(0, 4, (2, *spatial, 2)).astype("float32")
    return x, window, strides, draw(st.sampled_from(["valid", "same"]))


def formula(x: np.ndarray, window: Any, strides: Any, padding: str, reduce: Any) -> np.ndarray:
    """Each window by itself, in float64; NaN stands for what is outside."""
    widths = [(0, 0)] * x.ndim
    if padding == "same":
        for i, (n, k, s) in enumerate(zip(x.shape[1:-1], window, strides, strict=True)):
            total = max((-(-n // s) - 1) * s + k - n, 0)
            widths[i + 1] = (total // 2, total - total // 2)
    x = np.pad(x.astype("float64"), widths, constant_values=np.nan)
    counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], window, strides, strict=True)]
    result = np.zeros((len(x), *counts, x.shape[-1]))
    for at in itertools.product(*map(range, counts)):
        cut = (slice(i * s, i * s + k) for i, s, k in zip(at, strides, window, strict=True))
        part = x[(slice(None), *cut)]
        result[(slice(None), *at)] = reduce(part, tuple(range(1, x.ndim - 1)))
    return result


@few
@given(geometries(), st.sampled_from(["Max", "Average"]), st.booleans())
def test_windows(geometry: Any, kind: str, first: bool) -> None:
    x, window, strides, padding = geometry
    expected = formula(x, window, strides, padding, np.nanmax if kind == "Max" else np.nanmean)
    where = "channels_first" if first else "channels_last"
    cls = getattr(layers, f"{kind}Pooling{len(window)}D")
    layer = cls(window, strides, padding, data_format=where)
    x, expected = (np.moveaxis(each, -1, 1) if first else each for each in (x, expected))
    assert_allclose(layer(x), expected, rtol=1e-6)
    assert layer.compute_output_shape((None, *x.shape[1:])) == (None, *expected.shape[1:])


@few
@given(geometries(), st.sampled_from(["Max", "Average"]), st.data())
def test_parts(geometry: Any, kind: str, data: Any) -> None:
    x = geometry[0]
    counts = tuple(data.draw(st.integers(1, n + 2)) for n in x.shape[1:-1])
    reduce = np.max if kind == "Max" else np.mean
    expected = np.zeros((len(x), *counts, x.shape[-1]))
    for at in itertools.product(*map(range, counts)):
        places = zip(at, x.shape[1:-1], counts, strict=True)
        cut = (slice(i * n // c, -(-(i + 1) * n // c)) for i, n, c in places)
        part = x[(slice(None), *cut)].astype("float64")
        expected[(slice(None), *at)] = reduce(part, tuple(range(1, x.ndim - 1)))
    layer = getattr(layers, f"Adaptive{kind}Pooling{x.ndim - 2}D")(counts)
    assert_allclose(layer(x), expected, rtol=1e-6)


@few
@given(geometries())
def test_slices_are_what_xla_computes(geometry: Any) -> None:
    """Values and gradients, which at ties go to the first."""
    x, *sizes, padding = geometry
    window, strides = ((1, *each, 1) for each in sizes)

    def pulled(pool: Any) -> tuple[Any, Any]:
        y, back = jax.vjp(pool, x)
        return y, back(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))[0]

    for fast, start, join in ((window_max, -jnp.inf, lax.max), (window_sum, 0.0, lax.add)):

        def native(x: Any, start: Any = start, join: Any = join) -> Any:
            return lax.reduce_window(x, start, join, window, strides, padding.upper())

        mine = pulled(lambda x, fast=fast: fast(x, window, strides, padding.upper()))
        for a, b in zip(mine, pulled(native), strict=True):
            assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["max_pool", "average_pool"])
def test_transformations(name: str) -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 4, 4, 1)), "float32")

    def loss(x: Any) -> Any:
        return jnp.sum(getattr(ops, name)(x, 2, 1, "same") ** 3)

    hessian = jax.jit(jax.hessian(loss))(x)
    change = jax.jvp(jax.grad(loss), (x,), (jnp.ones_like(x),))[1]
    assert_allclose(hessian.reshape(16, 16).sum(1), change.reshape(-1), rtol=1e-4, atol=1e-4)
    assert_allclose(jax.vmap(loss)(jnp.stack([x, -x])), [loss(x), loss(-x)], rtol=1e-5)
    steps = lax.scan(lambda x, _: (x - 0.1 * jax.grad(loss)(x), loss(x)), x, None, 2)[1]
    assert_allclose(steps, [loss(x), loss(x - 0.1 * jax.grad(loss)(x))], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bfloat16", "float16", "bool"])
def test_dtypes(dtype: str) -> None:
    x = (np.arange(18).reshape(1, 6, 3) % 5 - 2 * (dtype != "uint8")).astype("int32")
    x = jnp.asarray(x, dtype)
    wide = np.asarray(x, "float32")
    largest = ops.max_pool(x, 4, 3, "same")
    assert largest.dtype == x.dtype
    assert_array_equal(np.asarray(largest, "float32"), ops.max_pool(wide, 4, 3, "same"))
    if dtype != "bool":
        mean = ops.average_pool(x, 3)
        assert_allclose(np.asarray(mean, "float32"), ops.average_pool(wide, 3), rtol=1e-2)


def test_nan_and_infinity() -> None:
    x = np.float32([1, np.nan, 2, 3, -np.inf, -np.inf, np.inf, 0]).reshape(1, 8, 1)
    assert_array_equal(ops.max_pool(x, 2)[0, :, 0], np.float32([np.nan, 3, -np.inf, np.inf]))


@pytest.mark.parametrize("size", [LONGEST, LONGEST + 1, 40])
def test_long_windows(size: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 60, 3)).astype("float32")
    expected = formula(x, (size,), (7,), "same", np.nanmax)
    assert_allclose(ops.max_pool(x, size, 7, "same"), expected)
    expected = formula(x, (size,), (7,), "same", np.nanmean)
    assert_allclose(ops.average_pool(x, size, 7, "same"), expected, atol=1e-6)


def test_masked_steps_do_not_count() -> None:
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    mask = np.array([[True, False, True, True], [False, True, False, False]])
    expected = np.stack([x[i, mask[i]].mean(0) for i in range(2)])
    assert_allclose(layers.GlobalAveragePooling1D()(x, mask=mask), expected, rtol=1e-5)
    kept = layers.GlobalAveragePooling1D("channels_first", keepdims=True)
    turned = np.moveaxis(x, 1, 2)
    assert_allclose(kept(turned, mask=mask), expected[..., None], rtol=1e-5)
    model = [layers.Masking(), layers.GlobalAveragePooling1D()]
    hidden = model[0](np.where(mask[..., None], x, 0))
    assert_allclose(model[1](hidden), expected, rtol=1e-5)


WRONG: list[tuple[Any, Any, str]] = [
    (lambda: layers.MaxPooling2D(4, name="p"), (1, 3, 9, 1), r"'p'.*fit(.|\n)*\(1, 3, 9, 1\)"),
    (lambda: layers.AveragePooling1D(2, name="p"), (1, 3), r"'p'(.|\n)*3 axes"),
    (lambda: layers.GlobalMaxPooling3D(name="p"), (1, 3, 3, 3), r"'p'(.|\n)*5 axes"),
    (lambda: layers.AdaptiveMaxPooling2D(2, name="p"), (1, 3, 3), r"'p'(.|\n)*4 axes"),
    (lambda: layers.MaxPooling1D(0), None, "pool_size=0"),
    (lambda: layers.MaxPooling2D((2, -1)), None, "pool_size"),
    (lambda: layers.MaxPooling2D((2, 2, 2)), None, "2 of them"),
    (lambda: layers.AveragePooling3D(2, strides=0), None, "strides=0"),
    (lambda: layers.MaxPooling1D(padding="sane"), None, "same"),
    (lambda: layers.GlobalAveragePooling2D("channels_frist"), None, "channels_first"),
    (lambda: layers.AdaptiveAveragePooling1D((1, 2)), None, "output_size"),
    (lambda: layers.AdaptiveAveragePooling2D(-1), None, "output_size=-1"),
    (lambda: ops.max_pool(np.ones((1, 2, 1)), 3), None, r"ops.max_pool(.|\n)*\(1, 2, 1\)"),
]


@pytest.mark.parametrize(("make", "shape", "words"), WRONG, ids=[words for *_, words in WRONG])
def test_refusals(make: Any, shape: Any, words: str) -> None:
    with pytest.raises(LaminaError, match=words):
        make()(np.ones(shape, "float32"))
    if shape is not None:
        with pytest.raises(LaminaError, match=words.replace(r"\(1,", r"\(None,")):
            make()(layers.Input(shape[1:]))


@pytest.mark.parametrize("size", ["2", None, (1,), 2.0])
def test_parts_of_the_wrong_kind(size: Any) -> None:
    with pytest.raises(TypeError, match="output_size"):
        layers.AdaptiveMaxPooling3D(size)


def test_aliases() -> None:
    for rank in "123":
        for long, short in (("Max", "Max"), ("Average", "Avg")):
            for place in ("", "Global"):
                full = getattr(layers, f"{place}{long}Pooling{rank}D")
                assert getattr(layers, f"{place}{short}Pool{rank}D") is full
