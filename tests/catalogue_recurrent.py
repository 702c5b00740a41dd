"""Rows of the catalogue: recurrent.

All return sequences, so that masks pass through them (see `tests/parity/test_recurrent.py` for the
rest). Keras cannot draw an orthogonal matrix in float16, hence the other recurrent initializers.
"""

from typing import Any

from rows import LayerRow, Part, part, row, x

S = x(2, 4, 3)
KERNELS = {"kernel_initializer": "glorot_uniform", "recurrent_initializer": "glorot_uniform"}


def cell_row(name: str, **given: Any) -> LayerRow:
    dropout = "dropout" in given or "recurrent_dropout" in given
    kernels = "ones" if dropout else "glorot_uniform"
    return row(name, S, random=dropout, units=3, seed=3, kernel_initializer=kernels,
               recurrent_initializer=kernels, return_sequences=True, **given)  # fmt: skip


def inner(name: str, **given: Any) -> Part:
    return part(name, seed=3, **KERNELS, **given)


def conv_lstm(rank: int, size: int, **given: Any) -> LayerRow:
    return row(f"ConvLSTM{rank}D", x(2, 3, *(size,) * rank, 2), random="dropout" in given, seed=3,
               filters=2, kernel_size=2, return_sequences=True, **KERNELS, **given)  # fmt: skip


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
    row("RNN", S, cell=inner("LSTMCell", units=3), return_sequences=True),
    row("RNN", S, cell=[inner("GRUCell", units=3), inner("SimpleRNNCell", units=2)],
        return_sequences=True, go_backwards=True),
    row("RNN", S, cell=part("StackedRNNCells", cells=[
        inner("LSTMCell", units=3), inner("GRUCell", units=2, reset_after=False)]),
        return_sequences=True, unroll=True, zero_output_for_mask=True),
    row("Bidirectional", S, layer=inner("LSTM", units=3, return_sequences=True)),
    row("Bidirectional", S, layer=inner("GRU", units=3, return_sequences=True), merge_mode="ave",
        backward_layer=inner("LSTM", units=3, return_sequences=True, go_backwards=True)),
    row("TimeDistributed", S, layer=part("Dense", units=2, activation="tanh")),
    row("TimeDistributed", x(2, 3, 5, 2),
        layer=part("Conv1D", filters=2, kernel_size=3)),
    conv_lstm(1, 5, kernel_regularizer="l2"),
    conv_lstm(2, 4, padding="same", dropout=0.3),
    conv_lstm(3, 3, strides=2, data_format="channels_last"),
]  # fmt: skip
