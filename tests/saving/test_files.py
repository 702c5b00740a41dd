"""Models and weights in files: all comes back, to the bit, or an error says what."""

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import lamina as keras
from lamina.core.errors import ArgumentError, FileError, StateError
from lamina.saving import archive, hdf5

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(8, 2)).astype("float32")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mlp(**kwargs):
    dense, drop = keras.layers.Dense, keras.layers.Dropout
    layers = [keras.Input((4,)), dense(3, activation="relu"), drop(0.5), dense(2)]
    return keras.Sequential(layers, **kwargs)


@keras.saving.register_keras_serializable("tests")
class Scaled(keras.layers.Layer):
    """Has everything that a layer may keep: weights in nests, generators, metrics, sub-layers."""

    def __init__(self, size=3, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.parts = {"a/b": [keras.layers.Dense(size), keras.layers.Dense(size)]}
        self.generators = [keras.random.SeedGenerator(1), keras.random.SeedGenerator(2)]
        self.mean = keras.metrics.Mean()
        self.losses_inside = keras.layers.Dropout(0.1)

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(self.size,), name="scale")
        self.count = self.add_weight((), "zeros", "int32", trainable=False, name="count")
        for dense in self.parts["a/b"]:
            dense.build(input_shape)

    def call(self, x):
        noise = keras.random.normal((self.size,), seed=self.generators[1])
        self.count.assign_add(1)
        one, two = self.parts["a/b"]
        return self.losses_inside(one(x) + two(x)) * self.scale + noise


def rich():
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Dense(2)(Scaled(3)(x)))
    model(X, training=True)
    model.layers[1].mean.update_state([1.0, 2.0])
    return model


def state_of(model):
    return [
        np.asarray(v) for v in [*model.variables, *(v for m in model.metrics for v in m.variables)]
    ]


def assert_same_state(one, other):
    mine, its = state_of(one), state_of(other)
    assert len(mine) == len(its)
    for a, b in zip(mine, its, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("make", [mlp, rich], ids=lambda f: f.__name__)
@pytest.mark.parametrize("where", ["m.keras", "folder", "memory"])
def test_a_model_comes_back_to_the_bit(make, where):
    model = make()
    model(X, training=True)
    target = io.BytesIO() if where == "memory" else where
    model.save(target, zipped=False if where == "folder" else None)
    again = keras.models.load_model(target)
    assert_same_state(model, again)
    for training in (False, True):  # the generators go on where they stood
        np.testing.assert_array_equal(model(X, training=training), again(X, training=training))
    assert model.to_json() == again.to_json()


def test_training_goes_on_to_the_bit():
    def trained():
        model = rich()
        model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
        return model

    model = trained()
    model.fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    model.save("m.keras")
    again = keras.models.load_model("m.keras")
    assert_same_state_of_optimizers(model, again)
    for each in (model, again):
        each.fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    for a, b in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert_same_state_of_optimizers(model, again)


def assert_same_state_of_optimizers(one, other):
    pairs = zip(one.optimizer.variables, other.optimizer.variables, strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)


def test_without_optimizer():
    model = mlp()
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    model.save("m.keras")
    assert not keras.models.load_model("m.keras", compile=False).compiled
    keras.saving.save_model(model, "n.keras", include_optimizer=False)
    assert not keras.models.load_model("n.keras").compiled
    with zipfile.ZipFile("n.keras") as file:
        weights = io.BytesIO(file.read(archive.WEIGHTS))
    with h5py.File(weights) as h5:
        assert "optimizer" not in h5


@pytest.mark.parametrize("path", ["m.weights.h5", "m.keras", "m.weights.json", "folder"])
def test_weights(path):
    model, other = rich(), rich()
    if path.endswith("json"):
        model.save_weights(path, max_shard_size=60 / 1024**3)
        assert len(list(Path().glob("m_*.weights.h5"))) > 1
    elif path.endswith("weights.h5"):
        model.save_weights(path)
    else:
        model.save(path, zipped=path != "folder")
    other.load_weights(path)
    assert_same_state(model, other)


def test_weights_of_another_model_change_nothing():
    mlp().save_weights("m.weights.h5")
    layers = keras.layers
    other = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3), layers.Dense(5), layers.Dense(2, name="third")]
    )
    before = other.get_weights()
    with pytest.raises(FileError) as caught:
        other.load_weights("m.weights.h5")
    said = str(caught.value)
    assert "no weight was changed" in said
    assert "layers/dense_1 (Dense" in said and "kernel (3, 5), bias (5,); file (3, 2), (2,)" in said
    assert "third (Dense 'third'): model kernel (5, 2), bias (2,); file none" in said
    assert "layers/dense (" not in said
    for old, new in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.warns(UserWarning, match="left as it was") as caught:
        other.load_weights("m.weights.h5", skip_mismatch=True)
    assert len(caught) == 1
    assert not np.array_equal(before[0], other.get_weights()[0])
    for old, new in zip(before[2:], other.get_weights()[2:], strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_file_with_more_layers_than_the_model():
    mlp().save_weights("m.weights.h5")
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(FileError, match=r"layers/dense_1: model none; file \(3, 2\), \(2,\)"):
        other.load_weights("m.weights.h5")


def test_a_failure_half_way_changes_nothing(monkeypatch):
    mlp().save_weights("m.weights.h5")
    other = mlp()
    before, read, original = state_of(other), [], hdf5.Reader.read

    def failing(self, dataset):
        read.append(dataset.name)
        if len(read) == 3:
            raise KeyboardInterrupt
        return original(self, dataset)

    monkeypatch.setattr(hdf5.Reader, "read", failing)
    with pytest.raises(KeyboardInterrupt):
        other.load_weights("m.weights.h5")
    for old, new in zip(before, state_of(other), strict=True):
        np.testing.assert_array_equal(old, new)


def test_loading_does_not_draw_weights_first(monkeypatch):
    model = mlp()
    model.save("m.keras")
    monkeypatch.setattr(keras.initializers.GlorotUniform, "__call__", None)
    keras.models.load_model("m.keras")


def test_optimizers_of_weights_files():
    model = mlp()
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    model.save_weights("m.weights.h5")
    plain = mlp()
    plain.load_weights("m.weights.h5")
    other = mlp()
    other.compile(keras.optimizers.SGD(momentum=0.9), "mse")
    other.fit(X, Y, verbose=0)
    with pytest.warns(UserWarning, match="optimizer"):
        other.load_weights("m.weights.h5")
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_objects_to_skip():
    model, other = mlp(), mlp()
    first = other.layers[0].kernel.numpy()
    keras.saving.save_weights(model, "m.weights.h5", objects_to_skip=[model.layers[0]])
    with pytest.raises(FileError, match="file none"):
        other.load_weights("m.weights.h5")
    other.load_weights("m.weights.h5", objects_to_skip=[other.layers[0]])
    np.testing.assert_array_equal(other.layers[0].kernel, first)
    np.testing.assert_array_equal(other.layers[2].kernel, model.layers[2].kernel)


def test_a_layer_that_stores_its_variables_itself():
    @keras.saving.register_keras_serializable("tests")
    class Named(keras.layers.Dense):
        def save_own_variables(self, store):
            store["the kernel"] = self.kernel
            store["the bias"] = self.bias * 2

        def load_own_variables(self, store):
            assert set(store.keys()) == {"the kernel", "the bias"}
            self.kernel.assign(store["the kernel"])
            self.bias.assign(store["the bias"] / 2)

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), Named(2)])
    model.save("m.keras")
    assert_same_state(model, keras.models.load_model("m.keras"))
    model.save_weights("m.weights.h5")
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), Named(5)])
    before = state_of(other)
    with pytest.raises(ValueError):
        other.load_weights("m.weights.h5")
    for old, new in zip(before, state_of(other), strict=True):
        np.testing.assert_array_equal(old, new)


# --- what cannot be written -----------------------------------------------------------------------


def test_what_cannot_be_saved_is_named_and_nothing_is_written():
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(2, activation=lambda x: x, name="culprit")]
    )
    model = keras.Sequential([keras.Input((4,)), inner])
    for target, zipped in (("m.keras", True), ("folder", False)):
        with pytest.raises(FileError, match="culprit") as caught:
            model.save(target, zipped=zipped)
        assert "lambda" in str(caught.value)
    assert os.listdir() == []
    Path("m.keras").write_text("old")
    with pytest.raises(FileError):
        model.save("m.keras")
    assert Path("m.keras").read_text() == "old"
    assert os.listdir() == ["m.keras"]


@pytest.mark.parametrize("fail", ["replace", "fsync", "group"])
@pytest.mark.parametrize("kind", ["model", "folder", "weights", "shards"])
def test_a_save_that_fails_leaves_the_old_file(monkeypatch, kind, fail):
    def save(model):
        if kind == "model":
            model.save("m.keras")
        elif kind == "folder":
            model.save("folder", zipped=False)
        elif kind == "weights":
            model.save_weights("m.weights.h5")
        else:
            model.save_weights("m.weights.json", max_shard_size=60 / 1024**3)

    def contents():
        return {str(p): p.read_bytes() for p in Path().rglob("*") if p.is_file()}

    save(mlp())
    before = contents()
    owner = {"replace": os, "fsync": os, "group": hdf5.Writer}[fail]

    def broken(*args):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(owner, fail, broken)
        with pytest.raises(OSError, match="full"):
            save(mlp())
    assert contents() == before
    save(mlp())
    assert contents().keys() == before.keys()


def test_a_killed_save_leaves_the_old_file():
    model = mlp()
    model.save("m.keras")
    before = Path("m.keras").read_bytes()
    code = f"""
        import sys, time
        sys.path[:] = {sys.path}
        import lamina as keras
        from lamina.saving import hdf5
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(300)])
        put = hdf5.Group.__setitem__
        def slow(self, *args):
            put(self, *args)
            print("writing", flush=True)
            time.sleep(60)
        hdf5.Group.__setitem__ = slow
        model.save("m.keras")
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert Path("m.keras").read_bytes() == before
    assert_same_state(model, keras.models.load_model("m.keras"))


def test_what_stands_in_the_way():
    model = mlp()
    model.save("m.keras")
    before = Path("m.keras").read_bytes()
    with pytest.raises(FileError, match="overwrite=True"):
        model.save("m.keras", overwrite=False)
    assert Path("m.keras").read_bytes() == before
    model.save_weights("m.weights.h5")
    with pytest.raises(FileError, match="overwrite=True"):
        model.save_weights("m.weights.h5", overwrite=False)
    Path("mine").mkdir()
    Path("mine/letter.txt").write_text("dear")
    with pytest.raises(FileError, match="other things"):
        model.save("mine", zipped=False)
    assert os.listdir("mine") == ["letter.txt"]
    with pytest.raises(FileError, match="make the folder"):
        model.save("nowhere/m.keras")
    Path("link.keras").symlink_to("m.keras")
    model.save("link.keras")
    assert Path("link.keras").is_symlink()
    keras.models.load_model("m.keras")


@pytest.mark.parametrize(
    ("path", "zipped", "fix"),
    [("m", None, "'m.keras'"), ("m.h5", None, "'m.keras'"), ("m.tf", None, "'m.keras'"),
     ("m.weights.h5", None, "save_weights"), ("m.keras", False, "'m'")],
)  # fmt: skip
def test_wrong_names_of_models(path, zipped, fix):
    with pytest.raises(FileError, match=fix):
        mlp().save(path, zipped=zipped)
    assert os.listdir() == []


def test_other_mistakes():
    model = mlp()
    with pytest.raises(FileError, match=r"'w\.weights\.h5'"):
        model.save_weights("w.h5")
    with pytest.raises(FileError, match=r"'w\.weights\.json'"):
        model.save_weights("w", max_shard_size=1)
    with pytest.raises(FileError, match="larger max_shard_size"):
        model.save_weights("w.weights.json", max_shard_size=1 / 1024**3)
    assert os.listdir() == []
    with pytest.raises(ArgumentError, match="save_format"):
        keras.saving.save_model(model, "m.keras", save_format="tf")
    with pytest.raises(ArgumentError, match="not a str"):
        keras.saving.save_model("m.keras", model)
    with pytest.raises(StateError, match="not built"):
        keras.Sequential([keras.layers.Dense(2)]).save_weights("w.weights.h5")
    model.save("here.keras")
    with pytest.raises(FileError, match=r"here\.keras"):
        keras.models.load_model("there.keras")
    with pytest.raises(StateError, match="not built"):
        keras.Sequential([keras.layers.Dense(2)]).load_weights("here.keras")
    model.save_weights("w.weights.h5")
    with pytest.raises(FileError, match="load_weights"):
        keras.models.load_model("w.weights.h5")
    Path("a.txt").write_text("x")
    with pytest.raises(FileError, match="end in"):
        model.load_weights("a.txt")
    with pytest.raises(ArgumentError, match="by_name"):
        model.load_weights("w.weights.h5", by_name=True)


def test_a_class_that_is_not_registered():
    class Unknown(keras.layers.Layer):
        def call(self, x):
            return x

    keras.Sequential([keras.Input((4,)), Unknown()]).save("m.keras")
    with pytest.raises(FileError, match=r"custom_objects=\{'Unknown': Unknown\}"):
        keras.models.load_model("m.keras")
    keras.models.load_model("m.keras", custom_objects={"Unknown": Unknown})
    with keras.saving.custom_object_scope({"Unknown": Unknown}):
        keras.models.load_model("m.keras")
    assert keras.saving.get_registered_object("Unknown") is None
    assert keras.saving.get_registered_name(Scaled) == "tests>Scaled"
    assert keras.saving.get_custom_objects()["tests>Scaled"] is Scaled


def test_the_layout():
    mlp(name="net").save("m.keras")
    with zipfile.ZipFile("m.keras") as file:
        assert file.namelist() == [archive.METADATA, archive.CONFIG, archive.WEIGHTS]
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}
        assert json.loads(file.read(archive.METADATA))["keras_version"].startswith("3.")
        with h5py.File(io.BytesIO(file.read(archive.WEIGHTS))) as h5:
            assert h5["vars"].attrs["name"] == "net"
            assert h5["layers/dense_1/vars/0"].shape == (3, 2)


def test_states_of_generators_are_asked_for_by_whole_models_alone():
    model = mlp()
    model.save("m.keras")
    with zipfile.ZipFile("m.keras") as file:
        members = {name: file.read(name) for name in file.namelist()}
    data = io.BytesIO(members[archive.WEIGHTS])
    with h5py.File(data, "r+") as h5:
        del h5["_lamina/vars/layers:dropout:seed_generator:0"]
    with zipfile.ZipFile("n.keras", "w") as file:
        for name, content in {**members, archive.WEIGHTS: data.getvalue()}.items():
            file.writestr(name, content)
    with pytest.raises(FileError, match="layers:dropout:seed_generator"):
        keras.models.load_model("n.keras")
    mlp().load_weights("n.keras")
    without = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    without.load_weights("m.keras")


def test_files_of_a_layer_are_not_lost_in_silence():
    class WithFile(keras.layers.Layer):
        def call(self, x):
            return x

        def save_assets(self, folder):
            Path(folder, "x.txt").write_text("x")

    model = keras.Sequential([keras.Input((4,)), WithFile(name="keeper")])
    with pytest.raises(FileError, match="keeper"):
        model.save("m.keras")
    assert os.listdir() == []
