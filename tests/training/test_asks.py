"""A dry run, outputs as they come, and the search for a learning rate."""

import numpy as np
import pytest
from training.models import classifier, compiled, data, two_outputs

import lamina as keras
from lamina.callbacks import Callback, CSVLogger, ModelCheckpoint
from lamina.core.errors import ArgumentError
from lamina.training.state import read, variables_of

X, Y = data()


def arrays(model):
    return [np.array(a) for part in read(variables_of(model)) for a in part]


class Broken(Callback):
    def on_train_end(self, logs=None):
        raise KeyError("late")


def test_a_dry_run_keeps_nothing(tmp_path):
    model = compiled(keras.layers.Dropout(0.5), optimizer="adam")
    model.fit(X, Y, verbose=0)
    before, history = arrays(model), model.history
    log = tmp_path / "log.csv"
    log.write_text("mine")
    checkpoint = ModelCheckpoint(tmp_path / "deep" / "{epoch}.keras", monitor="val_loss")
    callbacks = [checkpoint, CSVLogger(log)]
    seen = model.fit(X, Y, validation_data=(X, Y), callbacks=callbacks, verbose=0, dry_run=True)
    assert set(seen.history) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    assert model.history is history and seen is not history
    assert log.read_text() == "mine" and [p.name for p in tmp_path.iterdir()] == ["log.csv"]
    for a, b in zip(before, arrays(model), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dry", [False, True])
def test_a_dry_run_changes_no_later_run(dry):
    keras.utils.set_random_seed(3)
    model = compiled(keras.layers.Dropout(0.5))
    model(X)
    if dry:
        model.fit(X, Y, validation_split=0.2, verbose=0, dry_run=True)
    found = model.fit(X, Y, epochs=2, verbose=0).history["loss"]
    keras.utils.set_random_seed(3)
    other = compiled(keras.layers.Dropout(0.5))
    other(X)
    again = other.fit(X, Y, epochs=2, verbose=0).history["loss"]
    assert found == again


def test_a_dry_run_meets_late_errors():
    model = compiled()
    model.build((None, 4))
    before = model.get_weights()
    with pytest.raises(KeyError, match="late"):
        model.fit(X, Y, epochs=1000, callbacks=[Broken()], verbose=0, dry_run=True)
    with pytest.raises(ValueError, match="nowhere"):
        bad = ModelCheckpoint("m_{nowhere}.keras")
        model.fit(X, Y, callbacks=bad, verbose=0, dry_run=True)
    for a, b in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("streamed", [False, True])
def test_wrong_validation_data_is_found_before_the_first_step(streamed):
    model = compiled()
    model.fit(X, Y, verbose=0)
    before, check = model.get_weights(), (X[:, :3], Y)
    with pytest.raises(ValueError):
        model.fit(X, Y, validation_data=iter([check]) if streamed else check, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("size", [7, 32, 100])
def test_outputs_come_batch_by_batch(size):
    model = classifier()
    parts = list(model.predict_batches(X, batch_size=size))
    assert [len(part) for part in parts] == [len(X[i : i + size]) for i in range(0, 75, size)]
    assert np.allclose(np.concatenate(parts), model.predict(X, verbose=0), atol=1e-6)


def test_outputs_of_an_endless_stream_come_as_they_are_asked_for():
    given = []

    def batches():
        while True:
            given.append(1)
            yield (X[:5],)

    parts = two_outputs().predict_batches(batches())
    value, kind = next(parts)
    assert value.shape == (5, 1) and kind.shape == (5, 3) and len(given) <= 7
    assert next(parts)[0].shape == (5, 1)


def test_outputs_go_into_a_file(tmp_path):
    model, path = classifier(), tmp_path / "out.npy"
    mapped = model.predict(X, batch_size=8, verbose=0, out=path)
    assert isinstance(mapped, np.memmap) and mapped.dtype == np.float32
    expected = model.predict(X, verbose=0)
    assert np.allclose(np.load(path), expected, atol=1e-6)
    streamed = model.predict(iter([X[:70], X[70:]]), verbose=0, out=str(path))
    assert np.allclose(streamed, expected, atol=1e-6)

    def torn():
        yield (X[:5],)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        model.predict(torn(), verbose=0, out=path)
    assert [p.name for p in tmp_path.iterdir()] == ["out.npy"] and len(np.load(path)) == 75
    with pytest.raises(ArgumentError, match="several"):
        two_outputs().predict(X, verbose=0, out=path)
    with pytest.raises(ArgumentError, match=r"\.npy"):
        model.predict(X, verbose=0, out="out.csv")


@pytest.mark.parametrize(
    "rate", [0.01, keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)], ids=["fix", "plan"]
)
def test_the_search_for_a_rate_keeps_nothing(rate):
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    model = compiled(keras.layers.Dropout(0.1), optimizer=optimizer)
    model.fit(X, Y, verbose=0)
    before = arrays(model)
    curve = model.find_learning_rate(X, Y, lowest=1e-4, highest=1e3, steps=40)
    assert len(before) == len(arrays(model))
    for a, b in zip(before, arrays(model), strict=True):
        assert a.tobytes() == b.tobytes()
    assert curve.rates[0] <= curve.suggestion < 100 and len(curve.rates) == len(curve.losses) <= 40
    assert "log10" in curve.plot().svg
    assert np.allclose(curve.rates[1:] / curve.rates[:-1], 1e7 ** (1 / 39), rtol=1e-3)
    model.fit(X, Y, verbose=0)


def test_the_search_ends_when_the_loss_explodes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    curve = model.find_learning_rate(x, x.sum(1), lowest=1e-4, highest=100.0)
    assert 10 < len(curve.rates) < 100
    assert 1e-3 < curve.suggestion < 1
    with pytest.raises(ArgumentError, match="ramped"):
        model.find_learning_rate(x, x.sum(1), lowest=1.0, highest=0.1)
