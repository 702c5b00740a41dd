"""Where tensors of the facade meet Lamina's classes: methods that are replaced while it is on.

A door is a function of the method it replaces, of ``self`` and of the call's arguments. It takes
tensors in as arrays and hands arrays out as tensors. There are two kinds: a recorded one is a step
of the tapes in force; a closed one is plain Lamina inside, whatever it calls.
"""

import contextlib
import functools
import importlib
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.compat import operators, tape
from lamina.compat.tensor import Tensor, unwrap
from lamina.core import binding, calling, compiled, masking, nest
from lamina.core.configurable import signature
from lamina.core.errors import LaminaError, ShapeError
from lamina.core.fingerprint import structure
from lamina.core.layer import Layer
from lamina.core.registry import late
from lamina.core.symbolic import SymbolicTensor, any_symbolic
from lamina.core.variable import Variable
from lamina.training.state import variables_of

_closing = contextlib.ExitStack()
_ABSENT = object()
STEPS = {"train_step": (0, 1, 2, 3), "test_step": (0, 1, 3), "predict_step": (0, 1)}
"""The steps of training, and which groups of `variables_of` each is given."""


def open_all() -> None:
    """Put the doors in."""
    optimizer, trainer = late("optimizers.Optimizer"), late("training.trainer.Trainer")
    _replace(Layer, "__call__", _layer_call)
    _replace(Layer, "__init__", _with_initial_weights)
    _replace(Layer, "add_weight", _take_initial_weight)
    _replace(Layer, "_weight_losses", _weight_losses)
    for name, method in operators.operator_methods().items():
        _replace(Variable, name, functools.partial(_variable_operator, method))
        _replace(SymbolicTensor, name, _plain)
    _replace(Variable, "__repr__", lambda original, variable: operators.shown(variable))
    _replace(Variable, "assign assign_add assign_sub", _closed)
    _replace(late("losses.Loss"), "__call__", _recorded)
    for room, names, door in (
        ("metrics", ("update_state", "result"), _closed),
        ("regularizers", ("__call__",), _recorded),
    ):
        for cls in vars(importlib.import_module(f"lamina.{room}")).values():
            own = [name for name in names if isinstance(cls, type) and name in vars(cls)]
            _replace(cls, " ".join(own), door)
    _replace(optimizer, "__init__", _old_rates)
    _replace(optimizer, "apply apply_gradients", _closed_but_numbers)
    _replace(trainer, "compute_loss", _compute_loss)
    methods = "fit evaluate predict train_on_batch test_on_batch predict_on_batch"
    _replace(trainer, methods, _training)


def close_all() -> None:
    """Put back what was there."""
    _closing.close()


def _replace(cls: type, names: str, door: Callable[..., Any]) -> None:
    for name in names.split():
        if name in vars(cls):
            _closing.callback(setattr, cls, name, vars(cls)[name])
        else:
            _closing.callback(delattr, cls, name)
        setattr(cls, name, _method(getattr(cls, name), door))


def _method(original: Any, door: Callable[..., Any]) -> Any:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return door(original, self, *args, **kwargs)

    return method


# --- the kinds of doors -------------------------------------------------------------------------


def _plain(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    return original(self, *unwrap(args), **unwrap(kwargs))


def _recorded(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    return tape.run(functools.partial(original, self), args, kwargs)


def _closed(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    outermost = tape.outermost()
    with tape.inside():
        result = _plain(original, self, *args, **kwargs)
    return tape.wrap(result) if outermost else result


def _closed_but_numbers(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    """A closed door of methods whose results are NumPy's arrays and numbers in TensorFlow too."""
    args = tuple(list(each) if isinstance(each, zip) else each for each in args)
    with tape.inside():
        return _plain(original, self, *args, **kwargs)


def _variable_operator(method: Any, original: Any, self: Any, *args: Any) -> Any:
    if not tape.outermost() or any_symbolic(args):
        return _plain(original, self, *args)
    return method(self, *args)


# --- training -----------------------------------------------------------------------------------


def _training(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    for name in STEPS:
        step = getattr(type(self), name)
        if list(signature(step).parameters) == ["self", "data"]:
            setattr(type(self), name, _pure_step(step, name))
    return _closed_but_numbers(original, self, *args, **kwargs)


def _compute_loss(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    """The compiled loss as one step, of all the variables of training and of the arguments."""
    if not tape.active():
        return _plain(original, self, *args, **kwargs)
    variables = list(itertools.chain(*variables_of(self)))

    def loss(values: Any, args: Any, kwargs: Any) -> Any:
        with binding.bind(list(zip(variables, values, strict=True))) as trace:
            value = original(self, *args, **kwargs)
        return value, [trace.values[each] for each in trace.written], list(trace.written)

    value, arrays, written = tape.run(loss, (variables, args, kwargs))
    for variable, array in zip(written, arrays, strict=True):
        binding.write(variable, unwrap(array))
    added = [each for layer in self._flatten_layers() for each in layer._lamina.losses]
    return tape.run(lambda parts: sum(parts[1:], parts[0]), ([value, *added],))


def _pure_step(step: Any, name: str) -> Any:
    """``train_step(self, data)``, which changes variables, in the form that training runs."""

    @functools.wraps(step)
    def pure(self: Any, state: Any, data: Any = _ABSENT) -> Any:
        if data is _ABSENT:  # super().train_step(data) of a subclass
            return step(self, state)
        groups = [variables_of(self)[part] for part in STEPS[name]]
        variables, arrays = itertools.chain(*groups), itertools.chain(*state)
        with binding.bind(list(zip(variables, arrays, strict=True))) as trace:
            result = unwrap(step(self, data))
        changed = tuple([trace.values[each] for each in group] for group in groups)
        return result, changed[1] if name == "predict_step" else changed

    del pure.__wrapped__  # signature() would follow it
    return pure


# --- layers -------------------------------------------------------------------------------------


def _layer_call(original: Any, layer: Any, *args: Any, **kwargs: Any) -> Any:
    if not tape.outermost():
        return unwrap(_plain(original, layer, *args, **kwargs))
    if any_symbolic(args) or any_symbolic(kwargs.values()):
        return _plain(original, layer, *args, **kwargs)
    if not tape.active():
        return tape.wrap(_plain(original, layer, *args, **kwargs))
    return _taped_call(original, layer, args, kwargs)


def _taped_call(original: Any, layer: Any, args: Any, kwargs: Any) -> Any:
    """A layer's call as one step: a function of its variables and of the arrays given."""
    tensors: dict[int, Any] = {}

    def array_of(x: Any) -> Any:
        array = tape.value_of(x)
        if isinstance(x, (Tensor, Variable)):
            tensors[id(array)] = x
        return array

    args, kwargs = nest.map_structure(array_of, (args, kwargs))
    args = calling._arrays_from_lists(args)
    with tape.inside():
        _build(original, layer, args, kwargs)
    found, split = structure(layer), compiled._Split(args, kwargs)
    masks, frame = [masking.get_mask(x) for x in split.arrays], binding.current()
    training = frame.training if frame is not None else None
    if found.ours and compiled._compilable(split):
        key = ("tape", found.key, split.key, training)
        programs, ids = layer._lamina.programs, list(map(id, found.variables))
        program = programs.get(key)
        if program is None or list(map(id, program.found.variables)) != ids:
            program = programs[key] = compiled.Program(layer, found, split, training)
        function = program.compiled
    else:

        def function(values: Any, arrays: Any) -> Any:
            with binding.bind():
                for x, mask in zip(arrays, masks, strict=True):
                    masking.set_mask(x, mask)
                return compiled.purely(layer, found, values, *split.fill(arrays), training)

    arrays = [tensors.get(id(x), x) for x in split.arrays]
    outputs, updates, losses, masks = tape.run(function, (list(found.variables), arrays))
    with tape.inside():
        for place, array in updates.items():
            found.variables[place].assign(unwrap(array))
        calling.clear_losses(layer)
        for place, values in losses.items():
            found.layers[place]._lamina.losses += values
    layer._lamina.lossy = bool(losses)
    for x, mask in zip(nest.flatten(outputs), unwrap(masks), strict=True):
        if mask is not None:
            masking.set_mask(unwrap(x), mask)
    return outputs


def _build(original: Any, layer: Any, args: Any, kwargs: Any) -> None:
    """Make the variables; by one more call, where a user's call cannot run without values."""
    if not structure(layer).built:
        try:
            compiled._build(layer, args, kwargs)
        except LaminaError:
            original(layer, *args, **kwargs)


def _weight_losses(original: Any, self: Any) -> Any:
    if not tape.outermost():
        return original(self)
    regularized = [v for v in self.trainable_variables if v.regularizer is not None]
    return [tape.run(v.regularizer, (v,)) for v in regularized]


# --- Keras 2's arguments ------------------------------------------------------------------------


def _with_initial_weights(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
    weights = kwargs.pop("weights", None)
    original(self, *args, **kwargs)
    if weights is not None:
        self._given.pop("weights", None)
        self._lamina.initial_weights = [unwrap(each) for each in weights]


def _take_initial_weight(original: Any, self: Any, *args: Any, **kwargs: Any) -> Variable:
    """``Dense(3, weights=[kernel, bias])``: each new variable begins with the next array.

    And ``add_weight("kernel", shape=...)``: the name came first.
    """
    if args and isinstance(args[0], str):
        kwargs["name"], *args = args  # type: ignore[assignment]
    variable = original(self, *args, **kwargs)
    waiting = getattr(self._lamina, "initial_weights", None)
    if waiting:
        array = waiting[0]
        if np.shape(array) != variable.shape:
            raise ShapeError(
                f"{self._who()}: an array in `weights` does not fit '{variable.name}'.",
                met=f"{np.shape(array)} for {variable.shape}",
                rule="weights are given in the order of get_weights()",
            )
        variable._initializer = lambda shape, dtype=None: array
        del waiting[0]
    return variable


def _old_rates(original: Any, self: Any, learning_rate: Any, *args: Any, **kwargs: Any) -> None:
    """``Adam(lr=0.1, decay=1e-3)``: the rate, and its division by ``1 + decay * step``."""
    rate, decay = kwargs.pop("lr", learning_rate), kwargs.pop("decay", None)
    if decay:
        rate = late("optimizers.schedules.InverseTimeDecay")(rate, 1, decay)
    for name in ("lr", "decay"):
        self._given.pop(name, None)
    if "learning_rate" in self._given:
        self._given["learning_rate"] = rate
    original(self, rate, *args, **kwargs)
