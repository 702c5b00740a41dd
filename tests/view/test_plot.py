"""What is drawn of a model: boxes, edges, groups, rows; and files."""

import collections
import copy
import io
import itertools
import math
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalogue import LAYERS
from gallery import MODELS
from PIL import Image
from view.pictures import faults, intrusions, random_graph
from view.test_layout import laid_out
from view.test_pictures import texts_outside

import lamina as keras
from lamina.core.errors import (
    ArgumentError,
    DTypeError,
    FileError,
    LaminaWarning,
    ShapeError,
    StateError,
    UnknownNameError,
)
from lamina.view.describe import describe
from lamina.view.dot import Dot
from lamina.view.facts import LONGEST, config_of, facts_of
from lamina.view.fold import folded, repeats
from lamina.view.model_graph import Box, Edge, ModelGraph
from lamina.view.plot import _drawable
from lamina.view.svg import draw

layers = keras.layers


def lecture():
    inputs = keras.Input((10,), name="Input")
    one = layers.Dense(10, name="Layer1")(inputs)
    two = layers.Dense(10, name="Layer2")(inputs)
    four = layers.Dense(10, name="Layer4")(layers.Dense(10, name="Layer3")(two))
    five = layers.Dense(10, name="Layer5")(two)
    total = layers.Add(name="SumLayer")([one, four, five])
    return keras.Model(inputs, layers.Dense(10, name="Output")(total), name="lecture")


def chain(**first):
    return keras.Sequential(
        [
            *([keras.Input(**first)] if first else []),
            layers.Dense(10, activation="relu", name="one"),
            layers.Dense(20, activation="relu", name="two"),
            layers.Dense(5, activation="softmax", name="three"),
        ],
        name="chain",
    )


def nested():
    x = keras.Input((4,), name="inner_in")
    inner = keras.Model(x, layers.Dense(4, name="b")(layers.Dense(8, name="a")(x)), name="inner")
    y = keras.Input((4,), name="outer_in")
    return keras.Model(y, layers.Add(name="add")([inner(y), y]), name="outer")


class Residual(keras.Model):
    def __init__(self):
        super().__init__(name="residual")
        self.first = layers.Dense(8, activation="relu", name="first")
        self.second = layers.Dense(4, name="second")
        self.add = layers.Add(name="add")

    def call(self, x):
        return self.add([self.second(self.first(x)), x])


class Opaque(Residual):
    def call(self, x):
        return jnp.tanh(self.second(self.first(x)))


class Partial(Residual):
    def call(self, x):
        return self.first(x)


def pairs(graph):
    return sorted((edge.source, edge.target) for edge in graph.edges)


def rows(graph):
    return {box.id: dict(box.rows) for box in graph.boxes}


def test_functional():
    graph = describe(lecture(), show_layer_names=True)
    assert {box.id: box.label for box in graph.boxes}["SumLayer"] == "Add"
    assert pairs(graph) == sorted(
        [("Input", "Layer1"), ("Input", "Layer2"), ("Layer2", "Layer3"), ("Layer3", "Layer4"),
         ("Layer2", "Layer5"), ("Layer1", "SumLayer"), ("Layer4", "SumLayer"),
         ("Layer5", "SumLayer"), ("SumLayer", "Output")]
    )  # fmt: skip
    assert not faults(graph, laid_out(graph))
    assert {box.kind for box in graph.boxes} == {"input", "dense", "merge"}


def test_a_cut_graph_has_only_what_its_outputs_need():
    model = lecture()
    cut = keras.Model(model.input, model.get_layer("Layer4").output)
    assert [box.id for box in describe(cut).boxes] == ["Input", "Layer2", "Layer3", "Layer4"]


def test_rows():
    model = chain(shape=(10,))
    model.get_layer("two").trainable = False
    found = rows(
        describe(model, show_shapes=True, show_dtype=True, show_layer_activations=True,
                 show_trainable=True)
    )  # fmt: skip
    assert found["two"] == {
        "input": "(None, 10)",
        "output": "(None, 20)",
        "dtype": "float32",
        "activation": "relu",
        "trainable": "no",
    }
    assert found["one"]["trainable"] == "yes"


def test_names_are_shown_when_asked_for():
    assert [box.name for box in describe(chain()).boxes] == ["", "", ""]
    assert [box.name for box in describe(chain(), show_layer_names=True).boxes] == [
        "one", "two", "three",
    ]  # fmt: skip


def test_a_model_without_input_is_a_chain_of_unknown_shapes():
    graph = describe(chain(), show_shapes=True)
    assert pairs(graph) == [("one", "two"), ("two", "three")]
    assert rows(graph)["two"] == {"input": "?", "output": "?"}


def test_nested_models_are_one_box_or_a_group():
    closed = describe(nested())
    assert [(box.id, box.kind) for box in closed.boxes][1] == ("inner", "model")
    opened = describe(nested(), expand_nested=True)
    assert [group.name for group in opened.groups] == ["inner"]
    assert pairs(opened) == sorted(
        [("inner/inner_in", "inner/a"), ("inner/a", "inner/b"), ("outer_in", "inner/inner_in"),
         ("inner/b", "add"), ("outer_in", "add")]
    )  # fmt: skip
    assert not faults(opened, laid_out(opened))


def test_a_shared_layer_is_one_box_that_says_so():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(3, name="shared")
    model = keras.Model([a, b], layers.Add(name="add")([shared(a), shared(b)]))
    graph = describe(model)
    assert ("", "called 2 times") in {box.id: box for box in graph.boxes}["shared"].rows
    assert pairs(graph) == [("a", "shared"), ("b", "shared"), ("shared", "add"), ("shared", "add")]
    assert len({edge.tensor for edge in graph.edges if edge.target == "add"}) == 2


def test_a_layer_fed_by_itself_can_be_drawn():
    x = keras.Input((4,), name="x")
    again = layers.Dense(4, name="again")
    model = keras.Model(x, again(again(x)))
    assert ("again", "again") in pairs(describe(model))
    assert "<svg" in keras.utils.plot_model(model, None).svg


def test_ops_are_boxes():
    x = keras.Input((4,), name="x")
    graph = describe(keras.Model(x, keras.ops.relu(x + 1) * x))
    assert {box.label: box.kind for box in graph.boxes} == {
        "InputLayer": "input", "Add": "op", "Relu": "activation", "Multiply": "merge",
    }  # fmt: skip


def test_subclassed_models_are_traced():
    model = Residual()
    assert [box.label for box in describe(model).boxes] == ["Dense", "Dense", "Add"]
    assert describe(model).edges == []
    model(np.ones((2, 4), np.float32))
    graph = describe(model, show_shapes=True)
    assert pairs(graph) == sorted(
        [("x", "first"), ("first", "second"), ("second", "add"), ("x", "add")]
    )
    assert rows(graph)["second"] == {"input": "(None, 8)", "output": "(None, 4)"}


def test_tracing_leaves_no_trace():
    model = Residual()
    model(np.ones((2, 4), np.float32))
    before = [len(each._nodes) for each in model._flatten_layers()]
    name = layers.Dense(1).name
    describe(model)
    assert [len(each._nodes) for each in model._flatten_layers()] == before
    number = int(name.rpartition("_")[2]) if "_" in name else 0
    assert layers.Dense(1).name == f"dense_{number + 1}"


def test_calls_that_use_jax_are_followed():
    model = Opaque()
    model(np.ones((2, 4), np.float32))
    graph = describe(model, "shapes")
    first = [("first", "second"), ("second", "computed"), ("computed", "output"), ("x", "first")]
    assert pairs(graph) == sorted(first)
    assert {box.id: box.label for box in graph.boxes}["computed"] == "Tanh"
    assert [edge.label for edge in graph.edges] == ["batch × 4", "batch × 8", *["batch × 4"] * 2]
    assert all(not each._nodes for each in model._flatten_layers())
    assert all("call" not in vars(each) for each in model._flatten_layers())


class Mixed(keras.Model):
    """Residual sums, reductions, a split, a shared layer and a nest, all by jax.numpy."""

    def __init__(self):
        super().__init__(name="mixed")
        self.stem = layers.Dense(8, name="stem")
        self.tower = [layers.Dense(8, name=f"tower{index}") for index in range(2)]
        self.gate = layers.Dense(4, name="gate")
        self.norm = layers.BatchNormalization(name="norm")
        self.drop = layers.Dropout(0.5, name="drop")

    def call(self, inputs, training=False):
        x = jax.nn.relu(self.stem(inputs["left"]))
        for dense in self.tower:
            x = x + self.drop(dense(x), training=training)
        a, b = jnp.split(self.norm(x, training=training), 2, axis=-1)
        y = self.gate(a) * self.gate(b)
        return {"mean": jnp.mean(y, axis=-1), "right": inputs["right"] * y}


def test_what_is_computed_between_layers_is_a_box():
    model = Mixed()
    model({"left": np.ones((2, 3), np.float32), "right": np.ones((2, 4), np.float32)})
    graph = describe(model, "shapes")
    labels = {box.id: box.label for box in graph.boxes}
    found = collections.Counter((labels[e.source], labels[e.target], e.label) for e in graph.edges)
    assert found == {
        ("Input", "Dense", "batch × 3"): 1,
        ("Dense", "Relu", "batch × 8"): 1,
        ("Relu", "Dense", "batch × 8"): 1,
        ("Relu", "Add", "batch × 8"): 1,
        ("Dense", "Dropout", "batch × 8"): 2,
        ("Dropout", "Add", "batch × 8"): 2,
        ("Add", "Dense", "batch × 8"): 1,
        ("Add", "Add", "batch × 8"): 1,
        ("Add", "BatchNormalization", "batch × 8"): 1,
        ("BatchNormalization", "Reshape", "batch × 8"): 2,
        ("Reshape", "Dense", "batch × 4"): 2,
        ("Dense", "Multiply, Sum, Divide", "batch × 4"): 2,
        ("Multiply, Sum, Divide", "Output", "batch"): 1,
        ("Dense", "Multiply", "batch × 4"): 2,
        ("Input", "Multiply", "batch × 4"): 1,
        ("Multiply", "Output", "batch × 4"): 1,
    }
    assert not faults(graph, laid_out(graph))


class Deciding(Residual):
    def call(self, x):
        return self.first(x) if jnp.sum(x) > 0 else x


def test_a_call_that_cannot_be_traced_shows_its_parts_and_warns():
    model = Residual()
    model(np.ones((2, 4), np.float32))
    model.__class__ = Deciding
    with pytest.warns(LaminaWarning, match=r"Deciding 'residual'(.|\n)*no Python `if`"):
        graph = describe(model)
    assert [box.id for box in graph.boxes] == ["first", "second", "add"] and not graph.edges


def test_parts_that_a_call_does_not_use_are_drawn_too():
    model = Partial()
    model(np.ones((2, 4), np.float32))
    graph = describe(model)
    assert [box.id for box in graph.boxes] == ["x", "first", "second", "add"]
    assert pairs(graph) == [("x", "first")]


def test_a_copy_is_drawn_with_its_own_layers():
    model = chain(shape=(10,))
    twin = copy.deepcopy(model)
    twin.get_layer("one").trainable = False
    assert rows(describe(twin, show_trainable=True))["one"]["trainable"] == "no"
    assert rows(describe(model, show_trainable=True))["one"]["trainable"] == "yes"


def test_one_layer_or_an_empty_model_is_one_box():
    assert len(describe(layers.Dense(3)).boxes) == 1
    assert len(describe(keras.Model(name="bare")).boxes) == 1
    with pytest.raises(DTypeError, match="model"):
        describe([1, 2])


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf", "html", "dot", "mmd", "PNG"])
def test_formats(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    keras.utils.plot_model(lecture(), str(path), show_shapes=True)
    start = {
        "png": b"\x89PNG", "svg": b"<svg", "dot": b"digraph", "pdf": b"%PDF",
        "mmd": b"flowchart TB", "html": b"<!doctype html>",
    }[suffix.lower()]  # fmt: skip
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]


def test_default_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.plot_model(lecture())
    with Image.open("model.png") as picture:
        assert picture.size[0] > 500


def test_jpeg_is_the_png_without_its_sharpness(tmp_path, monkeypatch):
    picture = keras.utils.plot_model(lecture(), tmp_path / "a.jpg", show_shapes=True, theme="dark")
    with Image.open(tmp_path / "a.jpg") as jpeg, Image.open(io.BytesIO(picture.png())) as png:
        assert jpeg.format == "JPEG" and jpeg.size == png.size
        apart = np.subtract(jpeg, png.convert("RGB"), dtype="float32")
    assert np.abs(apart).mean() < 2
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(StateError, match=r"pip install pillow, .*\.png"):
        keras.utils.plot_model(lecture(), tmp_path / "b.jpeg")
    assert not (tmp_path / "b.jpeg").exists()


def test_nothing_is_written_when_the_arguments_are_wrong(tmp_path):
    model = lecture()
    with pytest.raises(ArgumentError, match=r"\.png, \.svg, .*\.html, \.dot or \.mmd"):
        keras.utils.plot_model(model, tmp_path / "model.gif")
    with pytest.raises(FileError, match="no folder"):
        keras.utils.plot_model(model, tmp_path / "none" / "model.png")
    with pytest.raises(UnknownNameError, match="LR"):
        keras.utils.plot_model(model, tmp_path / "model.png", rankdir="LT")
    wrong = {"show_shape": True}, {"detail": "all"}, {"fold": "yes"}, {"theme": "drak"}
    said = "'show_shapes'", "names, shapes", '"auto"', "'dark'"
    for arguments, word in zip(wrong, said, strict=True):
        with pytest.raises((ArgumentError, UnknownNameError), match=word):
            keras.utils.plot_model(model, tmp_path / "model.png", **arguments)
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(FileError, match=r"folder\.svg"):
        keras.utils.plot_model(model, tmp_path / "folder.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.svg"]


def test_pictures_show_themselves_in_notebooks():
    picture = keras.utils.plot_model(lecture(), None, show_layer_names=True)
    bundle = picture._repr_mimebundle_()
    assert bundle["image/svg+xml"] == picture.svg and "SumLayer" in picture.svg
    assert "image/png" not in bundle
    png = picture._repr_mimebundle_(include=["image/png"])["image/png"]
    assert Image.open(io.BytesIO(png)).format == "PNG"
    assert "lecture" in bundle["text/plain"]


def test_model_to_dot():
    dot = keras.utils.model_to_dot(nested(), expand_nested=True, rankdir="LR")
    assert isinstance(dot, Dot)
    assert "subgraph" in dot.to_string() and '"outer_in" -> "add"' in dot.to_string()


def test_themes():
    picture = keras.utils.plot_model(lecture(), None, theme="dark")
    assert 'fill="#14181d"' in picture.svg


def test_a_model_of_a_hundred_billion_parameters_is_drawn_without_its_arrays():
    width = 50_000
    layer_list = [layers.Dense(width, name=f"dense_{index}") for index in range(40)]
    model = keras.Sequential([keras.Input((width,)), *layer_list])
    keras.utils.plot_model(model, None, show_shapes=True)
    assert keras.view.summary_rows(model)[0].params == width * width + width
    assert all(variable._array is None for variable in model.weights)


def test_levels_of_detail():
    graphs = {level: describe(MODELS["lenet"](), level) for level in ("names", "shapes", "full")}
    assert {(box.label, box.kind) for box in graphs["names"].boxes} >= {
        ("Input", "input"), ("Output", "output"),
    }  # fmt: skip
    assert not any(box.rows for box in graphs["names"].boxes)
    assert not any(edge.label for edge in graphs["names"].edges)
    labels = [edge.label for edge in graphs["shapes"].edges]
    assert labels[0] == "batch × 32 × 32 × 1" and labels[-1] == "batch × 10"
    assert rows(graphs["shapes"])["C3"] == {"parameters": "2,416"}
    assert rows(graphs["full"])["C3"] == {
        "filters": "16", "kernel_size": "5 × 5", "activation": "tanh", "dtype": "float32",
        "initializers": "glorot_uniform, zeros", "parameters": "2,416", "FLOPs": "483 k",
    }  # fmt: skip


def test_only_what_differs_from_defaults_is_config():
    keras.backend.clear_session()
    x = keras.Input((8, 8, 3), dtype="uint8", name="x")
    y = layers.Conv2D(
        4, 3, strides=2, use_bias=False, kernel_initializer=keras.initializers.Constant(0.5),
        dtype="mixed_bfloat16", name="conv",
    )(keras.ops.cast(x, "float32"))  # fmt: skip
    y = layers.BatchNormalization(name="norm")(y)
    model = keras.Model(x, [layers.Flatten(name="left")(y), keras.ops.mean(y, axis=(1, 2))])
    model.get_layer("conv").trainable = False
    graph = describe(model, "full")
    found = rows(graph)
    assert found["conv"] == {
        "filters": "4", "kernel_size": "3 × 3", "strides": "2 × 2", "use_bias": "no",
        "initializers": "constant(0.5)", "dtype": "bfloat16", "parameters": "108 (frozen)",
        "FLOPs": "1.94 k",
    }  # fmt: skip
    assert found["norm"]["parameters"] == "16 (8 trained)"
    assert graph.edges[0].label == "batch × 8 × 8 × 3 · uint8"
    outputs = [box for box in graph.boxes if box.kind == "output"]
    assert [box.name for box in outputs] == ["left", "Mean"]
    facts = {box.id: box.facts for box in graph.boxes}
    assert facts["conv"].flags == ("frozen",) and facts["conv"].inputs[0].shape == (None, 8, 8, 3)


class Block(layers.Layer):
    def __init__(self, width, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.width, self.rate = width, rate
        self.hidden = layers.Dense(4 * width, activation="gelu", name="hidden")
        self.back = layers.Dense(width, name="back")
        self.drop = layers.Dropout(rate, name="drop")

    def call(self, x):
        return x + self.drop(self.back(self.hidden(x)))


class Stack(keras.Model):
    def __init__(self, blocks):
        super().__init__(name="stack")
        self.blocks = [Block(4, name=f"block{index}") for index in range(blocks)]

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def test_an_unbuilt_model_is_drawn_as_built_for_a_shape_and_stays_as_it_is():
    keras.utils.set_random_seed(3)
    first = Stack(2)
    first.build((None, 4))
    keras.utils.set_random_seed(3)
    model = Stack(2)
    assert [box.facts.params for box in describe(model).boxes] == [None, None]
    graph = describe(model, "shapes", input_shape=(None, 4))
    assert [edge.label for edge in graph.edges] == ["batch × 4"] * 3
    assert not model.built and not model.blocks[0].hidden.built
    model.build((None, 4))
    for a, b in zip(first.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_layers_of_the_user_are_opened():
    graph = describe(Stack(3), "full", input_shape=(None, 4), expand_nested=True)
    assert [group.name for group in graph.groups] == ["block0", "block1", "block2"]
    assert rows(graph)["block1/hidden"]["units"] == "16"
    assert not faults(graph, laid_out(graph))
    (run,) = repeats(graph)
    assert len(run.copies) == 3
    small = folded(graph)
    assert [(group.name, group.times) for group in small.groups] == [("block0–2 × 3", 3)]
    assert ("x", "block0/x") in pairs(small) and pairs(small)[0][1] == "output"


class Failing(Residual):
    def call(self, x):
        raise RuntimeError("no call today")


def test_a_call_that_fails_is_said_with_the_name_of_its_layer():
    model = Residual()
    model(np.ones((2, 4), np.float32))
    model.__class__ = Failing
    with pytest.warns(LaminaWarning, match=r"Failing 'residual'(.|\n)*no call today"):
        graph = describe(model, "full")
    assert len(graph.boxes) == 3
    with pytest.raises(ShapeError, match=r"Failing 'residual'.*no call today"):
        describe(Failing(), input_shape=(None, 4))


@pytest.mark.parametrize(
    "name, options, expected",
    [
        ("resnet50", {}, {2: 20, 3: 10, 5: 10}),
        ("decoder", {}, {24: 7}),
        ("transformer", {"expand_nested": True}, {6: 20}),
        ("transformer", {}, {}),
        ("unet", {}, {}),
        ("inception", {}, {}),
        ("graph", {}, {}),
        ("siamese", {"expand_nested": True}, {}),
    ],
)
def test_repeated_blocks_are_folded(name, options, expected):
    graph = describe(MODELS[name](), "shapes", **options)
    small = folded(graph)
    times = {group.id: group.times for group in small.groups}
    around = small.enclosing()
    shown = collections.Counter(
        math.prod(times[each] for each in around[b.id]) for b in small.boxes
    )
    assert {number: count for number, count in shown.items() if number > 1} == expected
    assert sum(number * count for number, count in shown.items()) == len(graph.boxes)
    assert not faults(small, laid_out(small))


def blocks(*widths, skip=False, frozen=None):
    x = keras.Input((8,))
    y = middle = layers.Dense(8)(x)
    for index, width in enumerate(widths):
        z = layers.Dense(width, activation="relu", trainable=index != frozen)(y)
        z = layers.Dense(8)(z)
        y = layers.Add()([y, z])
        middle = y if index == 1 else middle
    return keras.Model(x, layers.Concatenate()([y, middle]) if skip else y)


@pytest.mark.parametrize(
    "model, expected",
    [
        (lambda: blocks(4, 4, 4, 4), [4]),
        (lambda: blocks(4, 4, 4, 5, 5, 5), [3, 3]),
        (lambda: blocks(4, 5, 6), []),
        (lambda: blocks(4, 4, 4, 4, 4, frozen=1), [3]),
        (lambda: blocks(4, 4, 4, 4, 4, skip=True), [3]),  # the second is read far below
    ],
)
def test_what_differs_or_is_read_from_outside_is_not_folded(model, expected):
    graph = describe(model(), "names")
    assert sorted(len(run.copies) for run in repeats(graph)) == expected


def test_copies_are_matched_by_what_they_compute_not_by_when_they_were_made():
    def block(number):
        x = keras.Input((8,))
        parts = {}
        for name in ("left", "right") if number % 2 else ("right", "left"):
            act = "relu" if name == "left" else "tanh"
            parts[name] = layers.Dense(4, activation=act, name=f"{name}{number}")(x)
        y = layers.Concatenate()([parts["left"], parts["right"]])
        return keras.Model(x, y, name=f"block{number}")

    model = keras.Sequential([keras.Input((8,)), *map(block, range(5))])
    small = folded(describe(model, "names", expand_nested=True))
    assert [group.times for group in small.groups] == [5]
    assert {box.name for box in small.boxes} >= {"left0–4", "right0–4"}


def test_random_graphs_fold_into_graphs_that_hang_together():
    for seed in range(40):
        graph = random_graph(seed, cyclic=seed % 2 == 0)
        small = folded(graph).check()
        times = {group.id: group.times for group in small.groups}
        around = small.enclosing()
        count = sum(math.prod(times[each] for each in around[box.id]) for box in small.boxes)
        assert count == len(graph.boxes)


def test_fifty_thousand_boxes_are_folded_or_refused():
    names = [str(index) for index in range(50_000)]
    edges = [Edge(a, b) for a, b in itertools.pairwise(names)]
    equal = ModelGraph("equal", [Box(name, "Dense") for name in names], edges)
    assert [group.times for group in folded(equal).groups] == [50_000]
    different = ModelGraph("different", [Box(name, f"Dense{name}") for name in names], edges)
    with pytest.raises(ArgumentError, match=r"50,000 boxes(.|\n)*expand_nested"):
        _drawable(folded(different))


def test_large_models_are_folded_without_a_word():
    model = keras.Sequential([keras.Input((8,)), *(layers.Dense(8) for _ in range(600))])
    assert len(keras.utils.plot_model(model, None).graph.boxes) == 2
    assert len(keras.utils.plot_model(model, None, fold=False).graph.boxes) == 601
    assert len(keras.utils.plot_model(lecture(), None, fold=True).graph.boxes) == 8


def test_a_model_shows_itself_in_a_notebook():
    assert "batch × 10" in lecture()._repr_svg_()
    assert "× 24" in MODELS["decoder"]()._repr_svg_()
    widths = keras.Sequential([keras.Input((8,)), *(layers.Dense(n) for n in range(1, 700))])
    assert widths._repr_svg_() is None
    assert keras.Model(name="bare")._repr_svg_().startswith("<svg")
    model = Opaque()
    model(np.ones((2, 4), np.float32))
    assert "<svg" in model._repr_svg_()  # and no warning


@pytest.mark.parametrize("name", MODELS)
def test_the_gallery_is_clean(name):
    model = MODELS[name]()
    for level in ("names", "shapes", "full"):
        graph = folded(describe(model, level, expand_nested=True))
        layout = laid_out(graph)
        assert not faults(graph, layout)
        assert not intrusions(graph, layout)
        assert not texts_outside(ElementTree.fromstring(draw(graph).svg))


def test_the_page_of_the_gallery_shows_all_of_it():
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "gallery.md").read_text(encoding="utf-8")
    kinds = itertools.product(MODELS, ("names", "shapes", "full"), ("light", "dark"))
    expected = {"-".join(kind) + ".svg" for kind in kinds}
    assert set(re.findall(r"assets/gallery/([^)#]+)", page)) == expected


def test_inputs_and_outputs_have_the_names_of_their_nest():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    y = layers.Add(name="add")([a, b])
    model = keras.Model([a, b], {"sum": y, "flat": layers.Flatten(name="f")(y)}, name="named")
    graph = describe(model, "names")
    found = {box.name: box.id for box in graph.boxes if box.kind == "output"}
    assert ("add", found["sum"]) in pairs(graph) and ("f", found["flat"]) in pairs(graph)
    model = Mixed()
    model({"left": np.ones((2, 3), np.float32), "right": np.ones((2, 4), np.float32)})
    inputs = [box.name for box in describe(model, "names").boxes if box.kind == "input"]
    assert inputs == ["left", "right"]


def test_every_layer_has_facts():
    for row in LAYERS:
        facts = facts_of(row.make(), [])
        assert all(0 < len(value) <= LONGEST for _, value in facts.config), row.name
        assert hash(facts.key) == hash(facts_of(row.make(), []).key), row.name
    assert config_of(layers.Bidirectional(layers.LSTM(3)))[0] == ("layer", "LSTM")
