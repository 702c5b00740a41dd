"""Public names against those of Keras 3.15.1 (`keras_names.json`), both ways.

What is missing is listed in `missing_names.json`, which a new name has to shorten; what Lamina has
besides is listed here.
"""

import importlib
import json
from pathlib import Path

import pytest

KERAS = json.loads((Path(__file__).parent / "keras_names.json").read_text())
OURS = {
    "keras": "errors grad value_and_grad training view models",
    "keras.layers": "GroupedQueryAttention",
    "keras.models": "Functional extract",
    "keras.metrics": "resolve_accuracy resolve_crossentropy",
    "keras.callbacks": "CallbackList",
    "keras.optimizers": "OptaxOptimizer OptimizerState schedules",
}
MISSING = json.loads((Path(__file__).parent / "missing_names.json").read_text())


def names_of(keras_module):
    ours = importlib.import_module(keras_module.replace("keras", "lamina", 1))
    return set(ours.__all__)


@pytest.mark.parametrize("module", KERAS)
def test_names(module):
    found, theirs = names_of(module), set(KERAS[module])
    if module == "keras":
        rooms = {name.split(".")[1] for name in KERAS if "." in name}
        theirs |= rooms | {"compat", "datasets"}
    missing = sorted(theirs - found)
    assert missing == MISSING.get(module, [])
    assert found - theirs <= set(OURS.get(module, "").split())
    loaded = importlib.import_module(module.replace("keras", "lamina", 1))
    for name in found:
        assert getattr(loaded, name) is not None
