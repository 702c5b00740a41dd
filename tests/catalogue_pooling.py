"""Rows of the catalogue: pooling."""

from rows import LayerRow, row, x

STEPS, IMAGE, VOLUME = x(2, 7, 3), x(2, 5, 6, 3), x(2, 4, 5, 3, 2)
TIES = x(2, 7, 3).clip(0)

POOLING: list[LayerRow] = [
    row("MaxPooling1D", STEPS, {"pool_size": (3,)}),
    row("MaxPooling1D", TIES, pool_size=3, strides=2, padding="same"),
    row("MaxPooling2D", IMAGE, {"strides": (1, 1)}, pool_size=(2, 3)),
    row("MaxPooling2D", x(2, 3, 5, 6), pool_size=3, strides=(1, 2), padding="same",
        data_format="channels_first"),
    row("MaxPooling3D", VOLUME, pool_size=2, strides=1, padding="same"),
    row("AveragePooling1D", STEPS, pool_size=2, strides=3, data_format="channels_first"),
    row("AveragePooling1D", STEPS, {"padding": "valid"}, pool_size=3, strides=1, padding="same"),
    row("AveragePooling2D", IMAGE, pool_size=2),
    row("AveragePooling2D", IMAGE, pool_size=(3, 4), strides=2, padding="same"),
    row("AveragePooling3D", VOLUME, pool_size=(2, 3, 1), strides=(2, 1, 1)),
    row("GlobalMaxPooling1D", STEPS, {"keepdims": True}),
    row("GlobalMaxPooling2D", IMAGE, data_format="channels_first"),
    row("GlobalMaxPooling3D", VOLUME, keepdims=True),
    row("GlobalAveragePooling1D", STEPS, {"keepdims": True}),
    row("GlobalAveragePooling1D", STEPS, data_format="channels_first", keepdims=True),
    row("GlobalAveragePooling2D", IMAGE),
    row("GlobalAveragePooling3D", VOLUME, data_format="channels_first"),
    row("AdaptiveAveragePooling1D", STEPS, {"output_size": (2,)}, output_size=3),
    row("AdaptiveAveragePooling2D", IMAGE, output_size=(5, 2)),
    row("AdaptiveAveragePooling3D", VOLUME, output_size=2),
    row("AdaptiveMaxPooling1D", TIES, output_size=4),
    row("AdaptiveMaxPooling2D", IMAGE, output_size=(3, 3), data_format="channels_first"),
    row("AdaptiveMaxPooling3D", VOLUME, output_size=(2, 3, 1)),
]  # fmt: skip
