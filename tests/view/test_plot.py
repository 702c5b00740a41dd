"""What is drawn of a model: boxes, edges, groups, rows; and files."""

import copy
import io

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from view.pictures import faults
from view.test_layout import laid_out

import lamina as keras
from lamina.core.errors import (
    ArgumentError,
    DTypeError,
    FileError,
    LaminaWarning,
    UnknownNameError,
)
from lamina.view.describe import describe
from lamina.view.dot import Dot

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


def test_a_call_that_cannot_be_traced_shows_its_parts():
    model = Opaque()
    model(np.ones((2, 4), np.float32))
    with pytest.warns(LaminaWarning, match=r"Opaque 'residual'(.|\n)*jax\.numpy"):
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


@pytest.mark.parametrize("suffix", ["png", "svg", "dot", "PNG"])
def test_formats(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    keras.utils.plot_model(lecture(), str(path), show_shapes=True)
    start = {"png": b"\x89PNG", "svg": b"<svg", "dot": b"digraph"}[suffix.lower()]
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]


def test_default_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.plot_model(lecture())
    with Image.open("model.png") as picture:
        assert picture.size[0] > 500


def test_nothing_is_written_when_the_arguments_are_wrong(tmp_path):
    model = lecture()
    with pytest.raises(ArgumentError, match=r"\.png, \.svg or \.dot"):
        keras.utils.plot_model(model, tmp_path / "model.pdf")
    with pytest.raises(FileError, match="no folder"):
        keras.utils.plot_model(model, tmp_path / "none" / "model.png")
    with pytest.raises(UnknownNameError, match="LR"):
        keras.utils.plot_model(model, tmp_path / "model.png", rankdir="LT")
    with pytest.raises(ArgumentError, match="'show_shapes'"):
        keras.utils.plot_model(model, tmp_path / "model.png", show_shape=True)
    assert list(tmp_path.iterdir()) == []


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
