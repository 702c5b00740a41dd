"""Draws the pictures of the documentation, with Lamina itself: `python tools/make_pictures.py`.

The first model is the one that the README's example builds, taken from the README; the others are
those of the guide to looking inside, run as it stands.
"""

import contextlib
import re
import tempfile
from pathlib import Path
from typing import Any

import lamina as keras
from lamina import layers

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / "docs" / "assets"


def readme_model() -> Any:
    """The model of the README's example, built by its own lines."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = re.search(r"<!-- example -->\n```python\n(.*?)```", readme, re.DOTALL)
    assert example, "README.md has no example"
    building = re.search(r"^pixels = .*?^model = [^\n]*$", example[1], re.DOTALL | re.MULTILINE)
    assert building, "the README's example builds no model from pixels"
    names: dict[str, Any] = {"keras": keras, "layers": layers}
    exec(building[0], names)
    return names["model"]


def looking() -> None:
    """The pictures that the guide to looking inside saves."""
    guide = (ROOT / "docs" / "guides" / "looking.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", guide, re.DOTALL | re.MULTILINE))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        exec(code, {})
        for name in ("profile", "diff", "weights", "activations", "confusion"):
            path = ASSETS / f"looking-{name}.svg"
            path.write_bytes(Path(f"{name}.svg").read_bytes())
            print(path.relative_to(ROOT), path.stat().st_size, "bytes")


def main() -> None:
    """Write the pictures, as SVG and PNG."""
    ASSETS.mkdir(exist_ok=True)
    model = readme_model()
    for kind in ("svg", "png"):
        path = ASSETS / f"readme-model.{kind}"
        keras.utils.plot_model(
            model, path, show_shapes=True, show_layer_names=True, show_layer_activations=True,
            rankdir="LR", dpi=144,
        )  # fmt: skip
        print(path.relative_to(ROOT), path.stat().st_size, "bytes")
    looking()


if __name__ == "__main__":
    main()
