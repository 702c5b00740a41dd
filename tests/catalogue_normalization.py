"""Rows of the catalogue: normalization."""

from rows import LayerRow, part, row, x

NORMALIZATION: list[LayerRow] = [
    row("BatchNormalization", x(3, 4, 2), axis=1, momentum=0.5, gamma_regularizer="l2",
        beta_constraint="max_norm", moving_mean_initializer="ones"),
    row("LayerNormalization", x(3, 4, 5), axis=[2, 1], gamma_initializer="zeros"),
    row("LayerNormalization", x(3, 4, 5), {"epsilon": 0.5}, rms_scaling=True),
    row("GroupNormalization", x(3, 4, 6), {"epsilon": 0.5}, groups=3),
    row("GroupNormalization", x(3, 4, 6), groups=-1, axis=1, center=False),
    row("GroupNormalization", x(2, 3, 4, 2), groups=2, axis=-2, scale=False,
        beta_initializer="ones"),
    row("GroupNormalization", x(3, 4), groups=1, gamma_regularizer="l1"),
    row("RMSNormalization", x(3, 4, 5), {"epsilon": 0.5}),
    row("RMSNormalization", x(3, 4, 5), axis=[-1, -2], epsilon=0.1),
    row("SpectralNormalization", x(3, 4), layer=part("Dense", units=5),
        power_iterations=2),
    row("SpectralNormalization", x(2, 5, 4, 3),
        layer=part("Conv2D", filters=2, kernel_size=3, padding="same")),
]  # fmt: skip
