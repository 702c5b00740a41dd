"""Files of models and weights, both ways between Lamina and real Keras."""

import warnings

import h5py
import numpy as np
import pytest

import lamina

keras = pytest.importorskip("keras")

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(6, 2)).astype("float32")
BOTH = [(lamina, keras), (keras, lamina)]
WAYS = pytest.mark.parametrize(("here", "there"), BOTH, ids=["ours-to-keras", "keras-to-ours"])


def sequential(k):
    return k.Sequential(
        [
            k.layers.Input((4,)),
            k.layers.Dense(5, activation="relu", kernel_regularizer="l2"),
            k.layers.Dropout(0.4),
            k.layers.Dense(5, activation=k.activations.gelu),
            k.layers.Dense(2),
        ]
    )


def functional(k):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    shared = k.layers.Dense(4, activation="tanh")
    inner_in = k.Input((8,))
    inner = k.Model(inner_in, k.layers.Dense(3)(k.layers.Dense(6)(inner_in)), name="inner")
    both = k.ops.concatenate([shared(a), shared(b)], axis=-1)
    first = inner(both)
    tail = k.Sequential([k.layers.Dense(2), k.layers.Activation("softmax")])
    return k.Model({"a": a, "b": b}, [tail(first) * 2.0 + 1, k.layers.Add()([first, first])])


def merged(k):
    x = k.Input((4,))
    y = k.layers.Reshape((2, 2))(x)
    y = k.layers.Permute((2, 1))(y)
    y = k.layers.EinsumDense("abc,cd->abd", output_shape=(2, 3), bias_axes="d")(y)
    y = k.layers.Flatten()(y)
    y = k.layers.PReLU()(k.layers.Concatenate()([y, x]))
    return k.Model(x, k.layers.Multiply()([k.layers.Dense(2)(y), k.layers.Dense(2)(y)]))


def classes(k):
    class Block(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = k.layers.Dense(4)
            self.drop = k.layers.Dropout(0.1)

        def build(self, input_shape):
            self.offset = self.add_weight(shape=(4,), initializer="ones", name="offset")
            self.fixed = self.add_weight(shape=(), trainable=False, name="fixed")
            self.scales = [self.add_weight(shape=(4,), name="s"), self.add_weight(name="t")]
            self.dense.build(input_shape)

        def call(self, x):
            return self.drop(self.dense(x)) * self.offset + self.fixed + self.scales[1]

    class Net(k.Model):
        def __init__(self, width=3, **kwargs):
            super().__init__(**kwargs)
            self.width = width
            self.blocks = [Block(), Block(), [k.layers.Dense(3), k.layers.Dense(4)]]
            self.heads = {"x": k.layers.Dense(2), "y": {"z": k.layers.Dense(1)}}
            self._private = k.layers.Dense(width)
            self.alias = self.blocks[1]
            self.merge = k.layers.Dense(4)
            self.inner = k.Sequential([k.layers.Dense(4)])

        @property
        def first_head(self):
            return self.heads["x"]

        def call(self, x):
            x = self.inner(self.merge(self.blocks[1](self.blocks[0](x))))
            x = self.blocks[2][1](self.blocks[2][0](x))
            return self.heads["x"](self._private(x)), self.heads["y"]["z"](x)

        def get_config(self):
            return {**super().get_config(), "width": self.width}

    return {"Block": Block, "Net": Net}


def inputs_of(make):
    return {"a": X, "b": X[::-1]} if make is functional else X


def as_lists(outputs):
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return [np.asarray(x) for x in outputs]


def randomize(model):
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(size=w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


def assert_same(one, other, x):
    for mine, its in zip(as_lists(one(x)), as_lists(other(x)), strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-5, rtol=1e-5)


@WAYS
@pytest.mark.parametrize("make", [sequential, functional, merged], ids=lambda f: f.__name__)
def test_model_file(here, there, make, tmp_path):
    model = randomize(make(here))
    path = str(tmp_path / "m.keras")
    model.save(path)
    other = there.models.load_model(path)
    assert_same(model, other, inputs_of(make))
    assert [w.shape for w in model.weights] == [w.shape for w in other.weights]


@WAYS
@pytest.mark.parametrize("make", [sequential, functional, merged], ids=lambda f: f.__name__)
def test_weights_file(here, there, make, tmp_path):
    model, other = randomize(make(here)), make(there)
    path = str(tmp_path / "m.weights.h5")
    model.save_weights(path)
    other.load_weights(path)
    assert_same(model, other, inputs_of(make))


@WAYS
def test_shards(here, there, tmp_path):
    model, other = randomize(sequential(here)), sequential(there)
    path = str(tmp_path / "m.weights.json")
    model.save_weights(path, max_shard_size=120 / 1024**3)
    assert len(list(tmp_path.glob("*.h5"))) > 1
    other.load_weights(path)
    assert_same(model, other, X)


@WAYS
def test_folder(here, there, tmp_path):
    model = randomize(sequential(here))
    path = str(tmp_path / "folder")
    model.save(path, zipped=False)
    assert_same(model, there.models.load_model(path), X)


@WAYS
def test_subclassed(here, there, tmp_path):
    model = classes(here)["Net"](width=5)
    model(X)
    randomize(model)
    path = str(tmp_path / "m.keras")
    model.save(path)
    other = there.models.load_model(path, custom_objects=classes(there))
    assert other.width == 5
    assert_same(model, other, X)


@WAYS
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "lion"])
def test_training_goes_on(here, there, optimizer, tmp_path):
    model = here.Sequential([here.layers.Input((4,)), here.layers.Dense(3), here.layers.Dense(2)])
    randomize(model)
    model.compile(optimizer, "mse", metrics=["mae"])
    model.fit(X, Y, epochs=3, batch_size=3, shuffle=False, verbose=0)
    path = str(tmp_path / "m.keras")
    model.save(path)
    other = there.models.load_model(path)
    mine, its = model.optimizer, other.optimizer
    assert len(mine.variables) == len(its.variables)
    for a, b in zip(mine.variables, its.variables, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=1e-7)
    for each in (model, other):
        each.fit(X, Y, epochs=2, batch_size=3, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@WAYS
def test_compiled_but_not_trained(here, there, tmp_path):
    model = randomize(sequential(here))
    model.compile("adam", "mse")
    path = str(tmp_path / "m.keras")
    model.save(path)
    with warnings.catch_warnings():
        if there is keras:  # it says that it skips the state
            warnings.simplefilter("ignore")
        other = there.models.load_model(path)
    assert_same(model, other, X)
    assert int(other.optimizer.iterations) == 0


@pytest.mark.parametrize("here", [lamina, keras], ids=lambda k: k.__name__)
def test_scaled_losses(here, tmp_path):
    x = here.layers.Input((4,))
    model = here.Model(x, here.layers.Dense(2, dtype="mixed_float16")(x))
    model.compile(here.optimizers.LossScaleOptimizer(here.optimizers.Adam()), "mse")
    model.fit(X, Y, verbose=0)
    path = str(tmp_path / "m.keras")
    for optimizer in (model.optimizer, here.optimizers.Adam()):
        # What a mixed_float16 model that wraps its optimizer itself writes.
        given = model._training.given if here is lamina else model._compile_config.config
        given["optimizer"] = optimizer
        model.save(path)
        other = lamina.models.load_model(path)
        pairs = zip(model.optimizer.variables, other.optimizer.variables, strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(np.asarray(a), np.asarray(b))


@WAYS
def test_bfloat16(here, there, tmp_path):
    def make(k):
        return k.Sequential([k.layers.Input((4,)), k.layers.Dense(2, dtype="bfloat16")])

    model, other = randomize(make(here)), make(there)
    path = str(tmp_path / "m.weights.h5")
    model.save_weights(path)
    other.load_weights(path)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a.astype("float32"), b.astype("float32"))


def test_keras_does_not_look_at_the_states_that_only_we_keep(tmp_path):
    path = str(tmp_path / "m.weights.h5")
    sequential(lamina).save_weights(path)
    with h5py.File(path) as file:
        assert list(file["_lamina/vars"]) == ["layers:dropout:seed_generator:0"]
    sequential(keras).load_weights(path)


def named(k):
    inner = k.Sequential([k.layers.Dense(3, name="one"), k.layers.Dense(3, name="two")], name="in")
    return k.Sequential(
        [
            k.layers.Input((4,)),
            k.layers.Dense(3, name="one"),
            inner,
            k.layers.Dropout(0.0, name="drop"),
            k.layers.Dense(2, name="last"),
        ]
    )


@pytest.mark.parametrize("make", [named, sequential, merged], ids=lambda f: f.__name__)
def test_legacy_h5_model(make, tmp_path):
    model = randomize(make(keras))
    if make is named:
        model.compile("adam", "mse", metrics=["mae"])
        model.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    path = str(tmp_path / "m.h5")
    model.save(path)
    other = lamina.models.load_model(path)
    assert_same(model, other, inputs_of(make))
    if make is named:
        for each in (model, other):
            each.fit(X, Y, epochs=2, shuffle=False, verbose=0)
        for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_legacy_h5_weights(tmp_path):
    model, other = randomize(named(keras)), named(lamina)
    path = str(tmp_path / "m.h5")
    model.save(path)
    other.load_weights(path)
    assert_same(model, other, X)
    changed = lamina.Sequential([lamina.Input((4,)), lamina.layers.Dense(3, name="one")])
    before = changed.get_weights()
    with pytest.raises(ValueError, match="last: model none"):
        changed.load_weights(path)
    np.testing.assert_array_equal(before[0], changed.get_weights()[0])
    with pytest.warns(UserWarning, match="last: model none"):
        changed.load_weights(path, by_name=True)
    np.testing.assert_array_equal(changed.layers[0].kernel, model.layers[0].kernel)
