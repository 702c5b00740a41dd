"""A drawing as PDF (ISO 32000-1): vectors, and text in the font that comes along, to be selected.

What the drawings of this room are made of is read from their SVG text: groups that are moved,
rectangles, circles, paths of M, L, H, V, C and Z, images in PNG, and lines of text.
"""

import base64
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

from lamina.core.errors import LaminaWarning
from lamina.view import fonts
from lamina.view.svg import Drawing

POINT = 0.75
"""Points of 1/72 inch in a pixel of 1/96."""
LONGEST_PAGE = 14_400
"""Units that a side of a page may have (Annex C); one unit is more than a point on longer ones."""
ROUND = 0.5523
"""Where the handles of a curve lie that looks like a quarter of a circle."""


def to_pdf(drawing: Drawing) -> bytes:
    """PDF bytes of one page as large as the drawing.

    Warns of characters that the font lacks: each is an empty box.

    >>> to_pdf(Drawing('<svg xmlns="http://www.w3.org/2000/svg"/>', 9, 9))[:8]
    b'%PDF-1.6'
    """
    if lacking := fonts.lacking(drawing.svg):
        warnings.warn(
            f"The font of PDFs lacks '{lacking}', shown as boxes; .svg and .png files can show it.",
            LaminaWarning,
            stacklevel=3,
        )
    root = ElementTree.fromstring(drawing.svg)
    content = _Content()
    content.draw(root)
    width, height = drawing.width * POINT, drawing.height * POINT
    unit = max(1, -(-int(max(width, height)) // LONGEST_PAGE))
    scale = POINT / unit
    start = f"{scale:g} 0 0 {-scale:g} 0 {height / unit:.2f} cm\n"
    states = "".join(
        f"/G{n} <</CA {value:g}/ca {value:g}>> " for value, n in content.alphas.items()
    )
    images = "".join(f"/I{n} {16 + n} 0 R " for n in range(len(content.images)))
    title = (root.findtext("{*}title") or "").encode("utf-16-be").hex()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/Contents 4 0 R/MediaBox[0 0 {width / unit:.2f} "
        f"{height / unit:.2f}]/UserUnit {unit}/Resources<</Font<</F0 6 0 R/F1 11 0 R>>"
        f"/ExtGState<<{states}>>/XObject<<{images}>>>>>>".encode(),
        _stream((start + "\n".join(content.lines)).encode()),
        f"<</Title<feff{title}>/Producer(Lamina)>>".encode(),
    ]
    for bold in (False, True):
        objects += _font(bold, content.used[bold], len(objects) + 1)
    return _file([*objects, *content.images])


def _stream(data: bytes, more: str = "") -> bytes:
    packed = zlib.compress(data, 9)
    head = f"<</Length {len(packed)}/Filter/FlateDecode{more}>>stream\n"
    return head.encode() + packed + b"\nendstream"


def _file(objects: list[bytes]) -> bytes:
    """Header, numbered objects, the table of where they begin, the trailer."""
    data, starts = b"%PDF-1.6\n%\xe2\xe3\xcf\xd3\n", []
    for number, each in enumerate(objects, 1):
        starts.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = "".join(f"{start:010d} 00000 n \n" for start in starts)
    size = len(objects) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n"
    end += f"<</Size {size}/Root 1 0 R/Info 5 0 R>>\nstartxref\n{len(data)}\n%%EOF\n"
    return data + end.encode()


def _font(bold: bool, used: dict[int, str], number: int) -> list[bytes]:
    """A font whose character codes are glyphs (9.7.4): itself, widths, the file, the way back."""
    name = fonts.FILES[bold].stem
    widths = fonts.glyphs(bold)
    by_glyph = {glyph: advance for glyph, advance in widths.values()}
    shown = " ".join(f"{g} [{1000 * by_glyph.get(g, 1.0):.0f}]" for g in sorted(used))
    pairs = [f"<{g:04x}> <{text.encode('utf-16-be').hex()}>" for g, text in sorted(used.items())]
    blocks = "".join(
        f"{len(pairs[i : i + 100])} beginbfchar\n{chr(10).join(pairs[i : i + 100])}\nendbfchar\n"
        for i in range(0, len(pairs), 100)
    )
    to_unicode = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /G def "
        "/CMapType 2 def 1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        f"{blocks}endcmap end end"
    )
    return [
        f"<</Type/Font/Subtype/Type0/BaseFont/{name}/Encoding/Identity-H/DescendantFonts"
        f"[{number + 1} 0 R]/ToUnicode {number + 4} 0 R>>".encode(),
        f"<</Type/Font/Subtype/CIDFontType0/BaseFont/{name}/CIDSystemInfo<</Registry(Adobe)"
        f"/Ordering(Identity)/Supplement 0>>/FontDescriptor {number + 2} 0 R/DW 1000/W[{shown}]>>"
        .encode(),
        f"<</Type/FontDescriptor/FontName/{name}/Flags 4/FontBBox[-1000 -400 3000 1200]"
        f"/ItalicAngle 0/Ascent 969/Descent -242/CapHeight 727/StemV 80"
        f"/FontFile3 {number + 3} 0 R>>".encode(),
        _stream(fonts.FILES[bold].read_bytes(), "/Subtype/OpenType"),
        _stream(to_unicode.encode()),
    ]  # fmt: skip


@dataclass
class _Content:
    """Operators of a page, with what they need of the page's resources."""

    lines: list[str] = field(default_factory=list)
    alphas: dict[float, int] = field(default_factory=dict)
    images: list[bytes] = field(default_factory=list)
    used: dict[bool, dict[int, str]] = field(default_factory=lambda: {False: {}, True: {}})

    def draw(self, parent: ElementTree.Element) -> None:
        for each in parent:
            kind = each.tag.rpartition("}")[2]
            moved = re.match(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", each.get("transform", ""))
            self.lines.append("q")
            if moved:
                self.lines.append(f"1 0 0 1 {moved[1]} {moved[2]} cm")
            if kind in ("g", "a"):
                self.draw(each)
            elif kind == "text":
                self.text(each)
            elif kind == "image":
                self.image(each)
            elif kind in _SHAPES:
                self.shape(each, " ".join(_SHAPES[kind](each)))
            self.lines.append("Q")

    def image(self, each: ElementTree.Element) -> None:
        """A PNG of grey or RGB bytes: its data are those that PDF takes (7.4.4.4)."""
        data = base64.b64decode(each.get("href", "").partition(",")[2])
        width, height, depth, kind = struct.unpack_from(">LLBB", data, 16)
        parts, at = [], 8
        while at < len(data):
            size, name = struct.unpack_from(">L4s", data, at)
            parts += [data[at + 8 : at + 8 + size]] if name == b"IDAT" else []
            at += size + 12
        colours, space = {0: (1, "Gray"), 2: (3, "RGB")}[kind]
        head = (
            f"<</Type/XObject/Subtype/Image/Width {width}/Height {height}/ColorSpace/Device{space}"
            f"/BitsPerComponent {depth}/Filter/FlateDecode/DecodeParms<</Predictor 15"
            f"/Colors {colours}/BitsPerComponent {depth}/Columns {width}>>"
            f"/Length {sum(map(len, parts))}>>stream\n"
        )
        x, y, w, h = (float(each.get(key, 0)) for key in ("x", "y", "width", "height"))
        self.lines.append(f"{w} 0 0 {-h} {x} {y + h} cm /I{len(self.images)} Do")
        self.images.append(head.encode() + b"".join(parts) + b"\nendstream")

    def shape(self, each: ElementTree.Element, outline: str) -> None:
        fill, stroke = each.get("fill", "#000000"), each.get("stroke", "none")
        opacity = float(each.get("opacity", 1))
        for name in ("fill-opacity", "stroke-opacity"):
            opacity *= float(each.get(name, 1))
        if opacity < 1:
            number = self.alphas.setdefault(opacity, len(self.alphas))
            self.lines.append(f"/G{number} gs")
        if fill != "none":
            self.lines.append(f"{_colour(fill)} rg")
        if stroke != "none":
            self.lines.append(f"{_colour(stroke)} RG {each.get('stroke-width', '1')} w 1 j")
            if dashes := each.get("stroke-dasharray"):
                self.lines.append(f"[{dashes.replace(',', ' ')}] 0 d")
        paint = {(1, 0): "f", (0, 1): "S", (1, 1): "B"}.get((fill != "none", stroke != "none"), "n")
        self.lines.append(f"{outline} {paint}")

    def text(self, each: ElementTree.Element) -> None:
        bold = each.get("font-weight", "400") not in ("400", "normal")
        glyphs, codes = fonts.glyphs(bold), ""
        for character in each.text or "":
            glyph = glyphs.get(ord(character), (0, 1.0))[0]
            self.used[bold].setdefault(glyph, character)
            codes += f"{glyph:04x}"
        x, y = each.get("x", "0"), each.get("y", "0")
        colour, size = _colour(each.get("fill", "#000000")), each.get("font-size", "16")
        place = f"/F{int(bold)} {size} Tf 1 0 0 -1 {x} {y} Tm"
        self.lines.append(f"{colour} rg BT {place} <{codes}> Tj ET")


def _colour(text: str) -> str:
    return " ".join(f"{part / 255:.3f}" for part in bytes.fromhex(text[1:]))


def _rect(each: ElementTree.Element) -> Iterator[str]:
    x, y, width, height, r = (float(each.get(k, 0)) for k in ("x", "y", "width", "height", "rx"))
    r = min(r, width / 2, height / 2)
    yield from _rounded(x, y, x + width, y + height, r) if r else [f"{x} {y} {width} {height} re"]


def _circle(each: ElementTree.Element) -> Iterator[str]:
    x, y, r = (float(each.get(key, 0)) for key in ("cx", "cy", "r"))
    yield from _rounded(x - r, y - r, x + r, y + r, r)


def _rounded(left: float, top: float, right: float, bottom: float, r: float) -> Iterator[str]:
    """A rectangle whose corners are quarters of circles."""
    yield f"{left + r:.2f} {top:.2f} m"
    corners = [(right, top, 1, 0), (right, bottom, 0, 1), (left, bottom, -1, 0), (left, top, 0, -1)]
    for x, y, dx, dy in corners:
        before, after = (x - dx * r, y - dy * r), (x - dy * r, y + dx * r)
        back = r * (1 - ROUND)
        yield (
            f"{before[0]:.2f} {before[1]:.2f} l {x - dx * back:.2f} {y - dy * back:.2f} "
            f"{x - dy * back:.2f} {y + dx * back:.2f} {after[0]:.2f} {after[1]:.2f} c"
        )
    yield "h"


def _path(each: ElementTree.Element) -> Iterator[str]:
    """Operators of a path's commands; those in small letters count from where the pen is."""
    x = y = 0.0
    for command, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", each.get("d", "")):
        values = [float(n) for n in re.findall(r"-?\d*\.?\d+", numbers)]
        base = (x, y) if command.islower() else (0.0, 0.0)
        kind = command.upper()
        if kind == "Z":
            yield "h"
            continue
        if kind in "HV":
            points = [(base[0] + v, y) if kind == "H" else (x, base[1] + v) for v in values]
        else:
            pairs = zip(values[::2], values[1::2], strict=True)
            points = [(base[0] + a, base[1] + b) for a, b in pairs]
        x, y = points[-1]
        size = 3 if kind == "C" else 1
        for at in range(0, len(points), size):
            shown = " ".join(f"{a:.2f} {b:.2f}" for a, b in points[at : at + size])
            yield f"{shown} {'m' if kind == 'M' and not at else 'c' if size == 3 else 'l'}"


_SHAPES = {"rect": _rect, "circle": _circle, "path": _path}
