"""How often steps are compiled, why, and how often the host waits for the device."""

import math

import jax
import jax.numpy as jnp
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


ARRAY = type(jnp.zeros(()))
READS = {
    ARRAY: "_value __array__ item tolist block_until_ready __float__ __int__ __bool__ __index__ "
    "__complex__ __iter__ __str__",
    jax: "device_get block_until_ready",
    np: "asarray array copy stack concatenate",
}


@pytest.fixture
def waits(monkeypatch):
    """The ways in which the host has read a device's array, or waited for it, one entry each."""
    seen, inside = [], [0]

    def counted(name, call):
        def read(*args, **kwargs):
            given = args[0] if isinstance(args[0], (list, tuple)) else args[:1]
            waits = name.startswith("jax.") or any(isinstance(x, jax.Array) for x in given)
            if waits and not inside[0]:
                seen.append(name)
            inside[0] += 1
            try:
                return call(*args, **kwargs)
            finally:
                inside[0] -= 1

        return read

    for owner, names in READS.items():
        for name in names.split():
            call = getattr(owner, name)
            if isinstance(call, property):
                read = property(counted(name, call.fget))
            else:
                read = counted(f"jax.{name}" if owner is jax else name, call)
            monkeypatch.setattr(owner, name, read)
    return seen


def test_each_way_of_reading_is_counted(waits):
    x = jnp.ones(())
    for read in (float, int, bool, np.asarray, np.array, jax.device_get, jax.block_until_ready,
                 str, complex, lambda x: x.item(), lambda x: x.tolist(), lambda x: np.stack([x]),
                 lambda x: x.block_until_ready(), lambda x: list(x[None])):  # fmt: skip
        before = len(waits)
        read(x)
        assert len(waits) == before + 1, read
    assert jnp.add(x, 1) is not None and len(waits) == before + 1


STEPS = 94


@pytest.mark.parametrize("kind", ["arrays", "stream", "validated"])
def test_the_host_waits_a_few_times_an_epoch(kind, request):
    model = compiled()
    x, y = np.tile(X, (40, 1)), np.tile(Y, 40)
    batches = [(x[i : i + 32], y[i : i + 32]) for i in range(0, len(x), 32)]
    given = {"x": batches} if kind == "stream" else {"x": x, "y": y}
    if kind == "validated":
        given["validation_data"] = (x, y)
    model.fit(**given, epochs=2, verbose=0)
    waits = request.getfixturevalue("waits")
    model.fit(**given, epochs=5, verbose=0)
    assert len(batches) == STEPS
    # A pass of an epoch: one for its logs, one for the time that a program took; and at the start
    # programs grow from 1 step to all, by doubling.
    passes = 2 if kind == "validated" else 1
    assert 5 <= len(waits) <= passes * (2 * 5 + math.ceil(math.log2(STEPS))), waits


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
