"""SwapEMAWeights; RemoteMonitor, with a server on this machine; callbacks beside several rates."""

import http.server
import json
import threading
import urllib.parse

import numpy as np
import pytest

import lamina as keras
from lamina import callbacks, optimizers
from lamina.core.errors import ArgumentError

X = np.linspace(-1, 1, 20, dtype="float32")[:, None]
Y = 3 * X


def model(optimizer):
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="head")])
    made.compile(optimizer, "mse")
    return made


@pytest.mark.parametrize("scaled", [False, True])
def test_averages_while_testing(scaled):
    seen = []
    inner = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)
    made = model(optimizers.LossScaleOptimizer(inner, 8.0) if scaled else inner)
    spy = callbacks.LambdaCallback(
        on_test_batch_end=lambda batch, logs: seen.append(made.get_weights()[0].item()),
        on_epoch_begin=lambda epoch, logs: seen.append(made.get_weights()[0].item()),
    )
    last = {}
    callback = callbacks.SwapEMAWeights()
    note = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: last.update(
            average=inner._model_variables_moving_average[0].numpy().item(),
            weight=made.get_weights()[0].item(),
        )
    )
    history = made.fit(X, Y, epochs=2, batch_size=20, validation_data=(X, Y), verbose=0,
                       callbacks=[callback, spy, note]).history  # fmt: skip
    assert seen[3] == last["average"] != last["weight"]
    # In the end fit leaves the averages in the model, as the optimizer was asked to.
    assert made.evaluate(X, Y, batch_size=20, verbose=0) == history["val_loss"][-1]
    before = made.get_weights()
    made.predict(X, verbose=0, callbacks=[callback])
    np.testing.assert_array_equal(before[0], made.get_weights()[0])


@pytest.mark.parametrize("stops", [False, True])
def test_averages_that_stay_for_a_checkpoint(tmp_path, stops):
    made = model(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9))
    path = tmp_path / "best.keras"
    stop = [callbacks.EarlyStopping("loss", patience=1, min_delta=100.0)] if stops else []
    made.fit(X, Y, epochs=3, verbose=0, callbacks=[
        *stop, callbacks.SwapEMAWeights(swap_on_epoch=True), callbacks.ModelCheckpoint(path),
    ])  # fmt: skip
    kept = keras.models.load_model(path)
    np.testing.assert_allclose(kept.get_weights()[0], made.get_weights()[0])


def test_averages_are_needed():
    with pytest.raises(ArgumentError, match="use_ema=True"):
        model("sgd").evaluate(X, Y, verbose=0, callbacks=[callbacks.SwapEMAWeights()])


@pytest.fixture
def server():
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            got.append((self.path, self.headers["Content-Type"], self.headers["X-Key"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    web = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}", got
    web.shutdown()
    thread.join()
    web.server_close()


def test_remote_monitor(server):
    root, got = server
    as_json = callbacks.RemoteMonitor(root, send_as_json=True, headers={"X-Key": "k"})
    as_form = callbacks.RemoteMonitor(root, "/form", field="logs")
    loss = model("sgd").fit(X, Y, verbose=0, callbacks=[as_json, as_form]).history["loss"][0]
    (path, kind, key, body), (form_path, form_kind, _, form) = got
    assert (path, kind, key) == ("/publish/epoch/end/", "application/json", "k")
    assert json.loads(body) == {"epoch": 0, "loss": loss}
    assert (form_path, form_kind) == ("/form", "application/x-www-form-urlencoded")
    assert json.loads(urllib.parse.parse_qs(form)["logs"][0]) == {"epoch": 0, "loss": loss}
    as_json.on_epoch_end(3, {"a": np.float32(1.5), "b": np.arange(1)})
    assert json.loads(got[-1][-1]) == {"epoch": 3, "a": 1.5, "b": 0}


def test_remote_monitor_without_server():
    monitor = callbacks.RemoteMonitor("http://127.0.0.1:9")
    with pytest.warns(UserWarning, match="server-unreachable") as warned:
        model("sgd").fit(X, Y, epochs=2, verbose=0, callbacks=[monitor])
    assert len(warned) == 1


def two_rates():
    fast, slow = optimizers.SGD(0.4, name="fast"), optimizers.SGD(0.2, name="slow")
    choice = optimizers.OptimizerMap(slow, {".*/kernel": fast})
    return optimizers.MultiOptimizer(choice), fast, slow


def test_schedules_of_several_rates():
    optimizer, fast, slow = two_rates()
    plan = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = model(optimizer).fit(X, Y, epochs=2, verbose=0, callbacks=[plan]).history
    np.testing.assert_allclose(history["learning_rate_fast"], [0.2, 0.1])
    np.testing.assert_allclose(history["learning_rate_slow"], [0.1, 0.05])
    plateau = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=100.0)
    model(optimizers.LossScaleOptimizer(optimizer)).fit(X, Y, epochs=2, verbose=0,
                                                        callbacks=[plateau])  # fmt: skip
    np.testing.assert_allclose([fast.learning_rate, slow.learning_rate], [0.05, 0.025])


def test_lambda_callback_keeps_other_names():
    spy = callbacks.LambdaCallback(helper=lambda: 7)
    assert spy.helper() == 7


def test_monitors_that_are_arrays(tmp_path):
    keep = callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras", monitor="f1", mode="max",
                                     save_best_only=True)  # fmt: skip
    made = model("sgd")
    keep.set_model(made)
    with pytest.warns(UserWarning, match="monitor-array"):
        keep.on_epoch_end(0, {"f1": np.ones(3)})
    keep.on_epoch_end(1, {"f1": np.ones(1)})
    keep.on_epoch_end(2, {"f1": np.zeros(1)})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.keras", "2.keras"]
    assert keep.monitor_op is keras.ops.greater
