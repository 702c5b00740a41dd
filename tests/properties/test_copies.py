"""Clones, deep copies and pickles: equal results, nothing shared."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from catalogue import LayerRow, each_layer_once
from numpy.testing import assert_array_equal


def clone(layer: Any) -> Any:
    new = type(layer).from_config(layer.get_config())
    new.build_from_config(layer.get_build_config() or {})
    new.set_weights(layer.get_weights())
    return new


WAYS = {"clone": clone, "deepcopy": copy.deepcopy,
        "pickle": lambda layer: pickle.loads(pickle.dumps(layer))}  # fmt: skip


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@each_layer_once
def test_copies(row: LayerRow, way: Callable[[Any], Any]) -> None:
    layer = row.make()
    expected = np.asarray(layer(*row.args()))
    twin = way(layer)
    assert type(twin) is type(layer)
    assert twin.get_config() == layer.get_config()
    assert_array_equal(twin(*row.args()), expected)
    assert jax.tree.structure(twin) == jax.tree.structure(layer)
    assert not {id(v) for v in twin.variables} & {id(v) for v in layer.variables}
    layer.set_weights([w + 1 for w in layer.get_weights()])
    assert_array_equal(twin(*row.args()), expected)
