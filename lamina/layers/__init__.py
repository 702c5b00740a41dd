"""Layers: the pieces that models are made of. One file per family."""
# ruff: noqa: RUF022

from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.layers.activation_layers import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from lamina.layers.core_layers import Identity, Masking
from lamina.layers.dense import Dense
from lamina.layers.einsum_dense import EinsumDense
from lamina.layers.embedding import Embedding
from lamina.layers.input import Input, InputLayer
from lamina.layers.jax_layer import FlaxLayer, JaxLayer
from lamina.layers.lambda_layer import Lambda
from lamina.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from lamina.layers.normalization import BatchNormalization, LayerNormalization, UnitNormalization
from lamina.layers.regularization import (
    ActivityRegularization,
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from lamina.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from lamina.layers.serialization import deserialize, serialize

__all__ = [
    "Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average", "BatchNormalization",
    "Concatenate", "Dense", "Dot", "Dropout", "ELU", "EinsumDense", "Embedding", "Flatten",
    "FlaxLayer", "GaussianDropout", "GaussianNoise", "Identity", "Input", "InputLayer", "InputSpec",
    "JaxLayer", "Lambda", "Layer", "LayerNormalization", "LeakyReLU", "Masking", "Maximum",
    "Minimum", "Multiply", "PReLU", "Permute", "ReLU", "RepeatVector", "Reshape", "Softmax",
    "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "Subtract", "UnitNormalization",
    "add", "average", "concatenate", "deserialize", "dot", "maximum", "minimum", "multiply",
    "serialize", "subtract",
]  # fmt: skip
