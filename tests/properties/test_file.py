"""A layer in a model, saved and loaded: equal config, weights, results, and state of chance."""

from pathlib import Path

import numpy as np
from catalogue import LayerRow, each_layer
from numpy.testing import assert_array_equal

from lamina.layers import Input
from lamina.models import Model
from lamina.saving import load_model


@each_layer
def test_save_and_load(row: LayerRow, tmp_path: Path) -> None:
    inputs = row.map(lambda x: Input(x.shape[1:], dtype=x.dtype))
    layer = row.make(name="tested")
    model = Model(inputs, layer(inputs))
    if row.random:
        layer(row.inputs, training=True)  # the seed's state moves on
    layer.set_weights([w + 0.1 for w in layer.get_weights()])
    expected = np.asarray(model(row.inputs))
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    twin = loaded.get_layer("tested")
    assert twin.get_config() == layer.get_config()
    for a, b in zip(twin.variables, layer.variables, strict=True):
        assert_array_equal(a.value, b.value)
    assert_array_equal(loaded(row.inputs), expected)
    noisy, again = (each(row.inputs, training=True) for each in (layer, twin))
    assert_array_equal(noisy, again)
