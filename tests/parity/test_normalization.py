"""What the rows of the catalogue cannot say about normalization, beside real Keras."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import lamina
from lamina.core.errors import LaminaError

keras = pytest.importorskip("keras")


def around(inner: str, arguments: Any, x: Any, iterations: int) -> list[Any]:
    """SpectralNormalization of such a layer in both libraries, with the same weights."""
    pair = []
    for library in (lamina, keras):
        layer = getattr(library.layers, inner)(**arguments, name="inner")
        pair.append(library.layers.SpectralNormalization(layer, iterations, name="outer"))
        pair[-1](x)
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=v.shape).astype("float32") for v in pair[1].weights]
    for layer in pair:
        layer.set_weights(weights)
    return pair


WRAPPED: list[tuple[str, Any, Any, int]] = [
    ("Dense", {"units": 3}, np.random.default_rng(0).normal(size=(5, 2, 4)).astype("float32"), 1),
    ("Conv2D", {"filters": 3, "kernel_size": 2}, np.ones((2, 4, 4, 2), "float32"), 3),
    ("Embedding", {"input_dim": 6, "output_dim": 4}, np.float32([[0, 5], [2, 2]]), 2),
]
each_wrapped = pytest.mark.parametrize(("inner", "arguments", "x", "n"), WRAPPED)


@each_wrapped
def test_spectral_normalization(inner: str, arguments: Any, x: Any, n: int) -> None:
    ours, theirs = around(inner, arguments, x, n)
    assert [v.path for v in ours.weights] == [v.path for v in theirs.weights]
    for training in (False, True, True):
        mine, wanted = (layer(x, training=training) for layer in (ours, theirs))
        assert_allclose(mine, wanted, rtol=1e-4, atol=1e-5)
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@each_wrapped
def test_gradients_of_spectral_normalization(inner: str, arguments: Any, x: Any, n: int) -> None:
    found = []
    for layer in around(inner, arguments, x, n):
        trainable, rest = (
            [jnp.asarray(v.value) for v in each]
            for each in (layer.trainable_variables, layer.non_trainable_variables)
        )

        def loss(trainable: Any, layer: Any = layer, rest: Any = rest) -> Any:
            return jnp.sum(jnp.sin(layer.stateless_call(trainable, rest, x, training=True)[0]))

        found.append(jax.grad(loss)(trainable))
    for a, b in zip(*found, strict=True):
        assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_spectral_normalization_in_training() -> None:
    x = np.random.default_rng(1).normal(size=(8, 4)).astype("float32")
    pair = around("Dense", {"units": 3}, x, 2)
    for library, layer in zip((lamina, keras), pair, strict=True):
        model = library.Sequential([layer])
        model.compile("sgd", "mse")
        model.fit(x, x[:, :3], batch_size=4, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(*(layer.get_weights() for layer in pair), strict=True):
        assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_spectral_normalization_keeps_a_kernel_of_0() -> None:
    layer = lamina.layers.SpectralNormalization(lamina.layers.Dense(2, kernel_initializer="zeros"))
    layer(np.ones((1, 3), "float32"))
    before = layer.get_weights()
    assert_allclose(layer(np.ones((1, 3), "float32"), training=True), [[0, 0]])
    for a, b in zip(layer.get_weights(), before, strict=True):
        assert_allclose(a, b)


NORMS = ["BatchNormalization", "LayerNormalization", "GroupNormalization"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32"])
@pytest.mark.parametrize("name", NORMS)
def test_large_values_in_narrow_inputs(name: str, dtype: str) -> None:
    """Squares of these pass the largest float16: statistics are computed in float32."""
    x = jnp.asarray(np.random.default_rng(0).uniform(-3e4, 3e4, (4, 5, 6)), dtype)
    arguments: Any = {"groups": 2} if name.startswith("Group") else {}
    mode: Any = {"training": True} if name.startswith("Batch") else {}
    ours, theirs = (getattr(library.layers, name)(**arguments) for library in (lamina, keras))
    found = ours(x, **mode)
    assert_allclose(found, ours(x.astype("float32"), **mode), rtol=1e-5, atol=1e-5)
    if dtype != "int32":  # Keras rounds what comes out to the dtype of what went in
        assert_allclose(found, theirs(x, **mode), rtol=1e-2, atol=1e-3)


def test_synchronized_batch_normalization_is_the_plain_one() -> None:
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    layers = [lamina.layers.BatchNormalization(synchronized=each) for each in (False, True)]
    assert_allclose(*(layer(x, training=True) for layer in layers))


WRONG = [
    (lambda: lamina.layers.GroupNormalization(0), "groups=0"),
    (lambda: lamina.layers.GroupNormalization(-2), "groups=-2"),
    (lambda: lamina.layers.GroupNormalization(4, name="g"), r"'g'(.|\n)*6\)(.|\n)*divides"),
    (lambda: lamina.layers.GroupNormalization(12, name="g"), r"'g'(.|\n)*groups=12"),
    (lambda: lamina.layers.GroupNormalization(2, axis=3, name="g"), "'g'(.|\n)*axis 3"),
    (lambda: lamina.layers.RMSNormalization(axis=2, name="r"), "'r'(.|\n)*axis 2"),
    (lambda: lamina.layers.RMSNormalization(axis="-1"), "axis='-1'"),
    (lambda: lamina.layers.SpectralNormalization(lamina.layers.ReLU()), "kernel"),
    (lambda: lamina.layers.SpectralNormalization(lamina.layers.Dense(2), 0), "power_iterations=0"),
    (lambda: lamina.layers.SpectralNormalization("dense"), "needs a layer"),
]


@pytest.mark.parametrize(("make", "words"), WRONG, ids=[words for _, words in WRONG])
def test_refusals(make: Any, words: str) -> None:
    with pytest.raises(LaminaError, match=words):
        make()(np.ones((2, 6), "float32"))
