"""Programs in which nothing is wrong: training them warns of nothing (warnings are errors)."""

import numpy as np
import pytest

import lamina as keras
from lamina import callbacks, layers, losses, metrics, ops

RNG = np.random.default_rng(0)
N = 64
X = RNG.normal(size=(N, 6)).astype("float32")
REAL = (X @ RNG.normal(size=(6, 1)) * 5 + 3).astype("float32")
IDS = RNG.integers(0, 4, N)
HOT = np.eye(4, dtype="float32")[IDS]
YES = (X[:, 0] > 0).astype("int32")
MANY = (RNG.random((N, 4)) > 0.5).astype("float32")
PICTURES = RNG.random((N, 8, 8, 1)).astype("float32")
WORDS = RNG.integers(1, 20, (N, 5))
PADDED = np.where(np.arange(5) < 3, WORDS, 0)


def mlp(units=1, activation=None, inputs=6):
    hidden = layers.Dense(8, "relu")
    return keras.Sequential([keras.Input((inputs,)), hidden, layers.Dense(units, activation)])


def run(model, loss, x, y=None, measured=None, optimizer="sgd", **kwargs):
    model.compile(optimizer, loss, metrics=measured)
    model.fit(x, y, epochs=1, verbose=0, batch_size=32, **kwargs)
    if y is not None:
        assert model.check(x, y) == []


def test_regression():
    run(mlp(), "mse", X, REAL, ["mae", keras.metrics.R2Score()])
    run(mlp(), "mae", X, REAL[:, 0], ["mse"])
    run(mlp(), losses.Huber(), X, np.round(REAL).astype("int64"))
    run(mlp(3), "mse", X, np.hstack([REAL] * 3))
    run(mlp(1, "relu"), "mse", X, np.abs(REAL))
    run(mlp(1, "softplus"), "mse", X, np.abs(REAL))
    run(mlp(1, "sigmoid"), "mse", X, RNG.random((N, 1)))
    run(mlp(), "mse", X, RNG.poisson(2, 4 * N)[:N])
    run(mlp(), "mse", X, IDS + 1, ["mae"])
    run(mlp(1, "exponential"), "msle", X, np.abs(REAL) / 10)
    run(mlp(), "log_cosh", X, REAL)


def test_targets_and_outputs_of_ranks_that_fit():
    flat = keras.Sequential([keras.Input((6,)), layers.Dense(1), layers.Reshape(())])
    run(flat, "mse", X, REAL)
    run(mlp(), "mse", X, REAL[:, 0])
    steps = keras.Sequential([keras.Input((5, 6)), layers.Dense(1)])
    run(steps, "mse", RNG.normal(size=(N, 5, 6)), RNG.normal(size=(N, 5)))


def test_yes_or_no():
    run(mlp(1, "sigmoid"), "binary_crossentropy", X, YES, ["accuracy", "AUC", "Precision"])
    run(mlp(1, "sigmoid"), "binary_crossentropy", X, YES.astype("float32"), ["accuracy"])
    run(mlp(1, "sigmoid"), "binary_crossentropy", X, YES.astype(bool)[:, None], ["accuracy"])
    run(mlp(1, "sigmoid"), losses.BinaryFocalCrossentropy(), X, YES, ["accuracy"])
    run(mlp(1, "sigmoid"), "mse", X, YES, ["accuracy"])
    run(mlp(2, "softmax"), "sparse_categorical_crossentropy", X, YES, ["accuracy"])
    run(mlp(2, "softmax"), "binary_crossentropy", X, np.eye(2)[YES], ["accuracy"])


def test_logits():
    logits = losses.BinaryCrossentropy(from_logits=True)
    right = [metrics.BinaryAccuracy(threshold=0), metrics.AUC(from_logits=True),
             metrics.Precision(thresholds=0)]  # fmt: skip
    run(mlp(), logits, X, YES, right)
    sparse = losses.SparseCategoricalCrossentropy(from_logits=True)
    run(mlp(4), sparse, X, IDS, ["accuracy", metrics.SparseTopKCategoricalAccuracy(2)])
    run(mlp(4), losses.CategoricalCrossentropy(from_logits=True), X, HOT, ["accuracy"])
    run(mlp(4, "log_softmax"), losses.CategoricalCrossentropy(from_logits=True), X, HOT)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32"])
def test_classes(dtype):
    ids = IDS.astype(dtype)
    run(mlp(4, "softmax"), "sparse_categorical_crossentropy", X, ids, ["accuracy"])
    run(mlp(4, "softmax"), "sparse_categorical_crossentropy", X, ids[:, None], ["accuracy"])
    run(mlp(10, "softmax"), "sparse_categorical_crossentropy", X, ids, ["accuracy"])
    run(mlp(4, "softmax"), "categorical_crossentropy", X, HOT.astype(dtype), ["accuracy"])
    separate = keras.Sequential([mlp(4), layers.Activation("softmax")])
    run(separate, "categorical_crossentropy", X, HOT, ["accuracy", "AUC"])
    run(keras.Sequential([mlp(4), layers.Softmax()]), "sparse_categorical_crossentropy", X, ids)
    x = keras.Input((6,))
    model = keras.Model(x, ops.softmax(layers.Dense(4)(x)))
    run(model, "sparse_categorical_crossentropy", X, ids, ["accuracy"])


def test_soft_labels():
    smooth = losses.CategoricalCrossentropy(label_smoothing=0.1)
    run(mlp(4, "softmax"), smooth, X, HOT, ["accuracy"])
    run(mlp(4, "softmax"), "categorical_crossentropy", X, HOT * 0.9 + 0.025, ["accuracy"])
    share = RNG.random((N, 1))
    mixed = share * HOT + (1 - share) * HOT[::-1]
    run(mlp(4, "softmax"), "categorical_crossentropy", X, mixed, ["accuracy"])
    run(mlp(4, "softmax"), "kl_divergence", X, mixed)
    run(mlp(4, "softmax"), "mse", X, HOT, ["accuracy"])
    advantages = RNG.normal(size=(N, 1))
    run(mlp(4, "softmax"), "categorical_crossentropy", X, HOT * advantages)
    run(mlp(1, "sigmoid"), losses.BinaryCrossentropy(label_smoothing=0.1), X, YES, ["accuracy"])


def test_several_labels():
    run(mlp(4, "sigmoid"), "binary_crossentropy", X, MANY, ["binary_accuracy"])
    run(mlp(4, "sigmoid"), "binary_crossentropy", X, MANY, [metrics.F1Score(), "AUC"])
    run(mlp(4, "sigmoid"), "binary_crossentropy", X, HOT, ["accuracy"])
    run(mlp(4), losses.BinaryCrossentropy(from_logits=True), X, MANY)


def test_margins_counts_and_quantiles():
    run(mlp(1, "tanh"), "hinge", X, YES * 2 - 1)
    run(mlp(), "squared_hinge", X, YES)
    run(mlp(4), "categorical_hinge", X, HOT, ["accuracy"])
    run(mlp(1, "exponential"), "poisson", X, RNG.poisson(3, N))
    run(mlp(4), "cosine_similarity", X, RNG.normal(size=(N, 4)))

    def quantiles(y_true, y_pred):
        error = y_true - y_pred
        levels = ops.convert_to_tensor([0.1, 0.5, 0.9])
        return ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=-1)

    run(mlp(3), quantiles, X, REAL)


def test_segmentation():
    x = keras.Input((8, 8, 1))
    hidden = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    classes = keras.Model(x, layers.Conv2D(3, 1, activation="softmax")(hidden))
    ids = RNG.integers(0, 3, (N, 8, 8))
    run(classes, "sparse_categorical_crossentropy", PICTURES, ids, ["accuracy"])
    ids[0, 0] = 255
    void = losses.SparseCategoricalCrossentropy(ignore_class=255)
    run(classes, void, PICTURES, ids)
    mask = (PICTURES > 0.5).astype("uint8")
    yes = keras.Model(x, layers.Conv2D(1, 1, activation="sigmoid")(hidden))
    run(yes, "binary_crossentropy", PICTURES, mask, ["accuracy"])
    run(yes, "dice", PICTURES, mask)


def test_sequences_with_masks():
    source, shifted = keras.Input((5,)), keras.Input((5,))
    table = layers.Embedding(20, 8, mask_zero=True)
    state = layers.GRU(8)(table(source))
    words = layers.GRU(8, return_sequences=True)(table(shifted), initial_state=state)
    model = keras.Model([source, shifted], layers.Dense(20, "softmax")(words))
    run(model, "sparse_categorical_crossentropy", [PADDED, PADDED], PADDED, ["accuracy"])
    minus = np.where(PADDED == 0, -1, PADDED)
    run(model, "sparse_categorical_crossentropy", [PADDED, PADDED], minus)
    hot = np.eye(20)[PADDED] * (PADDED > 0)[..., None]
    run(model, "categorical_crossentropy", [PADDED, PADDED], hot, ["accuracy"])


def test_words_and_time_series():
    model = keras.Sequential([
        keras.Input((5,)), layers.Embedding(20, 8), layers.LSTM(8), layers.Dense(1, "sigmoid")
    ])  # fmt: skip
    run(model, "binary_crossentropy", WORDS, YES, ["accuracy"])
    late = keras.Sequential([
        layers.Embedding(20, 8), layers.GlobalAveragePooling1D(), layers.Dense(1, "sigmoid")
    ])  # fmt: skip
    run(late, "binary_crossentropy", WORDS, YES, ["accuracy"])
    series = RNG.normal(size=(N, 5, 1)) * 10
    model = keras.Sequential([keras.Input((5, 1)), layers.SimpleRNN(4), layers.Dense(1)])
    run(model, "mse", series, series[:, -1], ["mae"])
    each = keras.Sequential(
        [
            keras.Input((5, 1)),
            layers.LSTM(4, return_sequences=True),
            layers.TimeDistributed(layers.Dense(1)),
        ]
    )
    run(each, "mse", series, series)


def test_autoencoders():
    flat = PICTURES.reshape(N, 64)
    run(mlp(64, "sigmoid", 64), "binary_crossentropy", flat, flat)
    run(mlp(64, "sigmoid", 64), "mse", flat, flat)
    run(mlp(64, "tanh", 64), "mse", flat * 2 - 1, flat * 2 - 1)
    convolutional = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, 2, "same", activation="relu"),
            layers.Conv2DTranspose(4, 3, 2, "same", activation="relu"),
            layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
        ]
    )
    run(convolutional, "binary_crossentropy", PICTURES, PICTURES)


def test_losses_that_layers_add():
    class Sampling(layers.Layer):
        def __init__(self):
            super().__init__()
            self.random = keras.random.SeedGenerator(1)

        def call(self, mean, log_var):
            kl = 1 + log_var - mean**2 - ops.exp(log_var)
            self.add_loss(-0.5 * ops.mean(ops.sum(kl, axis=-1)))
            noise = keras.random.normal(ops.shape(mean), seed=self.random)
            return mean + ops.exp(log_var / 2) * noise

    x = keras.Input((64,))
    hidden = layers.Dense(8, "relu")(x)
    code = Sampling()(layers.Dense(2)(hidden), layers.Dense(2)(hidden))
    flat = PICTURES.reshape(N, 64)
    run(keras.Model(x, layers.Dense(64, "sigmoid")(code)), "binary_crossentropy", flat, flat)
    alone = keras.Model(x, layers.Dense(64, "sigmoid")(code))
    run(alone, None, flat)


def test_steps_of_ones_own():
    class Gan(keras.Model):
        def __init__(self):
            super().__init__()
            self.judge, self.maker = mlp(1), mlp(6, None, 3)

        def call(self, x):
            return self.judge(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            fake = self.judge(self.maker(x[:, :3]))
            logits = ops.concatenate([y_pred, fake])
            truth = ops.concatenate([ops.ones_like(y_pred), ops.zeros_like(fake)])
            return losses.BinaryCrossentropy(from_logits=True)(truth, logits)

    run(Gan(), None, X)

    class Contrast(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder = mlp(4)

        def call(self, x):
            return self.encoder(x)

        def train_step(self, state, data):
            return {"loss": ops.mean(data[0])}, state

    model = Contrast()
    model.compile("adam")
    model.fit(X, verbose=0, callbacks=[callbacks.EarlyStopping("loss")])


def test_generators_by_two_models():
    maker, judge = mlp(6, "tanh", 3), mlp(1, "sigmoid")
    run(judge, "binary_crossentropy", X, YES, ["accuracy"])
    judge.trainable = False
    both = keras.Sequential([keras.Input((3,)), maker, judge])
    run(both, "binary_crossentropy", X[:, :3], np.ones((N, 1)))


def test_several_outputs_and_inputs():
    a, b = keras.Input((6,), name="a"), keras.Input((5,), name="b")
    both = layers.Concatenate()([a, layers.Flatten()(layers.Embedding(20, 2)(b))])
    value = layers.Dense(1, name="value")(both)
    kind = layers.Dense(4, "softmax", name="kind")(both)
    tags = layers.Dense(4, "sigmoid", name="tags")(both)
    model = keras.Model([a, b], {"value": value, "kind": kind, "tags": tags})
    each = {"value": "mse", "kind": "sparse_categorical_crossentropy",
            "tags": "binary_crossentropy"}  # fmt: skip
    measured = {"value": ["mae"], "kind": ["accuracy"], "tags": ["binary_accuracy"]}
    targets = {"value": REAL, "kind": IDS, "tags": MANY}
    run(model, each, {"a": X, "b": WORDS}, targets, measured)
    run(model, each, [X, WORDS], targets, measured)
    listed = keras.Model([a, b], [value, kind])
    run(listed, ["mse", "sparse_categorical_crossentropy"], [X, WORDS], [REAL, IDS])
    shared = layers.Dense(4, "relu")
    again = layers.Concatenate()([shared(a), shared(c := keras.Input((6,)))])
    run(keras.Model([a, c], layers.Dense(1)(again)), "mse", [X, X[::-1]], REAL)
    siamese = mlp(4)
    distance = layers.Subtract()([siamese(a), siamese(c := keras.Input((6,)))])
    run(keras.Model([a, c], layers.Dense(1, "sigmoid")(distance)), "binary_crossentropy",
        [X, X[::-1]], YES)  # fmt: skip


def test_subclasses():
    class Own(keras.Model):
        def __init__(self, units, activation):
            super().__init__()
            self.blocks = [layers.Dense(8, "relu") for _ in range(3)]
            self.head = layers.Dense(units, activation)

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    class Softmax(Own):
        def call(self, x):
            return ops.softmax(super().call(x))

    run(Softmax(4, None), "sparse_categorical_crossentropy", X, IDS, ["accuracy"])
    run(Own(4, "softmax"), "sparse_categorical_crossentropy", X, IDS, ["accuracy"])
    run(Own(4, None), losses.SparseCategoricalCrossentropy(from_logits=True), X, IDS)
    run(Own(1, None), lambda y, p: ops.square(y - p), X, REAL)
    missing = np.where(RNG.random(REAL.shape) > 0.9, np.nan, REAL)
    run(Own(1, None), lambda y, p: ops.square(ops.where(ops.isnan(y), 0, y - p)), X, missing)


def test_frozen_layers():
    base = mlp(8, "relu")
    base.trainable = False
    model = keras.Sequential([keras.Input((6,)), base, layers.Dense(4, "softmax")])
    run(model, "sparse_categorical_crossentropy", X, IDS, ["accuracy"])
    base.trainable = True
    run(model, "sparse_categorical_crossentropy", X, IDS, ["accuracy"], keras.optimizers.Adam(1e-5))


def test_weights():
    loss = "sparse_categorical_crossentropy"
    run(mlp(4, "softmax"), loss, X, IDS, sample_weight=RNG.random(N))
    run(mlp(4, "softmax"), loss, X, IDS, class_weight={0: 1.0, 3: 2.0})
    run(mlp(1, "sigmoid"), "binary_crossentropy", X, YES, class_weight={0: 1.0, 1: 2.0})
    void, weights = np.where(IDS == 0, -1, IDS), (IDS > 0).astype("float32")
    model = mlp(4, "softmax")
    model.compile("sgd", loss)
    model.fit(X, void, sample_weight=weights, verbose=0)


def test_batches_from_elsewhere():
    loss = "sparse_categorical_crossentropy"
    run(mlp(4, "softmax"), loss, ((X[:16], IDS[:16]) for _ in range(3)))
    run(mlp(4, "softmax"), loss, ((X[:16], IDS[:16], np.ones(16)) for _ in range(3)))

    class Batches:
        def __len__(self):
            return 2

        def __getitem__(self, number):
            return X[:16], IDS[:16]

    run(mlp(4, "softmax"), loss, Batches())


def test_rare_labels():
    rare = np.zeros(320, "int64")
    rare[-1] = 1
    x = np.tile(X, (5, 1))
    run(mlp(1, "sigmoid"), "binary_crossentropy", x, rare, ["AUC"])
    run(mlp(1, "sigmoid"), "binary_crossentropy", x, rare, ["accuracy", "Recall"])
    model = mlp(1, "sigmoid")
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, rare, class_weight={0: 1.0, 1: 50.0}, verbose=0)
    batches = ((x[i : i + 32], rare[i : i + 32]) for i in range(0, 320, 32))
    run(mlp(1, "sigmoid"), "binary_crossentropy", batches)


def test_missing_numbers_that_the_model_fills_in():
    x = keras.Input((6,))
    filled = keras.Model(x, layers.Dense(1)(ops.where(ops.isnan(x), 0.0, x)))
    run(filled, "mse", np.where(X > 1, np.nan, X), REAL)


def test_noisy_labels_and_schedules():
    noisy = YES + 0.05 * RNG.random(N)
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    run(mlp(1, "sigmoid"), "binary_crossentropy", X, noisy, None, keras.optimizers.Adam(rate))
    optimizer = keras.optimizers.Adadelta(1.0)
    run(mlp(), "mse", X.tolist(), REAL.tolist(), None, optimizer)


def test_little_data():
    run(mlp(), "mse", np.array([[1.0] * 6]), np.array([[2.0]]))
    run(mlp(1, "sigmoid"), "binary_crossentropy", X[:4], np.ones(4), ["accuracy"])
    run(mlp(2, "softmax"), "sparse_categorical_crossentropy", X[:2], [0, 1], ["accuracy"])


def test_pictures():
    bytes_ = (PICTURES * 255).astype("uint8")
    scaled = [layers.Rescaling(1 / 255)] if hasattr(layers, "Rescaling") else []
    first = scaled or [layers.BatchNormalization()]
    rest = [layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(4, "softmax")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *first, *rest])
    run(model, "sparse_categorical_crossentropy", bytes_, IDS, ["accuracy"])
    model = keras.Sequential([keras.Input((8, 8, 1)), *rest])
    run(model, "sparse_categorical_crossentropy", bytes_ / 255, IDS, ["accuracy"])
    flags = (RNG.random((N, 6)) > 0.5).astype("uint8")
    run(mlp(4, "softmax"), "sparse_categorical_crossentropy", flags, IDS)


def test_callbacks_and_validation(tmp_path):
    follow = [
        callbacks.EarlyStopping(patience=2, restore_best_weights=True),
        callbacks.EarlyStopping("val_accuracy"),
        callbacks.ReduceLROnPlateau("loss"),
        callbacks.ModelCheckpoint(tmp_path / "new" / "{epoch:02d}-{val_loss:.2f}.keras",
                                  save_best_only=True),
        callbacks.ModelCheckpoint(tmp_path / "all.weights.h5", save_weights_only=True),
        callbacks.CSVLogger(tmp_path / "log.csv"),
        callbacks.TerminateOnNaN(),
    ]  # fmt: skip
    loss = "sparse_categorical_crossentropy"
    run(mlp(4, "softmax"), loss, X, IDS, ["accuracy"], validation_split=0.25, callbacks=follow)

    class Adds(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["f1"] = 0.5

    given = [Adds(), callbacks.EarlyStopping("f1", mode="max")]
    run(mlp(4, "softmax"), loss, X, IDS, callbacks=given, validation_data=(X, IDS))
    alone = [callbacks.ModelCheckpoint(tmp_path / "m.keras")]
    run(mlp(4, "softmax"), loss, X, IDS, callbacks=alone)


def test_last_layers_of_zeros():
    first = keras.Sequential([keras.Input((6,)), layers.Dense(1, kernel_initializer="zeros")])
    run(first, "mse", X, REAL)
    last = layers.Dense(4, "softmax", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), last])
    run(model, "sparse_categorical_crossentropy", X, IDS)


def test_reduced_precision():
    model = keras.Sequential([
        keras.Input((6,)), layers.Dense(8, "relu", dtype="mixed_bfloat16"),
        layers.Dense(4, "softmax", dtype="float32"),
    ])  # fmt: skip
    run(model, "sparse_categorical_crossentropy", X, IDS, ["accuracy"])
