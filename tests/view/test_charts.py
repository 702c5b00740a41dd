"""Weights, activations and confusion matrices: the numbers that are drawn, and their pixels."""

import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from view.test_plot import Opaque, Residual

import lamina as keras
from lamina.core.errors import (
    ArgumentError,
    DTypeError,
    LaminaWarning,
    ShapeError,
    UnknownNameError,
)  # fmt: skip
from lamina.view import activations, confusion, weights
from lamina.view.axes import coloured, png
from lamina.view.style import theme

layers = keras.layers
SVG = "{http://www.w3.org/2000/svg}"


def panels(chart):
    return ET.fromstring(chart.svg).findall(f"{SVG}g")


def pixels(element):
    """The picture inside an element, as an array."""
    data = element.find(f"{SVG}image").get("href").partition("base64,")[2]
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def tiles_of(picture, high, wide):
    """The pictures in a grid with lines between them, one pixel for each number."""
    starts = []
    for axes in ((1, 2), (0, 2)):
        inside = ~(picture == picture[0, 0]).all(axes)
        starts.append(np.flatnonzero(np.diff(inside.astype(int)) == 1) + 1)
    inside = (picture[starts[0][0] :, starts[1][0]] == picture[0, 0]).all(1)
    zoom = int(np.argmax(inside)) // high
    return [
        picture[y : y + high * zoom : zoom, x : x + wide * zoom : zoom].astype(int)
        for y in starts[0] for x in starts[1]
    ]  # fmt: skip


def fits(chart):
    """Whether every text of the panels ends inside the picture."""
    root = ET.fromstring(chart.svg)
    for panel in root.findall(f"{SVG}g"):
        start = float(re.findall(r"[\d.]+", panel.get("transform"))[0])
        for text in panel.iter(f"{SVG}text"):
            end = start + float(text.get("x")) + float(text.get("textLength"))
            assert float(text.get("x")) >= 0 and end <= float(root.get("width")), text.text


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_is_read_by_others(channels):
    given = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    found = np.array(Image.open(io.BytesIO(png(given))))
    assert np.array_equal(found.reshape(given.shape), given)


def test_colours_of_numbers():
    style = theme("light")
    zero, up, down, none, half = coloured(np.array([0.0, 2.0, -2.0, np.nan, 1.0]), style)
    assert zero.tolist() == [255, 255, 255]
    assert up[2] > up[0] + 50 and down[0] > down[2] + 50
    assert abs(none.max().astype(int) - none.min()) < 30
    assert np.allclose(half, (zero.astype(int) + up) / 2, atol=1)
    assert (coloured(np.zeros(3), style) == 255).all()


def test_a_histogram_counts_every_number():
    layer = layers.Dense(50, name="a")
    layer.build((None, 20))
    chart = weights(layer)
    assert chart.titles == ["kernel (20, 50)", "bias (50,)"]
    values = np.array(layer.kernel)
    counts, _ = np.histogram(values, 40)
    bars = [float(bar.get("height")) for bar in panels(chart)[0].findall(f"{SVG}rect")]
    assert np.allclose(np.array(bars) / max(bars), counts[counts > 0] / counts.max(), atol=0.01)
    assert f"mean {values.mean():.3g}, deviation {values.std():.3g}" in chart.svg
    layer.bias.assign(np.r_[np.nan, np.inf, np.zeros(48)])
    assert "2 not finite" in weights(layer).svg and "nan" not in weights(layer).svg
    layer.bias.assign(np.full(50, np.nan))
    fits(weights(layer))


@pytest.mark.parametrize(
    ("layer", "shape", "title", "tiles"),
    [
        (layers.Conv2D(4, 3), (8, 8, 1), "kernel: 4 filters", 4),
        (layers.Conv2D(300, 5), (8, 8, 3), "kernel: 256 of 300 filters", 256),
        (layers.Conv2D(20, 3), (8, 8, 24), "kernel: 16 of 20 filters, 16 of 24 channels", 256),
        (layers.Conv2D(4, 3), (8, 8, 2), "kernel: 4 filters, 2 channels", 8),
        (layers.Conv1D(4, 3), (8, 2), "kernel: 4 filters, 2 channels", 8),
        (layers.DepthwiseConv2D(3), (8, 8, 2), "kernel: 1 filters, 2 channels", 2),
    ],
)
def test_filters_are_a_grid(layer, shape, title, tiles):
    layer.build((None, *shape))
    rng = np.random.default_rng(0)  # no number is so small that its colour is white
    values = rng.choice([-1.0, 1.0], layer.kernel.shape) * rng.uniform(0.2, 1.0, layer.kernel.shape)
    layer.kernel.assign(values)
    chart = weights(layer)
    assert chart.titles[1] == title
    fits(chart)
    high, wide = layer.kernel.shape[:2] if len(shape) == 3 else (1, layer.kernel.shape[0])
    found = tiles_of(pixels(panels(chart)[1]), high, wide)
    assert tiles <= len(found) < tiles + len(found) ** 0.5
    kernel = np.array(layer.kernel)
    if shape[-1] == 3:
        shown = 255 * (0.5 + 0.5 * kernel[..., 1] / np.abs(kernel).max())
        assert np.abs(found[1] - shown).max() <= 1
    else:  # beside the first channel of the first filter is its second, or the next filter's
        values = kernel[..., 1, 0] if shape[-1] > 1 else kernel[..., 0, 1]
        signs = np.sign(found[1][..., 2] - found[1][..., 0])
        assert np.array_equal(signs, np.sign(values.reshape(high, wide)))


def test_activations_are_what_layers_give(tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype("float32")
    image = keras.Input((8, 8, 1))
    y = layers.Conv2D(6, 3, name="conv")(image)
    z = layers.Dense(40, name="dense")(layers.Flatten(name="flat")(layers.ReLU(name="relu")(y)))
    model = keras.Model(image, z, name="net")
    chart = activations(model, x, sample=2)
    given = np.array(keras.Model(image, y)(x))[2]
    assert chart.titles == [f"conv: 6 × 6 × 6, up to {np.abs(given).max():.3g}",
                            f"relu: 6 × 6 × 6, up to {given.max():.3g}"]  # fmt: skip
    found = tiles_of(pixels(panels(chart)[0]), 6, 6)
    assert len(found) == 6
    for channel, tile in enumerate(found):
        wanted = coloured(given[..., channel], theme("light"), np.abs(given).max())
        assert np.array_equal(tile, wanted)
    some = activations(model, x, ["dense", model.get_layer("flat"), "conv"], channels=4)
    assert some.titles[0].startswith("dense: 40, up to")
    assert "4 of 6 channels" in some.titles[2] and repr(some) == "<activations of net: 3 panels>"
    fits(some)
    for name in ("maps.svg", "maps.png", "maps.pdf", "maps.jpg"):
        some.save(tmp_path / name)
    with pytest.raises(UnknownNameError, match="'conv'"):
        activations(model, x, ["cnv"])
    with pytest.raises(ArgumentError, match="batch of 3"):
        activations(model, x, sample=3)
    with pytest.raises(ArgumentError, match=r"\.svg"):
        some.save(tmp_path / "maps.gif")


def test_activations_of_other_models():
    assert len(activations(Residual(), np.ones((2, 4), "float32")).titles) == 3
    assert [t[:6] for t in activations(Opaque(), np.ones((2, 4), "float32")).titles] == [
        "first:", "second"
    ]  # fmt: skip
    first = keras.Sequential(
        [keras.Input((2, 5, 5)), layers.Conv2D(3, 2, data_format="channels_first")]
    )
    (panel,) = panels(activations(first, np.ones((1, 2, 5, 5), "float32")))
    assert pixels(panel).shape[0] > 0
    words = keras.Sequential(
        [keras.Input((7,), dtype="int32"), layers.Embedding(9, 4), layers.LSTM(3)]
    )
    assert len(activations(words, np.ones((1, 7), "int32")).titles) == 2
    for bad in (weights, lambda x: activations(x, np.ones(3))):
        with pytest.raises(DTypeError):
            bad("model")
    with pytest.raises(ArgumentError, match="build it"):
        weights(layers.Dense(3))


def test_a_picture_of_many_weights_says_that_it_has_not_all():
    model = keras.Sequential([keras.Input((2,)), *[layers.Dense(2) for _ in range(31)]])
    with pytest.warns(LaminaWarning, match="first 60 of 62 weights"):
        assert len(weights(model).titles) == 60
    assert len(activations(model, np.ones((1, 2), "float32")).titles) == 31


def test_confusion_matrix():
    rng = np.random.default_rng(0)
    true, scores = rng.integers(0, 4, 200), rng.random((200, 4))
    found = confusion(scores, true, names=["ant", "bee", "cat", "dog"])
    expected = np.zeros((4, 4), int)
    for t, p in zip(true, scores.argmax(1), strict=True):
        expected[t, p] += 1
    assert np.array_equal(found.matrix, expected)
    assert found.accuracy == pytest.approx(np.mean(true == scores.argmax(1)))
    for other in (np.eye(4)[true], true[:, None], true.tolist(), true.astype("float32")):
        assert np.array_equal(confusion(scores, other).matrix, expected)
    row = next(r for r in found.table.body if r[0] == "bee")
    assert row[1:4] == [
        f"{expected[1].sum()}", f"{expected[1, 1] / expected[:, 1].sum():.3f}",
        f"{expected[1, 1] / expected[1].sum():.3f}",
    ]  # fmt: skip
    assert f"Accuracy: {found.accuracy:.4f} of 200 samples" in repr(found)
    texts = [each.text for each in panels(found)[0].iter(f"{SVG}text")]
    assert sorted(t for t in texts if t.isdigit()) == sorted(str(n) for n in expected.ravel() if n)
    fits(found)


@pytest.mark.parametrize("count", [2, 12, 40, 120])
def test_confusion_of_many_classes(count, tmp_path):
    names = [f"class number {i} of many" for i in range(count)]
    found = confusion(np.arange(count), np.arange(count), names=names, theme="dark")
    root = ET.fromstring(found.svg)
    assert float(root.get("width")) < 2000
    cells = len(list(root.iter(f"{SVG}rect"))) - 1  # where there is no room for numbers, those
    assert cells == (count if count > 30 else count * count)  # with samples alone
    fits(found)
    assert all(any(name in (t.text or "") for t in root.iter(f"{SVG}text")) for name in names)
    assert found.save(tmp_path / "c.pdf").stat().st_size > 1000


def test_confusion_of_two_classes_and_of_a_model():
    assert confusion(np.array([[0.2], [0.7], [0.6]]), [0, 1, 0]).matrix.tolist() == [[1, 1], [0, 1]]
    assert confusion(np.array([-3.0, 2.5, 0.1]), [0, 1, 0]).matrix.tolist() == [[1, 1], [0, 1]]
    model = keras.Sequential([keras.Input((3,)), layers.Identity()])
    assert np.array_equal(
        confusion(model, np.eye(3), [0, 1, 1]).matrix, [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    )
    with pytest.raises(ArgumentError, match=r"confusion\(model, x, y"):
        confusion(model, np.eye(3))
    with pytest.raises(ShapeError, match="3 predictions, 2 classes"):
        confusion([0, 1, 2], [0, 1])
    with pytest.raises(ArgumentError, match="do not fit"):
        confusion([0, 1, 2], [0, 1, 2], names=["a", "b"])
    with pytest.raises(ArgumentError, match="do not fit"):
        confusion(np.eye(3), [0, 1, 3])
    with pytest.raises(ArgumentError, match="do not fit"):
        confusion([0, 1], [0, -1])
    with pytest.raises(ShapeError, match="numbers of shape"):
        confusion(["a"], ["a"])
    with pytest.raises(ArgumentError, match="at most 2000"):
        confusion([0, 10**9], [0, 1])
    with pytest.raises(ArgumentError, match="whole"):
        confusion([0, 1], [0.5, 1])
