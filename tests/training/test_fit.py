"""fit, evaluate, predict: what they compute, how often they compile, what users may rely on."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training.models import SAMPLES, classifier, compiled, data, two_outputs

import lamina as keras
from lamina import ops
from lamina.callbacks import Callback
from lamina.core.errors import ArgumentError, DTypeError, ShapeError, StateError
from lamina.training.loop import Gate

X, Y = data()


@pytest.fixture(autouse=True, scope="module")
def room_for_programs():
    """JAX keeps so many programs in a process, and forgets others' when tests before made more."""
    jax.clear_caches()


def reference(model, x, y):
    """Loss and accuracy over all samples at once, in NumPy."""
    p = np.asarray(model(x), np.float64)
    return [-np.log(p[np.arange(len(y)), y]).mean(), (p.argmax(-1) == y).mean()]


def test_evaluate_equals_numpy_over_a_ragged_set():
    model = compiled()
    assert np.allclose(model.evaluate(X, Y, verbose=0), reference(model, X, Y), atol=1e-6)
    both = model.evaluate(X, Y, batch_size=7, verbose=0, return_dict=True)
    assert np.allclose([both["loss"], both["accuracy"]], reference(model, X, Y), atol=1e-6)


@pytest.mark.parametrize("extra", [(), (keras.layers.BatchNormalization(),)], ids=["pad", "own"])
def test_ragged_last_batch_trains_as_at_its_own_size(extra):
    padded, own = compiled(), compiled()
    if extra:
        padded, own = compiled(*extra), compiled(keras.layers.BatchNormalization())
    own.set_weights(padded.get_weights())
    padded.fit(X, Y, batch_size=32, shuffle=False, verbose=0)
    for start in (0, 32, 64):
        own.train_on_batch(X[start : start + 32], Y[start : start + 32])
    for a, b in zip(padded.get_weights(), own.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-6)


def test_one_program_each_for_train_test_and_predict():
    model = compiled()
    model.fit(X, Y, epochs=3, validation_data=(X[:50], Y[:50]), verbose=0)
    model.predict(X, verbose=0)
    programs = list(model._training.programs.values())
    assert [program.kind for program in programs] == ["train", "test", "predict"]
    assert [program.several._cache_size() for program in programs] == [1, 1, 0]
    assert [program.single._cache_size() for program in programs] == [0, 0, 1]


def test_predict_takes_batches_together_where_rows_are_computed_alone():
    x = np.random.default_rng(1).normal(size=(1000, 4)).astype("float32")
    model = compiled()
    whole = np.asarray(model(x))
    for given in (x, jnp.asarray(x), (x[i : i + 32] for i in range(0, 1000, 32))):
        assert np.allclose(model.predict(given, verbose=0), whole, atol=1e-6)
    assert np.allclose(model.predict(x, steps=3, batch_size=50, verbose=0), whole[:150], atol=1e-6)
    inputs = keras.Input((4,))
    for mixed in (ops.softmax(inputs, axis=-2), keras.layers.Softmax(axis=0)(inputs)):
        by_batch = keras.Model(inputs, mixed).predict(x, batch_size=300, verbose=0)
        assert np.allclose(by_batch[:300].sum(0), 1, atol=1e-5)
        assert np.allclose(by_batch[900:].sum(0), 1, atol=1e-5)
    halves = keras.Model(inputs, ops.reshape(inputs, (-1, 2)))
    assert np.array_equal(halves.predict(x[:50], verbose=0), x[:50].reshape(-1, 2))


def test_the_step_is_what_fit_runs():
    model = compiled(keras.layers.Dropout(0.3), optimizer="adam")
    state = model.state()
    for start in (0, 25, 50):
        state, logs = model.step(state, (X[start : start + 25], Y[start : start + 25]))
    history = model.fit(X, Y, batch_size=25, shuffle=False, verbose=0).history
    for ours, fitted in zip(state[:3], model.state()[:3], strict=True):
        for a, b in zip(ours, fitted, strict=True):
            assert np.allclose(a, b, atol=1e-7)
    assert np.allclose(float(logs["loss"]), history["loss"], atol=1e-6)
    model.set_state(state)
    jax.jit(model.step)(state, (X[:5], Y[:5]))


def test_a_step_changes_no_model():
    model = compiled()
    before = model.get_weights()
    model.step(model.state(), (X, Y))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_arrays_that_a_user_keeps_stay_alive():
    model = compiled()
    kept, (params, _) = model.layers[0].kernel.value, model.split()
    model.fit(X, Y, epochs=2, verbose=0)
    assert float(kept.sum()) == pytest.approx(float(next(iter(params.values())).sum()))
    x = jnp.asarray(X)
    model.fit(x, Y, verbose=0)
    assert x.sum() == pytest.approx(X.sum(), abs=1e-4)


def test_same_seed_same_run():
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        model = compiled(keras.layers.Dropout(0.5))
        runs.append(model.fit(X, Y, epochs=2, verbose=0).history["loss"])
    assert runs[0] == runs[1]


def test_shuffling_shows_each_sample_once():
    seen = []

    class Spy(keras.Model):
        def train_step(self, state, data):
            seen.append(np.asarray(data[0])[:, 0])
            return {"loss": jnp.zeros(())}, state

        def call(self, x):
            return x

    model = Spy()
    model.compile("sgd", run_eagerly=True)
    numbers = np.arange(SAMPLES, dtype="float32")[:, None]
    model.fit(numbers, numbers, batch_size=10, verbose=0)
    order = np.concatenate(seen)
    assert sorted(order) == list(range(SAMPLES)) and list(order) != list(range(SAMPLES))


def test_generators_dicts_and_lists():
    model = compiled()

    def batches():
        for start in range(0, SAMPLES, 25):
            yield X[start : start + 25], Y[start : start + 25]

    assert len(model.fit(batches(), verbose=0).epoch) == 1
    with pytest.warns(UserWarning, match="data-ran-out"):
        assert len(model.fit(batches(), epochs=3, verbose=0).epoch) == 1
    assert model.predict(((X[:5],) for _ in range(2)), verbose=0).shape == (10, 3)
    by_lists = model.evaluate(X.tolist(), Y.tolist(), verbose=0)
    assert np.allclose(by_lists, model.evaluate(X, Y, verbose=0))
    named = keras.Model(a := keras.Input((4,), name="a"), keras.layers.Dense(1)(a))
    assert named.predict({"a": X}, verbose=0).shape == (SAMPLES, 1)


@pytest.mark.parametrize("group", [1, 4])
def test_a_generator_may_use_one_buffer_again(group):
    one, other = compiled(steps_per_execution=group), compiled(steps_per_execution=group)
    other.set_weights(one.get_weights())
    buffer = np.empty((15, 4), "float32")

    def batches():
        for start in range(0, SAMPLES, 15):
            buffer[:] = X[start : start + 15]
            yield buffer, Y[start : start + 15]

    one.fit(batches(), verbose=0)
    other.fit(X, Y, batch_size=15, shuffle=False, verbose=0)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-6)


def test_large_arrays_are_copied_once_and_rightly():
    x = np.random.default_rng(0).normal(size=(70_000, 4)).astype("float32")
    model = compiled()
    outputs = model.predict(x, batch_size=7000, verbose=0)
    assert np.allclose(outputs, np.asarray(model(x)), atol=1e-6)


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    model = compiled()
    by_frame = model.evaluate(pandas.DataFrame(X), pandas.Series(Y), verbose=0)
    assert np.allclose(by_frame, model.evaluate(X, Y, verbose=0))


def test_steps_per_epoch_goes_on_where_it_was():
    model = compiled()
    history = model.fit(X, Y, batch_size=25, steps_per_epoch=1, epochs=3, verbose=0)
    assert len(history.epoch) == 3
    assert model.evaluate(X, Y, batch_size=5, steps=2, verbose=0) == pytest.approx(
        model.evaluate(X[:10], Y[:10], verbose=0)
    )


def test_class_weight_equals_sample_weight():
    weights, by_sample = {0: 2.0, 2: 0.5}, np.array([2.0, 1.0, 0.5])[Y]
    a, b = compiled(), compiled()
    b.set_weights(a.get_weights())
    first = a.fit(X, Y, class_weight=weights, shuffle=False, verbose=0).history
    second = b.fit(X, Y, sample_weight=by_sample, shuffle=False, verbose=0).history
    assert first["loss"] == pytest.approx(second["loss"])


def test_masked_outputs_count_only_what_is_there():
    ids = np.array([[1, 2, 0, 0], [3, 0, 0, 0], [4, 4, 4, 0]])
    layers = keras.layers
    model = keras.Sequential([layers.Embedding(5, 3, mask_zero=True), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    target = np.ones((3, 4, 1), "float32")
    errors = np.abs(np.asarray(model(ids)) - 1)[ids > 0]
    for size in (3, 2):
        loss, mae = model.evaluate(ids, target, batch_size=size, verbose=0)
        if size == 3:
            assert loss == pytest.approx((errors**2).mean(), rel=1e-5)
            assert mae == pytest.approx(errors.mean(), rel=1e-5)


def test_regularizers_and_added_losses_are_in_the_loss():
    class Adds(keras.layers.Layer):
        def call(self, x):
            self.add_loss(jnp.float32(0.25))
            return x

    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(1, kernel_regularizer="l2")(Adds()(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    loss = model.evaluate(X, X[:, :1], verbose=0)
    plain = np.mean((np.asarray(model(X)) - X[:, :1]) ** 2)
    penalty = 0.01 * np.sum(model.get_weights()[0] ** 2)
    assert loss == pytest.approx(plain + 0.25 + penalty, rel=1e-5)
    alone = keras.Model(inputs, outputs)
    alone.compile("sgd")
    assert alone.fit(X, verbose=0).history["loss"][0] > 0.25


def test_several_outputs_by_name_and_by_place():
    model = two_outputs()
    targets = {"kind": Y, "value": X[:, 0]}
    model.compile("sgd", {"kind": "sparse_categorical_crossentropy", "value": "mse"},
                  {"kind": 1.0, "value": 0.5}, metrics={"kind": ["accuracy"]})  # fmt: skip
    logs = model.fit(X, targets, verbose=0).history
    assert sorted(logs) == ["kind_accuracy", "kind_loss", "loss", "value_loss"]
    first = model.evaluate(X, targets, verbose=0, return_dict=True)
    assert first["loss"] == pytest.approx(first["kind_loss"] + 0.5 * first["value_loss"], rel=1e-5)
    model.compile("sgd", ["mse", "sparse_categorical_crossentropy"], loss_weights=[0.5, 1])
    second = model.evaluate(X, [X[:, 0], Y], verbose=0, return_dict=True)
    assert second["loss"] == pytest.approx(first["loss"], rel=1e-5)
    model.compile("sgd", [None, "sparse_categorical_crossentropy"])
    assert model.evaluate(X, [Y], verbose=0) == pytest.approx(first["kind_loss"], rel=1e-5)


def test_rates_and_weights_changed_by_callbacks_take_effect():
    class Zero(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.0 if epoch else 0.1
            self.before = self.model.get_weights()

        def on_epoch_end(self, epoch, logs=None):
            pairs = zip(self.before, self.model.get_weights(), strict=True)
            changed.append(any(not np.array_equal(a, b) for a, b in pairs))
            self.model.set_weights([0 * w for w in self.before])

    changed: list[bool] = []
    compiled().fit(X, Y, epochs=2, callbacks=Zero(), verbose=0)
    assert changed == [True, False]


def test_a_new_schedule_takes_effect():
    schedules = keras.optimizers.schedules
    optimizer = keras.optimizers.SGD(schedules.ExponentialDecay(0.1, 1, 1.0))
    model = compiled(optimizer=optimizer)
    model.fit(X, Y, verbose=0)
    optimizer.learning_rate = schedules.ExponentialDecay(0.0, 1, 1.0)
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_evaluate_before_fit_is_compiled_once():
    model = compiled()
    model.evaluate(X, Y, verbose=0)
    model.fit(X, Y, validation_data=(X, Y), verbose=0)
    programs = model._training.programs.values()
    assert sorted(program.kind for program in programs) == ["test", "train"]
    assert all(program.several._cache_size() == 1 for program in programs)


def test_an_error_in_the_data_leaves_the_last_whole_step():
    model = compiled()

    def broken():
        yield X[:10], Y[:10]
        raise RuntimeError("disk")

    before = model.get_weights()[0]
    with pytest.raises(RuntimeError, match="disk"):
        model.fit(broken(), verbose=0)
    assert not np.array_equal(before, model.get_weights()[0])
    assert np.isfinite(model.evaluate(X, Y, verbose=0)).all()


def test_an_interrupt_leaves_a_usable_model_and_history():
    class Interrupt(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    model = compiled()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=9, callbacks=[Interrupt()], verbose=0)
    assert np.isfinite(model.evaluate(X, Y, verbose=0)).all()
    assert model.history.epoch == [0]


def test_ctrl_c_waits_for_the_step_in_progress():
    gate, done = Gate(), []
    with pytest.raises(KeyboardInterrupt), gate:
        gate.handle()
        done.append("step")
    assert done == ["step"]
    with pytest.raises(KeyboardInterrupt):
        gate.handle()


def test_fit_in_another_thread():
    model = compiled()
    thread = threading.Thread(target=model.fit, args=(X, Y), kwargs={"verbose": 0})
    thread.start()
    thread.join()
    assert len(model.history.history["loss"]) == 1


def test_run_eagerly_sees_values():
    seen = []

    class Looks(keras.layers.Layer):
        def call(self, x):
            seen.append(type(x))
            return x

    model = compiled(Looks(), run_eagerly=True)
    model.fit(X, Y, epochs=2, verbose=0)
    assert len(seen) >= 6


def test_progress_is_a_line_for_each_epoch_when_piped(capsys):
    compiled().fit(X, Y, epochs=2, verbose=1)
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 2 and lines[1].startswith("Epoch 2/2 - 3 steps") and "loss: " in lines[1]


def test_convolutions_are_not_looped():
    class Conv(keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight((3, shape[-1], 4), name="kernel")

        def call(self, x):
            order = ("NWC", "WIO", "NWC")
            return jax.lax.conv_general_dilated(
                x, self.kernel.value, (1,), "SAME", dimension_numbers=order
            )

    model = keras.Sequential([keras.Input((6, 2)), Conv(), keras.layers.Flatten(),
                              keras.layers.Dense(1)])  # fmt: skip
    model.compile("sgd", "mse")
    model.fit(np.ones((10, 6, 2), "float32"), np.ones(10, "float32"), batch_size=5, verbose=0)
    (program,) = model._training.programs.values()
    assert not program.loops


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: m.fit(X, Y[:9]), ShapeError, "x: 75, y: 9"),
        (lambda m: m.fit(X[:, :3], Y), ShapeError, r"\(None, 3\)"),
        (lambda m: m.fit(X[:0], Y[:0]), ShapeError, "0 samples"),
        (lambda m: m.fit(X, Y, batch_size=0), ArgumentError, "batch_size=0"),
        (lambda m: m.fit(np.array([["a"]]), Y[:1]), DTypeError, "strings"),
        (lambda m: m.fit(X, Y, callbacks=Callback), DTypeError, r"Callback\(\)"),
        (lambda m: m.fit(X, Y, class_weight={"cat": 2}), ArgumentError, "class numbers"),
        (lambda m: m.fit(X, Y, validation_split=2), ArgumentError, "between 0 and 1"),
        (lambda m: m.fit(iter([]), verbose=0), ArgumentError, "no batch"),
        (lambda m: m.fit(iter([(X, Y)]), Y), ArgumentError, "y cannot be given"),
        (lambda m: m.fit(3.0), DTypeError, "x is no data"),
        (lambda m: m.fit(X), ArgumentError, "no targets"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call(compiled())


def test_labels_that_do_not_fit_the_loss_are_found_before_the_first_step():
    model = compiled(loss="categorical_crossentropy")
    with pytest.raises(ShapeError, match="sparse_categorical_crossentropy"):
        model.fit(X, Y, verbose=0)


def test_order_of_things():
    model = classifier()
    with pytest.raises(StateError, match="came before compile"):
        model.fit(X, Y)
    model.compile("sgd")
    with pytest.raises(StateError, match="nothing to make small"):
        model.fit(X, Y, verbose=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, Y, verbose=0)
    model.layers[0].trainable = False
    with pytest.raises(StateError, match="compile again"):
        model.fit(X, Y, verbose=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    frozen = model.layers[0].get_weights()
    model.fit(X, Y, verbose=0)
    assert np.array_equal(frozen[0], model.layers[0].get_weights()[0])


def test_a_metric_may_return_its_variable():
    class Seen(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="seen")
            self.count = self.add_variable(shape=(), initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.count.assign_add(y_true.shape[0])

        def result(self):
            return self.count

        def reset_state(self):
            self.count.assign(0)

    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[Seen()])
    history = model.fit(X, Y, batch_size=len(X), epochs=2, verbose=0).history
    assert history["seen"] == [len(X), len(X)]
    assert model.evaluate(X, Y, batch_size=len(X), verbose=0)[1] == len(X)
