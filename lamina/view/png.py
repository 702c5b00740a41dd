"""A drawing as pixels, by resvg, with the font that comes along: no system font is needed."""

import io
import math
import warnings

import resvg_py

from lamina.core.errors import LaminaWarning, StateError
from lamina.view import fonts
from lamina.view.svg import Drawing

MAX_SIDE, MAX_PIXELS = 16_000, 120_000_000
"""Many viewers and graphics cards stop at 16,384 pixels a side, and more area takes gigabytes."""

COARSE = 0.3
"""Smaller than this no text can be read, and lines are drawn without smoothing: twice as fast."""


def to_png(drawing: Drawing, dpi: float = 200.0) -> bytes:
    """PNG bytes at ``dpi``, or at the resolution at which the picture is not too large.

    Warns when the resolution had to be lowered. A text in a script that the font lacks is drawn
    with the fonts of the system, if there are any.
    """
    zoom = dpi / 96.0
    longest, area = max(drawing.width, drawing.height), drawing.width * drawing.height
    fits = min(MAX_SIDE / longest, math.sqrt(MAX_PIXELS / area))
    if zoom > fits:
        size = f"{drawing.width * zoom:,.0f} x {drawing.height * zoom:,.0f}"
        warnings.warn(
            f"The picture would have {size} pixels; it is drawn at {fits * 96:.0f} dpi instead of "
            f"{dpi:g}. A file ending in .svg has no such limit.",
            LaminaWarning,
            stacklevel=3,
        )
        zoom = fits
    svg = drawing.svg
    if zoom < COARSE:
        svg = svg.replace('<path class="edge"', '<path shape-rendering="crispEdges" class="edge"')
    return resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=zoom,
        background=drawing.background,  # where the last pixels are on the page in part
        skip_system_fonts=not fonts.lacking(drawing.svg),
        font_files=[str(file) for file in fonts.FILES.values()],
        font_family=fonts.FAMILY,
        sans_serif_family=fonts.FAMILY,
    )


def to_jpeg(drawing: Drawing, dpi: float = 200.0) -> bytes:
    """JPEG bytes, for programs that name such a file. Lines and text are sharper in a PNG.

    Raises:
        StateError: when the package pillow, which writes them, is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        fix = "pip install pillow, or end the file's name with .png"
        raise StateError("Pictures in JPEG need the package pillow.", fix=fix) from error
    file = io.BytesIO()
    Image.open(io.BytesIO(to_png(drawing, dpi))).convert("RGB").save(file, "JPEG", quality=92)
    return file.getvalue()
