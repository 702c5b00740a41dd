"""The variables of a model into a file, and back: all of them, or an error that names the rest."""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from lamina.core.errors import FileError, LaminaError
from lamina.core.layer import Layer
from lamina.core.registry import late
from lamina.core.variable import Variable, materialize
from lamina.saving.hdf5 import Arrays, Reader, Writer
from lamina.saving.places import EXTRAS, extras, find, inside, own_variables
from lamina.saving.refusing import refusal

Step = tuple[Variable, Arrays, str]
"""A variable, and the array that it is to have."""

Loader = tuple[str, Any, Arrays]
"""A thing, at its place, that sets its variables itself."""

SHOWN = 20
"""Lines of a comparison of a model with a file that an error shows."""


def write(model: Layer, writer: Writer, skip: Iterable[Any] = ()) -> None:
    """Write all variables of a model and of its optimizer, generators and metrics."""
    places = find(model, skip=skip)
    rest = {
        f"{key}:{number}": variable
        for key, _, variables in extras(places, skip)
        for number, variable in enumerate(variables)
    }
    materialize([*model.variables, *rest.values()])
    for place, thing in places.values():
        if hasattr(type(thing), "save_assets"):
            raise FileError(f"{_called(place, thing)} has files of its own, which are not kept.")
        thing.save_own_variables(writer.group(place, getattr(thing, "name", None)))
    group = writer.group(EXTRAS, None)
    for key, variable in rest.items():
        group[key] = variable.stored()


def read(
    model: Layer,
    reader: Reader,
    *,
    whole: bool = False,
    skip_mismatch: bool = False,
    skip: Iterable[Any] = (),
) -> None:
    """Set a model's variables from a file: all shapes are compared before the first one changes.

    Args:
        whole: Whether the file and the model belong together, so that the optimizer and the
            generators have to fit as well; else those of them that do not are left as they are.
        skip_mismatch: Load what fits, and warn once of the rest.
        skip: Things inside the model to leave as they are.

    Raises:
        FileError: comparing model and file place by place, when they do not fit.
    """
    plan = _Plan(model, reader, whole, list(skip))
    refuse(plan.problems, model, reader, skip_mismatch)
    apply(plan.steps, plan.loaders, reader)
    tell(plan.problems + plan.left, model, reader)


def refuse(problems: list[str], model: Layer, reader: Reader, skip_mismatch: bool) -> None:
    """Raise the error about what does not fit, unless that may be skipped."""
    if problems and not skip_mismatch:
        raise refusal(
            f"'{reader.name}' does not fit the model '{model.name}': no weight was changed.\n"
            + _listed(problems),
            rule="each variable of the model has an array of its shape in the file",
            fix="build the same model as the one that was saved, or give skip_mismatch=True "
            "to load what fits",
        )


def tell(left: list[str], model: Layer, reader: Reader) -> None:
    """Warn once about what was not loaded."""
    if left:
        warnings.warn(
            f"'{reader.name}' does not fit the model '{model.name}' in all; left as it was:\n"
            + _listed(left),
            stacklevel=5,
        )


def _listed(lines: list[str]) -> str:
    more = [f"  ... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join([*(f"  {line}" for line in lines[:SHOWN]), *more])


class _Plan:
    """What would be set from a file, and what does not fit.

    Attributes:
        steps: ``(variable, arrays, key)`` of each array that fits.
        loaders: Things that read their arrays in their own way.
        problems: What does not fit, in lines to show.
        left: The same about optimizers, where the weights alone are wanted.
    """

    def __init__(self, model: Layer, reader: Reader, whole: bool, skip: list[Any]) -> None:
        self.model, self.reader, self.whole = model, reader, whole
        self.steps: list[Step] = []
        self.loaders: list[Loader] = []
        self.problems: list[str] = []
        self.left: list[str] = []
        if whole:
            self._scale_loss()
        self.places = find(model, reader.__contains__, skip)
        for place, thing in self.places.values():
            base = Layer if isinstance(thing, Layer) else late("optimizers.Optimizer")
            arrays = reader.arrays(place)
            if type(thing).load_own_variables is not base.load_own_variables:
                self.loaders.append((place, thing, arrays))
                continue
            own = own_variables(thing) if base is Layer else self._slots(thing, arrays)
            if fits(own, arrays):
                self.steps += [(variable, arrays, str(i)) for i, variable in enumerate(own)]
                continue
            hint = "" if thing.built else " (not built)"
            line = f"{_called(place, thing)}{hint}: model {_variables(own)}; file {_stored(arrays)}"
            (self.problems if whole or base is Layer else self.left).append(line)
        self._plan_extras(skip)
        self._find_missing(skip)
        if not skip:
            self._find_unused()

    def _scale_loss(self) -> None:
        """Wrap the optimizer if it was wrapped, which the compile config of Keras does not say."""
        optimizer = getattr(self.model, "optimizer", None)
        wrapped = "optimizer/inner_optimizer" in self.reader
        if wrapped and optimizer is not None and not hasattr(optimizer, "inner_optimizer"):
            scaled = late("optimizers.LossScaleOptimizer")(optimizer, name="loss_scale_optimizer")
            scaled.build(self.model.trainable_variables)
            self.model.optimizer = scaled

    def _slots(self, optimizer: Any, arrays: Arrays) -> list[Variable]:
        """The variables of an optimizer that a file would have."""
        if not optimizer.built and len(arrays) > len(optimizer.stored_variables):
            optimizer.build(self.model.trainable_variables)
        own = optimizer.stored_variables
        if self.whole and optimizer.built and len(arrays) < len(own):
            # It had made no step when it was saved, so it had no state of any weight.
            own = own[: len(type(optimizer).from_config(optimizer.get_config()).stored_variables)]
        return own

    def _plan_extras(self, skip: list[Any]) -> None:
        arrays = self.reader.arrays(EXTRAS)
        if f"{EXTRAS}/vars" not in self.reader.groups:
            return  # a file of Keras, which keeps no such states
        # A metric may have no variables before its first data; layers are looked at elsewhere.
        missing, unused = [], set(arrays)
        for key, owner, variables in extras(self.places, skip):
            own = {name for name in arrays if name.rpartition(":")[0] == key}
            unused -= own
            stored = {name.rpartition(":")[2]: arrays.datasets[name] for name in own}
            found = Arrays(self.reader, stored)
            if fits(variables, found):
                self.steps += [(v, found, str(number)) for number, v in enumerate(variables)]
            elif not isinstance(owner, Layer) and (variables or not hasattr(owner, "update_state")):
                line = f"model {_variables(variables)}; file {_stored(found)}"
                missing.append(f"{key} ({type(owner).__name__}): {line}")
        if self.whole:
            self.problems += [*missing, *(f"{key}: model none" for key in sorted(unused))]

    def _find_missing(self, skip: list[Any]) -> None:
        covered = {id(v) for v, _, _ in self.steps}
        covered |= {id(v) for _, thing, _ in self.loaders for v in own_variables(thing)}
        passed = inside(skip)
        for layer in self.model._flatten_layers():
            own = [v for v in layer._own_weights() if id(v) not in covered]
            if own and id(layer) not in self.places and id(layer) not in passed:
                self.problems.append(
                    f"{_called(layer.path, layer)}: model {_variables(own)}; file none"
                )
        optimizer = getattr(self.model, "optimizer", None)
        if self.whole and optimizer is not None and id(optimizer) not in self.places:
            self.problems.append(f"{_called('optimizer', optimizer)}: file none")

    def _find_unused(self) -> None:
        compiled = self.whole and getattr(self.model, "optimizer", None) is not None
        known = {f"{place}/vars" if place else "vars" for place, _ in self.places.values()}
        for place, datasets in self.reader.groups.items():
            if datasets and place not in known and place.split("/")[0] != EXTRAS:
                arrays = Arrays(self.reader, datasets)
                if compiled or not _of_optimizer(arrays):
                    self.problems.append(
                        f"{place.removesuffix('/vars')}: model none; file {_stored(arrays)}"
                    )


def apply(steps: list[Step], loaders: list[Loader], reader: Reader) -> None:
    """Set the variables; if reading fails half-way, put back what they were."""
    touched = [variable for variable, _, _ in steps]
    touched += [variable for _, thing, _ in loaders for variable in own_variables(thing)]
    before = [(variable, variable._array) for variable in touched]
    doing = "The model"
    try:
        for variable, arrays, key in steps:
            variable.assign(arrays[key])
        for place, thing, arrays in loaders:
            doing = _called(place, thing)
            thing.load_own_variables(arrays)
    except BaseException as error:
        for variable, array in before:
            variable._array = array
        if isinstance(error, LaminaError) or not isinstance(error, Exception):
            raise
        raise FileError(f"{doing} cannot read its arrays in '{reader.name}': {error}") from error


def fits(variables: list[Variable], arrays: Arrays) -> bool:
    """Whether arrays ``0``, ``1``, ... have the variables' shapes, and dtypes of their kind."""
    if arrays.keys() != {str(number) for number in range(len(variables))}:
        return False
    return all(
        arrays.shape(str(number)) == variable.shape
        and _kind(arrays.datasets[str(number)].dtype) == _kind(np.dtype(variable._dtype))
        for number, variable in enumerate(variables)
    )


def _kind(dtype: np.dtype) -> str:
    return {"u": "i", "V": "f"}.get(dtype.kind, dtype.kind)


def _of_optimizer(arrays: Arrays) -> bool:
    """Whether arrays begin with a count of steps, as those of optimizers do."""
    return "0" in arrays and arrays.shape("0") == () and arrays.datasets["0"].dtype.kind in "iu"


def _called(place: str, thing: Any) -> str:
    return f"{place or 'the model'} ({type(thing).__name__} '{getattr(thing, 'name', '')}')"


def _variables(variables: list[Variable]) -> str:
    return _first([f"{variable.name} {variable.shape}" for variable in variables])


def _stored(arrays: Arrays) -> str:
    return _first([str(arrays.shape(key)) for key in sorted(arrays, key=lambda k: (len(k), k))])


def _first(shown: list[str]) -> str:
    more = [f"... ({len(shown)})"] if len(shown) > 4 else []
    return ", ".join([*shown[:4], *more]) or "none"
