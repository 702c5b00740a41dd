"""Whole models and weights in the HDF5 layout that came before ``.keras``: read, never written.

The arrays of a layer lie below its name, each at the path that its variable had. They are found by
these names; the lists of names beside them are not read, since HDF5 cannot say how long they are.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lamina.core.layer import Layer
from lamina.core.types import Config
from lamina.core.variable import Variable
from lamina.saving import archive, state
from lamina.saving.configs import built, parsed, refusing
from lamina.saving.hdf5 import Arrays, Reader, reading
from lamina.saving.refusing import refusal

WEIGHTS, OPTIMIZER, TOP = "model_weights", "optimizer_weights", "top_level_model_weights"


def load_model(path: Path, compile: bool) -> Any:
    """The model of a whole-model ``.h5`` file, compiled if it was and that is wanted.

    Raises:
        FileError: when the file holds no model, or names what it may not.
    """
    with archive.open_file(path) as file, reading([file], str(path)) as reader:
        text = reader.attribute("model_config")
        if text is None:
            raise refusal(
                f"'{path}' holds weights, not a model.",
                fix="build the model and call model.load_weights(path)",
            )
        model = built(parsed(text, reader.name), reader.name, compile=False)
        load_weights(model, reader)
        training = reader.attribute("training_config") if compile else None
        if training is not None:
            _compile(model, parsed(training, reader.name), reader)
    return model


def is_legacy(reader: Reader) -> bool:
    """Whether arrays lie below the names of layers, not at places."""
    return WEIGHTS in reader.groups or not any(
        place.rpartition("/")[2] == "vars" and datasets for place, datasets in reader.groups.items()
    )


def load_weights(model: Layer, reader: Reader, skip_mismatch: bool = False) -> None:
    """Set the weights of the layers by their names.

    Raises:
        FileError: naming what does not fit; no weight is changed then.
    """
    steps: list[state.Step] = []
    problems: list[str] = []
    root = f"{WEIGHTS}/" if WEIGHTS in reader.groups else ""
    inside = {id(v) for layer in model._sublayers() for v in layer.weights}
    own = [variable for variable in model.weights if id(variable) not in inside]
    for name, weights in [*((each.name, each.weights) for each in model._sublayers()), (TOP, own)]:
        found, wrong = _matched(weights, _below(reader, f"{root}{name}"), name)
        steps += found
        problems += wrong
    known = {each.name for each in model._sublayers()} | {TOP}
    unknown = dict.fromkeys(name for name in _layers(reader, root) if name not in known)
    problems += [f"{name}: model none" for name in unknown]
    state.refuse(problems, model, reader, skip_mismatch)
    state.apply(steps, [], reader)
    state.tell(problems, model, reader)


def _compile(model: Any, training: Config, reader: Reader) -> None:
    names = ("loss", "loss_weights", "metrics", "weighted_metrics")
    given = {key: training[key] for key in names if training.get(key) is not None}
    with refusing(reader.name):
        model.compile_from_config({"optimizer": training.get("optimizer_config"), **given})
    optimizer, stored = model.optimizer, _below(reader, OPTIMIZER)
    if optimizer is not None and stored:
        steps, problems = _matched(optimizer.stored_variables, stored, optimizer.name)
        state.apply([] if problems else steps, [], reader)
        state.tell(problems, model, reader)


def _layers(reader: Reader, root: str) -> list[str]:
    """The names of the layers that have arrays in the file."""
    places = [place for place, datasets in reader.groups.items() if datasets]
    names = [place.removeprefix(root).split("/")[0] for place in places if place.startswith(root)]
    return [name for name in names if root or name != OPTIMIZER]


def _below(reader: Reader, top: str) -> dict[tuple[str, ...], tuple[Arrays, str]]:
    """The arrays at any depth below a group, by the parts of their paths."""
    return {
        (*place[len(top) :].strip("/").split("/"), name.partition(":")[0]): (
            Arrays(reader, datasets),
            name,
        )
        for place, datasets in reader.groups.items()
        if f"{place}/".startswith(f"{top}/")
        for name in datasets
    }


def _matched(
    variables: Iterable[Variable], stored: dict[tuple[str, ...], tuple[Arrays, str]], owner: str
) -> tuple[list[state.Step], list[str]]:
    """Each variable with the array whose path ends most alike, and lines about the rest.

    The pairs that are most alike come first; where two are equally so, none is taken.
    """
    left, keys = dict(enumerate(variables)), set(stored)
    scores = {
        (number, key): _common_end(_parts([variable.path]), _parts(key))
        for number, variable in left.items()
        for key in keys
    }
    steps, problems = [], []
    for score in sorted(set(scores.values()) - {0}, reverse=True):
        pairs = [(n, k) for (n, k), s in scores.items() if s == score and n in left and k in keys]
        numbers, names = Counter(n for n, _ in pairs), Counter(k for _, k in pairs)
        for number, key in pairs:
            if numbers[number] == names[key] == 1:
                variable, (arrays, name) = left.pop(number), stored[key]
                keys.remove(key)
                if state.fits([variable], Arrays(arrays.reader, {"0": arrays.datasets[name]})):
                    steps.append((variable, arrays, name))
                else:
                    met = f"{variable.name} {variable.shape}; file {arrays.shape(name)}"
                    problems.append(f"{owner}: model {met}")
    problems += [f"{owner}: model {v.name} {v.shape}; file none" for v in left.values()]
    problems += [f"{owner}: model none; file {'/'.join(key)}" for key in sorted(keys)]
    return steps, problems


def _parts(path: Iterable[str]) -> list[str]:
    return "_".join(path).replace("/", "_").split("_")


def _common_end(one: list[str], other: list[str]) -> int:
    """How many parts at the end are alike."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return next(
        (number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other))
    )
