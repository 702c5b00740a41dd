"""LoRA against real Keras: values, what is trained, steps of training, files both ways."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rows import LayerRow, ids, row, x

import lamina
from lamina.core import registry

keras = pytest.importorskip("keras")

ROWS = [
    row("Dense", x(4, 4), units=3, kernel_regularizer="l2"),
    row("EinsumDense", x(4, 3, 4), equation="abc,cde->abde", output_shape=(None, 2, 5),
        bias_axes="de"),
    row("Embedding", ids(4, 5, below=7), input_dim=7, output_dim=3),
    row("ReversibleEmbedding", ids(4, 5, below=7), input_dim=7, output_dim=3),
    row("Conv1D", x(4, 5, 4), filters=4, kernel_size=2, groups=2),
    row("Conv2D", x(4, 4, 4, 2), filters=3, kernel_size=2),
]  # fmt: skip
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def models(row: LayerRow, **more: Any) -> list[Any]:
    """A model of each library with the same weights, where LoRA of rank 2 is enabled."""
    made = []
    for library in (lamina, keras):
        inputs = library.Input(row.inputs.shape[1:], dtype=row.inputs.dtype.name)
        layer = row.make(library.layers, **more, name="tested")
        model = library.Model(inputs, layer(inputs))
        layer.enable_lora(2, lora_alpha=3)
        layer.set_weights([x(*v.shape, i + 1)[..., 0] for i, v in enumerate(layer.weights)])
        made.append(model)
    return made


@each_row
def test_weights_values_and_configs(row: LayerRow) -> None:
    ours, theirs = models(row)
    mine, keras_own = (model.get_layer("tested") for model in (ours, theirs))
    for kind in ("weights", "trainable_weights", "non_trainable_weights"):
        pairs = zip(getattr(mine, kind), getattr(keras_own, kind), strict=True)
        assert all(a.path == b.path and a.shape == tuple(b.shape) for a, b in pairs)
    assert [v.trainable for v in mine.weights] == [v.trainable for v in keras_own.weights]
    assert_allclose(ours(row.inputs), theirs(row.inputs), rtol=1e-5, atol=1e-5)
    assert_allclose(ours.losses, theirs.losses, rtol=1e-5)
    a, b = registry.serialize(mine), keras.saving.serialize_keras_object(keras_own)
    exact = [json.loads(json.dumps(c["config"]), parse_float=lambda t: f"{float(t):.5f}")
             for c in (a, b)]  # fmt: skip
    assert exact[0] == exact[1]


@each_row
def test_steps_of_training(row: LayerRow) -> None:
    pair = models(row)
    targets = np.ones(np.shape(pair[0](row.inputs)), "float32")
    for model in pair:
        model.compile("sgd", "mse")
        model.fit(row.inputs, targets, epochs=3, batch_size=2, shuffle=False, verbose=0)
    for a, b in zip(pair[0].get_weights(), pair[1].get_weights(), strict=True):
        assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("writer", [0, 1])
@each_row
def test_files_travel_both_ways(row: LayerRow, writer: int, tmp_path: Any) -> None:
    pair = models(row)
    targets = np.ones(np.shape(pair[0](row.inputs)), "float32")
    model, other = pair[writer], (lamina, keras)[1 - writer]
    model.compile("adam", "mse")
    model.fit(row.inputs, targets, verbose=0)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = other.saving.load_model(tmp_path / "model.keras")
    expected = np.asarray(model(row.inputs))
    assert loaded.get_layer("tested").lora_enabled
    assert_allclose(loaded(row.inputs), expected, rtol=1e-5, atol=1e-5)
    pair[1 - writer].load_weights(tmp_path / "model.weights.h5")
    assert_allclose(pair[1 - writer](row.inputs), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
@each_row
def test_policies(row: LayerRow, policy: str) -> None:
    ours, theirs = models(row, dtype=policy)
    assert [v.dtype for v in ours.weights] == [v.dtype for v in theirs.weights]
    a, b = ours(row.inputs), theirs(row.inputs)
    assert a.dtype == b.dtype
    assert_allclose(*(np.asarray(each).astype("float32") for each in (a, b)), rtol=0.05, atol=0.1)
