"""Rows of the catalogue: recurrent."""

from rows import LayerRow, row, x

S = x(2, 4, 3)

RECURRENT: list[LayerRow] = [
    row("SimpleRNN", S, units=3, activation="relu", kernel_regularizer="l2"),
    row("SimpleRNN", S, units=3, use_bias=False, return_sequences=True, go_backwards=True),
    row("SimpleRNN", S, random=True, units=3, dropout=0.5, recurrent_dropout=0.4, seed=3,
        unroll=True),
    row("LSTM", S, units=3, recurrent_constraint="max_norm"),
    row("LSTM", S, units=3, return_sequences=True, unit_forget_bias=False, activity_regularizer="l1",
        bias_regularizer="l2"),
    row("LSTM", S, units=3, go_backwards=True, recurrent_activation="hard_sigmoid", unroll=True),
    row("LSTM", S, random=True, units=3, dropout=0.5, seed=3, return_sequences=True),
    row("LSTM", S, random=True, units=3, dropout=0.3, recurrent_dropout=0.4, seed=3),
    row("GRU", S, units=3, bias_initializer="ones"),
    row("GRU", S, units=3, reset_after=False, return_sequences=True, zero_output_for_mask=True),
    row("GRU", S, units=3, use_bias=False, go_backwards=True, activation="elu"),
    row("GRU", S, random=True, units=3, recurrent_dropout=0.4, seed=3, return_sequences=True),
    row("GRU", S, random=True, units=3, reset_after=False, dropout=0.3, recurrent_dropout=0.4,
        seed=3),
]  # fmt: skip
