"""Runs the lecture once in a fresh process, and what both of its forms must show."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

PROBES = {
    5: {"shape": "tuple(output.shape)", "kind": "type(output).__module__"},
    6: {"shapes": "[w.shape, b.shape]", "bias": "b.tolist()"},
    7: {"off": "float(abs(manual_output - np.asarray(output)).max())"},
    8: {"count": "len(dense_layer.get_weights())"},
    10: {"shape": "tuple(output.shape)"},
    11: {"sums": "np.asarray(output).sum(1).tolist()"},
    13: {"params": "model.count_params()"},
    15: {"file": "np.fromfile('model.png', 'uint8', 8).tobytes().hex()"},
    16: {"params": "model.count_params()"},
    17: {"layers": "[each.name for each in model.layers]"},
    20: {"layers": "[each.name for each in model.layers]"},
    19: {
        "layers": "[each.name for each in model.layers]",
        "outputs": "[tuple(each.shape) for each in model.outputs]",
    },
}


def run(folder: Path, prelude: str, cells: list[tuple[int, str]]) -> dict[int, dict[str, Any]]:
    """What each cell shows, by its number."""
    told = [(number, source, PROBES.get(number, {})) for number, source in cells]
    (folder / "cells.json").write_text(json.dumps(told))
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", str(Path(__file__).with_name("driver.py")),
         f"import sys; sys.path[:] = {sys.path}\n{prelude}", "cells.json", "shown.json"],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = json.loads((folder / "shown.json").read_text())
    return {int(number): each for number, each in shown.items()}


class LectureShows:
    """What the lecture says each cell shows. Subclasses have a fixture ``shown``."""

    def test_no_cell_fails(self, shown):
        errors = {number: each["error"] for number, each in shown.items() if "error" in each}
        assert errors == {}

    def test_2_a_bare_model(self, shown):
        assert shown[2]["value"] == "<class 'lamina.models.model.Model'>"

    def test_3_help(self, shown):
        assert "class Model" in shown[3]["printed"]
        assert "symbolic tensor" in shown[3]["printed"]
        assert "training and inference" in shown[3]["value"]

    def test_5_a_layer_called_on_numbers(self, shown):
        printed = shown[5]["printed"]
        assert printed.startswith("Output: [[") and printed.count("\n") == 4
        assert "tf.Tensor" not in printed and "shape" not in printed
        rows = {row.strip(" []") for row in printed.removeprefix("Output: ").splitlines()}
        assert len(rows) == 1 and shown[5]["shape"] == [4, 2]

    def test_6_its_weights(self, shown):
        assert shown[6]["shapes"] == [[3, 2], [2]] and shown[6]["bias"] == [0.0, 0.0]
        assert shown[6]["printed"].startswith("Weights: [[")
        assert "Bias: [0. 0.]" in shown[6]["printed"]

    def test_7_the_same_by_hand(self, shown):
        assert shown[7]["off"] < 1e-6

    def test_8_without_a_bias(self, shown):
        assert shown[8]["count"] == 1
        assert shown[8]["printed"].startswith("[array([[")
        assert "dtype=float32" in shown[8]["printed"]

    def test_10_a_model_called_on_numbers(self, shown):
        assert shown[10]["shape"] == [2, 5]

    def test_11_probabilities(self, shown):
        assert all(math.isclose(each, 1.0, abs_tol=1e-6) for each in shown[11]["sums"])

    def test_12_a_constant_bias(self, shown):
        assert shown[12]["value"].count("2.") == 20 and "float32" in shown[12]["value"]

    def test_13_summary(self, shown):
        printed = shown[13]["printed"]
        assert shown[13]["params"] == 435
        for each in ("435", "110", "220", "105", "(None, 10)", "(None, 20)", "(None, 5)", "Dense"):
            assert each in printed

    def test_14_summary_without_an_input_is_no_error(self, shown):
        assert shown[14]["printed"].count("?") >= 3

    def test_15_a_picture_in_a_file(self, shown):
        assert shown[15]["value"].startswith("<Picture of 'sequential")
        assert shown[15]["file"] == "89504e470d0a1a0a"

    def test_16_a_graph(self, shown):
        assert shown[16]["value"].startswith("<Picture") and shown[16]["params"] == 660

    def test_17_what_is_connected_to_what(self, shown):
        printed = shown[17]["printed"]
        assert "Connected to" in printed and "660" in printed
        for each in ("Input", "Layer1", "Layer2", "Layer3", "Layer4", "Layer5", "SumLayer"):
            assert each in printed
        after = printed.split("SumLayer", 1)[1]
        assert all(each in after for each in ("Layer1", "Layer4", "Layer5"))
        assert "…" not in printed and "..." not in printed

    def test_20_a_cut_graph(self, shown):
        assert shown[20]["layers"] == ["Input", "Layer2", "Layer3", "Layer4"]
        assert shown[20]["value"].startswith("<Picture") and "4 boxes" in shown[20]["value"]

    def test_19_three_outputs(self, shown):
        assert shown[19]["outputs"] == [[None, 10]] * 3
        assert set(shown[19]["layers"]) == {"Input", *(f"Layer{i}" for i in range(1, 6))}
        assert shown[19]["value"].startswith("<Picture")
