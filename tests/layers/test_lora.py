"""LoRA: what is trained, what is computed, what files hold, and what is refused."""

import io
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rows import LayerRow, ids, row, x

import lamina as keras
from lamina.core import registry

ROWS = [
    row("Dense", x(2, 4), units=3, lora_rank=2),
    row("EinsumDense", x(2, 3, 4), equation="abc,cde->abde", output_shape=(None, 2, 5),
        bias_axes="de", lora_rank=2, lora_alpha=3.0),
    row("Embedding", ids(2, 5, below=7), input_dim=7, output_dim=3, lora_rank=2),
    row("Conv1D", x(2, 5, 4), filters=4, kernel_size=2, groups=2, lora_rank=2),
    row("Conv2D", x(2, 4, 4, 2), filters=3, kernel_size=2, lora_rank=2, lora_alpha=1.5),
]  # fmt: skip
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def model_of(row: LayerRow) -> Any:
    """A model with the layer in it, whose sum of low rank is not zero."""
    inputs = keras.Input(row.inputs.shape[1:], dtype=row.inputs.dtype)
    model = keras.Model(inputs, row.make(name="tested")(inputs))
    layer = model.get_layer("tested")
    layer.set_weights([w + 0.1 * x(*w.shape) for w in layer.get_weights()])
    return model


def factors(layer: Any) -> Any:
    return [v for v in layer.weights if v.name.startswith("lora")]


@each_row
def test_the_weight_is_a_sum_of_which_the_factors_are_trained(row: LayerRow) -> None:
    layer = model_of(row).get_layer("tested")
    a, b = factors(layer)
    base = layer.weights[0]
    expected = base.numpy() + layer.lora_alpha / 2 * (a.numpy() @ b.numpy())
    assert_allclose(getattr(layer, layer.adapted).numpy(), expected, rtol=1e-6)
    plain = type(layer).from_config({**layer.get_config(), "lora_rank": None})
    plain.build(row.inputs.shape)
    others = [v.numpy() for v in layer.weights[1:] if not v.name.startswith("lora")]
    plain.set_weights([expected, *others])
    assert_allclose(layer(row.inputs), plain(row.inputs), rtol=1e-5, atol=1e-6)
    assert layer.lora_enabled and not plain.lora_enabled
    assert not base.trainable and a.trainable and b.trainable
    assert "lora_rank" not in plain.get_config()


@each_row
def test_only_the_factors_learn(row: LayerRow) -> None:
    model = model_of(row)
    layer = model.get_layer("tested")
    before = [w.copy() for w in layer.get_weights()]
    model.compile("adam", "mse")
    model.fit(row.inputs, np.ones(np.shape(model(row.inputs))), epochs=2, verbose=0)
    changed = [not np.allclose(*pair) for pair in zip(before, layer.get_weights(), strict=True)]
    assert changed == [False, *[True] * (len(before) - 1)]
    layer.trainable = False
    layer.trainable = True
    assert not layer.weights[0].trainable


@each_row
def test_files_hold_the_sum(row: LayerRow) -> None:
    model = model_of(row)
    model.save(file := io.BytesIO())
    loaded = keras.saving.load_model(file)
    assert_allclose(loaded(row.inputs), model(row.inputs), rtol=1e-5, atol=1e-6)
    layer, twin = (m.get_layer("tested") for m in (model, loaded))
    assert twin.get_config() == layer.get_config() and twin.lora_enabled
    assert not factors(twin)[1].numpy().any() and factors(twin)[0].numpy().any()
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    assert_array_equal(store["0"], getattr(layer, layer.adapted).numpy())
    assert len(store) == len(layer.weights) - 2


@each_row
def test_weights_go_to_layers_without_lora_and_back(row: LayerRow, tmp_path: Any) -> None:
    model = model_of(row)
    arguments = {k: v for k, v in row.arguments.items() if not k.startswith("lora")}
    plain = model_of(LayerRow(row.name, row.inputs, arguments))
    path = tmp_path / "some.weights.h5"
    model.save_weights(path)
    plain.load_weights(path)
    assert_allclose(plain(row.inputs), model(row.inputs), rtol=1e-5, atol=1e-6)
    plain.get_layer("tested").set_weights([w + 1 for w in plain.get_layer("tested").get_weights()])
    plain.save_weights(path)
    model.load_weights(path)
    assert_allclose(plain(row.inputs), model(row.inputs), rtol=1e-5, atol=1e-6)


@each_row
def test_a_file_that_does_not_fit_changes_nothing(row: LayerRow, tmp_path: Any) -> None:
    model = model_of(row)
    other = keras.Sequential([keras.Input((9,)), keras.layers.Dense(1)])
    other.save_weights(tmp_path / "other.weights.h5")
    before = model.get_weights()
    with pytest.raises(ValueError, match="does not fit"):
        model.load_weights(tmp_path / "other.weights.h5")
    for old, new in zip(before, model.get_weights(), strict=True):
        assert_array_equal(old, new)


@each_row
def test_copies_and_clones(row: LayerRow) -> None:
    model = model_of(row)
    for copy in (pickle.loads(pickle.dumps(model)), keras.models.clone_model(model)):
        copy.set_weights(model.get_weights())
        assert_allclose(copy(row.inputs), model(row.inputs), rtol=1e-6)
        factors(copy.get_layer("tested"))[1].assign_add(
            np.ones(factors(copy.get_layer("tested"))[1].shape)
        )
        assert not np.allclose(copy(row.inputs), model(row.inputs))
    again = registry.deserialize(registry.serialize(model.get_layer("tested")))
    assert again.lora_rank == 2


@each_row
def test_lora_alpha_may_be_changed(row: LayerRow) -> None:
    layer = model_of(row).get_layer("tested")
    before = np.asarray(layer(row.inputs))
    layer.lora_alpha *= 2
    assert not np.allclose(before, layer(row.inputs))


def test_gradients_know_the_factors_only() -> None:
    layer = model_of(ROWS[0]).get_layer("tested")
    grads = keras.grad(lambda layer, x: layer(x).sum())(layer, ROWS[0].inputs)
    assert set(grads) == {"bias", "lora_kernel_a", "lora_kernel_b"}
    assert all(np.any(grad) for grad in grads.values())


def test_enabled_after_training() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="relu"),
                              keras.layers.Dense(2)], name="m")  # fmt: skip
    inputs, targets = x(8, 4), x(8, 2)
    model.compile("adam", "mse")
    model.fit(inputs, targets, verbose=0)
    expected = model.predict(inputs, verbose=0)
    layer = model.layers[0]
    layer.enable_lora(2, lora_alpha=4)
    assert layer.lora_kernel_a.path == f"m/{layer.name}/lora_kernel_a"
    assert_allclose(model.predict(inputs, verbose=0), expected, rtol=1e-6)
    frozen = layer.weights[0].numpy()
    model.compile("adam", "mse")
    history = model.fit(inputs, targets, epochs=5, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert_array_equal(layer.weights[0].numpy(), frozen)
    model.save(file := io.BytesIO())
    loaded = keras.saving.load_model(file)
    assert_allclose(loaded.predict(inputs, verbose=0), model.predict(inputs, verbose=0), rtol=1e-5)
    loaded.fit(inputs, targets, verbose=0)


def test_mixed_precision() -> None:
    layer = keras.layers.Dense(3, dtype="mixed_bfloat16", lora_rank=2)
    assert layer(x(2, 4)).dtype == "bfloat16"
    assert {v.dtype for v in layer.weights} == {"float32"}
    layer = keras.layers.Dense(3, dtype="float16", lora_rank=2)
    assert layer(x(2, 4)).dtype == "float16"
    assert [v.dtype for v in layer.weights] == ["float16"] * 2 + ["float32"] * 2


def test_refusals() -> None:
    layer = keras.layers.Dense(3)
    with pytest.raises(ValueError, match="no weight to adapt yet"):
        layer.enable_lora(2)
    layer.build((None, 4))
    with pytest.raises(ValueError, match="positive int as `rank`"):
        layer.enable_lora(0)
    layer.enable_lora(2)
    with pytest.raises(ValueError, match="has LoRA already"):
        layer.enable_lora(2)
    for name, kind, arguments in (
        ("kernel", keras.layers.Dense, {"units": 3}),
        ("embeddings", keras.layers.Embedding, {"input_dim": 3, "output_dim": 2}),
    ):
        layer = kind(**arguments, **{f"{name}_constraint": "max_norm"})
        layer.build((None, 4))
        with pytest.raises(ValueError, match="_constraint, which LoRA would break"):
            layer.enable_lora(2)
    with pytest.raises(ValueError, match="lora_rank"):
        keras.layers.Dense(3, lora_rank=-1)
    assert not hasattr(keras.layers.Dropout(0.5), "enable_lora")
