"""The guides run as they stand, page by page, in an empty folder, and print what they show."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDES = sorted((Path(__file__).resolve().parents[2] / "docs" / "guides").glob("*.md"))
PYTHON, TEXT = (
    re.compile(rf"^```{kind}\n(.*?)^```", re.DOTALL | re.MULTILINE) for kind in ("python", "text")
)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_guide_runs(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    if "import optax" in text:
        pytest.importorskip("optax")
    # Lines keep their numbers, so that a traceback says where in the page it is.
    kept = [""] * (text.count("\n") + 1)
    for match in PYTHON.finditer(text):
        start = text[: match.start(1)].count("\n")
        lines = match[1].splitlines()
        kept[start : start + len(lines)] = lines
    script = tmp_path / f"{page.stem}.py"
    script.write_text("\n".join(kept), encoding="utf-8")
    run = f"import runpy, sys; sys.path[:] = {sys.path}; runpy.run_path({str(script)!r})"
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", run],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.splitlines()
    shown = [line for match in TEXT.finditer(text) for line in match[1].splitlines()]
    assert [line for line in shown if line not in printed] == []
