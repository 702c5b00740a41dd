"""The two fonts that come with Lamina, and the width of a text in them.

The files hold no kerning (see ``tools/make_font.py``), so a width is a sum of advances.
"""

import functools
import struct
from pathlib import Path

FAMILY = "Inter"
FOLDER = Path(__file__).parent / "fonts"
FILES = {False: FOLDER / "Inter-Regular.otf", True: FOLDER / "Inter-SemiBold.otf"}


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width of one line of text in pixels, at ``size`` pixels to the em.

    A character that the font lacks counts as one em, which is what other fonts need at most.

    >>> round(text_width("Dense", 10), 1)
    29.9
    """
    known = glyphs(bold)
    return size * sum(known.get(ord(character), (0, 1.0))[1] for character in text)


def lacking(text: str) -> str:
    """The characters of ``text`` that the font does not have, each once.

    >>> lacking("Dense, слой, 输入")
    '入输'
    """
    known = glyphs(False).keys() | {ord("\n")}
    return "".join(sorted({character for character in text if ord(character) not in known}))


@functools.cache
def glyphs(bold: bool) -> dict[int, tuple[int, float]]:
    """From code points to glyphs and their widths in em, by the font's cmap and hmtx tables."""
    data = FILES[bold].read_bytes()
    tables = {}
    for index in range(_u16(data, 4)):
        tag, _, offset, _ = struct.unpack_from(">4sLLL", data, 12 + 16 * index)
        tables[tag] = offset
    em = _u16(data, tables[b"head"] + 18)
    measured = _u16(data, tables[b"hhea"] + 34)
    cmap = tables[b"cmap"]
    start = cmap + struct.unpack_from(">L", data, cmap + 8)[0]
    return {
        code: (glyph, _u16(data, tables[b"hmtx"] + 4 * min(glyph, measured - 1)) / em)
        for code, glyph in _segments(data, start)
    }


def _segments(data: bytes, start: int) -> list[tuple[int, int]]:
    """(code point, glyph) of a cmap subtable of format 4 (OpenType 1.9, cmap, "Format 4")."""
    count = _u16(data, start + 6) // 2
    ends, starts = start + 14, start + 16 + 2 * count
    deltas, offsets = starts + 2 * count, starts + 4 * count
    found = []
    for index in range(count):
        first, last = _u16(data, starts + 2 * index), _u16(data, ends + 2 * index)
        delta, offset = _u16(data, deltas + 2 * index), _u16(data, offsets + 2 * index)
        for code in range(first, min(last, 0xFFFE) + 1):
            place = offsets + 2 * index + offset + 2 * (code - first)
            glyph = _u16(data, place) if offset else code
            found.append((code, (glyph + delta) & 0xFFFF))
    return found


def _u16(data: bytes, offset: int) -> int:
    return struct.unpack_from(">H", data, offset)[0]
