"""Changing a layer after its first call changes what it computes: no program is ever stale."""

import numpy as np
import pytest
from catalogue import LAYERS, LayerRow, each_layer_once
from numpy.testing import assert_allclose

CHANGING = [row for row in LAYERS if row.change]


@pytest.mark.parametrize("row", CHANGING, ids=str)
def test_attributes(row: LayerRow) -> None:
    layer, fresh = row.make(), row.make()
    before = np.asarray(layer(*row.args()))
    fresh.build(*row.args(row.map(lambda x: x.shape)))
    fresh.set_weights(layer.get_weights())
    for name, value in row.change.items():
        setattr(layer, name, value)
        setattr(fresh, name, value)
    after = np.asarray(layer(*row.args()))
    assert before.shape != after.shape or not np.allclose(before, after)
    assert_allclose(after, fresh(*row.args()), rtol=1e-6)


@each_layer_once
def test_weights(row: LayerRow) -> None:
    layer = row.make()
    layer(*row.args())
    layer.set_weights([w * 0 + 0.5 for w in layer.get_weights()])
    fresh = row.make()
    fresh.build(*row.args(row.map(lambda x: x.shape)))
    fresh.set_weights(layer.get_weights())
    assert_allclose(layer(*row.args()), fresh(*row.args()), rtol=1e-6)


@each_layer_once
def test_policy(row: LayerRow) -> None:
    if row.holds:
        pytest.skip("the layer inside has a policy of its own")
    layer = row.make()
    layer(*row.args())
    layer.dtype_policy = "mixed_bfloat16"
    assert layer(*row.args()).dtype == "bfloat16"
