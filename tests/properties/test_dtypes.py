"""Dtype policies: what is stored, what is computed in, and what comes out."""

import jax.numpy as jnp
import numpy as np
import pytest
from catalogue import LayerRow, each_layer_once
from numpy.testing import assert_allclose

from lamina.layers import Input

POLICIES = {
    "mixed_bfloat16": ("float32", "bfloat16"),
    "float16": ("float16", "float16"),
}


@pytest.mark.parametrize("policy", POLICIES)
@each_layer_once
def test_policy(row: LayerRow, policy: str) -> None:
    stored, computed = POLICIES[policy]
    layer = row.make(dtype=policy)
    output = layer(*row.args())
    assert output.dtype == computed
    assert {v.dtype for v in layer.weights} <= {stored}
    inputs = row.map(lambda x: Input(x.shape[1:], dtype=x.dtype))
    symbolic = row.make(dtype=policy)(*row.args(inputs))
    assert symbolic.dtype == computed
    assert layer(*row.args(), training=True).dtype == computed


@each_layer_once
def test_half_precision_is_near_full_precision(row: LayerRow) -> None:
    full, half = row.make(), row.make(dtype="mixed_bfloat16")
    expected = np.asarray(full(*row.args()))
    half(*row.args())
    half.set_weights(full.get_weights())
    assert_allclose(half(*row.args()).astype("float32"), expected, atol=0.1, rtol=0.1)


@each_layer_once
def test_autocast_can_be_off(row: LayerRow) -> None:
    if not row.floats or row.name.startswith("Spatial") or row.name in ("LayerNormalization",):
        pytest.skip("has no autocast argument, or computes in its own way")
    layer = row.make(autocast=False)
    assert layer(jnp.asarray(row.inputs)).dtype == "float32"
