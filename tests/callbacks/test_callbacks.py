"""Callbacks: the order of events, and what each one does."""

import csv

import numpy as np
import pytest

import lamina as keras
from lamina import callbacks
from lamina.core.errors import ArgumentError, StateError, UnknownNameError

X = np.linspace(-1, 1, 20, dtype="float32")[:, None]
Y = 3 * X


def model(rate=0.1, **kwargs):
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    made.compile(keras.optimizers.SGD(rate), "mse", **kwargs)
    return made


def spy_of(k, seen):
    """A callback of either library that notes each event with its number."""

    def noting(name):
        def event(self, *args, logs=None):
            seen.append((name, *(each for each in args if isinstance(each, int))))

        return event

    names = [name for name in dir(k.callbacks.Callback) if name.startswith("on_")]
    return type("Spy", (k.callbacks.Callback,), {name: noting(name) for name in names})()


def test_events_in_order():
    seen: list[tuple[object, ...]] = []
    spy = spy_of(keras, seen)
    model().fit(X, Y, batch_size=10, validation_data=(X, Y), callbacks=[spy], verbose=0)
    train = [("on_train_batch_begin", 0), ("on_train_batch_end", 0),
             ("on_train_batch_begin", 1), ("on_train_batch_end", 1)]  # fmt: skip
    test = [("on_test_begin",)]
    for number in (0, 1):
        test += [("on_test_batch_begin", number), ("on_test_batch_end", number)]
    test += [("on_test_end",)]
    around = [("on_train_begin",), ("on_epoch_begin", 0)]
    assert seen == [*around, *train, *test, ("on_epoch_end", 0), ("on_train_end",)]


def test_batch_events_are_exact_and_can_stop():
    seen = []

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)
            self.model.stop_training = batch == 2

    history = model().fit(X, Y, batch_size=2, epochs=4, callbacks=Stop(), verbose=0)
    assert seen == [0, 1, 2] and history.epoch == [0]


def test_steps_per_execution_spaces_batch_events():
    seen = []
    spy = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    model(steps_per_execution=4).fit(X, Y, batch_size=2, callbacks=[spy], verbose=0)
    assert seen == [3, 7, 11]  # as in Keras: the last group is counted whole


def test_lambda_callback_events():
    seen = []
    spy = callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append("begin"),
        on_epoch_end=lambda epoch, logs: seen.append(sorted(logs)),
        on_predict_batch_end=lambda batch, logs: seen.append(logs["outputs"].shape),
    )
    made = model()
    made.fit(X, Y, callbacks=[spy], verbose=0)
    made.predict(X, batch_size=10, callbacks=[spy], verbose=0)
    assert seen == ["begin", ["loss"], (10, 1), (10, 1)]
    with pytest.raises(UnknownNameError, match="on_epoch_end"):
        callbacks.LambdaCallback(on_epoch_ends=print)


def test_early_stopping_stops_and_restores():
    made = model(rate=0.0)
    stop = callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    assert made.fit(X, Y, epochs=9, shuffle=False, callbacks=[stop], verbose=0).epoch == [0, 1, 2]
    made = model(rate=5.0)
    start = made.get_weights()
    stop = callbacks.EarlyStopping("loss", patience=99, restore_best_weights=True)
    made.fit(X, Y, epochs=4, callbacks=[stop], verbose=0)
    best = made.evaluate(X, Y, verbose=0)
    made.set_weights(start)
    made.fit(X, Y, epochs=4, verbose=0)
    assert best < made.evaluate(X, Y, verbose=0)


def test_direction_of_metrics_and_missing_monitors():
    made = model(metrics=["mae", keras.metrics.R2Score(name="r2")])
    stop = callbacks.EarlyStopping("r2")
    made.fit(X, Y, epochs=3, callbacks=[stop], verbose=0)
    assert stop._direction() == "max"
    with pytest.raises(ArgumentError, match=r"'los' is better.*'loss'"):
        made.fit(X, Y, callbacks=[callbacks.EarlyStopping("los")], verbose=0)
    with pytest.warns(UserWarning, match="'loss'.*monitor-missing"):
        made.fit(X, Y, callbacks=[callbacks.EarlyStopping("los", mode="min")], verbose=0)
    with pytest.warns(UserWarning, match="validation_data or validation_split.*There are: loss"):
        made.fit(X, Y, epochs=2, callbacks=[callbacks.EarlyStopping(patience=1)], verbose=0)
    with pytest.warns(UserWarning, match="unknown-mode"):
        assert callbacks.EarlyStopping(mode="best").mode == "auto"


def test_learning_rates():
    made = model(rate=1.0)
    plan = callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    history = made.fit(X, Y, epochs=3, callbacks=[plan], verbose=0).history
    assert history["learning_rate"] == pytest.approx([0.5, 0.25, 0.125])
    made = model(rate=0.0)
    made.optimizer.learning_rate = 1e-9
    lower = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, cooldown=1, min_delta=1.0)
    rates = made.fit(X, Y, epochs=4, callbacks=[lower], verbose=0).history["learning_rate"]
    assert np.allclose(rates, [1e-9, 1e-9, 5e-10, 5e-10])
    with pytest.raises(ArgumentError, match="below 1"):
        callbacks.ReduceLROnPlateau(factor=1.0)
    with pytest.raises(ArgumentError, match="not a float"):
        made.fit(X, Y, callbacks=[callbacks.LearningRateScheduler(lambda e: "x")], verbose=0)


def test_checkpoints(tmp_path):
    made = model()
    path = tmp_path / "at" / "{epoch}-{loss:.1f}.weights.h5"
    made.fit(X, Y, epochs=2, verbose=0,
             callbacks=[callbacks.ModelCheckpoint(path, save_weights_only=True)])  # fmt: skip
    assert sorted(p.name[0] for p in (tmp_path / "at").iterdir()) == ["1", "2"]
    best = callbacks.ModelCheckpoint(tmp_path / "best.keras", "loss", 0, True, mode="max")
    made.fit(X, Y, epochs=3, callbacks=[best], verbose=0)
    loaded = keras.models.load_model(tmp_path / "best.keras")
    assert loaded.evaluate(X, Y, verbose=0) > made.evaluate(X, Y, verbose=0)
    by_batch = callbacks.ModelCheckpoint(
        tmp_path / "b{batch}.weights.h5", save_weights_only=True, save_freq=3
    )
    made.fit(X, Y, batch_size=2, callbacks=[by_batch], verbose=0)
    assert sorted(p.name for p in tmp_path.glob("b?.*")) == [f"b{n}.weights.h5" for n in (3, 6, 9)]
    with pytest.raises(UnknownNameError, match="'loss'"):
        wrong = callbacks.ModelCheckpoint(tmp_path / "{los}.keras")
        made.fit(X, Y, callbacks=[wrong], verbose=0)
    with pytest.raises(ArgumentError, match=r"weights\.h5"):
        callbacks.ModelCheckpoint("model.keras", save_weights_only=True)


def test_csv(tmp_path):
    path = tmp_path / "log.csv"
    made = model()
    made.fit(X, Y, epochs=2, callbacks=[callbacks.CSVLogger(path)], verbose=0)
    made.fit(X, Y, callbacks=[callbacks.CSVLogger(path, append=True)], verbose=0)
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[0] == ["epoch", "loss", "val_loss"] and [r[0] for r in rows[1:]] == ["0", "1", "0"]
    assert rows[1][2] == "NA" and float(rows[1][1]) > 0


def test_nan_ends_training(capsys):
    bad = np.where(X > 0.9, np.nan, X).astype("float32")
    history = model().fit(bad, Y, epochs=5, callbacks=[callbacks.TerminateOnNaN()], verbose=0)
    assert history.epoch == [0] and "training ends" in capsys.readouterr().out
    with pytest.raises(StateError, match="NaN or inf in the data"):
        model().fit(bad, Y, callbacks=[callbacks.TerminateOnNaN(raise_error=True)], verbose=0)


def test_history_goes_to_the_model_and_adds_up():
    made, history = model(), callbacks.History()
    made.fit(X, Y, epochs=2, callbacks=[history], verbose=0)
    made.fit(X, Y, epochs=3, initial_epoch=2, callbacks=[history], verbose=0)
    assert made.history is history and len(history.history["loss"]) == 3 and history.epoch == [2]


def test_logs_are_a_dict_in_every_event():
    seen = {}

    class Logs(callbacks.Callback):
        pass

    def noting(name):
        def note(self, *args, logs=None):
            seen[name] = type(args[-1] if logs is None else logs)

        return note

    for name in [name for name in dir(callbacks.Callback) if name.startswith("on_")]:
        setattr(Logs, name, noting(name))
    made = model()
    made.fit(X, Y, validation_split=0.5, verbose=0, callbacks=[Logs()])
    made.predict(X, verbose=0, callbacks=[Logs()])
    assert {name for name, kind in seen.items() if kind is not dict} == set()
    assert len(seen) == 14
