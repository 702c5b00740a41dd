"""Draws the models of `examples/gallery.py` for docs/gallery.md: `python tools/gallery.py`.

Each at the three levels of detail, light and dark. `scripts/docs` runs it, and git ignores what it
writes: the pictures of the page are those of the library that the page is built with.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import lamina as keras
from lamina.view.describe import Detail
from lamina.view.style import THEMES

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "assets" / "gallery"
OPTIONS: dict[str, Any] = {"fold": True, "expand_nested": True}


def pictures() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """The name of each file, and the model and options that it is drawn with."""
    sys.path.insert(0, str(ROOT / "examples"))
    from gallery import MODELS

    for name, build in MODELS.items():
        model = build()
        for detail in get_args(Detail):
            for theme in THEMES:
                options = OPTIONS | {"detail": detail, "theme": theme}
                yield f"{name}-{detail}-{theme}.svg", model, options


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    start, count = time.perf_counter(), 0
    for file, model, options in pictures():
        keras.utils.plot_model(model, FOLDER / file, **options)
        count += 1
    print(f"{count} pictures in {time.perf_counter() - start:.1f} s: {FOLDER.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
