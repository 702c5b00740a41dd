"""Masks: a layer that supports them passes them on, described and called alike."""

import warnings

import jax.numpy as jnp
import pytest
from catalogue import LayerRow, each_layer

from lamina.core.layer import Layer
from lamina.core.masking import get_mask, set_mask
from lamina.layers import Input


class Marked(Layer):
    """Gives its input a mask, and a layer's output and mask."""

    def __init__(self, layer: Layer, row: LayerRow) -> None:
        super().__init__()
        self.layer = layer
        self.args = row.args

    def call(self, inputs):
        several = isinstance(inputs, list)
        marked = [x + 0 for x in (inputs if several else [inputs])]
        for x in marked:
            set_mask(x, jnp.ones(x.shape[:-1], bool).at[..., -1].set(False))
        output = self.layer(*self.args(marked if several else marked[0]))
        mask = get_mask(output)
        return (output, jnp.zeros(())) if mask is None else (output, mask)


@each_layer
def test_described_and_called_alike(row: LayerRow) -> None:
    if row.map(lambda x: x)[0].ndim < 2 or (row.several and len({x.ndim for x in row.inputs}) > 1):
        pytest.skip("masks of one rank only")
    layer = row.make()
    if row.arguments.get("data_format") == "channels_first":
        pytest.skip("the mask here is one of all axes but the last")
    if row.name == "Softmax" or (row.name == "BatchNormalization" and layer.axis == 1):
        pytest.skip("has its own rule for masks")
    with warnings.catch_warnings():
        warnings.simplefilter("error" if layer.supports_masking else "ignore")
        _, mask = Marked(layer, row)(row.inputs)
    inputs = row.map(lambda x: Input(x.shape[1:], dtype=x.dtype))
    for x in inputs if row.several else [inputs]:
        x.symbolic_mask = Input(x.shape[1:-1], dtype="bool")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        symbolic = row.make()(*row.args(inputs))
    described = symbolic.symbolic_mask
    assert (mask.ndim > 0) == (described is not None)
    if described is not None:
        assert described.shape == (None, *mask.shape[1:])
        assert layer.supports_masking
    else:
        assert not layer.supports_masking or row.name in ("Dot", "GlobalAveragePooling1D")
