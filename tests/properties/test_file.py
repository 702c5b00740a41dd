"""A layer or op in a model, kept and loaded: equal config, weights, results, state of chance."""

from pathlib import Path

import jax
import numpy as np
import pytest
from catalogue import LayerRow, each_layer
from catalogue_ops import OpRow, each_op_once
from numpy.testing import assert_array_equal

from lamina.layers import Input
from lamina.models import Model, model_from_json
from lamina.saving import load_model


@each_layer
def test_save_and_load(row: LayerRow, tmp_path: Path) -> None:
    inputs = row.map(lambda x: Input(x.shape[1:], dtype=x.dtype))
    layer = row.make(name="tested")
    model = Model(inputs, layer(*row.args(inputs)))
    if row.random:
        layer(*row.args(), training=True)  # the seed's state moves on
    layer.set_weights([w + 0.1 for w in layer.get_weights()])
    expected = np.asarray(model(row.inputs))
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    twin = loaded.get_layer("tested")
    assert twin.get_config() == layer.get_config()
    for a, b in zip(twin.variables, layer.variables, strict=True):
        assert_array_equal(a.value, b.value)
    assert_array_equal(loaded(row.inputs), expected)
    noisy, again = (each(*row.args(), training=True) for each in (layer, twin))
    assert_array_equal(noisy, again)


@each_op_once
def test_op_as_a_step(row: OpRow) -> None:
    if row.by_value or not row.arrays or row.name in ("shape", "size", "ndim"):
        pytest.skip("of no arrays, or no step")
    inputs = row.map(lambda x: Input(batch_shape=x.shape, dtype=x.dtype))
    model = Model(inputs, row(inputs))
    loaded = model_from_json(model.to_json())
    assert loaded.to_json() == model.to_json()
    results = (jax.tree.leaves(each(row.arrays)) for each in (loaded, model))
    for a, b in zip(*results, strict=True):
        assert_array_equal(a, b)
