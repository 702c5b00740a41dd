"""Crafted files: each is refused with a reason, and nothing ran, was written or was allocated."""

import base64
import builtins
import importlib
import io
import json
import marshal
import os
import pickle
import resource
import socket
import struct
import subprocess
import tracemalloc
import types
import urllib.request
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import lamina as keras
from lamina.core import registry
from lamina.core.dtypes import get_policy
from lamina.core.errors import FileError
from lamina.core.settings import settings
from lamina.saving import archive, hdf5
from lamina.saving.archive import CONFIG, METADATA, WEIGHTS

HARMLESS_BYTES = 100 << 20


@pytest.fixture(autouse=True)
def harmless(tmp_path, monkeypatch):
    """Fails the test if it ran something, opened a socket, wrote a file or took much memory."""
    (tmp_path / "files").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    ran = []

    def trap(owner, name):
        monkeypatch.setattr(owner, name, lambda *a, **k: ran.append(name))

    for owner, names in (
        (os, ("system", "popen")),
        (subprocess, ("Popen", "run")),
        (socket, ("socket", "create_connection")),
        (urllib.request, ("urlopen", "urlretrieve")),
        (pickle, ("loads", "load")),
        (zipfile.ZipFile, ("extract", "extractall")),
    ):
        for name in names:
            trap(owner, name)
    original = importlib.import_module

    def imports(name, *args):
        assert name.startswith("lamina"), name
        return original(name, *args)

    monkeypatch.setattr(registry, "importlib", types.SimpleNamespace(import_module=imports))
    builtins.canary = ran
    defaults, table = (settings.floatx, get_policy(None)), dict(registry.custom_objects())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    yield
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    del builtins.canary
    assert ran == []
    assert list(elsewhere.iterdir()) == []
    assert taken < HARMLESS_BYTES and grown < 4 * HARMLESS_BYTES / 1024
    assert (settings.floatx, get_policy(None)) == defaults
    assert registry.custom_objects() == table
    assert not registry.unsafe.get()


@pytest.fixture
def make(tmp_path):
    """Writes a file of a config and weights."""

    def write(config=None, weights=None, extra=(), compression=zipfile.ZIP_STORED, name="m.keras"):
        path = tmp_path / "files" / name
        text = config if isinstance(config, (str, bytes)) else json.dumps(config or CHAIN)
        with zipfile.ZipFile(path, "w", compression) as file:
            file.writestr(METADATA, "{}")
            file.writestr(CONFIG, text)
            file.writestr(WEIGHTS, h5(dense) if weights is None else weights)
            for member, data in extra:
                file.writestr(member, data)
        return path

    return write


def layer(class_name, module="keras.layers", registered_name=None, /, **config):
    return {"module": module, "class_name": class_name, "config": config,
            "registered_name": registered_name}  # fmt: skip


def chain(*layers):
    return layer("Sequential", "keras", name="victim", layers=list(layers))


INPUT = layer("InputLayer", batch_shape=[None, 3], dtype="float32", name="x")
DENSE = layer("Dense", name="d", units=2)
CHAIN = chain(INPUT, DENSE)


def h5(fill):
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        fill(file)
    return data.getvalue()


def dense(file):
    file["layers/dense/vars/0"] = np.ones((3, 2), "float32")
    file["layers/dense/vars/1"] = np.ones((2,), "float32")


def refused(path, match=".", **options):
    with pytest.raises(FileError, match=match) as caught:
        keras.models.load_model(path, **options)
    return str(caught.value)


def test_the_file_that_the_others_are_made_from_is_fine(make):
    model = keras.models.load_model(make())
    np.testing.assert_array_equal(model(np.ones((1, 3), "float32")), [[4, 4]])


# --- names choose classes, never code -------------------------------------------------------------

GADGETS = [
    layer("system", "os", cmd="touch pwned"),
    layer("Popen", "subprocess", args=["touch", "pwned"]),
    layer("eval", "builtins", expression="canary.append(1)"),
    layer("exec", "builtins", "Dense", code="canary.append(1)"),
    layer("get_file", "keras.utils", origin="http://example.invalid/x"),
    layer("get_file", "keras", origin="http://example.invalid/x"),
    layer("load_model", "keras.models", filepath="x"),
    layer("load_model", "keras.saving", filepath="x", safe_mode=False),
    layer("enable_unsafe_deserialization", "keras.config"),
    layer("enable_unsafe_deserialization", "keras.src.saving.serialization_lib"),
    layer("set_floatx", "keras.config", value="float16"),
    layer("set_global_policy", "keras.mixed_precision", policy="float16"),
    layer("load_data", "keras.datasets.mnist"),
    layer("TFSMLayer", "keras.layers", filepath="/tmp/evil"),
    layer("TorchModuleWrapper", "keras.layers", module="gASV"),
    layer("register", "lamina.core.registry", package="x"),
    layer("allow_code", "lamina.core.registry", allowed=True),
    layer("import_module", "importlib", name="antigravity"),
    layer("Path", "pathlib"),
    layer("late", "keras.layers", name="core.registry.register"),
    layer("__init__", "keras.layers"),
    layer("Dense.build", "keras.layers"),
    layer("../Dense", "keras.layers"),
    layer("Adam", "keras.optimizers"),
    layer("Zeros", "keras.initializers"),
    {"class_name": "function", "config": "system", "module": "os", "registered_name": "system"},
    {"class_name": "function", "config": "get_file", "module": "keras.utils"},
    {"class_name": "function", "config": "load_model", "module": "keras.models"},
    {"class_name": ["Dense"], "config": {}, "module": "keras.layers"},
    {"class_name": "Dense", "config": "x", "module": "keras.layers"},
    {"class_name": "Dense", "config": {}, "module": ["keras.layers"]},
    {"class_name": "__lambda__", "config": {"code": "AAAA"}},
    {"class_name": "__typespec__", "config": {}, "module": "tensorflow"},
]


@pytest.mark.parametrize("gadget", GADGETS, ids=lambda g: f"{g.get('module')}.{g['class_name']}")
@pytest.mark.parametrize("where", ["model", "layer", "argument", "compile"])
def test_gadgets(make, gadget, where):
    if where == "model":
        config = gadget
    elif where == "layer":
        config = chain(INPUT, gadget, DENSE)
    elif where == "argument":
        config = chain(INPUT, layer("Dense", name="victim_layer", units=2, activation=gadget))
    else:
        config = {**CHAIN, "compile_config": {"optimizer": gadget, "loss": "mse"}}
    if (where, gadget["class_name"]) in (("compile", "Adam"), ("argument", "Zeros")):
        return  # an optimizer, and a function that may be an activation
    said = refused(make(config))
    if where == "argument":
        assert "victim_layer" in said or gadget["class_name"] == "Adam"


def test_code_of_a_lambda_needs_the_word_of_the_caller(make):
    def body(x):
        canary.append("lambda")  # noqa: F821 - a trap in builtins
        return x

    stored = base64.b64encode(marshal.dumps(body.__code__)).decode()
    inner = {"code": stored, "defaults": None, "closure": None}
    code = {"class_name": "__lambda__", "config": inner}
    config = chain(INPUT, layer("Lambda", name="evil", function=code), DENSE)
    path = make(config)
    assert "evil" in refused(path, "safe_mode=False")
    refused(path, "safe_mode=False", compile=False)
    for entrance in (
        lambda: keras.models.model_from_json(json.dumps(config)),
        lambda: keras.saving.deserialize_keras_object(config),
        lambda: keras.layers.deserialize(config["config"]["layers"][1]),
        lambda: keras.layers.Lambda.from_config(config["config"]["layers"][1]["config"]),
        lambda: keras.Sequential.from_config(config["config"]),
    ):
        with pytest.raises(FileError, match="safe_mode=False"):
            entrance()
    switch = layer("enable_unsafe_deserialization", "keras.config")
    refused(make(chain(INPUT, switch, *config["config"]["layers"][1:])), "not a class")


def test_a_registered_name_does_not_stand_for_another_class(make):
    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    refused(make(chain(INPUT, layer("system", "os", "Dense"), DENSE)), "os.system")
    wrong = {"Mine": lambda **k: canary.append(1)}  # noqa: F821
    refused(make(chain(INPUT, layer("Mine", "mine", "Mine"), DENSE)), "custom_objects")
    path = make(chain(INPUT, layer("Mine", "mine"), DENSE))
    refused(path, "class is needed", custom_objects=wrong)
    keras.models.load_model(
        make(chain(INPUT, layer("Mine", "somewhere.else"), DENSE)), custom_objects={"Mine": Mine}
    )


def graph(layers, output):
    return layer("Functional", "keras.src.models.functional", name="g", layers=layers,
                 input_layers=[["x", 0, 0]], output_layers=[output])  # fmt: skip


def tensor(name):
    config = {"shape": [None, 3], "dtype": "float32", "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def node(config, *args, **kwargs):
    name = config["config"]["name"]
    return {**config, "name": name, "inbound_nodes": [{"args": list(args), "kwargs": kwargs}]}


GRAPH_INPUT = {**INPUT, "name": "x", "inbound_nodes": []}


def test_dead_nodes_are_never_made(make):
    evil = node(layer("get_file", "keras.utils", name="dead"), tensor("x"))
    bomb = node(layer("Zeros", "keras.src.ops.numpy", "Zeros", name="bomb", shape=[1 << 50]))
    huge = node(layer("Dense", name="huge", units=1 << 60), tensor("x"))
    living = node(DENSE, tensor("x"))
    path = make(graph([GRAPH_INPUT, evil, bomb, huge, living], ["d", 0, 0]))
    model = keras.models.load_model(path)
    assert {each.name for each in model.layers} == {"x", "d"}


@pytest.mark.parametrize(
    "op",
    [
        node(layer("Zeros", "keras.src.ops.numpy", "Zeros", name="bomb", shape=[1 << 22])),
        node(layer("Zeros", "keras.src.ops.numpy", "Zeros", name="bomb"), [1 << 22]),
        node(layer("Arange", "keras.src.ops.numpy", "Arange", name="bomb"), 1 << 22),
        node(
            layer("RepeatVector", name="bomb", n=1 << 22),
            {"class_name": "__numpy__", "config": {"value": [[1.0]], "dtype": "float32"}},
        ),
        node(
            layer("Repeat", "keras.src.ops.numpy", "Repeat", name="bomb", repeats=1 << 22, axis=0),
            {"class_name": "__numpy__", "config": {"value": [1.0], "dtype": "float32"}},
        ),
    ],
    ids=lambda op: op["class_name"],
)
def test_a_node_without_tensors_computes_nothing_on_loading(make, op):
    add = node(layer("Add", "keras.src.ops.numpy", "Add", name="add"), tensor("x"), tensor("bomb"))
    refused(make(graph([GRAPH_INPUT, op, add], ["add", 0, 0])), "without a tensor|does not exist")


def test_graphs_that_do_not_hang_together(make):
    circle = [GRAPH_INPUT, node(layer("Dense", name="a", units=3), tensor("b")),
              node(layer("Dense", name="b", units=3), tensor("a"))]  # fmt: skip
    refused(make(graph(circle, ["a", 0, 0])), "circle")
    refused(make(graph([GRAPH_INPUT], ["nowhere", 0, 0])), "nowhere")
    refused(make(graph([GRAPH_INPUT, node(DENSE, tensor("x"))], ["d", 7, 0])), "call 7")
    refused(make(graph([GRAPH_INPUT, node(DENSE, tensor("x"))], ["d", 0, 7])))
    refused(make(graph([GRAPH_INPUT, node(DENSE, tensor("x"))], ["d", -1, 0])))


# --- JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"x"', "{}", '{"class_name": 1}', b"\xff\xfe\x00", "[" * 100_000,
     '{"class_name": "Dense", "config": ' * 5_000,
     '{"class_name":"__tuple__","config":{"value":[' * 300 + "1" + "]}}" * 300,
     '{"module":"keras.layers","class_name":"Dense","config":{"units":' + "9" * 100_000 + "}}",
     json.dumps(chain(INPUT, layer("Dense", units=-5))),
     json.dumps(chain(INPUT, layer("Dense", units="many"))),
     json.dumps(chain(INPUT, layer("Dense", unknown=1))),
     json.dumps(chain(INPUT, layer("Dense", units=2, dtype="no such dtype"))),
     json.dumps(layer("Sequential", "keras", name="x" * 1000)),
     ],
    ids=range(17),
)  # fmt: skip
def test_configs_that_are_none(make, text):
    refused(make(text))


def nested_chains(depth):
    config = chain(INPUT, DENSE)
    for number in range(depth):
        config = layer("Sequential", "keras", name=f"n{number}", layers=[config])
    return config


def test_depth_bombs(make):
    refused(make(json.dumps(nested_chains(150))))
    text = json.dumps(nested_chains(1)).replace('"units": 2', '"units": ' + "[" * 900 + "]" * 900)
    refused(make(text))


def test_an_array_in_a_config_is_of_numbers(make):
    for stored in (
        {"value": ["x"] * 100, "dtype": "S1000000000"},
        {"value": ["x"], "dtype": "U1000000000"},
        {"value": [1], "dtype": "V1000000000"},
        {"value": [{"a": 1}], "dtype": "object"},
        {"value": [0] * 100, "dtype": "(100000,100000)f8"},
        {"value": [1], "dtype": ["f8"]},
    ):
        array = {"class_name": "__numpy__", "config": stored}
        refused(make(chain(INPUT, layer("Rescaling", name="r", scale=array))))
        with pytest.raises(FileError):
            registry.deserialize(array)


def test_a_path_in_a_config_is_not_opened(make, tmp_path, monkeypatch):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    opened = []
    original = builtins.open
    monkeypatch.setattr(builtins, "open", lambda *a, **k: opened.append(a[0]) or original(*a, **k))
    for name in ("StringLookup", "IntegerLookup", "TextVectorization"):
        with pytest.raises(FileError):
            keras.models.load_model(
                make(chain(INPUT, layer(name, name="l", vocabulary=str(secret))))
            )
    assert str(secret) not in map(str, opened)


# --- archives -------------------------------------------------------------------------------------


def test_zip_bombs(make, monkeypatch):
    zeros = b"\0" * (20 << 20)
    refused(make(zeros, compression=zipfile.ZIP_DEFLATED), "unfold")
    refused(make(weights=zeros, compression=zipfile.ZIP_DEFLATED), "unfold")
    with pytest.raises(FileError, match="unfold"):
        victim().load_weights(make(weights=zeros, compression=zipfile.ZIP_DEFLATED))
    monkeypatch.setattr(archive, "CONFIG_LIMIT", 1 << 20)
    refused(make(" " * (2 << 20)), "unfold")
    refused(make(compression=zipfile.ZIP_BZIP2), "deflate")


def test_a_bomb_among_members_that_nobody_needs_is_not_opened(make):
    path = make(extra=[("assets/bomb", b"\0" * (20 << 20))], compression=zipfile.ZIP_DEFLATED)
    keras.models.load_model(path)


def test_a_header_that_lies_about_the_size(make):
    path = make()
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<II", data, at + 20, 0xFFFFFFF0, 0xFFFFFFF0)
    path.write_bytes(data)
    refused(path, "longer than the file")


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "assets/../../evil", "..\\evil", "C:\\evil", "a/b/../../../c"]
)
def test_names_that_lead_out_of_an_archive(make, name):
    refused(make(extra=[(name, b"evil")]), "points out")


def test_odd_archives(make, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refused(make(extra=[(CONFIG, json.dumps(CHAIN))]), "one name")
    refused(make(extra=[(str(n), b"") for n in range(10_001)]), "members")
    path = tmp_path / "files" / "none.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(CONFIG, json.dumps(CHAIN))
    refused(path, "has no 'model.weights.h5'")
    path.write_bytes(b"PK\x03\x04 no archive")
    refused(path, "no `.keras` file")
    path.write_bytes(make().read_bytes()[:-200])
    refused(path, "no `.keras` file")
    os.mkfifo(tmp_path / "files" / "fifo.keras")
    refused(tmp_path / "files" / "fifo.keras", "regular file")


def test_pickles_are_not_read(make, tmp_path):
    array = np.empty(1, object)
    array[0] = {}
    data = io.BytesIO()
    np.savez(data, **{"layers/dense/vars": array})
    path = tmp_path / "files" / "m.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(CONFIG, json.dumps(CHAIN))
        file.writestr("model.weights.npz", data.getvalue())
    refused(path, "has no 'model.weights.h5'")
    (tmp_path / "files" / "m.npz").write_bytes(data.getvalue())
    with pytest.raises(FileError, match="end in"):
        victim().load_weights(tmp_path / "files" / "m.npz")


def test_links_in_folders(tmp_path, monkeypatch):
    folder = tmp_path / "files" / "folder"
    folder.mkdir()
    outside = tmp_path / "files" / "outside.json"
    outside.write_text(json.dumps(CHAIN))
    (folder / CONFIG).symlink_to(outside)
    (folder / WEIGHTS).write_bytes(h5(dense))
    refused(folder, "is a link")
    (folder / CONFIG).unlink()
    (folder / CONFIG).write_text(json.dumps(CHAIN))
    keras.models.load_model(folder)
    (folder / WEIGHTS).rename(tmp_path / "files" / "w.h5")
    (folder / WEIGHTS).symlink_to(tmp_path / "files" / "w.h5")
    refused(folder, "is a link")
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).mkdir()
    refused(folder, "regular file")
    monkeypatch.setattr(archive, "CONFIG_LIMIT", 1 << 20)
    (folder / CONFIG).write_text(" " * (2 << 20))
    refused(folder, "larger")


# --- HDF5 -----------------------------------------------------------------------------------------


def victim():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="victim")


def external(file):
    Path("../files/secret").write_bytes(b"secret" * 100)
    file.create_dataset(
        "layers/dense/vars/0", (3, 2), "float32", external=[("../files/secret", 0, 24)]
    )
    file["layers/dense/vars/1"] = np.ones((2,), "float32")


def external_link(file):
    dense(file)
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/passwd", "/x")


def external_group(file):
    file["layers"] = h5py.ExternalLink("other.h5", "/layers")


def deep_link(file):
    dense(file)
    file["a/b/c/d"] = h5py.ExternalLink("other.h5", "/")


def soft_link(file):
    dense(file)
    del file["layers/dense/vars/0"]
    file["real"] = np.ones((3, 2), "float32")
    file["layers/dense/vars/0"] = h5py.SoftLink("/real")


def soft_circle(file):
    dense(file)
    file["layers/loop"] = h5py.SoftLink("/layers")


def hard_circle(file):
    dense(file)
    file["layers/dense/loop"] = file["layers"]


def shared(file):
    dense(file)
    file["layers/dense_1/vars/0"] = file["layers/dense/vars/0"]


def virtual(file):
    layout = h5py.VirtualLayout((3, 2), "float32")
    layout[:] = h5py.VirtualSource("../files/other.h5", "x", (3, 2))
    file.create_virtual_dataset("layers/dense/vars/0", layout)
    file["layers/dense/vars/1"] = np.ones((2,), "float32")


def objects(file):
    dense(file)
    file.create_dataset("layers/dense/x", data=["a"], dtype=h5py.string_dtype())


def ragged(file):
    dense(file)
    file.create_dataset("layers/dense/x", (2,), h5py.vlen_dtype("int32"))


def references(file):
    dense(file)
    file.create_dataset("x", (1,), h5py.ref_dtype)


def compound(file):
    dense(file)
    file["x"] = np.zeros(2, [("a", "f4"), ("b", "i4")])


def opaque(file):
    dense(file)
    file["x"] = np.zeros(2, "V1000")


def text(file):
    dense(file)
    file["x"] = np.bytes_("x" * 1000)


def empty(file):
    dense(file)
    file["x"] = h5py.Empty("f4")


def plug_in(file):
    dense(file)
    file.create_dataset("x", (4,), "f4", chunks=(4,), compression="lzf")


def deep(file):
    dense(file)
    file.create_group("/".join("g" * 150))


LINKED = [external, external_link, external_group, deep_link, soft_link, soft_circle, hard_circle,
          shared, virtual, objects, ragged, references, compound, opaque, text, empty, plug_in,
          deep]  # fmt: skip


@pytest.mark.parametrize("fill", LINKED, ids=lambda f: f.__name__)
def test_hdf5_that_is_more_than_arrays(make, tmp_path, fill):
    weights = h5(fill)
    assert "is refused" in refused(make(weights=weights), "refused because of")
    model = victim()
    before = model.get_weights()
    path = tmp_path / "files" / "m.weights.h5"
    path.write_bytes(weights)
    for target in (path, make(weights=weights)):
        with pytest.raises(FileError, match="refused because of"):
            model.load_weights(target)
        with pytest.raises(FileError, match="refused because of"):
            model.load_weights(target, skip_mismatch=True)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def shape_bomb(file):
    file.create_dataset("layers/dense/vars/0", (1 << 30, 1 << 20), "float32", chunks=(1024, 1024))
    file["layers/dense/vars/1"] = np.ones((2,), "float32")


def packed_bomb(file):
    file.create_dataset(
        "layers/dense/vars/0", data=np.zeros((3 << 10, 1 << 10), "float32"), compression="gzip"
    )


def test_shape_bombs(make, tmp_path, monkeypatch):
    read = []
    original = hdf5.Reader.read
    monkeypatch.setattr(hdf5.Reader, "read", lambda s, d: read.append(d.name) or original(s, d))
    for fill in (shape_bomb, packed_bomb):
        refused(make(weights=h5(fill)), "does not fit")
        with pytest.raises(FileError, match="does not fit"):
            victim().load_weights(make(weights=h5(fill)))
    assert read == []


def test_shape_bombs_that_the_config_agrees_with(make):
    huge = chain(
        layer("InputLayer", batch_shape=[None, 1 << 30], dtype="float32", name="x"),
        layer("Dense", name="d", units=1 << 20, use_bias=False),
    )

    def fill(file):
        size = (1 << 30, 1 << 20)
        file.create_dataset("layers/dense/vars/0", size, "float32", chunks=(1024, 1024))

    refused(make(huge, weights=h5(fill)), "more than a file of this size can hold")
    refused(make(huge), "does not fit")

    several = chain(
        layer("InputLayer", batch_shape=[None, 1 << 11], dtype="float32", name="x"),
        *(layer("Dense", name=f"d{n}", units=1 << 11, use_bias=False) for n in range(10)),
    )

    def many(file):
        for number in range(10):
            place = "layers/dense" + (f"_{number}" if number else "")
            file.create_dataset(f"{place}/vars/0", (1 << 11, 1 << 11), "float32", chunks=(64, 64))

    refused(make(several, weights=h5(many)), "more than a file of this size can hold")


def test_hdf5_that_is_none(make, tmp_path):
    whole = h5(dense)
    for data in (b"", b"\x89HDF\r\n\x1a\n", whole[:500], b"x" * 10_000, whole[:-700]):
        refused(make(weights=data), "damaged|does not fit")
    rng = np.random.default_rng(0)
    for _ in range(100):
        broken = bytearray(whole)
        for at in rng.integers(0, len(whole), 8):
            broken[at] = rng.integers(0, 256)
        try:
            keras.models.load_model(make(weights=bytes(broken)))
        except FileError:
            continue


def test_shards_lie_beside_their_index(tmp_path):
    folder = tmp_path / "files"
    (folder / "secret_00000.weights.h5").write_bytes(h5(dense))
    (folder / "link_00000.weights.h5").symlink_to(folder / "secret_00000.weights.h5")
    for name in ("../files/secret_00000.weights.h5", "/etc/passwd", "secret_00000.weights.h5",
                 "m_../secret_00000.weights.h5", "m_x.weights.h5", 7, None):  # fmt: skip
        index = folder / "m.weights.json"
        index.write_text(json.dumps({"weight_map": {"/layers/dense/vars": name}}))
        with pytest.raises(FileError, match=r"refused|no index"):
            victim().load_weights(index)
    index = folder / "link.weights.json"
    index.write_text(json.dumps({"weight_map": {"/layers/dense/vars": "link_00000.weights.h5"}}))
    with pytest.raises(FileError, match="is a link"):
        victim().load_weights(index)
    index.write_text("[" * 100_000)
    with pytest.raises(FileError, match="no index"):
        victim().load_weights(index)


def test_far_paths_are_not_opened():
    for path in ("http://example.invalid/m.keras", "hf://a/b", "gs://bucket/m.keras"):
        refused(path, "only local files")
