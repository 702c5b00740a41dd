"""Rows of the catalogue: recurrent.

All return sequences, so that masks pass through them (see `tests/parity/test_recurrent.py` for the
rest). Keras cannot draw an orthogonal matrix in float16, hence the other recurrent initializers.
"""

from typing import Any

from rows import LayerRow, row, x

S = x(2, 4, 3)


def cell_row(name: str, **given: Any) -> LayerRow:
    dropout = "dropout" in given or "recurrent_dropout" in given
    kernels = "ones" if dropout else "glorot_uniform"
    return row(name, S, random=dropout, units=3, seed=3, kernel_initializer=kernels,
               recurrent_initializer=kernels, return_sequences=True, **given)  # fmt: skip


RECURRENT: list[LayerRow] = [
    cell_row("SimpleRNN", activation="relu", kernel_regularizer="l2", go_backwards=True),
    cell_row("SimpleRNN", use_bias=False, dropout=0.5, recurrent_dropout=0.4, unroll=True),
    cell_row("LSTM", recurrent_constraint="max_norm", activity_regularizer="l1"),
    cell_row("LSTM", unit_forget_bias=False, recurrent_activation="hard_sigmoid", unroll=True),
    cell_row("LSTM", dropout=0.5, go_backwards=True),
    cell_row("LSTM", use_bias=False, dropout=0.3, recurrent_dropout=0.4),
    cell_row("GRU", bias_initializer="ones", go_backwards=True),
    cell_row("GRU", reset_after=False, zero_output_for_mask=True),
    cell_row("GRU", use_bias=False, activation="elu", recurrent_dropout=0.4),
    cell_row("GRU", reset_after=False, dropout=0.3, recurrent_dropout=0.4),
]
