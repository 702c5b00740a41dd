"""Events, their order and their logs, against Keras; and what callbacks leave behind."""

import csv

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import lamina  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

X = np.linspace(-1, 1, 24, dtype="float32")[:, None]
Y = 3 * X


def model_of(k, **options):
    made = k.Sequential([k.Input((1,)), k.layers.Dense(1, kernel_initializer="ones")])
    made.compile(k.optimizers.SGD(0.1), "mse", metrics=["mae"], **options)
    return made


def spy_of(k, seen):
    """A callback of either library that notes each event with its number and log names."""

    def noting(name):
        def event(self, *args, logs=None):
            numbers = [each for each in args if isinstance(each, int)]
            given = args[-1] if args and isinstance(args[-1], dict) else logs
            shapes = [np.shape(v) for v in (given or {}).values()]
            seen.append((name, *numbers, sorted(given or {}), shapes))

        return event

    names = [name for name in dir(k.callbacks.Callback) if name.startswith("on_")]
    names = [name for name in names if not name.startswith("on_batch")]
    return type("Spy", (k.callbacks.Callback,), {name: noting(name) for name in names})()


# With steps_per_execution=3, Keras gives 8 as the number of the last of 7 batches; here it is 6. So
# the numbers of batches below can be divided by 3.


def events_of(k, steps, **options):
    seen = []
    made = model_of(k, steps_per_execution=steps)
    made.fit(X, Y, batch_size=4, epochs=2, callbacks=[spy_of(k, seen)], verbose=0, **options)
    made.evaluate(X, Y, batch_size=8, callbacks=[spy_of(k, seen)], verbose=0)
    made.predict(X, batch_size=8, callbacks=[spy_of(k, seen)], verbose=0)
    return seen


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("options", [{}, {"validation_data": (X, Y), "validation_freq": 2}])
def test_order_of_events(steps, options):
    assert events_of(lamina, steps, **options) == events_of(keras, steps, **options)


def test_order_when_stopped():
    found = []
    for k in (lamina, keras):
        seen = []

        class Stop(k.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                self.model.stop_training = batch == 2

        made = model_of(k)
        made.fit(X, Y, batch_size=4, epochs=3, callbacks=[Stop(), spy_of(k, seen)], verbose=0,
                 validation_data=(X, Y))  # fmt: skip
        found.append(seen)
    assert found[0] == found[1]


@pytest.mark.parametrize("check", [None, (X, Y)])
def test_csv_files(tmp_path, check):
    tables = []
    for name, k in (("ours", lamina), ("theirs", keras)):
        path = tmp_path / name
        for append in (False, True):
            log = k.callbacks.CSVLogger(path, separator=";", append=append)
            model_of(k).fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[log],
                            validation_data=check)  # fmt: skip
        with open(path, newline="") as file:
            tables.append(list(csv.reader(file, delimiter=";")))
    ours, theirs = tables
    assert ours[0] == theirs[0] and len(ours) == len(theirs) == 5
    numbers = [[[np.nan if x == "NA" else float(x) for x in row] for row in t[1:]] for t in tables]
    np.testing.assert_allclose(*numbers, rtol=1e-5)


def test_stopping_and_rates():
    found = []
    for k in (lamina, keras):
        made = model_of(k)
        stop = k.callbacks.EarlyStopping("loss", patience=2, min_delta=0.5, baseline=1.0,
                                         start_from_epoch=1, restore_best_weights=True)  # fmt: skip
        lower = k.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=0.4, cooldown=1,
                                              min_lr=0.02)  # fmt: skip
        history = made.fit(X, Y, batch_size=8, epochs=12, shuffle=False, verbose=0,
                           callbacks=[lower, stop])  # fmt: skip
        found.append((history.history, history.epoch, stop.stopped_epoch, stop.best_epoch))
    (ours, *mine), (theirs, *others) = found
    assert mine == others and list(ours) == list(theirs)
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5)
