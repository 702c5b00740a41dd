"""Models: layers that can be trained, seen and kept."""

import json
from typing import Any

from lamina.core import registry as _registry
from lamina.models.clone import clone_model
from lamina.models.extract import extract
from lamina.models.functional import Functional
from lamina.models.model import Model
from lamina.models.sequential import Sequential
from lamina.saving import load_model, save_model

__all__ = ["Functional", "Model", "Sequential", "clone_model", "extract", "load_model",
           "model_from_json", "save_model"]  # fmt: skip


def model_from_json(json_string: str, custom_objects: Any = None) -> Model:
    """The model that ``model.to_json()`` described, with newly drawn weights."""
    return _registry.deserialize(json.loads(json_string), custom_objects)
