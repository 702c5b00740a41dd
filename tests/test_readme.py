"""What the README shows is run as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def block(marker: str) -> str:
    """The fenced block that follows a marker comment."""
    found = re.search(rf"<!-- {marker} -->\n```\w*\n(.*?)```", README, re.DOTALL)
    assert found, f"README.md has no block marked {marker}"
    return found[1]


def test_commands_are_one_line_each():
    for marker in ("run-command", "test-command"):
        assert block(marker).count("\n") == 1


def test_example_runs_and_keeps_what_it_trained(tmp_path):
    check = (
        "\nimport numpy as np\n"
        "np.testing.assert_array_equal(model.predict(x_test), same.predict(x_test))\n"
        "assert model.evaluate(x_test, y_test, return_dict=True)['accuracy'] > 0.9\n"
    )
    code = f"import sys; sys.path[:] = {sys.path}\n{block('example')}{check}"
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two_looks.png").read_bytes().startswith(b"\x89PNG")
    for name in ("pixels", "each_row", "whole", "digit"):
        assert name in done.stdout
