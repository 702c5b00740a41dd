"""Programs in which something is wrong, and what is said before the first step."""

import warnings

import numpy as np
import pytest
from training.models import SAMPLES, classifier, compiled, data

import lamina as keras
from lamina import callbacks, layers, losses, metrics, ops
from lamina.core.errors import ArgumentError, LaminaWarning, NumericsError, ShapeError, StateError

RNG = np.random.default_rng(0)
N = 64
X = RNG.normal(size=(N, 6)).astype("float32")
REAL = (X @ RNG.normal(size=(6, 1)) * 5).astype("float32")
IDS = np.arange(N) % 4
HOT = np.eye(4, dtype="float32")[IDS]
YES = np.arange(N) % 2
MANY = (RNG.random((N, 4)) > 0.5).astype("float32")
BYTES = RNG.integers(0, 256, (N, 8, 8, 3)).astype("uint8")
SPARSE, ONE_HOT, BINARY = (
    f"{kind}_crossentropy" for kind in ("sparse_categorical", "categorical", "binary")
)


def model(units=1, activation=None, loss="mse", measured=None, optimizer="sgd", before=()):
    last = layers.Dense(units, activation, name="last")
    made = keras.Sequential([keras.Input((6,)), *before, last])
    made.compile(optimizer, loss, metrics=measured)
    return made


def graph(last, loss="mse", shape=(6,)):
    x = keras.Input(shape)
    made = keras.Model(x, last(x))
    made.compile("sgd", loss)
    return made


def pictures(*first):
    made = keras.Sequential([*first, layers.Flatten(), layers.Dense(4, "softmax")])
    made.compile("sgd", SPARSE)
    return made


def nested(activation, loss):
    made = keras.Sequential([keras.Input((6,)), model(4, activation), layers.Dropout(0.1)])
    made.compile("sgd", loss)
    return made


LOGITS = {
    SPARSE: losses.SparseCategoricalCrossentropy(from_logits=True),
    ONE_HOT: losses.CategoricalCrossentropy(from_logits=True),
    BINARY: losses.BinaryCrossentropy(from_logits=True),
}
PROBABLE = {
    "softmax twice": (lambda: model(4, "softmax", LOGITS[SPARSE]), X, IDS, "from-logits"),
    "softmax twice, one-hot": (lambda: model(4, "softmax", LOGITS[ONE_HOT]), X, HOT, "from-logits"),
    "sigmoid twice": (lambda: model(1, "sigmoid", LOGITS[BINARY]), X, YES, "from-logits"),
    "softmax as an op, twice": (
        lambda: graph(lambda x: ops.softmax(layers.Dense(4)(x)), LOGITS[SPARSE]),
        X, IDS, "from-logits",
    ),
    "sigmoid reshaped, twice": (
        lambda: graph(
            lambda x: ops.reshape(layers.Dense(1, "sigmoid")(x), (-1, 1)), LOGITS[BINARY]
        ),
        X, YES, "from-logits",
    ),
    "nested softmax twice": (lambda: nested("softmax", LOGITS[SPARSE]), X, IDS, "from-logits"),
    "TimeDistributed softmax twice": (
        lambda: graph(layers.TimeDistributed(layers.Dense(4, "softmax")), LOGITS[SPARSE], (1, 6)),
        X[:, None], IDS[:, None], "from-logits",
    ),
    "no softmax": (lambda: model(4, None, SPARSE), X, IDS, "from-logits"),
    "no softmax, one-hot": (lambda: model(4, None, ONE_HOT), X, HOT, "from-logits"),
    "no sigmoid": (lambda: model(1, None, BINARY), X, YES, "from-logits"),
    "no softmax, by an object": (
        lambda: model(4, None, losses.SparseCategoricalCrossentropy()), X, IDS, "from-logits"),
    "no softmax, inside": (lambda: nested(None, SPARSE), X, IDS, "from-logits"),
    "no softmax after a convolution": (
        lambda: graph(layers.Conv2D(4, 1), SPARSE, (8, 8, 3)),
        BYTES / 255, np.tile(IDS[:, None, None], (1, 8, 8)), "from-logits",
    ),
    "no softmax after EinsumDense": (
        lambda: graph(layers.EinsumDense("ab,bc->ac", 4), SPARSE), X, IDS, "from-logits"),
    "relu before a crossentropy": (lambda: model(4, "relu", SPARSE), X, IDS, "from-logits"),
    "tanh before a crossentropy": (lambda: model(1, "tanh", BINARY), X, YES, "from-logits"),
    "a metric of another kind than the loss": (
        lambda: model(1, None, LOGITS[BINARY], [metrics.BinaryCrossentropy()]),
        X, YES, "from-logits",
    ),
    "softmax of one": (lambda: model(1, "softmax", BINARY), X, YES, "softmax-of-one"),
    "sigmoid for exclusive classes": (
        lambda: model(4, "sigmoid", ONE_HOT), X, HOT, "exclusive-classes"),
    "softmax for several labels": (lambda: model(4, "softmax", BINARY), X, MANY, "multi-label"),
    "several labels, one class asked for": (
        lambda: model(4, "softmax", ONE_HOT), X, MANY, "not-one-hot"),
    "rows that are no shares": (
        lambda: model(4, "softmax", ONE_HOT), X, RNG.random((N, 4)), "not-one-hot"),
    "fractions as classes": (lambda: model(4, "softmax", SPARSE), X, X[:, 0], "labels-not-whole"),
    "labels -1 and 1": (lambda: model(1, "sigmoid", BINARY), X, YES * 2 - 1, "labels-range"),
    "labels 1 and 2": (lambda: model(1, "sigmoid", BINARY), X, YES + 1, "labels-range"),
    "tanh and large targets": (lambda: model(1, "tanh"), X, REAL, "range-of-output"),
    "relu and negative targets": (lambda: model(1, "relu"), X, REAL, "range-of-output"),
    "sigmoid and large targets": (
        lambda: model(1, "sigmoid", losses.MeanAbsoluteError()), X, REAL, "range-of-output"),
    "softmax and class numbers": (
        lambda: model(4, "softmax"), X, IDS[:, None], "target-broadcast"),
    "a column for several outputs": (lambda: model(4, None, "mae"), X, REAL, "target-broadcast"),
    "a vector as long as the output": (
        lambda: model(32), X[:32], REAL[:32, 0], "target-broadcast"),
    "several targets for one output": (
        lambda: model(1), X, np.hstack([REAL] * 3), "target-broadcast"),
    "a sequence for its last step": (
        lambda: graph(layers.SimpleRNN(1, activation="linear"), "mse", (5, 1)),
        np.ones((N, 5, 1)), RNG.normal(size=(N, 5, 1)), "target-broadcast",
    ),
    "accuracy of numbers": (
        lambda: model(1, None, "mse", ["accuracy"]), X, REAL, "accuracy-of-numbers"),
    "accuracy of -1 and 1": (
        lambda: model(1, "tanh", "hinge", ["accuracy"]), X, YES * 2 - 1, "accuracy-of-numbers"),
    "accuracy of several numbers": (
        lambda: model(4, None, "mae", ["acc"]), X, RNG.normal(size=(N, 4)), "accuracy-of-numbers"),
    "accuracy of several labels": (
        lambda: model(4, "sigmoid", BINARY, ["accuracy"]), X, MANY, "accuracy-of-labels"),
    "a recurrent layer for free numbers": (
        lambda: graph(layers.LSTM(1), "mse", (5, 1)),
        np.ones((N, 5, 1)), REAL, "range-of-output",
    ),
    "AUC of logits": (lambda: model(1, None, LOGITS[BINARY], ["AUC"]), X, YES, "metric-of-logits"),
    "Precision of logits": (
        lambda: model(1, None, LOGITS[BINARY], ["Precision"]), X, YES, "metric-of-logits"),
    "accuracy of logits": (
        lambda: model(1, None, LOGITS[BINARY], ["accuracy"]), X, YES, "metric-of-logits"),
    "one label": (lambda: model(1, "sigmoid", BINARY), X, np.ones(N), "one-label"),
    "one label, as bool": (lambda: model(1, "sigmoid", BINARY), X, np.ones(N, bool), "one-label"),
    "bytes": (lambda: pictures(layers.Conv2D(4, 3)), BYTES, IDS, "unscaled-data"),
    "bytes as floats": (lambda: pictures(), BYTES.astype("float32"), IDS, "unscaled-data"),
    "channels first": (
        lambda: pictures(layers.Conv2D(4, 3, padding="same")),
        RNG.random((N, 3, 16, 16)), IDS, "channels-first",
    ),
    "a kernel of zeros": (
        lambda: model(before=[layers.Dense(8, "relu", kernel_initializer="zeros")]),
        X, REAL, "zero-kernel",
    ),
    "a large learning rate": (
        lambda: model(optimizer=keras.optimizers.Adam(10.0)), X, REAL, "learning-rate"),
    "a target below a frozen table": (
        lambda: model(4, "log_softmax", ONE_HOT), X, HOT, "from-logits"),
}  # fmt: skip


@pytest.mark.parametrize("case", PROBABLE)
def test_what_is_probably_wrong_is_one_warning(case):
    make, x, y, code = PROBABLE[case]
    found = make().check(x, y)
    assert [each.code for each in found] == [code], found
    assert not found[0].certain and f"[{code}]" in repr(found)
    with pytest.warns(LaminaWarning) as caught:
        make().fit(x, y, batch_size=N, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    assert len(caught) == 1 and f"[{code}]" in str(caught[0].message)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", rf"(?s).*\[{code}\]")
        make().fit(x, y, batch_size=N, verbose=0, callbacks=[callbacks.TerminateOnNaN()])


def with_nan(array, *place):
    array = np.array(array, "float32")
    array[place] = np.nan
    return array


CERTAIN = {
    "labels from 1": (lambda: model(4, "softmax", SPARSE), X, IDS + 1, r"y - 1.*out-of-range"),
    "a label too many": (lambda: model(3, "softmax", SPARSE), X, IDS, r"3 classes, 0 to 2"),
    "a label for nothing": (
        lambda: model(4, "softmax", SPARSE), X, np.where(IDS == 2, -1, IDS), "ignore_class=-1"),
    "void": (
        lambda: model(4, None, LOGITS[SPARSE]), X, np.where(IDS == 2, 255, IDS), "ignore_class=255"
    ),
    "NaN in x": (lambda: model(), with_nan(X, 40, 2), REAL, r"x\[40, 2\] is nan.*nan-in-data"),
    "inf in x": (lambda: model(), np.where(X > 2, np.inf, X), REAL, "is inf"),
    "NaN in y": (lambda: model(), X, with_nan(REAL, 7), r"y\[7, 0\] is nan"),
    "past the table": (
        lambda: graph(lambda x: layers.Dense(1)(layers.Embedding(20, 2)(x)), "mse", (5,)),
        np.full((N, 5), 20), np.ones((N, 5, 1)), "has 20 rows.*index-out-of-range",
    ),
    "a negative index": (
        lambda: graph(lambda x: layers.Dense(1)(layers.Embedding(20, 2)(x)), "mse", (5,)),
        np.full((N, 5), -1), np.ones((N, 5, 1)), "goes from -1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CERTAIN)
def test_what_is_certainly_wrong_is_an_error(case):
    make, x, y, words = CERTAIN[case]
    made = make()
    before = made.get_weights()
    assert [each.certain for each in made.check(x, y)] == [True]
    with pytest.raises(ArgumentError, match=f"(?s){words}"):
        made.fit(x, y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, made.get_weights(), strict=True))


def test_weights_that_are_no_numbers():
    with pytest.raises(ArgumentError, match=r"sample_weight\[3\] is nan"):
        model().fit(X, REAL, sample_weight=with_nan(np.ones(N), 3), verbose=0)


def test_nan_that_a_model_may_mend():
    mends = graph(lambda x: layers.Dense(1)(Through(ops.nan_to_num, "own")(x)))
    with pytest.warns(LaminaWarning, match=r"x\[3, 0\].*nan-in-data"):
        mends.fit(with_nan(X, 3, 0), REAL, verbose=0)


def test_each_output_is_looked_at():
    x = keras.Input((6,))
    value, kind = layers.Dense(1, "relu", name="value")(x), layers.Dense(4, name="kind")(x)
    made = keras.Model(x, [value, kind])
    made.compile("sgd", ["mse", SPARSE], metrics={"value": ["accuracy"]})
    found = made.check(X, [REAL, IDS])
    assert sorted(each.code for each in found) == [
        "accuracy-of-numbers", "from-logits", "range-of-output"
    ]  # fmt: skip
    assert "the output 'kind'" in str(found)
    assert "y[0] goes from" in str(found)


@pytest.mark.parametrize("form", [list, lambda x: dict(zip("ab", x, strict=True))])
def test_each_input_is_looked_at(form):
    a, b = keras.Input((6,), name="a"), keras.Input((5,), name="b")
    both = layers.Concatenate()([a, layers.Flatten()(layers.Embedding(9, 2)(b))])
    made = keras.Model([a, b], layers.Dense(1)(both))
    made.compile("sgd", "mse")
    found = made.check(form([X, np.full((N, 5), 9)]), REAL)
    assert [each.code for each in found] == ["index-out-of-range"]
    assert "goes from 9 to 9" in found[0].message


def test_large_arrays_are_looked_at_too():
    x = RNG.normal(size=(200_000, 6)).astype("float32")
    labels = np.arange(len(x)) % 4
    labels[-1] = 4
    found = model(4, "softmax", SPARSE).check(x, labels)
    assert [each.code for each in found] == ["labels-out-of-range"]


def test_subclasses_are_judged_by_data_and_the_layer_they_end_in():
    class Own(keras.Model):
        def __init__(self, activation="softmax"):
            super().__init__()
            self.blocks = [layers.Dense(6)] * 3
            self.head = layers.Dense(4, activation)

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    made = Own()
    made.compile("sgd", SPARSE)
    found = made.check(X, IDS + 1)
    assert [each.code for each in found] == ["same-layer", "labels-out-of-range"], found
    assert f"The list 'blocks' of '{made.name}' holds one layer" in str(found)
    for activation, loss in (("softmax", LOGITS[SPARSE]), (None, SPARSE)):
        made = Own(activation)
        made.compile("sgd", loss)
        assert [each.code for each in made.check(X, IDS)] == ["same-layer", "from-logits"]


def test_check_changes_nothing():
    made = model(4, "softmax", SPARSE, ["accuracy"])
    before = made.get_weights()
    assert [each.code for each in made.check(X, HOT)] == ["does-not-fit"]
    assert repr(made.check(X, IDS)) == "Nothing found."
    assert not made.compiled_loss.built and made.optimizer.iterations == 0
    assert all(np.array_equal(a, b) for a, b in zip(before, made.get_weights(), strict=True))
    made.fit(X, IDS, verbose=0)
    with pytest.raises(StateError, match="check came before compile"):
        classifier().check(*data())


def test_sorted_labels_and_a_split():
    with pytest.warns(LaminaWarning, match="Most samples.*sorted-labels"):
        made = model(4, "softmax", SPARSE)
        made.fit(X, np.sort(IDS), validation_split=0.25, verbose=0)


def test_held_out_data_is_looked_at():
    made = model(4, "softmax", SPARSE)
    with pytest.raises(ArgumentError, match="out-of-range"):
        made.fit(X, IDS, validation_data=(X, IDS + 1), verbose=0)
    for held_out in ((X[:, :3], IDS), (X, HOT)):
        with pytest.raises(ShapeError):
            model(4, "softmax", SPARSE).fit(X, IDS, validation_data=held_out, verbose=0)


def test_a_batch_axis_that_is_missing():
    with pytest.raises(ShapeError):
        model().fit(X[0], REAL[0], verbose=0)


def test_weights_of_classes_that_do_not_occur():
    with pytest.warns(LaminaWarning, match="names 7.*class-weight"):
        made = model(4, "softmax", SPARSE)
        made.fit(X, IDS, class_weight={0: 1.0, 7: 2.0}, verbose=0)


def test_trainable_changed_after_fit():
    made = compiled()
    made.fit(*data(), verbose=0)
    made.layers[0].trainable = False
    with pytest.raises(StateError, match="compile again"):
        made.fit(*data(), verbose=0)


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (lambda: callbacks.EarlyStopping(), "follows 'val_loss'.*Give fit validation_data"),
        (lambda: callbacks.EarlyStopping("acuracy", mode="max"), "Did you mean 'accuracy'"),
        (lambda: callbacks.ModelCheckpoint("a.keras", save_best_only=True), "follows 'val_loss'"),
    ],
)
def test_logs_that_will_not_come(callback, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = compiled()
    assert made.check(*data(), callbacks=callback())[0].code == "monitor-missing"
    with pytest.warns(LaminaWarning, match=rf"(?s){words}.*\[monitor-missing\]") as caught:
        made.fit(*data(), epochs=2, callbacks=callback(), verbose=0)
    assert len(caught) == 1


def test_a_log_that_nobody_knows():
    made = compiled()
    stop = callbacks.ReduceLROnPlateau("val_acc")
    assert made.check(*data(), callbacks=stop)[0].code == "monitor-unknown"
    with pytest.raises(ArgumentError, match=r"cannot tell whether.*'val_acc'"):
        made.fit(*data(), callbacks=stop, verbose=0)


def test_files_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    steps = []
    spy = callbacks.LambdaCallback(on_train_begin=lambda logs: steps.append(1))
    for name, error, words in [
        ("file/model.keras", ArgumentError, "no directory.*cannot-write"),
        ("{epoch:02q}.keras", ArgumentError, "no format"),
    ]:
        with pytest.raises(error, match=words):
            given = [callbacks.ModelCheckpoint(tmp_path / name), spy]
            compiled().fit(*data(), callbacks=given, verbose=0)
    with pytest.raises(ValueError, match=r"names 'los'.*'loss'"):
        given = callbacks.ModelCheckpoint(tmp_path / "{los}.keras")
        compiled().fit(*data(), callbacks=given, verbose=0)
    with pytest.raises(FileNotFoundError):
        given = callbacks.CSVLogger(tmp_path / "none" / "log.csv")
        compiled().fit(*data(), callbacks=given, verbose=0)
    assert not steps


# --- numbers that are none ----------------------------------------------------------------------


class Through(layers.Layer):
    """A layer with a function of one's own."""

    def __init__(self, function, name):
        super().__init__(name=name)
        self.function = function

    def call(self, x):
        return self.function(x)


def unstable(function=ops.abs, rate=0.1, loss="mse"):
    made = keras.Sequential([
        keras.Input((6,)), layers.Dense(4, name="a"), Through(function, "own"),
        layers.Dense(1, name="b"),
    ])  # fmt: skip
    made.compile(keras.optimizers.SGD(rate), loss)
    return made


def finite(made):
    return all(np.isfinite(w).all() for w in made.get_weights())


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: unstable(lambda x: ops.log(-1 - x * x)), "forward pass.*Through 'own'"),
        (lambda: unstable(lambda x: ops.sqrt(0 * x)), "gradient.*a/bias"),
        (lambda: unstable(loss=lambda y, p: ops.log(-1 - p * p)), "in the loss, which is nan"),
        (lambda: unstable(rate=np.inf), "update of .*a/kernel"),
        (lambda: unstable(rate=1e30), "Batch 1 .*forward pass"),
    ],
    ids=["layer", "gradient", "loss", "update", "later"],
)
def test_where_nan_begins(made, words):
    made = made()
    with pytest.raises(NumericsError, match=f"(?s){words}"):
        made.fit(X, REAL, verbose=0, check_numerics=True)
    assert finite(made)
    assert made.layers[1].call.__func__ is Through.call


def test_nan_in_a_later_batch_leaves_the_steps_before():
    made, other = unstable(), unstable()
    other.set_weights(made.get_weights())
    bad = with_nan(X, 40, 2)
    with pytest.raises(NumericsError, match=r"Batch 1 .*x\[8, 2\] is nan"):
        batches = ((part, REAL[:32]) for part in (bad[:32], bad[32:]))
        made.fit(batches, verbose=0, check_numerics=True)
    other.train_on_batch(X[:32], REAL[:32])
    for a, b in zip(made.get_weights(), other.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-6)


def test_checking_numbers_changes_no_result():
    made, other = compiled(layers.Dropout(0.2)), compiled(layers.Dropout(0.2))
    other.set_weights(made.get_weights())
    keras.utils.set_random_seed(1)
    x, y = data()
    made.fit(x, y, epochs=2, shuffle=False, verbose=0, check_numerics=True)
    assert int(made.optimizer.iterations) == 2 * -(-SAMPLES // 32)
    assert finite(made)


def test_a_loss_that_became_nan_is_told_once():
    with pytest.warns(
        LaminaWarning, match=r"(inf|nan) in epoch 1.*check_numerics=True.*\[nan-loss\]"
    ) as caught:
        unstable(rate=1e30).fit(X, REAL, epochs=4, verbose=0)
    assert len(caught) == 1
    unstable(rate=1e30).fit(X, REAL, callbacks=[callbacks.TerminateOnNaN()], verbose=0)


def test_an_error_in_a_callback_leaves_the_last_whole_step():
    class Fails(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise RuntimeError("disk")

    made, other = compiled(), compiled()
    other.set_weights(made.get_weights())
    x, y = data()
    with pytest.raises(RuntimeError, match="disk"):
        made.fit(x, y, batch_size=25, shuffle=False, callbacks=[Fails()], verbose=0)
    for start in (0, 25):
        other.train_on_batch(x[start : start + 25], y[start : start + 25])
    for a, b in zip(made.get_weights(), other.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-6)
