"""Make the fonts of the drawings: two weights of Inter, cut to the characters they need.

    apt-get download fonts-inter && dpkg -x fonts-inter_*.deb inter
    python -m pip install fonttools
    python tools/make_font.py inter/usr/share/fonts/opentype/inter lamina/view/fonts

Kerning and all other layout features are dropped, so that the width of a text is the sum of the
widths of its characters, in every program that draws it.
"""

import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

WEIGHTS = {"Inter-Regular.otf": 400, "Inter-SemiBold.otf": 600}
CHARACTERS = [
    *range(0x20, 0x7F),  # ASCII
    *range(0xA0, 0x180),  # Latin-1, Latin Extended-A
    *range(0x386, 0x3CF),  # Greek
    *range(0x400, 0x460),  # Cyrillic
    *(0x490, 0x491),
    *range(0x2010, 0x2028),  # dashes, quotes, dots
    *(0x2030, 0x2032, 0x2033, 0x2039, 0x203A, 0x2044, 0x2070, 0x20AC, 0x2116, 0x2122),
    *range(0x2074, 0x208F),  # superscripts and subscripts
    *range(0x2190, 0x219A),  # arrows
    *(0x2192, 0x21BA, 0x21BB, 0x2200, 0x2202, 0x2206, 0x2208, 0x220F, 0x2211, 0x2212, 0x2215),
    *(0x2219, 0x221A, 0x221E, 0x222B, 0x2248, 0x2260, 0x2261, 0x2264, 0x2265, 0x2295, 0x2297),
    *(0x2713, 0x2717, 0x25A0, 0x25A1, 0x25B2, 0x25B6, 0x25BC, 0x25CF, 0xFFFD),
]


def main(source: Path, target: Path) -> None:
    for file, weight in WEIGHTS.items():
        font = TTFont(source / file)
        options = Options()
        options.layout_features = []
        options.drop_tables += ["GPOS", "GSUB", "GDEF", "STAT", "DSIG", "meta"]
        options.hinting = False
        options.desubroutinize = False
        options.name_IDs = [0, 1, 2, 3, 4, 6, 13, 14, 16, 17]
        options.notdef_outline = True
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=CHARACTERS)
        subsetter.subset(font)
        font["OS/2"].usWeightClass = weight
        font["cmap"].tables = [t for t in font["cmap"].tables if t.format == 4][:1]
        font["cmap"].tables[0].platformID, font["cmap"].tables[0].platEncID = 3, 1
        font.save(target / file)
        print(f"{file}: {(target / file).stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
