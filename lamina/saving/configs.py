"""Configs of models in files: JSON into a model, behind the gate of `lamina.core.registry`."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from lamina.core import registry
from lamina.core.errors import FileError
from lamina.core.layer import Layer
from lamina.core.types import Config


def parsed(text: str, name: str) -> Config:
    """A config from its JSON.

    Raises:
        FileError: when it is no JSON, is nested too deeply, or is no dict.
    """
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"'{name}': the config is no JSON that can be read: {error}") from error
    if not isinstance(config, dict):
        raise FileError(f"'{name}': the config is no dict.")
    return config


@contextlib.contextmanager
def refusing(name: str) -> Iterator[None]:
    """Turn what constructors raise about arguments that they cannot take into a `FileError`."""
    try:
        yield
    except FileError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise FileError(f"'{name}': its model cannot be built: {what}") from error


def built(config: Config, name: str, compile: bool) -> Any:
    """The model of a config, built, with weights that are still to be drawn.

    Raises:
        FileError: when the config names what it may not, or is not that of a model.
    """
    if not compile:
        config = {**config, "compile_config": None}
    with refusing(name):
        model = registry.deserialize(config)
    if not isinstance(model, Layer):
        raise FileError(f"'{name}' holds a {type(model).__name__}, not a model.")
    return model
