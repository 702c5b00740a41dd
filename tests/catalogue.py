"""Every layer once, or once for each way it can be set up, with small inputs.

The rows of ops, losses, metrics and optimizers are in the files beside this one.

A row is data, so that the property tests and the comparison with Keras read the same rows. What is
new gets a row here, and with it all of those tests.
"""

import re

import pytest
from catalogue_attention import ATTENTION
from catalogue_convolutions import CONVOLUTIONS
from catalogue_normalization import NORMALIZATION
from catalogue_pooling import POOLING
from catalogue_recurrent import RECURRENT
from rows import LayerRow, ids, label, row, x

__all__ = ["LAYERS", "LayerRow", "each_layer", "each_layer_once", "label"]

A, B, C = x(2, 3, 4), x(2, 3, 4) + 1, x(2, 1, 4)

LAYERS = [
    row("Dense", x(2, 4), units=3),
    row("Dense", x(2, 3, 4), units=2, activation="relu", use_bias=False),
    row("Dense", x(2, 4), units=3, kernel_regularizer="l2", kernel_constraint="max_norm",
        bias_initializer="ones", activity_regularizer="l1"),
    row("EinsumDense", x(2, 3, 4), equation="abc,cd->abd", output_shape=(None, 5), bias_axes="d"),
    row("EinsumDense", x(2, 3, 4), equation="...x,xy->...y", output_shape=6, activation="tanh"),
    row("EinsumDense", x(2, 3, 4), equation="abc,cde->abde", output_shape=(3, 2, 5),
        bias_axes="de"),
    row("EinsumDense", x(2, 4, 3), equation="ab...,bc->ac...", output_shape=5, bias_axes="c"),
    row("Embedding", ids(2, 5, below=7), input_dim=7, output_dim=3),
    row("Embedding", ids(2, 5, below=7), input_dim=7, output_dim=3, mask_zero=True),
    row("Activation", x(2, 4), activation="gelu"),
    row("Activation", x(2, 4), activation=None),
    row("ReLU", x(2, 4), {"negative_slope": 0.3}, max_value=1.5, negative_slope=0.1, threshold=0.2),
    row("LeakyReLU", x(2, 4), {"negative_slope": 0.6}),
    row("PReLU", x(2, 3, 4), alpha_initializer="ones"),
    row("PReLU", x(2, 3, 4), alpha_initializer="ones", shared_axes=[1]),
    row("ELU", x(2, 4), {"alpha": 2.0}, alpha=0.5),
    row("Softmax", x(2, 4), axis=-1),
    row("Softmax", x(2, 3, 4), {"axis": -1}, axis=(1, 2)),
    row("Identity", x(2, 4)),
    row("Masking", x(2, 3, 4)),
    row("Add", [A, B, C]),
    row("Add", [x(2, 4), x(2, 3, 4)]),
    row("Subtract", [A, C]),
    row("Multiply", [A, B, C]),
    row("Average", [A, B, C]),
    row("Maximum", [A, B, C]),
    row("Minimum", [A, B, C]),
    row("Concatenate", [A, x(2, 3, 2)], axis=-1),
    row("Concatenate", [A, C], axis=1),
    row("Dot", [x(2, 3), x(2, 3) + 1], {"normalize": True}, axes=1),
    row("Dot", [x(2, 3, 4), x(2, 5, 3)], axes=(1, 2)),
    row("Dot", [x(2, 3, 4), x(2, 5, 4)], axes=-1, normalize=True),
    row("Dot", [x(2, 3, 4, 2), x(2, 5, 4)], axes=(2, 2)),
    row("Flatten", x(2, 3, 4)),
    row("Flatten", x(2, 3, 4), data_format="channels_first"),
    row("Reshape", x(2, 12), {"target_shape": (4, 3)}, target_shape=(3, 4)),
    row("Reshape", x(2, 3, 4), target_shape=(-1, 2)),
    row("Permute", x(2, 3, 4, 5), {"dims": (3, 2, 1)}, dims=(3, 1, 2)),
    row("RepeatVector", x(2, 4), {"n": 2}, n=3),
    row("Dropout", x(2, 50), random=True, rate=0.4, seed=3),
    row("Dropout", x(2, 9, 6), random=True, rate=0.4, seed=3, noise_shape=(None, 1, None)),
    row("GaussianNoise", x(2, 5), random=True, stddev=0.4, seed=3),
    row("GaussianDropout", x(2, 5), random=True, rate=0.4, seed=3),
    row("AlphaDropout", x(2, 50), random=True, rate=0.4, seed=3),
    row("AlphaDropout", x(2, 9, 6), random=True, rate=0.4, seed=3, noise_shape=(None, 1, None)),
    row("SpatialDropout1D", x(2, 3, 20), random=True, rate=0.4, seed=3),
    row("SpatialDropout2D", x(2, 3, 2, 20), random=True, rate=0.4, seed=3),
    row("SpatialDropout3D", x(2, 20, 2, 2, 3), random=True, rate=0.4, seed=3,
        data_format="channels_first"),
    row("ActivityRegularization", x(2, 4), l1=0.1, l2=0.2),
    row("BatchNormalization", x(6, 4), {"epsilon": 0.5}),
    row("BatchNormalization", x(4, 3, 5), axis=1, center=False, momentum=0.8),
    row("BatchNormalization", x(4, 3, 5), scale=False, epsilon=0.01),
    row("BatchNormalization", x(6, 4), renorm=True, renorm_momentum=0.7,
        renorm_clipping={"rmax": 2.0, "rmin": 0.5, "dmax": 1.0}),
    row("LayerNormalization", x(3, 4, 5), {"epsilon": 0.5}),
    row("LayerNormalization", x(3, 4, 5), axis=(1, 2), center=False),
    row("LayerNormalization", x(3, 4, 5), axis=1, scale=False),
    row("UnitNormalization", x(3, 4, 5), axis=-1),
    row("UnitNormalization", x(3, 4, 5), {"axis": -1}, axis=(1, 2)),
    *CONVOLUTIONS, *POOLING, *RECURRENT, *ATTENTION, *NORMALIZATION,
]  # fmt: skip

each_layer = pytest.mark.parametrize("row", LAYERS, ids=str)
each_layer_once = pytest.mark.parametrize(
    "row", {re.sub("[13]D", "2D", row.name): row for row in reversed(LAYERS)}.values(), ids=str
)
"""For what depends neither on how a layer is set up nor on its number of dimensions."""
