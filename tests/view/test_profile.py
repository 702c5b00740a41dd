"""Measured times: what is measured, in which order, and that nothing else changes."""

import time
import xml.etree.ElementTree as ET

import jax
import numpy as np
import pytest
from gallery import MODELS
from view.test_plot import Opaque, Residual

import lamina as keras
from lamina.core.errors import ArgumentError, DTypeError, ShapeError
from lamina.view import cost, profile, summary_rows
from lamina.view.cost import Call

layers = keras.layers
X = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


def shared():
    tower = keras.Sequential([keras.Input((6,)), layers.Dense(5), layers.ReLU()], name="tower")
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    joined = layers.Concatenate()([tower(a), tower(b)])
    return keras.Model({"a": a, "b": b}, layers.Dropout(0.5)(joined))


@pytest.mark.parametrize("backward", [False, True])
def test_every_step_has_a_time(backward):
    model = shared()
    before = [np.array(v) for v in model.variables]
    found = profile(model, {"b": X, "a": X}, backward, repeats=2, expand_nested=True)
    rows = [row for row in summary_rows(model, True, with_cost=True, batch_size=4)
            if row.class_name != "InputLayer"]  # fmt: skip
    assert [(row.name, row.depth) for row in found.rows] == [(row.name, row.depth) for row in rows]
    assert [row.flops for row in found.rows] == [row.cost.flops for row in rows]
    for row in (*found.rows, found.whole):
        assert 0 < row.forward < 5 and row.memory > 0
        assert (row.both is not None) == backward
    top = [row for row in found.rows if not row.depth]
    assert found.total == pytest.approx(sum(row.seconds for row in top))
    text = repr(found)
    assert ("With gradients" in text) == backward and "One after the other" in text
    assert all(np.array_equal(a, b) for a, b in zip(before, model.variables, strict=True))


def test_a_slow_layer_is_found():
    class Slow(keras.Layer):
        def call(self, x):
            wait = lambda v: (time.sleep(0.03), v)[1]  # noqa: E731
            return jax.pure_callback(wait, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(6), Slow(name="slow"), layers.Dense(2)]
    )
    found = profile(model, X, repeats=2)
    slowest = max(found.rows, key=lambda row: row.forward)
    assert slowest.name == "slow" and 0.03 <= slowest.forward < found.whole.forward + 0.02


def test_equal_layers_are_compiled_once(monkeypatch):
    compiled = []
    lower = jax.stages.Lowered.compile
    monkeypatch.setattr(
        jax.stages.Lowered, "compile", lambda *a, **k: compiled.append(1) or lower(*a, **k)
    )
    model = keras.Sequential([keras.Input((6,)), *[layers.Dense(6) for _ in range(5)]])
    found = profile(model, X, repeats=1)
    assert len(found.rows) == 5 and len(compiled) == 2


def test_drawn_as_bars(tmp_path):
    found = profile(MODELS["lenet"](), np.ones((1, 32, 32, 1), "float32"), repeats=1, theme="dark")
    root = ET.fromstring(found.svg)
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [row.name for row in found.rows] == [
        t for t in texts if t in {r.name for r in found.rows}
    ]
    bars = [float(r.get("width")) for r in root.iter("{http://www.w3.org/2000/svg}rect")][1:]
    slowest = max(row.forward for row in found.rows)
    assert bars == pytest.approx(
        [max(300 * row.forward / slowest, 0.6) for row in found.rows], abs=0.06
    )
    for each in root.iter("{http://www.w3.org/2000/svg}text"):
        assert float(each.get("x")) + float(each.get("textLength")) < float(root.get("width"))
    for name in ("bars.svg", "bars.png", "bars.pdf"):
        assert found.save(tmp_path / name).stat().st_size > 500


def test_models_of_other_kinds():
    built = Residual()
    found = profile(built, np.ones((2, 4), "float32"), repeats=1)
    assert {row.name for row in found.rows} == {"first", "second", "add"}
    opaque = profile(Opaque(), np.ones((2, 4), "float32"), repeats=1)
    assert [row.name for row in opaque.rows] == ["first", "second"] and opaque.total > 0
    assert [row.class_name for row in profile(layers.Dense(2), X).rows] == ["Dense"]
    tokens = layers.Embedding(9, 4, mask_zero=True)(keras.Input((5,), dtype="int32"))
    words = keras.Model(tokens.record[0].input, layers.LSTM(3)(tokens))
    found = profile(words, np.ones((2, 5), "int32"), backward=True, repeats=1)
    assert [row.class_name for row in found.rows] == ["Embedding", "LSTM"]
    assert cost(words, 2).flops == sum(row.flops for row in found.rows)
    x = keras.Input((3,))
    pieces = keras.ops.split(x * 2.0, 3, axis=1)
    assert len(profile(keras.Model(x, pieces), np.ones((2, 3), "float32"), repeats=1).rows) == 2


class Seen(layers.Layer):
    """Notes whether it is given a mask."""

    def __init__(self):
        super().__init__()
        self.notes, self.supports_masking = [], True

    def call(self, x, mask=None):
        self.notes.append(mask is not None)
        return x


def test_what_is_measured_gets_the_masks_of_its_inputs():
    x = keras.ops.convert_to_tensor(X)
    layer = Seen()
    layer(x)
    plain = Call(layer, (x,), {}, jax.Array)
    masked = layers.Masking(X[0, 0])(keras.ops.expand_dims(x, -1))
    held = Call(layer, (masked,), {}, jax.Array)
    assert (len(plain.arrays), len(held.arrays)) == (1, 2)
    layer.notes.clear()
    plain.pure([], plain.arrays), held.pure([], held.arrays)
    assert layer.notes == [False, True]


def test_bad_arguments():
    model = shared()
    with pytest.raises(DTypeError, match="profiled"):
        profile("model", X)
    with pytest.raises(ArgumentError, match="repeats"):
        profile(model, {"a": X, "b": X}, repeats=0)
    with pytest.raises(ShapeError):
        profile(model, {"a": X, "b": X[:, :2]})
