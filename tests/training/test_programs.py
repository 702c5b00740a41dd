"""How often steps are compiled, why, and how often the host waits for the device."""

import jax
import numpy as np
import pytest
from training.models import classifier, compiled, data

import lamina as keras

X, Y = data()


def test_the_first_epoch_compiles_all_that_a_run_needs():
    model = compiled()
    run = {"epochs": 1, "validation_data": (X[:50], Y[:50]), "verbose": 0}
    model.fit(X, Y, **run)
    model.predict(X, verbose=0)
    assert [(each.kind, each.cause) for each in model.compilations] == [
        ("train", "first"),
        ("test", "first"),
        ("predict", "first"),
    ]
    before = len(model.compilations)
    model.fit(X, Y, **run | {"epochs": 3})
    assert len(model.compilations) == before


def test_a_short_batch_of_a_stream_is_filled_up_unless_rows_are_mixed():
    batches = [(X[:32], Y[:32]), (X[32:49], Y[32:49])]
    model = compiled()
    model.fit(iter(batches), verbose=0)
    assert [c.cause for c in model.compilations] == ["first"]
    model = compiled(keras.layers.BatchNormalization())
    model.fit(iter(batches), verbose=0)
    assert [c.cause for c in model.compilations] == ["first", "batch of 17 rows instead of 32"]
    assert model.compilations[1].shapes[0] == ((17, 4), "float32")


@pytest.mark.parametrize("samples", [5, 33, 65, 97, 300, 2100])
def test_predicting_any_number_of_samples_is_one_program(samples):
    x = np.random.default_rng(0).normal(size=(samples, 4)).astype("float32")
    model = compiled()
    whole = np.asarray(model(x))
    assert np.allclose(model.predict(x, verbose=0), whole, atol=1e-6)
    assert len(model.compilations) == 1
    assert np.allclose(np.concatenate([*model.predict_batches(x)]), whole, atol=1e-6)
    batches = (x[i : i + 32] for i in range(0, samples, 32))
    assert np.allclose(model.predict(batches, verbose=0), whole, atol=1e-6)
    assert len(model.compilations) <= 2


def test_floats_after_integers_compile_anew():
    model = compiled(loss="mse")
    hot = np.eye(3)[Y[:32]]
    model.fit(iter([(X[:32], hot.astype("int64")), (X[:32], hot / 2)]), verbose=0)
    assert [c.cause for c in model.compilations] == ["first", "dtype float32 instead of int32"]


def test_causes_name_the_attribute_and_the_dtype():
    model = compiled(keras.layers.Dropout(0.5))
    model.fit(X, Y, verbose=0)
    model.layers[1].rate = 0.25
    model.fit(X, Y, verbose=0)
    assert "'rate' of Dropout changed" in model.compilations[-1].cause
    model.fit(X, Y.astype("uint8"), verbose=0)
    assert model.compilations[-1].cause == "dtype uint8 instead of int32"
    model.layers[0].trainable = False
    model.evaluate(X, Y, verbose=0)
    count = len(model.compilations)
    model.layers[0].trainable = True
    model.evaluate(X, Y, verbose=0)
    assert model.compilations[count].cause == "trainable of Dense changed"


def test_rates_set_between_fits_need_no_new_program():
    model = compiled()
    model.fit(X, Y, verbose=0)
    model.optimizer.learning_rate = 0.5
    model.fit(X, Y, verbose=0)
    assert len(model.compilations) == 1


def test_many_shapes_are_warned_of_once():
    model = compiled()
    batches = [(X[:size], Y[:size]) for size in range(2, 12)]
    with pytest.warns(UserWarning, match=r"\[many-shapes\]") as found:
        model.fit(iter(batches), verbose=0)
    assert len(found) == 1 and "compiled for 8 shapes" in str(found[0].message)


def test_the_host_waits_a_few_times_an_epoch(monkeypatch):
    model, waits = compiled(), []
    model.fit(X, Y, validation_data=(X, Y), verbose=0)
    for name in ("device_get", "block_until_ready"):
        function = getattr(jax, name)
        monkeypatch.setattr(jax, name, lambda x, f=function: (waits.append(1), f(x))[1])
    model.fit(np.tile(X, (40, 1)), np.tile(Y, 40), validation_data=(X, Y), epochs=3, verbose=0)
    assert len(waits) <= 3 * 10  # 94 steps an epoch


def test_memory_is_named_by_part():
    model = compiled(optimizer="adam")
    need = model.memory(X, Y)
    floats = 4 * 8 + 8 + 8 * 3 + 3
    assert need.gradients == 4 * floats
    assert need.optimizer == 2 * 4 * floats + 4 + 4  # two moments; count of steps and rate
    assert 0 <= need.weights - 4 * floats <= 32  # the sums of metrics
    assert need.batch == 32 * (4 * 4 + Y.itemsize) and need.rows == 32
    assert need.total == sum(
        (need.weights, need.optimizer, need.gradients, need.activations, need.batch)
    )
    assert need.largest_batch > 1000
    wide = model.memory(np.zeros((4096, 4), "float32"), np.zeros(4096, int), batch_size=4096)
    assert wide.activations >= 4096 * 8 * 4  # the hidden layer
    assert classifier().memory(X).gradients == 0


def test_no_room_is_explained(monkeypatch):
    model = compiled()
    model.fit(X, Y, verbose=0)
    program = next(iter(model._training.programs.values()))

    def fail(*args):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(program, "several", fail)
    with pytest.raises(MemoryError, match=r"activations .* in all for 32 samples") as error:
        model.fit(X, Y, verbose=0)
    assert "batch_size=16 would fit" in str(error.value)
