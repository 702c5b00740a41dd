"""SVG, PNG, fonts, DOT and files."""

import base64
import io
import os
import re
import shutil
import stat
import subprocess
import zlib
from dataclasses import replace
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
from lamina.view.mermaid import mermaid
from lamina.view.model_graph import Box, Edge, Group, ModelGraph
from lamina.view.pdf import to_pdf
from lamina.view.png import to_png
from lamina.view.style import ACCENTS, THEMES, WEIGHTY, mix
from lamina.view.svg import Drawing, draw

poppler = pytest.mark.skipif(
    not shutil.which("pdftoppm") and not os.environ.get("CI"), reason="poppler is not installed"
)

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
    assert not fonts.lacking("Ünïcode Ελληνικά кириллица × → … ≤ 0123")
    assert fonts.lacking("みみ Conv") == "み"
    assert fonts.text_width("畳", 10) == 10


def texts_outside(root):
    """Lines of text that are not within the rectangle that they belong to."""
    found, groups = [], []
    for part in root.iter(f"{SPACE}g"):
        rect = part.findall(f"{SPACE}rect")[-1]
        left, top = float(rect.get("x")), float(rect.get("y"))
        right, bottom = left + float(rect.get("width")), top + float(rect.get("height"))
        if part.get("class") == "group":
            groups.append((left, top, right, bottom))
        if part.get("class") == "heading":
            around = [a for a in groups if a[0] < left and a[1] < top and right < a[2]]
            found += [] if any(bottom < a[3] for a in around) else ["a heading"]
        for text in part.iter(f"{SPACE}text"):
            x, y = float(text.get("x")), float(text.get("y"))
            wide = left + 3 < x and x + float(text.get("textLength")) < right - 3
            if not (wide and top < y - 0.7 * float(text.get("font-size")) and y < bottom):
                found.append(text.text)
    return found


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_no_text_leaves_its_box(direction):
    for seed in range(30):
        assert not texts_outside(ElementTree.fromstring(draw(random_graph(seed), direction).svg))


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


def linear(colour):  # WCAG 2.1, relative luminance
    parts = np.array(list(bytes.fromhex(colour[1:]))) / 255
    return np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


GREY = np.array([0.2126, 0.7152, 0.0722])
SIGHTS = {
    "all": np.eye(3),
    "grey": np.tile(GREY, (3, 1)),
    # Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB.
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
}  # fmt: skip


def seen(colour, sight):
    """CIE L*a*b* of a colour as someone sees it (IEC 61966-2-1 to XYZ, CIE 15 to Lab)."""
    rgb = np.clip(np.asarray(SIGHTS[sight]) @ linear(colour), 0, 1)
    matrix = [[0.4124, 0.3576, 0.1805], GREY, [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(matrix @ rgb / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("name", THEMES)
def test_themes_are_readable(name):
    style = THEMES[name]
    for kind in ACCENTS:
        for ink in (style.ink, style.quiet):
            a, b = sorted(linear(each) @ GREY for each in (ink, style.fill(kind)))
            assert (b + 0.05) / (a + 0.05) > 4.5, (kind, ink)


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("name", THEMES)
def test_neighbours_look_different_to_all_readers(name, sight):
    beside = {"norm", "pooling", "activation", "merge", "reshape", "regularisation"}
    for kind in WEIGHTY:  # a layer with weights, and what usually stands beside it
        for other in beside:
            fills = (THEMES[name].fill(each) for each in (kind, other))
            a, b = (seen(fill, sight) for fill in fills)
            assert np.linalg.norm(a - b) > 3.5, (kind, other)


def test_colours():
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


def streams(pdf):
    found = re.findall(rb"<</Length (\d+)/Filter/FlateDecode[^>]*>>stream\n", pdf)
    starts = [match.end() for match in re.finditer(rb"FlateDecode[^>]*>>stream\n", pdf)]
    return [zlib.decompress(pdf[a : a + int(n)]) for a, n in zip(starts, found, strict=True)]


def test_pdf_is_well_formed_and_its_text_can_be_read():
    graph = ModelGraph("a (b)", [Box("x", "Dense", "слой_12 × →", "dense", (("key", "välue"),))])
    pdf = to_pdf(draw(graph))
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", pdf)[1])
    assert pdf[start : start + 4] == b"xref"
    for number, offset in enumerate(re.findall(rb"(\d{10}) 00000 n \n", pdf[start:]), 1):
        assert pdf[int(offset) :].startswith(b"%d 0 obj" % number)
    page, *rest = streams(pdf)
    maps = [
        dict(re.findall(rb"<(\w+)> <(\w+)>\n", each)) for each in rest if b"beginbfchar" in each
    ]
    lines = [
        b"".join(
            bytes.fromhex(maps[int(font)][code].decode()) for code in re.findall(b"....", codes)
        )
        for font, codes in re.findall(rb"/F(\d) .*?<(\w+)> Tj", page)
    ]
    assert [line.decode("utf-16-be") for line in lines] == ["слой_12 × →", "Dense", "key", "välue"]


def test_pdf_warns_of_text_that_it_cannot_show():
    graph = ModelGraph("m", [Box("x", "Dense", "слой 输入", "dense")])
    with pytest.warns(UserWarning, match=r"lacks '入输'.*\.svg and \.png"):
        to_pdf(draw(graph))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("dpi", [40, 96, 200, 211])
def test_the_ground_reaches_the_last_pixel(theme, dpi):
    for seed in (0, 1, 3, 4, 7, 9):
        drawing = draw(random_graph(seed), theme_name=theme)
        picture = np.asarray(Image.open(io.BytesIO(to_png(drawing, dpi))))
        ground = [*bytes.fromhex(drawing.background[1:]), 255]
        assert (picture[-1] == ground).all() and (picture[:, -1] == ground).all()


@poppler
@pytest.mark.parametrize("theme", THEMES)
def test_pdf_looks_like_the_png(tmp_path, theme):
    drawing = draw(nested(), theme_name=theme)
    (tmp_path / "a.pdf").write_bytes(to_pdf(drawing))
    command = ["pdftoppm", "-r", "96", "-png", "-singlefile", "a.pdf", "a"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert not done.stderr
    a, b = pixels(to_png(drawing, 96)), pixels((tmp_path / "a.png").read_bytes())
    height, width = min(a.shape[0], b.shape[0]), min(a.shape[1], b.shape[1])
    assert abs(a.shape[0] - b.shape[0]) <= 1 and abs(a.shape[1] - b.shape[1]) <= 1
    assert np.abs(a[:height, :width] - b[:height, :width]).mean() < 3


@poppler
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pdf_shows_images(tmp_path, mode):
    squares = np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)
    file, picture = io.BytesIO(), Image.fromarray(squares).convert(mode)
    picture.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg"><image x="20" y="30" width="40" height="30" '
        f'href="data:image/png;base64,{data}"/></svg>'
    )
    (tmp_path / "a.pdf").write_bytes(to_pdf(Drawing(svg, 100.0, 100.0)))
    command = ["pdftoppm", "-r", "96", "-png", "-singlefile", "a.pdf", "a"]
    assert not subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stderr
    drawn = pixels((tmp_path / "a.png").read_bytes())
    assert (drawn[35:60:10, 25:60:10] == np.asarray(picture.convert("RGB"))).all()
    assert (drawn[:29] == 255).all() and (drawn[:, 62:] == 255).all()


def test_a_very_long_page_has_larger_units():
    pdf = to_pdf(Drawing('<svg xmlns="http://www.w3.org/2000/svg"/>', 100.0, 40_000.0))
    assert b"/UserUnit 3" in pdf and b"/MediaBox[0 0 25.00 10000.00]" in pdf


def test_pdf_reads_every_shape_that_drawings_have():
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg"><g transform="translate(5 6)">'
        '<circle cx="9" cy="9" r="2" fill="#ff0000" fill-opacity="0.5"/>'
        '<path d="M1 2L3 4L5 6h2v-3c1 1 2 2 3 3Z" stroke="#00ff00" stroke-dasharray="2,1"/>'
        "</g></svg>"
    )
    pdf = to_pdf(Drawing(svg, 20.0, 20.0))
    page = streams(pdf)[0].decode()
    assert "1 0 0 1 5 6 cm" in page and "/G0 gs" in page and b"/ca 0.5" in pdf
    assert "1.00 2.00 m 3.00 4.00 l 5.00 6.00 l 7.00 6.00 l 7.00 3.00 l" in page
    assert "8.00 4.00 9.00 5.00 10.00 6.00 c h B" in page and "[2 1] 0 d" in page


def test_mermaid():
    graph = nested()
    boxes = [replace(graph.boxes[0], name='im"a[g]e'), *graph.boxes[1:]]
    text = mermaid(replace(graph, boxes=boxes), "LR")
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "flowchart LR"
    assert sum(":::op" in line for line in lines) == 10
    assert sum(line.startswith("subgraph") for line in lines) == lines.count("end") == 2
    assert sum("-->" in line for line in lines) == 11
    assert "im#34;a[g]e" in text and text.count('"') % 2 == 0
