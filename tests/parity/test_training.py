"""Whole runs against Keras: same weights and order of data, same losses."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import lamina  # noqa: E402

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(75, 8)).astype("float32"), RNG.integers(0, 4, 75)
W = RNG.random(75).astype("float32")


def mlp(k):
    return k.Sequential([
        k.Input((8,)), k.layers.Dense(16, "relu", kernel_regularizer="l2"),
        k.layers.Dense(4, "softmax"),
    ])  # fmt: skip


def two(k):
    a, b = k.Input((8,), name="a"), k.Input((8,), name="b")
    hidden = k.layers.Dense(16, "tanh")(k.layers.Concatenate()([a, b]))
    value = k.layers.Dense(1, name="value")(hidden)
    return k.Model([a, b], [value, k.layers.Dense(4, "softmax", name="kind")(hidden)])


def pair(build, *args, **kwargs):
    theirs, ours = build(keras), build(lamina)
    ours.set_weights(theirs.get_weights())
    for model in (theirs, ours):
        model.compile(*args, **kwargs)
    return theirs, ours


def same_history(theirs, ours, *args, **kwargs):
    kwargs = {"epochs": 3, "shuffle": False, "verbose": 0, **kwargs}
    expected = theirs.fit(*args, **kwargs).history
    found = ours.fit(*args, **kwargs).history
    assert list(expected) == list(found)
    for name in expected:
        assert np.allclose(expected[name], found[name], atol=1e-4), name
    for a, b in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_classifier(optimizer):
    theirs, ours = pair(mlp, optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    same_history(theirs, ours, X, Y, sample_weight=W, validation_split=0.2)
    assert np.allclose(theirs.evaluate(X, Y, verbose=0), ours.evaluate(X, Y, verbose=0), atol=1e-5)
    assert np.allclose(theirs.predict(X, verbose=0), ours.predict(X, verbose=0), atol=1e-5)
    for method in ("train_on_batch", "test_on_batch"):
        a, b = (getattr(m, method)(X[:9], Y[:9], return_dict=True) for m in (theirs, ours))
        assert list(a) == list(b) and np.allclose(list(a.values()), list(b.values()), atol=1e-5)
    configs = [model.get_compile_config() for model in (theirs, ours)]
    names = [config["optimizer"]["config"].pop("name") for config in configs]
    assert configs[0] == configs[1]
    assert all(name.startswith(optimizer) for name in names)


def test_two_inputs_and_two_outputs():
    theirs, ours = pair(
        two, "sgd", {"value": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"value": 0.3, "kind": 1.0},
        metrics={"value": ["mae"], "kind": ["accuracy"]},
    )  # fmt: skip
    targets = {"value": X[:, 0], "kind": Y}
    same_history(theirs, ours, [X, X[::-1]], targets, validation_data=([X, X], targets))
    found = [model.evaluate([X, X], targets, verbose=0) for model in (theirs, ours)]
    assert np.allclose(*found, atol=1e-5)


def test_class_weights_and_weighted_metrics():
    loss = "sparse_categorical_crossentropy"
    theirs, ours = pair(mlp, "sgd", loss, weighted_metrics=["accuracy"])
    same_history(theirs, ours, X, Y, class_weight={0: 2.0, 3: 0.1})


def test_batch_statistics():
    def build(k):
        layers = [k.layers.BatchNormalization(), k.layers.Dense(4, "softmax")]
        return k.Sequential([k.Input((8,)), *layers])

    theirs, ours = pair(build, "sgd", "sparse_categorical_crossentropy")
    same_history(theirs, ours, X, Y)


def test_convolutions_with_batch_statistics():
    def build(k):
        return k.Sequential([
            k.Input((8, 8, 1)), k.layers.Conv2D(6, 3, padding="same"),
            k.layers.BatchNormalization(momentum=0.7), k.layers.ReLU(), k.layers.MaxPooling2D(),
            k.layers.Conv2D(8, 3, strides=2, activation="relu"), k.layers.Flatten(),
            k.layers.Dense(4, "softmax"),
        ])  # fmt: skip

    x = RNG.normal(size=(75, 8, 8, 1)).astype("float32")
    theirs, ours = pair(build, "adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    same_history(theirs, ours, x, Y, validation_split=0.2)


def test_a_masked_lstm():
    def build(k):
        return k.Sequential([
            k.Input((6,), dtype="int32"), k.layers.Embedding(9, 5, mask_zero=True),
            k.layers.LSTM(6, return_sequences=True), k.layers.LSTM(4), k.layers.Dense(4, "softmax"),
        ])  # fmt: skip

    ids = RNG.integers(1, 9, (75, 6)) * (np.arange(6) < RNG.integers(1, 7, (75, 1)))
    theirs, ours = pair(build, "rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    same_history(theirs, ours, ids.astype("int32"), Y, validation_split=0.2)


def test_masked_sequences_of_targets():
    def build(k):
        return k.Sequential([
            k.Input((6,), dtype="int32"), k.layers.Embedding(9, 5, mask_zero=True),
            k.layers.GRU(6, return_sequences=True), k.layers.Dense(4),
        ])  # fmt: skip

    ids = RNG.integers(1, 9, (75, 6)) * (np.arange(6) < RNG.integers(1, 7, (75, 1)))
    targets = RNG.integers(0, 4, (75, 6))
    theirs, ours = build(keras), build(lamina)
    ours.set_weights(theirs.get_weights())
    for k, model in ((keras, theirs), (lamina, ours)):
        model.compile("adam", k.losses.SparseCategoricalCrossentropy(from_logits=True))
    weights = RNG.random((75, 6)).astype("float32")
    same_history(theirs, ours, ids.astype("int32"), targets, sample_weight=weights)


def test_callbacks_learning_rate_and_steps():
    theirs, ours = pair(mlp, "sgd", "sparse_categorical_crossentropy")
    histories = []
    for k, model in ((keras, theirs), (lamina, ours)):
        plan = k.callbacks.LearningRateScheduler(lambda epoch, rate: rate / (1 + epoch))
        histories.append(model.fit(X, Y, epochs=3, shuffle=False, verbose=0, callbacks=[plan],
                                   steps_per_epoch=2).history)  # fmt: skip
    assert list(histories[0]) == list(histories[1])
    for name, expected in histories[0].items():
        assert np.allclose(expected, histories[1][name], atol=1e-4)


def test_events_in_the_order_of_keras():
    theirs, ours = pair(mlp, "sgd", "sparse_categorical_crossentropy")
    seen: dict[object, list[object]] = {keras: [], lamina: []}
    for k, model in ((keras, theirs), (lamina, ours)):
        names = [name for name in dir(k.callbacks.Callback) if name.startswith("on_")]

        def noting(name, log=seen[k]):
            return lambda self, *args, logs=None: log.append(
                (name, *(each for each in args if isinstance(each, int)))
            )

        spy = type("Spy", (k.callbacks.Callback,), {name: noting(name) for name in names})()
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[spy], validation_split=0.5)
        model.predict(X, verbose=0, callbacks=[spy])
        model.evaluate(X, Y, verbose=0, callbacks=[spy])
    assert seen[keras] == seen[lamina]
