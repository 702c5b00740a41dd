"""What changed from one model to another."""

import numpy as np
import pytest
from gallery import MODELS
from view.test_plot import Residual

import lamina as keras
from lamina import cli
from lamina.core.errors import DTypeError, FileError
from lamina.view import diff

layers = keras.layers


def net(units=16, activation="relu", norm=True, more=0, head="classes", deep=False):
    """Names are counted on, so that no two of these models have one in common but the head's."""
    x = keras.Input((8, 8, 1), name="image")
    y = layers.Conv2D(4, 3, activation=activation)(x)
    if norm:
        y = layers.BatchNormalization()(y)
    for _ in range(more):
        y = layers.Conv2D(4, 3, padding="same")(y)
    y = layers.Dense(units)(layers.Flatten()(y))
    if deep:
        z = keras.Input((units,))
        y = keras.Model(z, layers.Dense(units)(layers.ReLU()(z)))(y)
    return keras.Model(x, layers.Dense(3, name=head)(keras.ops.abs(y) * 2.0))


def told(found):
    return [
        (each.kind, each.class_name, *(was.key for was in each.details)) for each in found.changes
    ]


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, []),
        ({"activation": "gelu"}, [("changed", "Conv2D", "activation")]),
        ({"units": 17}, [
            ("changed", "Dense", "units", "output shape", "kernel shape", "bias shape"),
            ("changed", "Absolute", "output shape"), ("changed", "Multiply", "output shape"),
            ("changed", "Dense", "kernel shape")]),
        ({"norm": False}, [("removed", "BatchNormalization"), ("changed", "Flatten", "inputs")]),
        ({"more": 1}, [("added", "Conv2D"), ("changed", "Flatten", "inputs")]),
        ({"more": 3}, [*[("added", "Conv2D")] * 3, ("changed", "Flatten", "inputs")]),
        ({"head": "logits"}, [("changed", "Dense", "name")]),
        ({"deep": True}, [("added", "InputLayer"), ("added", "ReLU"), ("added", "Dense"),
                          ("changed", "Absolute", "inputs")]),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, dict) else "",
)  # fmt: skip
def test_one_thing_changed(options, changes):
    found = diff(net(), net(**options), weights=False)
    assert sorted(told(found)) == sorted(changes) and bool(found) == bool(changes)
    back = diff(net(**options), net(), weights=False)
    other = {"added": "removed", "removed": "added", "changed": "changed"}
    assert sorted(told(back)) == sorted((other[kind], *rest) for kind, *rest in changes)


def test_what_was_and_what_is():
    by_key = {was.key: was for each in diff(net(), net(17, "gelu")).changes for was in each.details}
    assert by_key["units"][1:] == ("16", "17") and by_key["activation"][1:] == ("relu", "gelu")
    assert by_key["output shape"][1:] == ("(None, 16)", "(None, 17)")
    a = keras.Sequential([keras.Input((2,)), layers.Dense(2, kernel_regularizer="l2")])
    b = keras.Sequential(
        [keras.Input((2,)), layers.Dense(2, kernel_regularizer=keras.regularizers.L2(0.5))]
    )
    (change,) = diff(a, b, weights=False).changes
    assert change.details == (("kernel_regularizer.l2", "0.01", "0.5"),)
    x = keras.Input((2,))
    (change,) = diff(keras.Model(x, x * 2.0), keras.Model(x, x * 3.0)).changes
    assert change.details[0][1:] == ("2", "3")


def test_weights():
    a = net()
    b = keras.models.clone_model(a)
    b.set_weights(a.get_weights())
    assert not diff(a, b)
    kernel = b.get_layer("classes").kernel
    largest = np.abs(kernel).max()
    kernel.assign(kernel + 0.25 * np.eye(*kernel.shape, dtype="float32"))
    (change,) = diff(a, b).changes
    assert change.details == (
        ("kernel", "", f"max. difference 0.25, relative {0.25 / largest:.2g}"),
    )
    assert not diff(a, b, weights=False)
    kernel.assign(np.full(kernel.shape, np.nan))
    assert diff(a, b) and not diff(b, b)


def test_weights_inside_a_layer_are_told_apart():
    def model():
        x = keras.Input((5, 4), name="x")
        return keras.Model(x, layers.MultiHeadAttention(2, 2, name="attention")(x, x))

    (change,) = diff(model(), model()).changes
    assert [was.key for was in change.details] == [f"{part}/kernel" for part in (
        "query", "key", "value", "attention_output")]  # fmt: skip


def test_wiring_alone():
    def model(swapped):
        a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
        pair = [b, a] if swapped else [a, b]
        return keras.Model([a, b], layers.Subtract(name="minus")(pair))

    (change,) = diff(model(False), model(True)).changes
    assert change.details == (("inputs", "a, b", "b, a"),)


def test_both_in_one_drawing():
    found = diff(net(), net(17, norm=False, more=1, deep=True), weights=False)
    graph = found.picture.graph.check()
    kinds = {each.kind for each in found.changes}
    assert kinds == {"added", "removed", "changed"}
    signs = {"added": "+ ", "removed": "− ", "changed": "~ "}
    for each in found.changes:
        box = next(
            b for b in graph.boxes if b.name == signs[each.kind] + each.name.rpartition("/")[2]
        )
        assert len(box.rows) == len(each.details)
    plain = [box for box in graph.boxes if box.name[:2] not in signs.values()]
    assert len(plain) == found.same
    ends = {(e.source.strip("− _0123456789"), e.label) for e in graph.edges}
    assert {("dense", "−"), ("batch_normalization", "")} <= ends and ("dense", "+") not in ends
    without = diff(net(), net(norm=False), weights=False).picture.graph
    assert [e.label for e in without.edges if "conv2d" in e.source] == ["+", ""]
    assert "<svg" in found._repr_html_() and "<table>" in found._repr_html_()
    assert "units" in repr(found) and repr(diff(net(), net(), weights=False)).endswith("the same")


def test_large_and_unlike_models():
    a, b = MODELS["resnet50"](), MODELS["inception"]()
    found = diff(a, b, weights=False)
    assert found.same + len(found.changes) <= len(a.layers) + len(b.layers)
    assert not diff(a, MODELS["resnet50"](), weights=False)
    assert not diff(MODELS["transformer"](2, 8, 2, 9), MODELS["transformer"](2, 8, 2, 9), False)
    inside = diff(MODELS["transformer"](2, 8, 2, 9), MODELS["transformer"](3, 8, 2, 9), False)
    assert {each.kind for each in inside.changes} == {"added", "changed"}
    assert not diff(Residual(), Residual()) and diff(Residual(), net())


def test_files_and_the_command(tmp_path, capsys):
    paths = [str(tmp_path / name) for name in ("a.keras", "b.keras")]
    model = net()
    model.save(paths[0])
    net(17).save(paths[1])
    assert not diff(paths[0], model) and diff(model, paths[0]).same == 8
    assert cli.main(["diff", paths[0], paths[0]]) == 0 and capsys.readouterr().out == ""
    picture = tmp_path / "both.svg"
    assert cli.main(["diff", *paths, "-o", str(picture), "--width", "80"]) == 1
    printed = capsys.readouterr().out
    assert "units" in printed and max(map(len, printed.splitlines()[1:])) <= 80
    assert picture.read_text().startswith("<svg")
    assert cli.main(["diff", paths[0], str(tmp_path / "none.keras")]) == 2
    assert "none.keras" in capsys.readouterr().err
    assert cli.main(["diff", *paths, "-o", str(tmp_path / "x.gif")]) == 2
    with pytest.raises(DTypeError, match="dict"):
        diff({}, model)
    with pytest.raises(FileError):
        diff(model, tmp_path / "none.keras")


def test_the_command_summary(tmp_path, capsys):
    path = str(tmp_path / "a.keras")
    net().save(path)
    assert cli.main(["summary", path, "--macs", "--batch", "2", "--width", "90"]) == 0
    printed = capsys.readouterr().out
    assert "Multiply-adds" in printed and "for a batch of 2" in printed and "FLOPs" not in printed
    assert cli.main(["summary", path, "--all"]) == 0 and "FLOPs" in capsys.readouterr().out
