"""Convolutions, padding, cropping and upsampling against float64 formulas; what they refuse."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lamina import layers, ops
from lamina.core.errors import LaminaError
from lamina.ops.fast.convolution import convolve

few = settings(max_examples=25, deadline=None)


def windows(x: np.ndarray, sizes: Any, strides: Any, dilation: Any, padding: str) -> Any:
    """For each output position, its index and the part of x (batch, spatial..., channels)."""
    spread = [(k - 1) * d + 1 for k, d in zip(sizes, dilation, strict=True)]
    widths = [(0, 0)] * x.ndim
    if padding == "same":
        for i, (n, k, s) in enumerate(zip(x.shape[1:-1], spread, strides, strict=True)):
            total = max((-(-n // s) - 1) * s + k - n, 0)
            widths[i + 1] = (total // 2, total - total // 2)
    if padding == "causal":
        widths[1] = (spread[0] - 1, 0)
    x = np.pad(x, widths)
    steps = zip(x.shape[1:-1], spread, strides, strict=True)
    counts = [(n - k) // s + 1 for n, k, s in steps]
    for at in itertools.product(*map(range, counts)):
        cut = zip(at, strides, spread, dilation, strict=True)
        yield at, x[(slice(None), *(slice(i * s, i * s + k, d) for i, s, k, d in cut))]
    yield counts, None


def formula(x: np.ndarray, kernel: np.ndarray, groups: int, *placed: Any) -> np.ndarray:
    """The convolution as a sum, in float64."""
    *found, (counts, _) = windows(x.astype("float64"), kernel.shape[:-2], *placed)
    result = np.zeros((len(x), *counts, kernel.shape[-1]))
    taken, made = kernel.shape[-2], kernel.shape[-1] // groups
    for at, part in found:
        for g in range(groups):
            piece = part[..., g * taken : (g + 1) * taken].reshape(len(x), -1)
            filters = kernel[..., g * made : (g + 1) * made].reshape(-1, made)
            result[(slice(None), *at, slice(g * made, (g + 1) * made))] = piece @ filters
    return result


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    rank, small = draw(st.integers(1, 3)), st.integers(1, 3)
    each = st.tuples(*[small] * rank)
    ones = (1,) * rank
    strides, dilation = draw(st.sampled_from([(each, st.just(ones)), (st.just(ones), each)]))
    return {
        "sizes": draw(st.tuples(*[st.integers(1, 6)] * rank)), "groups": draw(st.integers(1, 3)),
        "kernel_size": draw(each), "strides": draw(strides), "dilation_rate": draw(dilation),
        "padding": draw(st.sampled_from(["valid", "same"] + ["causal"] * (rank == 1))),
        "taken": draw(small), "made": draw(small), "first": draw(st.booleans()),
    }  # fmt: skip


def arrays(case: dict[str, Any], *kernel: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(2, *case["sizes"], case["taken"] * case["groups"]))
    return x, random.normal(size=(*case["kernel_size"], *kernel))


def called(kind: str, case: dict[str, Any], weights: list[np.ndarray], x: np.ndarray, **more: Any):
    """The layer's output, channels last, and the shapes that it says."""
    names = ("kernel_size", "strides", "padding", "dilation_rate")
    form = "channels_first" if case["first"] else "channels_last"
    make = getattr(layers, kind.replace("Conv", f"Conv{len(case['sizes'])}D"))
    layer = make(**{n: case[n] for n in names}, data_format=form, use_bias=False, **more)
    x = np.moveaxis(x, -1, 1) if case["first"] else x
    layer.build(x.shape)
    layer.set_weights(weights)
    found = layer(x.astype("float32"))
    assert layer.compute_output_shape((None, *x.shape[1:])) == (None, *found.shape[1:])
    return np.moveaxis(found, 1, -1) if case["first"] else np.asarray(found)


def fits(case: dict[str, Any]) -> bool:
    each = zip(case["sizes"], case["kernel_size"], case["dilation_rate"], strict=True)
    return case["padding"] != "valid" or all(n > (k - 1) * d for n, k, d in each)


@few
@given(cases())
def test_convolution(case: dict[str, Any]) -> None:
    filters = case["made"] * case["groups"]
    x, kernel = arrays(case, case["taken"], filters)
    given = {"filters": filters, "groups": case["groups"]}
    if not fits(case):
        with pytest.raises(LaminaError, match="nothing is left"):
            called("Conv", case, [kernel], x, **given)
        return
    placed = case["strides"], case["dilation_rate"], case["padding"]
    expected = formula(x, kernel, case["groups"], *placed)
    assert_allclose(called("Conv", case, [kernel], x, **given), expected, rtol=1e-4, atol=1e-4)


@few
@given(cases())
def test_depthwise_and_separable(case: dict[str, Any]) -> None:
    assume(len(case["sizes"]) < 3 and case["padding"] != "causal" and fits(case))
    channels, made = case["taken"] * case["groups"], case["made"]
    x, kernel = arrays(case, channels, made)
    flat = kernel.reshape(*kernel.shape[:-2], 1, -1)
    placed = case["strides"], case["dilation_rate"], case["padding"]
    depth = formula(x, flat, channels, *placed)
    found = called("DepthwiseConv", case, [kernel], x, depth_multiplier=made)
    assert_allclose(found, depth, rtol=1e-4, atol=1e-4)
    mixing = np.random.default_rng(1).normal(size=(*(1,) * (x.ndim - 2), channels * made, 4))
    given = {"filters": 4, "depth_multiplier": made}
    found = called("SeparableConv", case, [kernel, mixing], x, **given)
    assert_allclose(found, depth @ mixing.reshape(-1, 4), rtol=1e-4, atol=1e-4)


@few
@given(cases())
def test_transposed_is_the_transpose(case: dict[str, Any]) -> None:
    """<transposed(y), x> equals <y, convolution(x)>, for each x that the convolution takes."""
    assume(case["padding"] != "causal" and fits(case))
    kernel = arrays(case, case["taken"], case["made"])[1]
    placed = case["strides"], case["dilation_rate"], case["padding"]
    sizes, spread = [], zip(case["kernel_size"], case["dilation_rate"], strict=True)
    for n, s, k in zip(case["sizes"], case["strides"], spread, strict=True):
        wide = (k[0] - 1) * k[1] + 1
        sizes.append(n * s if case["padding"] == "same" else (n - 1) * s + max(wide, s))
    random = np.random.default_rng(2)
    y = random.normal(size=(2, *case["sizes"], case["made"]))
    x = random.normal(size=(2, *sizes, case["taken"]))
    enlarged = called("ConvTranspose", case, [kernel], y, filters=case["taken"])
    assert enlarged.shape == x.shape
    expected = np.sum(y * formula(x, kernel, 1, *placed))
    assert_allclose(np.sum(enlarged * x), expected, rtol=1e-3, atol=1e-3)


FAST = {  # input, kernel, strides, padding, dilation, groups, channels first
    "pieces": ((40, 15, 14, 2), (3, 3, 2, 2), (1, 1), "SAME", (1, 1), 1, False),
    "strides, first": ((3, 2, 7, 6), (3, 2, 2, 4), (2, 3), "SAME", (1, 1), 1, True),
    "dilation": ((3, 9, 8, 2), (2, 3, 2, 4), (1, 1), "VALID", (3, 2), 1, False),
    "size 1, first": ((2, 3, 7), (1, 3, 4), (2,), "SAME", (1,), 1, True),
    "depthwise": ((2, 6, 7, 3), (3, 2, 1, 6), (2, 1), "SAME", (1, 1), 3, False),
    "volume": ((2, 3, 4, 4, 2), (2, 1, 2, 2, 3), (1, 2, 1), "SAME", (1, 1, 1), 1, False),
}


@pytest.mark.parametrize("name", FAST)
def test_every_derivative_is_that_of_the_native_convolution(name: str) -> None:
    shape, kernel_shape, *placed, first = FAST[name]
    random = np.random.default_rng(0)
    with jax.enable_x64(True):
        x, kernel = (jnp.asarray(random.normal(size=each)) for each in (shape, kernel_shape))

        def conv(x: Any, kernel: Any) -> Any:
            return convolve(x, kernel, *placed, first)

        def plain(x: Any, kernel: Any) -> Any:
            spatial = "".join("DHW"[-(x.ndim - 2) :])
            data = f"NC{spatial}" if first else f"N{spatial}C"
            return jax.lax.conv_general_dilated(
                x, kernel, *placed[:2], rhs_dilation=placed[2], feature_group_count=placed[3],
                dimension_numbers=(data, f"{spatial}IO", data),
            )  # fmt: skip

        for derive in DERIVATIVES:
            mine, theirs = (jax.jit(derive(f))(x, kernel) for f in (conv, plain))
            for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
                assert_allclose(a, b, atol=1e-9)


def _loss(f: Any) -> Any:
    return lambda x, kernel: jnp.sum(jnp.sin(f(x, kernel)))


def _gradients(f: Any) -> Any:
    return jax.grad(_loss(f), (0, 1))


DERIVATIVES = [
    lambda f: f,
    _gradients,
    lambda f: lambda x, k: jax.jvp(f, (x, k), (k.sum() + x, k - 1)),
    lambda f: lambda x, k: jax.jvp(_gradients(f), (x, k), (x + 1, k - 1)),
    lambda f: jax.grad(lambda x, k: sum(jnp.sum(jnp.cos(v)) for v in _gradients(f)(x, k)), (0, 1)),
    lambda f: lambda x, k: jax.vmap(_gradients(f), (0, None))(jnp.stack([x, x + 1]), k),
    lambda f: (
        lambda x, k: jax.grad(
            lambda k: jnp.sum(jax.vmap(f, (None, 0))(x, jnp.stack([k, k * 2])) ** 2)
        )(k)
    ),
    lambda f: (
        lambda x, k: jax.lax.scan(
            lambda k, _: (k - 0.1 * _gradients(f)(x, k)[1], None), k, length=2
        )[0]
    ),
    lambda f: jax.grad(lambda x, k: jnp.sum(jax.checkpoint(f)(x, k) ** 2), (0, 1)),
]


def test_hessian_and_no_jit() -> None:
    x, kernel = jnp.ones((2, 3, 1)), jnp.ones((2, 1, 2))
    given = (1,), "SAME", (1,)
    hessian = jax.hessian(lambda kernel: jnp.sum(convolve(x, kernel, *given) ** 2))(kernel)
    assert hessian.shape == (2, 1, 2, 2, 1, 2)
    with jax.disable_jit():
        assert_allclose(convolve(x, kernel, *given)[0, :, 0], [2, 2, 1])


def test_other_platforms_get_the_native_program() -> None:
    x, kernel = jnp.ones((2, 6, 6, 3)), jnp.ones((1, 1, 3, 2))
    lowered = jax.jit(lambda x, k: convolve(x, k, (1, 1), "SAME", (1, 1))).trace(x, kernel)
    for platform, used in (("cpu", "dot_general"), ("tpu", "convolution"), ("cuda", "convolution")):
        assert f"stablehlo.{used}" in lowered.lower(lowering_platforms=(platform,)).as_text()


def test_sizes_that_are_symbols() -> None:
    function = jax.jit(lambda x, k: ops.conv(x, k, 2, "same"))
    shape = jax.export.symbolic_shape("batch, width, 1")
    specs = jax.ShapeDtypeStruct(shape, "float32"), jax.ShapeDtypeStruct((2, 1, 1), "float32")
    exported = jax.export.export(function)(*specs)
    x, kernel = jnp.ones((3, 5, 1)), jnp.ones((2, 1, 1))
    assert_allclose(exported.call(x, kernel), function(x, kernel))


# --- what they refuse ---------------------------------------------------------------------------

BAD_ARGUMENTS = [
    ("Conv2D", {"filters": 0, "kernel_size": 3}, "Conv2D needs a positive int as `filters`"),
    ("Conv2D", {"filters": 4, "kernel_size": (3, 0)}, "`kernel_size`"),
    ("Conv3D", {"filters": 4, "kernel_size": (3, 2)}, "3 of them, as `kernel_size`"),
    ("Conv1D", {"filters": 4, "kernel_size": 2.5}, "`kernel_size`"),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "strides": -1}, "`strides`"),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "padding": "smae"}, "Did you mean 'same'"),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "padding": "causal"}, "Unknown padding"),
    ("Conv2D", {"filters": 5, "kernel_size": 3, "groups": 2}, "filters=5, groups=2"),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 0}, "`groups`"),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "strides": 2, "dilation_rate": (2, 1)},
     "either strides or a dilation"),
    ("Conv2DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2, "output_padding": 2},
     "less than its strides"),
    ("DepthwiseConv1D", {"kernel_size": 2, "depth_multiplier": 0}, "`depth_multiplier`"),
    ("ZeroPadding2D", {"padding": (1, 2, 3)}, "2 pairs"),
    ("ZeroPadding2D", {"padding": -1}, "int of 0 or more"),
    ("Cropping2D", {"cropping": ((1, 2), (3, -4))}, "`cropping`"),
    ("Cropping1D", {"cropping": "1"}, "`cropping`"),
    ("UpSampling2D", {"size": 0}, "`size`"),
    ("UpSampling2D", {"interpolation": "bilinaer"}, "Did you mean 'bilinear'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "said"), BAD_ARGUMENTS)
def test_bad_arguments(name: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        getattr(layers, name)(**arguments)


def test_upsampling_1d_takes_an_int() -> None:
    with pytest.raises(TypeError, match="an int as `size`"):
        layers.UpSampling1D((2,))


BAD_INPUTS = [
    (layers.Conv2D(4, 5, name="c"), (2, 4, 6, 3), r"'c'.*(.|\n)*4, 6, 3\)(.|\n)*\(5, 5\)"),
    (layers.Conv1D(1, 2, dilation_rate=10, name="c"), (2, 10, 3), r"at least \(11,\)"),
    (layers.DepthwiseConv1D(11, strides=5, name="c"), (4, 10, 3), "'c' has a kernel"),
    (layers.SeparableConv1D(2, 11, name="c"), (4, 10, 3), "'c' has a kernel"),
    (layers.Conv2D(4, 3, groups=2, name="c"), (2, 4, 4, 3), "'c'(.|\n)*3 channels, groups=2"),
    (layers.Conv2D(4, 3, name="c"), (4, 4, 3), "'c' cannot be called(.|\n)*4 axes"),
    (layers.Cropping2D(((3, 6), (0, 0)), name="c"), (3, 7, 9, 5), "'c' would leave nothing"),
]


@pytest.mark.parametrize(("layer", "shape", "said"), BAD_INPUTS)
def test_inputs_that_do_not_fit(layer: Any, shape: tuple[int, ...], said: str) -> None:
    for make in (lambda: layers.Input(batch_shape=shape), lambda: np.ones(shape, "float32")):
        with pytest.raises(ValueError, match=said):
            layer(make())


def test_a_built_layer_says_so_too() -> None:
    layer = layers.Conv2D(4, 3, name="later")
    layer(np.ones((1, 5, 5, 2), "float32"))
    with pytest.raises(ValueError, match="'later'"):
        layer(np.ones((1, 2, 5, 2), "float32"))
    with pytest.raises(ValueError, match=r"'later'(.|\n)*size 2"):
        layer(np.ones((1, 5, 5, 3), "float32"))


def test_unknown_channels() -> None:
    with pytest.raises(ValueError, match=r"'c'(.|\n)*not known"):
        layers.Conv2D(4, 3, name="c")(layers.Input((5, 5, None)))


BAD_OPS = [
    ("conv", (2, 5, 3), (2, 2, 4), {}, "multiple of the kernel's 2"),
    ("conv", (2, 5, 4), (2, 2, 3), {}, "number of groups"),
    ("conv", (2, 5, 4), (2, 2, 4, 3), {}, "as many axes"),
    ("conv", (2, 5, 4), (6, 4, 3), {}, "no output"),
    ("conv", (2, 5, 4), (2, 4, 3), {"strides": 0}, "int of 1 or more"),
    ("conv", (2, 5, 4), (2, 4, 3), {"strides": (1, 1)}, "spatial dimensions"),
    ("conv", (2, 5, 4), (2, 4, 3), {"padding": "full"}, "Unknown padding"),
    ("depthwise_conv", (2, 5, 4), (2, 3, 1), {}, "number of channels"),
    ("conv_transpose", (2, 5, 4), (2, 3, 5), {}, "number of channels"),
]


@pytest.mark.parametrize(("name", "x", "kernel", "given", "said"), BAD_OPS)
def test_bad_ops(name: str, x: Any, kernel: Any, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        getattr(ops, name)(np.ones(x), np.ones(kernel), **given)


# --- padding, cropping, upsampling --------------------------------------------------------------

pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=3)


@few
@given(pairs, st.booleans())
def test_padding_and_cropping_undo_each_other(ends: Any, first: bool) -> None:
    rank = len(ends)
    x = np.random.default_rng(0).normal(size=(2, *(2, 3, 2)[:rank], 2)).astype("float32")
    first = first and rank > 1
    form = {} if rank == 1 else {"data_format": "channels_first" if first else "channels_last"}
    amount = ends[0] if rank == 1 else tuple(ends)
    wide = getattr(layers, f"ZeroPadding{rank}D")(amount, **form)(x)
    around = [(0, 0), *([(0, 0)] * first), *ends, *([(0, 0)] * (not first))]
    assert_allclose(wide, np.pad(x, around))
    assert_allclose(getattr(layers, f"Cropping{rank}D")(amount, **form)(wide), x)


@few
@given(st.lists(st.integers(1, 3), min_size=2, max_size=3), st.booleans())
def test_upsampling_repeats(factors: list[int], first: bool) -> None:
    x = np.random.default_rng(0).normal(size=(2,) * (len(factors) + 2)).astype("float32")
    form = "channels_first" if first else "channels_last"
    found = getattr(layers, f"UpSampling{len(factors)}D")(factors, data_format=form)(x)
    for axis, factor in enumerate(factors, 2 if first else 1):
        x = np.repeat(x, factor, axis)
    assert_allclose(found, x)


def test_integers_stay_integers() -> None:
    x = np.ones((1, 4, 4, 1), "int32")
    for layer in (layers.ZeroPadding2D(), layers.Cropping2D(1), layers.UpSampling2D()):
        assert layer(x).dtype == "int32"
