"""A hundred usual mistakes by number, and what is said of each, or what happens instead.

Numbers that are missing, or stand with a letter, are of the same kind as the one before.
"""

import re
import warnings

import numpy as np
import pytest
from training.models import Batches

import lamina as keras
from lamina import callbacks, layers, losses, optimizers
from lamina.core.errors import (
    ArgumentError,
    DTypeError,
    FileError,
    LaminaWarning,
    ShapeError,
    StateError,
    UnknownNameError,
)

RNG = np.random.default_rng(0)
N = 64
X = RNG.normal(size=(N, 6)).astype("float32")
REAL = (X @ RNG.normal(size=(6, 1)) * 5).astype("float32")
IDS, YES = np.arange(N) % 4, np.arange(N) % 2
HOT = np.eye(4, dtype="float32")[IDS]
MANY = (RNG.random((N, 4)) > 0.5).astype("float32")
IMAGES, PIXELS = RNG.random((N, 8, 8, 3)), RNG.integers(0, 4, (N, 8, 8))
SPARSE, ONE_HOT, BINARY = (
    f"{kind}_crossentropy" for kind in ("sparse_categorical", "categorical", "binary")
)
Dense, Input = layers.Dense, keras.Input


def model(*chain, loss=SPARSE, shape=(6,), metrics=None):
    made = keras.Sequential([Input(shape), *(chain or [Dense(4, "softmax")])])
    made.compile("sgd", loss, metrics=metrics)
    return made


def fit(*chain, x=X, y=None, given=None, **how):
    return model(*chain, **how).fit(x, y, verbose=0, **(given or {}))


def graph(apply, shape=(6,), loss=SPARSE):
    x = Input(shape)
    made = keras.Model(x, apply(x))
    made.compile("sgd", loss)
    return made


def late(*chain):
    made = keras.Sequential([*chain, Dense(4, "softmax")])
    made.compile("sgd", SPARSE)
    return made


def in_a_row(x, some):
    for each in some:
        x = each(x)
    return Dense(4, "softmax")(x)


def side_by_side(x):
    return Dense(4, "softmax")(layers.Concatenate()([each(x) for each in [Dense(3)] * 3]))


def swapped(second, kind):
    x = Input((6,))
    made = keras.Model(x, [Dense(second, kind, name="a")(x), Dense(1, name="b")(x)])
    made.compile("sgd", ["mse", BINARY if second == 1 else SPARSE])
    made.fit(X, [IDS if second > 1 else YES, REAL], verbose=0)


def measured(y_true, y_pred):
    return np.mean(np.abs(y_true - y_pred))


class Forgets(layers.Layer):
    def __init__(self):
        self.inner = Dense(3)

    def call(self, x):
        return self.inner(x)


def frozen_after_fit():
    made = model(Dense(8), Dense(4, "softmax"))
    made.fit(X, IDS, verbose=0)
    made.layers[0].trainable = False
    made.fit(X, IDS, verbose=0)


def ragged():
    rows = np.empty(2, object)
    rows[:] = [np.ones(3), np.ones(4)]
    return rows


def with_nan():
    x = X.copy()
    x[3, 1] = np.nan
    return x


def channels_first(**kwargs):
    return layers.Conv2D(4, 1, data_format="channels_first", **kwargs)


LOGITS = losses.SparseCategoricalCrossentropy(from_logits=True)
AXIS_1 = losses.SparseCategoricalCrossentropy(axis=1)
SMALL = dict(x=np.moveaxis(IMAGES, -1, 1), shape=(3, 8, 8))
RARE = dict(x=np.tile(X, (10, 1)), y=np.arange(10 * N) % 100 == 0)
WIDE = RNG.random((N, 3, 32, 32))

WARNINGS = {
    "1": (lambda: fit(Dense(1, "softmax"), y=YES, loss=BINARY), "softmax-of-one", "sigmoid"),
    "7": (lambda: fit(y=IDS, loss=LOGITS), "from-logits", "taken twice"),
    "8": (lambda: fit(Dense(4), y=HOT, loss=ONE_HOT), "from-logits", "Give it a softmax"),
    "10": (lambda: fit(Dense(4, "sigmoid"), y=HOT, loss=ONE_HOT), "exclusive-classes", "softmax"),
    "11": (lambda: fit(y=MANY, loss=BINARY), "multi-label", "activation='sigmoid'"),
    "13": (lambda: fit(Dense(1), y=YES, loss=ONE_HOT), "one-class", "binary_crossentropy"),
    "14": (lambda: fit(Dense(1), y=IDS, loss="mse"), "class-numbers", r"Dense\(4, .*softmax"),
    "16": (lambda: fit(Dense(32), y=REAL[:, 0], loss="mse"), "target-broadcast", "shape"),
    "17": (lambda: fit(Dense(1, "tanh"), y=REAL, loss="mse"), "range-of-output", "cannot give"),
    "17b": (lambda: fit(Dense(1, "relu"), y=YES, loss=BINARY), "from-logits", "'relu'"),
    "20": (lambda: swapped(1, "sigmoid"), "from-logits|labels-range", "the output 'b'"),
    "22": (
        lambda: fit(Dense(1), y=REAL, loss="mse", metrics=["accuracy"]),
        "accuracy-of-numbers", "take 'mae'",
    ),
    "23": (
        lambda: fit(Dense(4, "sigmoid"), y=MANY, loss=BINARY, metrics=["accuracy"]),
        "accuracy-of-labels", "binary_accuracy",
    ),
    "26": (
        lambda: fit(Dense(1, "sigmoid"), **RARE, loss=BINARY, metrics=["accuracy"]),
        "rare-labels", "98.9%.*'AUC'",
    ),
    "34": (
        lambda: late(layers.Conv2D(2, 1), layers.Flatten()).fit(WIDE, IDS, verbose=0),
        "channels-first", "moveaxis",
    ),
    "35": (
        lambda: fit(Dense(1), x=IMAGES[..., 0], y=REAL, shape=(8, 8), loss="mse"),
        "target-broadcast", "repeats one",
    ),
    "37": (
        lambda: fit(channels_first(), layers.Softmax(), y=PIXELS, loss=AXIS_1, **SMALL),
        "softmax-axis", "another axis",
    ),
    "37b": (
        lambda: fit(layers.Conv2D(8, 1), layers.Softmax(2), x=IMAGES, y=PIXELS, shape=(8, 8, 3)),
        "softmax-axis", "'softmax",
    ),
    "43": (
        lambda: graph(lambda x: in_a_row(x, [Dense(6)] * 3)).fit(X, IDS, verbose=0),
        "same-layer", "for _ in",
    ),
    "43b": (lambda: graph(side_by_side).fit(X, IDS, verbose=0), "same-layer", "for _ in"),
    "56": (
        lambda: fit(y=np.sort(IDS), given={"validation_split": 0.25}),
        "sorted-labels", "shuffle",
    ),
    "73": (
        lambda: fit(Dense(8, kernel_initializer="zeros"), Dense(1), y=REAL, loss="mse"),
        "zero-kernel", "stay alike",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", WARNINGS)
def test_what_is_warned_of(row):
    program, code, words = WARNINGS[row]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        program()
    said = [str(each.message) for each in caught if each.category is LaminaWarning]
    assert len(said) == 1 + (row == "20"), said
    for text in said:
        assert text.rstrip("]").rpartition("[")[2] in code.split("|"), text
    assert re.search(words, said[0]), said


def saved(made, path):
    made.save(path)
    keras.saving.load_model(path)


class Unregistered(layers.Layer):
    def call(self, x):
        return x


def weights_into(made, path):
    model(Dense(1), loss="mse").save_weights(path / "w.weights.h5")
    made.load_weights(path / "w.weights.h5")


ERRORS = {
    "2": (lambda p: fit(y=IDS, loss=ONE_HOT), ShapeError, "sparse_categorical.*to_categorical"),
    "4": (lambda p: fit(y=IDS + 1), ArgumentError, r"the label 4.*Give y - 1"),
    "5": (lambda p: fit(y=np.where(IDS == 1, 255, IDS)), ArgumentError, "ignore_class=255"),
    "14": (lambda p: fit(y=IDS, loss="mse"), ShapeError, "for integer labels"),
    "16": (lambda p: fit(Dense(4), y=IDS, loss="mse"), ShapeError, r"\(32,\), y_pred"),
    "19": (lambda p: fit(y=np.array(list("abcd" * 16))), DTypeError, "strings.*StringLookup"),
    "20": (lambda p: swapped(4, "softmax"), ShapeError, r"y_true.*y_pred of shape \(32, 4\)"),
    "28": (
        lambda p: fit(Dense(1), y=REAL, loss="mse", metrics=[measured]),
        DTypeError, "metric 'measured'.*lamina.ops",
    ),
    "28b": (lambda p: fit(Dense(1), y=REAL, loss=measured), DTypeError, "loss 'measured'"),
    "29": (
        lambda p: fit(layers.Flatten(), x=IMAGES[..., 0], y=IDS, shape=(32, 8, 8)),
        ShapeError, r"batch axis is not part.*Input\(\(8, 8\)\)",
    ),
    "31": (lambda p: model().predict(X[0], verbose=0), ShapeError, r"x\[None\]"),
    "32": (lambda p: model(layers.Conv2D(4, 3), shape=(8, 8)), ShapeError, r"x\[\.\.\., None"),
    "34": (
        lambda p: fit(layers.Flatten(), x=IMAGES.transpose(0, 3, 1, 2), y=IDS, shape=(8, 8, 3)),
        ShapeError, r"\(None, 3, 8, 8\).*\(None, 8, 8, 3\)",
    ),
    "35": (
        lambda p: fit(x=IMAGES[..., 0], y=IDS, shape=(8, 8)), ShapeError, "Flatten, or a pooling"),
    "38": (lambda p: model(layers.Reshape((4, 4))), ShapeError, "6 elements.* takes 16"),
    "38b": (
        lambda p: layers.Concatenate()([Input((3, 4)), Input((5, 4))]),
        ShapeError, r"\(None, 3, 4\), \(None, 5, 4\)",
    ),
    "40": (
        lambda p: fit(layers.Embedding(6, 2), layers.Flatten(), Dense(4, "softmax"),
                      x=np.tile(np.arange(7), (N, 1)), y=IDS, shape=(7,)),
        ArgumentError, "0 to 6, but the Embedding.* has 6 rows",
    ),
    "43": (lambda p: model(*[Dense(6)] * 3), ArgumentError, "a new layer for each place"),
    "44": (lambda p: keras.Sequential().add(Dense), ArgumentError, r"write Dense\(...\)"),
    "44b": (lambda p: keras.Sequential().add(Dense(3)(Input((6,)))), ArgumentError, "takes layers"),
    "46": (lambda p: Dense(4)(Input((6,)), 5), ArgumentError, "everything else by name"),
    "46b": (lambda p: Dense(4)(Input((6,)), None), ArgumentError, "2 were given"),
    "47": (lambda p: Forgets()(X), StateError, r"super\(\).__init__"),
    "49": (
        lambda p: keras.Sequential([Dense(3)]).save_weights(p / "w.weights.h5"),
        StateError, "not built.*Input",
    ),
    "52": (lambda p: fit(x=ragged(), y=IDS[:2]), DTypeError, "x holds Python objects.*Pad"),
    "52b": (lambda p: fit(x=[[1, 2], [1]], y=IDS[:2]), ShapeError, "x is ragged.*pad_sequences"),
    "53": (lambda p: fit(y=IDS[1:]), ShapeError, "x: 64, y: 63"),
    "55": (lambda p: fit(x=with_nan(), y=IDS), ArgumentError, r"x\[3, 1\] is nan"),
    "58": (lambda p: fit(x=iter([(X, IDS)]), y=IDS), ArgumentError, "y cannot be given beside"),
    "62": (lambda p: fit(y=IDS, given={"class_weight": {"cat": 3}}), ArgumentError, "'cat'"),
    "62b": (lambda p: fit(y=IDS, given={"class_weight": {"0": 3}}), ArgumentError, "class numbers"),
    "65": (
        lambda p: fit(y=HOT, loss=ONE_HOT, given={"validation_data": (X[:9], HOT[:9, :3])}),
        ShapeError, r"\(9, 3\), y_pred of shape \(9, 4\)",
    ),
    "67": (lambda p: frozen_after_fit(), StateError, "compile again.*trainable"),
    "70": (lambda p: optimizers.Adam(lr=0.1), ArgumentError, "'lr'.*learning_rate"),
    "70b": (lambda p: optimizers.Adam(decay=0.1), ArgumentError, "'decay'.*schedule"),
    "71": (lambda p: model().compile("adamm"), UnknownNameError, "'adam'"),
    "71b": (lambda p: Dense(4, "rellu"), UnknownNameError, "'relu'"),
    "82": (lambda p: saved(model(Unregistered()), p / "m.keras"), FileError, "custom_objects="),
    "83": (lambda p: model().save(p / "model"), FileError, r"model\.keras"),
    "83b": (lambda p: model().save(p / "model.pb"), FileError, r"model\.keras"),
    "85": (lambda p: weights_into(keras.Sequential([Dense(1)]), p), StateError, "not built"),
    "85b": (lambda p: weights_into(model(Dense(2)), p), FileError, "no weight was changed"),
    "86": (
        lambda p: saved(model(layers.Lambda(lambda x: x + 1)), p / "m.keras"),
        FileError, "define a named function",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", ERRORS)
def test_what_is_refused(row, tmp_path):
    program, error, words = ERRORS[row]
    with pytest.raises(error, match=f"(?s){words}"):
        program(tmp_path)
    assert not list(tmp_path.glob("m*")) or row == "82"


# --- what is no mistake here, or nothing that a program could know ------------------------------


def test_row_25_one_metric_needs_no_brackets():
    assert model(metrics="accuracy").evaluate(X, IDS, verbose=0, return_dict=True).keys() == {
        "accuracy", "loss"
    }  # fmt: skip


def test_row_41_zero_as_a_word_is_padding():
    table = layers.Embedding(6, 2, mask_zero=True)
    assert np.array_equal(table.compute_mask(IDS), IDS != 0)


def test_row_49_a_summary_before_build_says_what_is_missing(capsys):
    keras.Sequential([Dense(3)]).summary()
    assert "Not built yet" in capsys.readouterr().out


def test_row_50_input_shape_of_a_layer_just_works():
    assert keras.Sequential([Dense(3, input_shape=(4,))]).built


def test_row_59_predict_keeps_the_order_of_a_dataset_that_fit_shuffles():
    made = keras.Sequential([Input((4,)), Dense(3, "softmax")])
    made.compile("sgd", SPARSE)
    made.fit(Batches(), shuffle=True, verbose=0)
    in_order = np.concatenate([Batches()[i][0] for i in range(3)])
    assert np.allclose(made.predict(Batches(), verbose=0), made(in_order), atol=1e-6)


def test_row_67_trainable_changed_before_the_first_fit_holds():
    made = model(Dense(6), Dense(4, "softmax"))
    made.layers[0].trainable = False
    before = made.layers[0].get_weights()[0]
    made.fit(X, IDS, verbose=0)
    assert np.array_equal(before, made.layers[0].get_weights()[0])
    assert not np.allclose(made.layers[1].bias, 0)


def test_row_74_early_stopping_keeps_the_last_weights_unless_told():
    for best in (False, True):
        made = model()
        stop = callbacks.EarlyStopping("loss", mode="max", restore_best_weights=best)
        losses_seen = made.fit(X, IDS, epochs=3, callbacks=[stop], verbose=0).history["loss"]
        now = made.evaluate(X, IDS, verbose=0)
        assert (now > losses_seen[1]) == best


def test_rows_76_and_77_a_second_fit_goes_on_and_its_loss_is_a_running_mean():
    made = model()
    first, second = (made.fit(X, IDS, verbose=0).history["loss"][0] for _ in range(2))
    assert second < first and made.evaluate(X, IDS, verbose=0) < second
    assert int(made.optimizer.iterations) == 4


def test_row_79_predicting_one_by_one_is_one_program():
    made = model()
    for _ in range(20):
        made.predict(X[:1], verbose=0)
    assert [each.kind for each in made.compilations] == ["predict"]
