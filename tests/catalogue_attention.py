"""Rows of the catalogue: attention."""

from rows import LayerRow, ids, row, x

SHORT, LONG, PAIRS = x(2, 3, 4), x(2, 5, 4), [x(2, 3, 4), x(2, 5, 6)]
GRIDS = [x(2, 3, 2, 4), x(2, 3, 5, 4)]

ATTENTION: list[LayerRow] = [
    row("Attention", [SHORT, LONG]),
    row("Attention", [SHORT, x(2, 5, 6), LONG], use_scale=True),
    row("Attention", [SHORT, LONG], use_scale=True, score_mode="concat"),
    row("Attention", [x(2, 3, 7, 4), x(2, 3, 50, 4)], random=True, dropout=0.4, seed=3),
    row("AdditiveAttention", [SHORT, LONG]),
    row("MultiHeadAttention", PAIRS, apart=True, num_heads=2, key_dim=3),
    row("MultiHeadAttention", [SHORT, x(2, 5, 6), LONG], apart=True, num_heads=2, key_dim=3,
        output_shape=5, use_bias=False, use_gate=True),
    row("MultiHeadAttention", GRIDS, apart=True, num_heads=2, key_dim=3, value_dim=4,
        attention_axes=[-2], output_shape=(3, 2), kernel_regularizer="l2",
        activity_regularizer="l1"),
    row("MultiHeadAttention", [x(2, 7, 4), x(2, 40, 4)], random=True, apart=True, num_heads=2,
        key_dim=3, dropout=0.4, seed=3, use_gate=True, sliding_window=6),
    row("GroupQueryAttention", [SHORT, LONG], apart=True, head_dim=3, num_query_heads=4,
        num_key_value_heads=2),
    row("GroupQueryAttention", [SHORT, LONG, LONG + 1], apart=True, head_dim=2, num_query_heads=2,
        num_key_value_heads=2, use_gate=True, use_bias=False, sliding_window=2),
    row("GroupQueryAttention", [x(2, 7, 4), x(2, 40, 4)], random=True, apart=True, head_dim=3,
        num_query_heads=4, num_key_value_heads=1, dropout=0.4, seed=3, bias_initializer="ones",
        kernel_regularizer="l2", activity_regularizer="l1"),
    row("ReversibleEmbedding", ids(2, 5, below=7), input_dim=7, output_dim=3),
    row("ReversibleEmbedding", ids(2, 5, below=7), input_dim=7, output_dim=3, tie_weights=False,
        mask_zero=True, reverse_dtype="float32", logit_soft_cap=3.0),
]  # fmt: skip
