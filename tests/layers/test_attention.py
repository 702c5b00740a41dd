"""Attention: masks that travel, subclasses, other depths, and mistakes that are explained."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rows import x

from lamina.core.errors import LaminaError
from lamina.core.masking import get_mask
from lamina.layers import (
    Attention,
    Embedding,
    GroupQueryAttention,
    Input,
    MultiHeadAttention,
    ReversibleEmbedding,
)
from lamina.models import Model

TEXT = np.array([[1, 2, 0, 0], [3, 1, 2, 0]])


@pytest.mark.parametrize("by_name", [False, True])
def test_padding_is_not_looked_at(by_name: bool) -> None:
    table = Embedding(4, 6, mask_zero=True)
    for layer in (MultiHeadAttention(2, 3), GroupQueryAttention(3, 2, 1)):
        padded = table(TEXT)
        output = layer(query=padded, value=padded) if by_name else layer(padded, padded)
        assert_array_equal(get_mask(output), TEXT != 0)
        short = table(TEXT[:1, :2])
        assert_allclose(output[:1, :2], layer(short, short), atol=1e-5)


def test_scores_of_unknown_lengths() -> None:
    query, value = Input((None, 4)), Input((None, 4))
    output, shares = MultiHeadAttention(2, 3)(query, value, return_attention_scores=True)
    assert output.shape == (None, None, 4)
    assert shares.shape == (None, 2, None, None)
    model = Model([query, value], [output, shares])
    assert model([x(2, 3, 4), x(2, 5, 4)])[1].shape == (2, 2, 3, 5)


def test_a_value_of_another_depth() -> None:
    layer = MultiHeadAttention(2, 3, value_dim=5)
    plain = layer(x(2, 3, 4), x(2, 6, 4))
    assert_allclose(
        plain, layer(x(2, 3, 4), x(2, 6, 4), return_attention_scores=True)[0], atol=1e-5
    )


def test_a_mask_with_heads_joins_the_others() -> None:
    layer, inputs = MultiHeadAttention(3, 2), (x(2, 3, 4), x(2, 5, 4))
    who = np.random.default_rng(0).random((2, 3, 5)) > 0.3
    padding = np.array([[True, True, False, True, False], [True] * 5])
    expected = layer(*inputs, attention_mask=who & padding[:, None])
    found = layer(*inputs, attention_mask=who[:, None], value_mask=padding)
    assert_allclose(found, expected, atol=1e-6)


def test_subclasses_change_how_it_attends() -> None:
    class Halved(MultiHeadAttention):
        def _compute_attention(self, query, key, value, attention_mask=None, training=None):
            assert attention_mask is not None
            output, scores = super()._compute_attention(query, key, value, attention_mask)
            return output / 2, scores

    layer, usual = Halved(2, 3, use_bias=False), MultiHeadAttention(2, 3, use_bias=False)
    inputs = x(2, 3, 4), x(2, 3, 4)
    halved = layer(*inputs, use_causal_mask=True)
    usual(*inputs)
    usual.set_weights(layer.get_weights())
    assert_allclose(halved * 2, usual(*inputs, use_causal_mask=True), atol=1e-5)


def test_masks_of_reversible_embedding() -> None:
    layer = ReversibleEmbedding(4, 3, mask_zero=True)
    vectors = layer(TEXT)
    assert_array_equal(get_mask(vectors), TEXT != 0)
    assert get_mask(layer(vectors, reverse=True)) is None


MISTAKES = [
    (lambda: MultiHeadAttention(0, 3), "`num_heads`"),
    (lambda: MultiHeadAttention(2, 3, dropout=1.5), "from 0 to 1"),
    (lambda: MultiHeadAttention(2, 3, output_shape=2.5), "output_shape"),
    (lambda: MultiHeadAttention(2, 3, attention_axes=3)(x(2, 3, 4), x(2, 3, 4)), "attention_axes"),
    (lambda: MultiHeadAttention(2, 3)(x(2, 4), x(2, 4)), "3 or more"),
    (lambda: MultiHeadAttention(2, 3)(x(2, 3, 4)), "called without `value`"),
    (lambda: MultiHeadAttention(2, 3)(x(2, 3, 4), x(2, 5, 4), x(2, 6, 4)), "must be equal"),
    (lambda: MultiHeadAttention(2, 3)(x(2, 3, 4), x(2, 5, 4), attention_mask=np.ones((2, 3, 4))),
     "attention_mask"),
    (lambda: GroupQueryAttention(3, 4, 3), "do not divide"),
    (lambda: GroupQueryAttention(3, 4, 2, sliding_window=0), "sliding_window"),
    (lambda: Attention(score_mode="dott"), "Did you mean 'dot'"),
    (lambda: Attention()(x(2, 3, 4)), "takes one list"),
    (lambda: Attention()([x(2, 3, 4), x(2, 5, 3)]), "query .*, 3, 4., value .*, 5, 3."),
]  # fmt: skip


@pytest.mark.parametrize(("mistake", "words"), MISTAKES, ids=[words for _, words in MISTAKES])
def test_mistakes(mistake, words: str) -> None:
    with pytest.raises(LaminaError, match=words):
        mistake()
