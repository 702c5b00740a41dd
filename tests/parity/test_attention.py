"""Attention against Keras: masks, causality, axes, scores; a whole translator, and its files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rows import ids, x

import lamina
from lamina import ops

keras = pytest.importorskip("keras")

QUERY, VALUE = x(2, 3, 4), x(2, 5, 4)
QUERY_MASK = np.array([[True, True, False], [True, False, True]])
VALUE_MASK = np.array([[True, True, False, True, False], [True] * 5])
WHO = np.random.default_rng(0).random((2, 3, 5)) > 0.3


def twins(name: str, *inputs: Any, **arguments: Any) -> list[Any]:
    """A layer in both libraries, with equal weights that are not 0."""
    layers = [getattr(room, name)(**arguments) for room in (lamina.layers, keras.layers)]
    for layer in layers:
        layer(*inputs)
    weights = [
        np.random.default_rng(i).normal(size=v.shape) for i, v in enumerate(layers[1].weights)
    ]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def same(layers: list[Any], *inputs: Any, **call: Any) -> None:
    ours, theirs = (layer(*inputs, **call) for layer in layers)
    pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
    for a, b in pairs:
        assert_allclose(a, b, atol=1e-5)


CALLS = [
    {"use_causal_mask": True},
    {"use_causal_mask": True, "return_attention_scores": True},
    {"attention_mask": WHO, "return_attention_scores": True},
    {"attention_mask": WHO[0], "use_causal_mask": True},
    {"attention_mask": WHO, "value_mask": VALUE_MASK},
    {"value_mask": VALUE_MASK, "key_mask": VALUE_MASK[::-1], "return_attention_scores": True},
]


@pytest.mark.parametrize("window", [None, 2])
def test_masks_of_projected_attention(window: int | None) -> None:
    heads = {"num_heads": 2, "key_dim": 3}
    groups = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}
    for name, arguments in (("MultiHeadAttention", heads), ("GroupQueryAttention", groups)):
        layers = twins(name, QUERY, VALUE, sliding_window=window, **arguments)
        for call in CALLS:
            same(layers, QUERY, VALUE, **call)


def test_masks_of_attention() -> None:
    for name in ("Attention", "AdditiveAttention"):
        layers = twins(name, [QUERY, VALUE], use_scale=True)
        for causal in (False, True):
            for mask in (None, [QUERY_MASK, VALUE_MASK], [None, VALUE_MASK], [QUERY_MASK, None]):
                call = {"mask": mask, "use_causal_mask": causal, "return_attention_scores": True}
                same(layers, [QUERY, VALUE], **call)


def test_several_axes_attend() -> None:
    query, value = x(2, 3, 2, 4), x(2, 2, 3, 4)
    layers = twins("MultiHeadAttention", query, value, num_heads=2, key_dim=2, value_dim=3)
    same(layers, query, value, return_attention_scores=True)
    mask = np.random.default_rng(1).random((2, 3, 2, 2, 3)) > 0.3
    same(layers, query, value, attention_mask=mask)
    assert layers[0].get_config()["attention_axes"] == layers[1].get_config()["attention_axes"]


def test_the_op() -> None:
    query, key, value = x(2, 3, 4, 5), x(2, 6, 2, 5), x(2, 6, 2, 5) + 1
    seen = np.random.default_rng(0).random((2, 1, 3, 6)) > 0.3
    for more in (
        {}, {"mask": seen}, {"bias": x(2, 4, 3, 6)}, {"is_causal": True}, {"scale": 0.3},
        {"mask": seen, "is_causal": True, "bias": x(1, 4, 3, 6), "scale": 2.0},
    ):  # fmt: skip
        ours = ops.dot_product_attention(query, key, value, **more)
        assert_allclose(ours, keras.ops.dot_product_attention(query, key, value, **more), atol=1e-5)
    half = ops.dot_product_attention(*(each.astype("float16") for each in (query, key, value)))
    assert half.dtype == "float16"
    assert_allclose(half, ops.dot_product_attention(query, key, value), atol=1e-2)


def translator(kit: Any) -> Any:
    """An encoder and a decoder of one block each, with padding and causal masks."""
    layers = kit.layers
    source, target = (layers.Input((n,), dtype="int32", name=s) for n, s in ((6, "a"), (5, "b")))
    a = layers.Embedding(9, 8, mask_zero=True)(source)
    a = layers.Add()([a, layers.MultiHeadAttention(2, 4, name="self_a")(a, a)])
    a = layers.LayerNormalization()(a)
    a = layers.Add()([a, layers.Dense(8)(layers.Dense(12, activation="relu")(a))])
    b = layers.Embedding(7, 8, mask_zero=True)(target)
    mixed = layers.MultiHeadAttention(2, 4, name="self_b")(b, b, use_causal_mask=True)
    b = layers.LayerNormalization()(layers.Add()([b, mixed]))
    cross = layers.MultiHeadAttention(2, 4, dropout=0.1, name="cross")
    mixed, shares = cross(b, a, return_attention_scores=True)
    b = layers.LayerNormalization()(layers.Add()([b, mixed]))
    return kit.Model([source, target], [layers.Dense(7)(b), shares])


@pytest.mark.filterwarnings("ignore")
def test_a_translator_and_its_files(tmp_path: Path) -> None:
    ours, theirs = translator(lamina), translator(keras)
    assert [(v.name, v.shape) for v in ours.weights] == [(v.name, v.shape) for v in theirs.weights]
    inputs = [ids(3, 6, below=9) * (np.arange(6) < 4), ids(3, 5, below=7) * (np.arange(5) < 4)]
    ours.set_weights(
        [np.random.default_rng(i).normal(size=v.shape) for i, v in enumerate(ours.weights)]
    )
    theirs.set_weights(ours.get_weights())
    expected = theirs(inputs)
    ours.save(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    for model in (
        ours,
        lamina.models.load_model(tmp_path / "ours.keras"),
        lamina.models.load_model(tmp_path / "theirs.keras"),
        keras.models.load_model(tmp_path / "ours.keras"),
    ):
        for a, b in zip(model(inputs), expected, strict=True):
            assert_allclose(a, b, atol=1e-4)
    for a, b in zip(ours.predict(inputs, verbose=0), expected, strict=True):
        assert_allclose(a, b, atol=1e-4)


def test_reversible_embedding() -> None:
    numbers = ids(2, 5, below=7)
    for tied in (True, False):
        arguments = {"input_dim": 7, "output_dim": 3, "tie_weights": tied, "logit_soft_cap": 2.0}
        layers = twins("ReversibleEmbedding", numbers, **arguments)
        same(layers, numbers)
        same(layers, x(2, 5, 3), reverse=True)
        shapes = [layer.compute_output_shape((2, 5, 3), reverse=True) for layer in layers]
        assert tuple(shapes[0]) == tuple(shapes[1])
        assert_array_equal(*(len(layer.weights) for layer in layers))
