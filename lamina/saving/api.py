"""`save_model`, `load_model`, `save_weights`, `load_weights`."""

import contextlib
import datetime
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lamina.core import registry
from lamina.core.errors import ArgumentError, FileError, StateError
from lamina.core.files import replacing
from lamina.core.layer import Layer
from lamina.core.types import CustomObjects
from lamina.saving import archive, legacy_h5, orbax, shards, state
from lamina.saving.configs import built, parsed
from lamina.saving.hdf5 import Reader, Writer, reading
from lamina.saving.refusing import refusal

KERAS_VERSION = "3.15.1"
"""The version of Keras whose layout is written."""


def save_model(
    model: Layer,
    filepath: Any,
    overwrite: bool = True,
    zipped: bool | None = None,
    *,
    include_optimizer: bool = True,
    **kwargs: Any,
) -> None:
    """Write a model's architecture, weights and training state.

    The file is made beside the old one and takes its place when it is whole.

    Args:
        model: Any model that can be described by a config.
        filepath: A path that ends in ``.keras``, an open binary file, or a folder.
        overwrite: Whether a file that exists may be replaced.
        zipped: False for a folder with the members as files.
        include_optimizer: Whether to keep what ``compile`` was given, and the optimizer's state.

    Raises:
        FileError: naming the layer, when something of the model cannot be kept. Nothing is
            written then.

    >>> import io, lamina as keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> save_model(model, file := io.BytesIO())
    >>> load_model(file).count_params()
    3
    """
    if kwargs.pop("save_format", None) not in (None, "keras") or kwargs:
        unknown = ", ".join(kwargs) or "save_format"
        raise ArgumentError(f"save_model takes no {unknown}: the path says the format.")
    _check_model(model)
    if not hasattr(filepath, "write"):
        _check_name(filepath, zipped is not False)
        archive.confirm(filepath, overwrite)
    texts = _described(model, include_optimizer)
    skip = () if include_optimizer else [getattr(model, "optimizer", None)]
    if hasattr(filepath, "write"):
        _write_archive(model, filepath, texts, skip, None)
    elif zipped is not False:
        with replacing(Path(filepath)) as file:
            _write_archive(model, file, texts, skip, Path(filepath).resolve().parent)
    else:
        with archive.replacing_folder(Path(filepath)) as folder:
            for member, text in texts.items():
                with replacing(folder / member) as file:
                    file.write(text.encode())
            with replacing(folder / archive.WEIGHTS) as file:
                _write_weights(model, file, skip)


def load_model(
    filepath: Any,
    custom_objects: CustomObjects = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """The model that a file or folder holds, in the state in which it was saved.

    Args:
        filepath: A ``.keras`` file (or open binary file), a folder, or an ``.h5`` file of Keras.
        custom_objects: Classes and functions of yours by name, besides the registered ones.
        compile: Whether to compile the model as it was when it was saved.
        safe_mode: False lets Python code in the file (of Lambda layers) run, in this load.

    Raises:
        FileError: when the file is damaged, names what it may not, or does not fit together.
    """
    known = registry.CustomObjectScope(custom_objects or {})
    with registry.allow_code(not safe_mode), known:
        if not hasattr(filepath, "read"):
            _check_exists(filepath)
        if str(filepath).endswith((".h5", ".hdf5")):
            return legacy_h5.load_model(Path(filepath), compile)
        if not hasattr(filepath, "read") and orbax.is_checkpoint(filepath):
            return orbax.load_model(filepath, compile)
        with archive.opened(filepath) as source:
            config = parsed(archive.text(source, archive.CONFIG), source.name)
            model = built(config, source.name, compile)
            with source.binary(archive.WEIGHTS) as file, reading([file], source.name) as reader:
                state.read(model, reader, whole=True)
    return model


def save_weights(
    model: Layer,
    filepath: Any,
    overwrite: bool = True,
    max_shard_size: float | None = None,
    *,
    objects_to_skip: Any = (),
) -> None:
    """Write the variables of a model, its optimizer and its random generators.

    Args:
        filepath: A path that ends in ``.weights.h5``, or in ``.weights.json`` for shards.
        overwrite: Whether a file that exists may be replaced.
        max_shard_size: Size of a shard in GB; the model's weights are then several files.
        objects_to_skip: Layers inside the model to leave out.
    """
    _check_model(model)
    _check_built(model, "save its")
    ending = ".weights.h5" if max_shard_size is None else ".weights.json"
    path = str(filepath)
    if max_shard_size is not None and path.endswith(".weights.h5"):
        path = path.removesuffix(".h5") + ".json"
    if not path.endswith(ending):
        raise refusal(
            f"Weights cannot be saved to '{filepath}'.",
            rule=f"the name of a file of {'shards' if max_shard_size else 'weights'} "
            f"ends in {ending}",
            fix=f"'{_stem(path)}{ending}'",
        )
    archive.confirm(path, overwrite)
    if max_shard_size is not None:
        shards.write(model, Path(path), max_shard_size, objects_to_skip)
        return
    with replacing(Path(path)) as file:
        _write_weights(model, file, objects_to_skip or ())


def load_weights(
    model: Layer,
    filepath: Any,
    skip_mismatch: bool = False,
    *,
    objects_to_skip: Any = (),
    by_name: bool = False,
) -> None:
    """Set the variables of a model from a file; all of them, or none.

    Args:
        filepath: A ``.weights.h5``, ``.weights.json``, ``.keras`` or ``.h5`` file.
        skip_mismatch: Load what fits, and warn once of what does not.
        objects_to_skip: Layers inside the model to leave as they are.
        by_name: For an ``.h5`` file: fit layers by their names instead of their order.

    Raises:
        FileError: comparing model and file, when they do not fit. No weight is changed then.
    """
    _check_model(model)
    _check_built(model, "load")
    path, skip = str(filepath), objects_to_skip or ()
    old = path.endswith((".h5", ".hdf5"))
    if by_name and (not old or path.endswith(".weights.h5")):
        raise ArgumentError("by_name is for `.h5` files whose layers have names.")
    if orbax.is_checkpoint(path):
        return orbax.load_weights(model, path)
    with _stored(path) as reader:
        if old and legacy_h5.is_legacy(reader):
            legacy_h5.load_weights(model, reader, skip_mismatch or by_name)
        else:
            state.read(model, reader, skip_mismatch=skip_mismatch, skip=skip)


@contextlib.contextmanager
def _stored(path: str) -> Iterator[Reader]:
    """The arrays that a file or folder of any kind holds."""
    _check_exists(path)
    with contextlib.ExitStack() as stack:
        if path.endswith(".keras") or os.path.isdir(path):
            files = [stack.enter_context(archive.opened(path)).binary(archive.WEIGHTS)]
        elif path.endswith("weights.json"):
            files = stack.enter_context(shards.opened(Path(path)))
        elif path.endswith((".h5", ".hdf5")):
            files = [archive.open_file(Path(path))]
        else:
            raise refusal(
                f"Weights cannot be loaded from '{path}'.",
                rule="files of weights end in .weights.h5, .weights.json, .keras or .h5",
            )
        for file in files:
            stack.enter_context(file)
        yield stack.enter_context(reading(files, path))


# --- configs ------------------------------------------------------------------------------------


def _described(model: Layer, include_optimizer: bool) -> dict[str, str]:
    """The members of text, made before anything is written."""
    try:
        config = registry.serialize(model)
        if not include_optimizer:
            config.pop("compile_config", None)
        text = json.dumps(config)
    except (FileError, TypeError, ValueError) as error:
        what = f"{_culprit(model)} cannot be saved: {error}"
        raise refusal(what, rule="nothing was written") from error
    now = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    metadata = {"keras_version": KERAS_VERSION, "date_saved": now, "saved_by": "lamina"}
    return {archive.METADATA: json.dumps(metadata), archive.CONFIG: text}


def _culprit(model: Layer) -> str:
    """The innermost layer that has no config of its own."""
    for layer in reversed(model._flatten_layers(include_self=False)):
        try:
            json.dumps(registry.serialize(layer))
        except Exception:  # whatever it is, this is the layer to name
            return f"{type(layer).__name__} '{layer.path}'"
    return f"{type(model).__name__} '{model.name}'"


# --- members and checks -------------------------------------------------------------------------


def _write_archive(
    model: Layer, file: IO[bytes], texts: dict[str, str], skip: Any, folder: Path | None
) -> None:
    with zipfile.ZipFile(file, "w") as zipped, tempfile.TemporaryFile(dir=folder) as weights:
        for member, text in texts.items():
            zipped.writestr(member, text)
        _write_weights(model, weights, skip)
        weights.seek(0)
        with zipped.open(archive.WEIGHTS, "w", force_zip64=True) as member:
            shutil.copyfileobj(weights, member, 1 << 20)


def _write_weights(model: Layer, file: IO[bytes], skip: Any) -> None:
    with contextlib.closing(Writer(lambda number: file)) as writer:
        state.write(model, writer, skip)


def _check_model(model: Any) -> None:
    if not isinstance(model, Layer):
        raise ArgumentError(f"A model is needed here, not a {type(model).__name__}.")


def _check_built(model: Layer, what: str) -> None:
    if not model.built:
        said = f"You cannot {what} weights: {type(model).__name__} '{model.name}' is not built."
        fix = "give it an Input, call it on data, or model.build(input_shape) before"
        raise StateError(said, fix=fix)


def _check_name(filepath: Any, zipped: bool) -> None:
    path = str(filepath)
    if path.endswith(".keras") != zipped:
        rule = f"the name of a model's {'file ends' if zipped else 'folder does not end'} in .keras"
        fix = f"'{_stem(path)}{'.keras' * zipped}'"
        if path.endswith(".weights.h5"):
            fix = "model.save_weights(path) writes weights alone"
        raise refusal(f"A model cannot be saved to '{path}'.", rule=rule, fix=fix)


def _check_exists(filepath: Any) -> None:
    path = str(filepath)
    if not os.path.exists(path):
        folder = Path(path).parent
        known = sorted(each.name for each in folder.glob("*") if each.suffix in (".keras", ".h5"))
        fix = f"in its folder are {', '.join(known[:8])}" if known else ""
        if "://" in path:
            fix = "download it first: only local files are read"
        raise refusal(f"There is no file '{path}'.", fix=fix)


def _stem(path: str) -> str:
    for ending in (".weights.h5", ".keras", ".hdf5", ".h5", ".tf", ".pb"):
        path = path.removesuffix(ending)
    return path
