"""A config: JSON takes it, it rebuilds what it is of, and the round trip changes nothing."""

import json
from typing import Any

import numpy as np
import pytest
from catalogue import LayerRow, each_layer, each_layer_once
from catalogue_losses import LOSSES
from catalogue_metrics import METRICS, VALUES
from catalogue_optimizers import OPTIMIZERS
from numpy.testing import assert_array_equal

from lamina import losses, metrics, optimizers
from lamina.layers import deserialize, serialize


@each_layer
def test_round_trip(row: LayerRow) -> None:
    layer = row.make()
    stored = json.loads(json.dumps(serialize(layer)))
    rebuilt = deserialize(stored)
    assert type(rebuilt) is type(layer)
    assert json.loads(json.dumps(serialize(rebuilt))) == stored


@each_layer
def test_from_config_of_get_config(row: LayerRow) -> None:
    frozen = {} if row.name.startswith("Spatial") else {"trainable": False}
    layer = row.make(name="mine", **frozen)
    rebuilt = type(layer).from_config(layer.get_config())
    assert rebuilt.get_config() == layer.get_config()
    assert (rebuilt.name, rebuilt.trainable) == ("mine", layer.trainable)


@each_layer_once
def test_build_config_makes_the_weights(row: LayerRow) -> None:
    layer = row.make()
    expected = np.asarray(layer(*row.args()))
    rebuilt = deserialize(json.loads(json.dumps(serialize(layer))))
    assert [v.shape for v in rebuilt.weights] == [v.shape for v in layer.weights]
    rebuilt.set_weights(layer.get_weights())
    assert_array_equal(rebuilt(*row.args()), expected)


@each_layer
def test_changed_attributes_are_saved(row: LayerRow) -> None:
    layer = row.make()
    for name, value in row.change.items():
        setattr(layer, name, value)
    rebuilt = type(layer).from_config(layer.get_config())
    for name, value in row.change.items():
        assert getattr(rebuilt, name) == value


ROOMS = {losses: LOSSES, metrics: METRICS + VALUES, optimizers: OPTIMIZERS}


@pytest.mark.parametrize(
    ("room", "row"),
    [pytest.param(room, row, id=str(row)) for room, rows in ROOMS.items() for row in rows],
)
def test_losses_metrics_and_optimizers(room: Any, row: Any) -> None:
    thing = row.make()
    stored = json.loads(json.dumps(room.serialize(thing)))
    rebuilt = room.deserialize(stored)
    assert type(rebuilt) is type(thing)
    assert json.loads(json.dumps(room.serialize(rebuilt))) == stored
    assert type(thing).from_config(thing.get_config()).get_config() == thing.get_config()
