import copy
import functools
import io
import re
import sys
import xml.etree.ElementTree as ET
from unicodedata import east_asian_width

import numpy as np
import pytest
from gallery import MODELS
from view.test_plot import Residual, chain, lecture, nested

import lamina as keras
from lamina.core.errors import ArgumentError, DTypeError
from lamina.view import summary, summary_rows
from lamina.view.summary import count_and_size
from lamina.view.table import Table

layers = keras.layers


def text_of(model, **options):
    printed = []
    model.summary(print_fn=printed.append, **options)
    (text,) = printed
    return text


def test_the_chain_of_the_lecture():
    text = text_of(chain(shape=(10,)))
    assert "Total params: 435 (1.70 KB)" in text
    assert "Trainable params: 435 (1.70 KB)" in text
    assert "Non-trainable params: 0 (0.00 B)" in text
    assert re.search(r"one \(Dense\) +│ \(None, 10\) +│ +110 │", text)
    assert "Connected to" not in text and "InputLayer" not in text


def test_the_graph_of_the_lecture():
    text = text_of(lecture())
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    cells = [row for row in cells if row]
    assert cells[0] == ["Layer (type)", "Output Shape", "Param #", "Connected to"]
    assert ["Input (InputLayer)", "(None, 10)", "0", "-"] in cells
    at = cells.index(["SumLayer (Add)", "(None, 10)", "0", "Layer1[0][0],"])
    assert [row[3] for row in cells[at : at + 3]] == [
        "Layer1[0][0],", "Layer4[0][0],", "Layer5[0][0]",
    ]  # fmt: skip


def test_rows_are_data():
    found = {row.name: row for row in summary_rows(lecture())}
    row = found["SumLayer"]
    assert (row.class_name, row.params, row.output_shape) == ("Add", 0, "(None, 10)")
    assert row.connected_to == ("Layer1[0][0]", "Layer4[0][0]", "Layer5[0][0]")
    assert row.trainable is None and found["Layer1"].trainable is True


def test_what_is_not_built_is_a_question_mark_and_no_error():
    text = text_of(chain())
    assert text.count("? (unbuilt)") == 3 and "Total params: ?" in text
    assert "Not built yet: one, two, three." in text
    assert "Total params" in text_of(keras.Model(name="bare"))


def test_partly_built():
    model = Residual()
    model.second.build((None, 8))
    text = text_of(model)
    assert "Total params: at least 36" in text and "Not built yet: first, add." in text


def test_a_subclassed_model_shows_shapes_once_it_was_called():
    model = Residual()
    assert [row.output_shape for row in summary_rows(model)] == ["?", "?", "?"]
    model(np.ones((2, 4), np.float32))
    found = {row.name: row.output_shape for row in summary_rows(model)}
    assert found == {"x": "(None, 4)", "first": "(None, 8)", "second": "(None, 4)",
                     "add": "(None, 4)"}  # fmt: skip


def test_nested():
    text = text_of(nested(), expand_nested=True)
    assert "└ a (Dense)" in text and "inner (Functional)" in text
    assert "└" not in text_of(nested()).replace("└─", "")
    assert "Total params: 76" in text
    depths = {row.name: row.depth for row in summary_rows(nested(), expand_nested=True)}
    assert depths == {"outer_in": 0, "inner": 0, "inner_in": 1, "a": 1, "b": 1, "add": 0}


def test_shared_layers_count_once():
    a, b = keras.Input((4,)), keras.Input((4,))
    shared = layers.Dense(3)
    model = keras.Model([a, b], layers.Add()([shared(a), shared(b)]))
    text = text_of(model)
    assert "Total params: 15 (60.00 B)" in text
    assert [row.params for row in summary_rows(model)].count(15) == 1


def test_frozen_layers():
    model = chain(shape=(10,))
    model.get_layer("two").trainable = False
    text = text_of(model, show_trainable=True)
    assert "Trainable params: 215" in text and "Non-trainable params: 220" in text
    assert re.search(r"two \(Dense\).*│ N +│", text) and re.search(r"one \(Dense\).*│ Y +│", text)


def test_layer_range():
    model = lecture()
    names = [row.name for row in summary_rows(model, layer_range=["Layer2", "Layer4"])]
    every = [row.name for row in summary_rows(model)]
    assert names == every[every.index("Layer2") : every.index("Layer4") + 1]
    assert "SumLayer" not in text_of(model, layer_range=["Input", "Layer3"])
    with pytest.raises(ArgumentError, match="'Layer2'"):
        model.summary(layer_range=["Layr2", "Layer4"])
    with pytest.raises(ArgumentError, match="two patterns"):
        model.summary(layer_range=["Layer2"])


@pytest.mark.parametrize("width", [None, 60, 44, 30])
def test_letters_two_columns_wide_keep_the_frame_straight(width):
    inputs = keras.Input((4,), name="入力")
    model = keras.Model(inputs, layers.Dense(2, name="畳み込み層の名前_出力")(inputs))
    text = text_of(model, line_length=width)
    frame = [line for line in text.splitlines() if line[0] in "│├"]
    columns = [sum(1 + (east_asian_width(c) in "WF") for c in line) for line in frame]
    assert set(columns) == {len(frame[1])} and (width is None or columns[0] <= width)
    assert "\0" not in text and all(c in text for c in "畳み込み層の名前出力")


def test_piped_output_has_no_escape_codes(capsys):
    lecture().summary()
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and printed.startswith('Model: "lecture"')


def test_an_output_that_knows_ascii_only_gets_ascii(monkeypatch):
    buffer = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    chain(shape=(10,)).summary()
    sys.stdout.flush()
    printed = buffer.getvalue().decode()
    assert "| one (Dense)   | (None, 10)   |     110 |" in printed and "+-----" in printed


@pytest.mark.parametrize("width", [50, 80, 100, 160])
def test_no_cell_is_cut_at_any_width(width):
    inputs = keras.Input((10,), name="an_input_with_quite_a_long_name")
    branches = [
        layers.Dense(7, name=f"branch_number_{index}_of_the_block")(inputs) for index in range(9)
    ]
    model = keras.Model(inputs, layers.Concatenate(name="all_branches")(branches))
    text = text_of(model, line_length=width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text and "..." not in text
    columns = [line.split("│")[1:-1] for line in text.splitlines() if line.startswith("│")]
    connected = "".join(row[3].strip() for row in columns)
    for index in range(9):
        assert f"branch_number_{index}_of_the_block[0][0]" in connected


EVERYTHING = {f"show_{key}": True for key in "dtype macs flops memory share trainable".split()}


def cells_of(text):
    """The cells of a printed table, its rows told apart by the first column, without spaces."""
    lines = [line for line in text.splitlines() if line.startswith("│")]
    return [re.sub(r"\s", "", "".join(column)) for column in zip(
        *(line.split("│")[1:-1] for line in lines), strict=True)]  # fmt: skip


gallery = functools.cache(lambda name: MODELS[name]())


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_of_the_gallery_keeps_every_cell(name, options, width):
    """All that the rows say is there, whole, in order, and no line is too long."""
    model, rows = gallery(name), summary_rows(gallery(name), expand_nested=True)
    free = {"input_shapes": [(1, 7), (1, 9)]} if name == "transformer" else {}
    text = text_of(model, line_length=width, expand_nested=True, **options, **free)
    assert max(map(len, text.splitlines())) <= width and "…" not in text and "?" not in text
    columns = cells_of(text)
    titles = (f"{'└' * (row.depth > 0)}{row.name}({row.class_name})" for row in rows)
    assert columns[0] == "Layer(type)" + "".join(titles)
    at = 0
    for row in rows:
        shape = row.output_shape.replace(" ", "")
        at = columns[1].index(shape, at) + len(shape)
        assert any(f"{row.params:,}" in column for column in columns[1:])
    if "Connectedto" in columns[-1]:
        came = (",".join(row.connected_to) or "-" for row in rows)
        assert columns[-1] == "Connectedto" + "".join(came)


def test_columns_go_below_others_where_there_is_no_room():
    wide, narrow = (text_of(gallery("siamese"), line_length=w, **EVERYTHING) for w in (160, 80))
    assert re.search(r"│ Multiply-adds +│ +FLOPs +│ Activations │", wide)
    assert any(column.startswith("Multiply-addsFLOPs") for column in cells_of(narrow))
    assert sorted(re.findall(r"[\d.]+ [kMG]?B?\b", wide)) == sorted(
        re.findall(r"[\d.]+ [kMG]?B?\b", narrow)
    )


def test_costs_and_shares():
    text = text_of(chain(shape=(10,)), **EVERYTHING)
    costs = r"one \(Dense\) .* float32 │ +110 │ █▎ +25.3 % │ +100 │ +220 │ +40.00 B │ Y"
    assert re.search(costs, text)
    assert "Multiply-adds: 400 for a batch of 1" in text and "Activations: 140.00 B for" in text
    text = text_of(chain(shape=(10,)), show_macs=True, batch_size=32)
    assert "Multiply-adds: 12.8 k for a batch of 32" in text and "FLOPs" not in text
    assert "Multiply-adds: ?" in text_of(chain(), show_macs=True)
    rows = summary_rows(gallery("siamese"), True, with_cost=True)
    (tower,) = [row for row in rows if row.name == "tower"]
    assert sum(row.cost.macs for row in rows if row.depth == 1) == tower.cost.macs > 0
    with pytest.raises(TypeError, match="show_flop"):
        chain().summary(show_flop=True)


def test_a_notebook_gets_the_same_cells():
    table = Table("t", ["a", "n"], [["x <b>\ny", "1"]], ["below"], {"n"})
    page = ET.fromstring(f"<div>{table._repr_html_()}</div>")
    assert [cell.text for cell in page.iter("td")] == table.body[0]
    assert [cell.text for cell in page.iter("th")] == table.head
    assert page.find("p/b").text == "t" and page.findall("p")[1].text == "below"


def test_positions_set_the_columns():
    model = chain(shape=(10,))
    parts = text_of(model, line_length=100, positions=[0.5, 0.8, 1.0])
    ends = text_of(model, line_length=100, positions=[50, 80, 100])
    assert parts == ends and parts.splitlines()[1].index("┬") == pytest.approx(50, abs=2)
    with pytest.raises(ArgumentError, match="positions"):
        text_of(model, positions=[0.5])


def test_a_terminal_gets_the_same_content(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    lecture().summary()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert [line.rstrip() for line in plain.splitlines()] == [
        line.rstrip() for line in text_of(lecture()).splitlines()
    ]


def test_optimizer_params_are_counted_once_they_exist():
    model = chain(shape=(10,))
    model.compile("adam", "mse")
    assert "Optimizer" not in text_of(model)
    model.fit(np.ones((4, 10), np.float32), np.ones((4, 5), np.float32), verbose=0)
    text = text_of(model)
    assert "Optimizer params: 872" in text and "Total params: 1,307" in text


def test_a_copy_is_counted_by_itself():
    model = chain(shape=(10,))
    twin = copy.deepcopy(model)
    twin.get_layer("one").trainable = False
    assert "Non-trainable params: 110" in text_of(twin)
    assert "Non-trainable params: 0" in text_of(model)


def test_sizes():
    made = [
        keras.Variable("zeros", (1000, 1000), dtype) for dtype in ("float32", "bfloat16", "int8")
    ]
    assert [count_and_size([v]) for v in made] == [
        "1,000,000 (3.81 MB)", "1,000,000 (1.91 MB)", "1,000,000 (976.56 KB)",
    ]  # fmt: skip


def test_no_array_is_made():
    model = chain(shape=(10,))
    text_of(model)
    assert all(variable._array is None for variable in model.weights)


def test_what_is_no_model_is_refused():
    with pytest.raises(DTypeError, match="summary"):
        summary([1, 2])
