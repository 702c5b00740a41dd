"""The curves of a training: what is drawn, and where."""

import io
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import lamina as keras
from lamina.core.errors import ArgumentError, UnknownNameError
from lamina.view.axes import ticks
from lamina.view.history import Chart

X = np.linspace(-1, 1, 40, dtype="float32")[:, None]
SVG = "{http://www.w3.org/2000/svg}"


def fitted(epochs=4, **options):
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    made.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    return made.fit(X, 3 * X, epochs=epochs, validation_data=(X, X), verbose=0, **options)


def test_a_panel_for_each_metric(tmp_path):
    history = fitted(validation_freq=2)
    chart = history.plot()
    root = ET.fromstring(chart.svg)
    panels = root.findall(f"{SVG}g")
    titles = [panel.find(f"{SVG}text").text for panel in panels]
    assert titles == ["loss", "mae"] and repr(chart) == "<Chart of loss, mae>"
    dots = panels[0].findall(f"{SVG}circle")
    assert len(dots) == 6  # four epochs, two validations
    places = sorted({float(dot.get("cx")) for dot in dots})
    assert len(places) == 4 and np.allclose(np.diff(places), places[1] - places[0], atol=0.11)
    for name in ("curves.png", "curves.svg"):
        chart.save(tmp_path / name)
    assert (tmp_path / "curves.svg").read_text() == chart.svg
    with Image.open(io.BytesIO(chart.png())) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
    assert any(b > r + 60 for r, _, b in colours) and any(r > b + 100 for r, _, b in colours)
    with pytest.raises(ArgumentError, match=r"\.png, \.svg, \.pdf, "):
        chart.save(tmp_path / "curves.gif")
    assert chart.save(tmp_path / "curves.pdf").read_bytes().startswith(b"%PDF")


def test_choosing_metrics():
    history = fitted(1)
    assert history.plot(["val_mae"]).names == ["mae"]
    assert history.plot(theme="dark").svg != history.plot().svg
    with pytest.raises(UnknownNameError, match="'loss'"):
        history.plot(["los"])
    with pytest.raises(ArgumentError, match="no epoch"):
        keras.callbacks.History().plot()


def test_text_and_notebook_forms():
    assert repr(keras.callbacks.History()) == "<History of 0 epochs>"
    assert keras.callbacks.History()._repr_svg_() is None
    history = fitted(1)
    assert repr(history).startswith("<History of 1 epoch: loss ")
    assert history._repr_svg_() == history.plot().svg
    assert "image/png" not in history.plot()._repr_mimebundle_()


def test_a_second_fit_goes_on_at_the_right():
    history = keras.callbacks.History()
    for _ in range(2):
        fitted(3, callbacks=[history])
    assert history._places["loss"] == [1, 2, 3, 4, 5, 6] and len(history.history["loss"]) == 6


def test_numbers_that_cannot_be_drawn():
    broken = [(1, 1.0), (2, math.nan), (3, 2.0), (4, math.inf), (5, 1.0)]
    path = [p.get("d") for p in ET.fromstring(Chart({"a": broken}).svg).iter(f"{SVG}path")][-1]
    assert path.count("M") == 3 and "nan" not in path
    assert "nan" not in Chart({"a": [(1, math.nan)]}).svg
    long = Chart({"a": [(i, math.sin(i)) for i in range(50_000)]})
    assert len(long.svg) < 20_000


@given(st.floats(-1e6, 1e6), st.floats(1e-2, 1e6))
def test_ticks(low, span):
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 7
    assert all(low - span * 1e-6 <= each <= low + span * (1 + 1e-6) for each in found)
