"""Layers: the pieces that models are made of. One file per family."""
# ruff: noqa: RUF022

from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.layers.activation_layers import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from lamina.layers.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from lamina.layers.core_layers import Identity, Masking
from lamina.layers.dense import Dense
from lamina.layers.einsum_dense import EinsumDense
from lamina.layers.embedding import Embedding
from lamina.layers.input import Input, InputLayer
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
from lamina.layers.recurrent import GRU, LSTM, SimpleRNN
from lamina.layers.recurrent_cells import GRUCell, LSTMCell, SimpleRNNCell
from lamina.layers.recurrent_wrappers import Bidirectional, TimeDistributed
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
from lamina.layers.rnn import RNN
from lamina.layers.serialization import deserialize, serialize
from lamina.layers.stacked_cells import StackedRNNCells
from lamina.layers.wrapper import Wrapper

__all__ = [
    "Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average", "BatchNormalization",
    "Bidirectional", "Concatenate", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Dense", "Dot",
    "Dropout", "ELU", "EinsumDense", "Embedding", "Flatten", "GRU", "GRUCell", "GaussianDropout",
    "GaussianNoise", "Identity", "Input", "InputLayer", "InputSpec", "LSTM", "LSTMCell", "Lambda",
    "Layer", "LayerNormalization", "LeakyReLU", "Masking", "Maximum", "Minimum", "Multiply",
    "PReLU", "Permute", "RNN", "ReLU", "RepeatVector", "Reshape", "SimpleRNN", "SimpleRNNCell",
    "Softmax", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "StackedRNNCells",
    "Subtract", "TimeDistributed", "UnitNormalization", "Wrapper", "add", "average", "concatenate",
    "deserialize", "dot", "maximum", "minimum", "multiply", "serialize", "subtract",
]  # fmt: skip
