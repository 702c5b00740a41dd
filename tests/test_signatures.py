"""The parameters and members of public names against those of Keras 3.15.1, room by room.

Names that are missing are in `missing_names.json`; what else differs on purpose is listed in
`tools/keras_signatures.py`, and what is still to be done here.
"""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

TESTS = Path(__file__).resolve().parent
MISSING = json.loads((TESTS / "missing_names.json").read_text())
OPEN = {
    "Model": {".export is missing", ".get_state_tree is missing", ".set_state_tree is missing"},
    "Variable": {"layout=None is missing"},
}


def tool() -> ModuleType:
    path = TESTS.parent / "tools" / "keras_signatures.py"
    spec = importlib.util.spec_from_file_location("keras_signatures", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = tool()


@pytest.mark.parametrize("room", TOOL.ROOMS)
def test_signatures(room: str) -> None:
    found = TOOL.compared([room])[room]
    missing = {name for name, value in found.items() if value is None}
    assert missing <= set(MISSING.get(room, []))
    odd = {name: set(value) - OPEN.get(name, set()) for name, value in found.items() if value}
    assert not {name: value for name, value in odd.items() if value}


def test_a_difference_is_found() -> None:
    differences = TOOL.differences
    assert differences(["x", "axis=-1"], ["x", "axis=0"]) == ["axis=-1 is axis=0"]
    assert differences(["x", "n=1"], ["x"]) == ["n=1 is missing"]
    assert differences(["x", "n=1"], ["n=1", "x"]) == ["the order is n, x"]
    assert not differences(["strides=(1, 1)", "name=None"], ["strides=1", "**kwargs"])
    assert differences(["strides=(1, 2)"], ["strides=1"])


def test_the_table_is_markdown() -> None:
    assert "| `keras.ops` | 337 |" in TOOL.page()
