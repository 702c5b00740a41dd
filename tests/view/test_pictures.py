"""SVG, PNG, fonts, DOT and files."""

import io
import os
import re
import stat
from xml.etree import ElementTree

import numpy as np
import pytest
import resvg_py
from PIL import Image
from view.pictures import lecture, nested, random_graph

from lamina.core.errors import ArgumentError, FileError, UnknownNameError
from lamina.view import fonts
from lamina.view.dot import Dot
from lamina.view.files import write_atomically
from lamina.view.model_graph import Box, Edge, Group, ModelGraph
from lamina.view.png import to_png
from lamina.view.style import ACCENTS, THEMES, mix
from lamina.view.svg import draw

SPACE = "{http://www.w3.org/2000/svg}"


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def no_overlay_text(svg: str) -> str:
    return re.sub(r"<text.*?</text>", "", svg)


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("text", ["dense_12 (None, 28, 28, 64)", "Слой «выход» ×→…", "iiiiWWWW"])
def test_widths_are_those_of_the_drawn_text(text, bold):
    weight = 600 if bold else 400
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="60">'
        '<rect width="1200" height="60" fill="#fff"/><text x="10" y="40" font-size="32" '
        f'font-family="Inter" font-weight="{weight}">{text}.</text></svg>'
    )
    files = [str(file) for file in fonts.FILES.values()]
    drawn = pixels(resvg_py.svg_to_bytes(svg, font_files=files, skip_system_fonts=True))
    inked = np.flatnonzero(drawn.min(axis=(0, 2)) < 128)
    stop = fonts.text_width(".", 32, bold)
    assert abs(inked.max() - 10 - fonts.text_width(text, 32, bold) - stop / 2) < stop / 2


def test_the_font_is_small_and_has_what_names_need():
    assert sum(file.stat().st_size for file in fonts.FOLDER.iterdir()) < 150_000
    assert fonts.covers("Ünïcode Ελληνικά кириллица × → … ≤ 0123")
    assert not fonts.covers("畳み込み")
    assert fonts.text_width("畳", 10) == 10


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_no_text_leaves_its_box(direction):
    for seed in range(30):
        graph = random_graph(seed)
        root = ElementTree.fromstring(draw(graph, direction).svg)
        for part in root.iter(f"{SPACE}g"):
            rect = part.find(f"{SPACE}rect")
            left, top = float(rect.get("x")), float(rect.get("y"))
            right, bottom = left + float(rect.get("width")), top + float(rect.get("height"))
            for text in part.iter(f"{SPACE}text"):
                x, y = float(text.get("x")), float(text.get("y"))
                assert left + 3 < x and x + float(text.get("textLength")) < right - 3
                assert top < y - 0.7 * float(text.get("font-size")) and y < bottom


def test_svg_is_deterministic_escaped_and_described():
    graph = ModelGraph("a <b> & c", [Box("x", 'D<"&', "слой", "dense", (("key", "<v>"),))])
    svg = draw(graph).svg
    assert svg == draw(graph).svg
    root = ElementTree.fromstring(svg)
    assert root.find(f"{SPACE}title").text == "a <b> & c"
    assert "\nkey: <v>" in root.find(f"{SPACE}g/{SPACE}title").text
    assert " id=" not in svg and "<script" not in svg and "href" not in svg


def test_png_has_text_without_system_fonts(monkeypatch):
    seen = {}
    real = resvg_py.svg_to_bytes
    monkeypatch.setattr(
        resvg_py, "svg_to_bytes", lambda **options: seen.update(options) or real(**options)
    )
    drawing = draw(lecture())
    bare = type(drawing)(no_overlay_text(drawing.svg), drawing.width, drawing.height)
    with_text, without = pixels(to_png(drawing, 96)), pixels(to_png(bare, 96))
    assert seen["skip_system_fonts"]
    # In each of the eight boxes a name and a class stand.
    assert (np.abs(with_text - without).sum(axis=2) > 200).sum() > 8 * 100


def test_dpi_sets_the_size():
    drawing = draw(lecture())
    small, large = pixels(to_png(drawing, 96)), pixels(to_png(drawing, 192))
    assert small.shape[1] == pytest.approx(drawing.width, abs=1)
    assert large.shape[1] == pytest.approx(2 * drawing.width, abs=1)


def test_an_absurd_size_is_lowered_and_said():
    boxes = [Box(str(index), "Dense") for index in range(600)]
    chain = [Edge(str(index), str(index + 1)) for index in range(599)]
    drawing = draw(ModelGraph("chain", boxes, chain))
    with pytest.warns(UserWarning, match="dpi instead of 200"):
        picture = Image.open(io.BytesIO(to_png(drawing, 200)))
    assert max(picture.size) <= 20_000


def test_themes_are_readable():
    def luminance(colour):  # WCAG 2.1, relative luminance
        parts = np.array(list(bytes.fromhex(colour[1:]))) / 255
        linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for style in THEMES.values():
        for kind in ACCENTS:
            for ink in (style.ink, style.quiet):
                a, b = sorted([luminance(ink), luminance(style.fill(kind))])
                assert (b + 0.05) / (a + 0.05) > 4.5, kind
    assert mix("#000000", "#ffffff", 0.25) == "#bfbfbf"
    with pytest.raises(UnknownNameError, match="light"):
        draw(lecture(), theme_name="ligth")


def test_dot_reads_as_pydot_users_expect(tmp_path):
    dot = Dot(nested(), "LR", 96)
    text = str(dot)
    assert text.startswith('digraph "nested" {') and "rankdir=LR" in text
    assert text.count("subgraph") == 2 and text.count("{") == text.count("}")
    assert len(dot.get_nodes()) == 10 and len(dot.get_edges()) == 11
    assert dot.get_edges()[0].get_source() == dot.get_nodes()[0].get_name() == '"image"'
    assert dot.write(str(tmp_path / "m.dot"))
    assert (tmp_path / "m.dot").read_text() == text
    with pytest.raises(ArgumentError, match="plot_model"):
        dot.write(tmp_path / "m.png", format="png")
    assert Dot(nested(), subgraph=True).to_string().startswith("subgraph")


def test_dot_escapes():
    text = str(Dot(ModelGraph('a"b', [Box("x", "L", 'na"me\\', group="g")], [], [Group("g", "q")])))
    assert r"na\"me\\" in text and 'digraph "a\\"b"' in text


def test_files_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "a.svg"
    write_atomically(target, b"old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(FileError, match="disk full"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]
    with pytest.raises(FileError, match="makedirs"):
        write_atomically(tmp_path / "none" / "a.svg", b"")


def test_written_files_have_ordinary_permissions(tmp_path):
    mask = os.umask(0o022)
    try:
        path = write_atomically(tmp_path / "a.svg", b"x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
