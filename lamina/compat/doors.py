"""Where tensors of the facade meet Lamina's classes: methods that are replaced while it is on.

A door takes tensors in as arrays and hands arrays out as tensors. There are two kinds: a recorded
one is a step of the tapes in force; a closed one is plain Lamina inside, whatever it calls.
"""

import functools
import importlib
import itertools
from collections.abc import Callable
from typing import Any

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

_replaced: list[tuple[type, str, Any]] = []
_ABSENT = object()
KINDS = ("train", "test", "predict")


def open_all() -> None:
    """Put the doors in."""
    _replace(Layer, "__call__", _layer_call)
    _replace(Layer, "__init__", _with_initial_weights)
    _replace(Layer, "add_weight", _take_initial_weight)
    _replace(Layer, "_weight_losses", _weight_losses)
    for name, method in operators.operator_methods().items():
        _replace(Variable, name, functools.partial(_variable_method, method))
        _replace(SymbolicTensor, name, _described)
    _replace(Variable, "__repr__", lambda original: operators.shown)
    for name in ("assign", "assign_add", "assign_sub"):
        _replace(Variable, name, _closed)
    _replace(late("losses.Loss"), "__call__", _recorded)
    for cls in vars(importlib.import_module("lamina.metrics")).values():
        for name in ("update_state", "result"):
            if isinstance(cls, type) and name in vars(cls):
                _replace(cls, name, _closed)
    optimizer = late("optimizers.Optimizer")
    _replace(optimizer, "__init__", _old_rates)
    for name in ("apply", "apply_gradients"):
        _replace(optimizer, name, _closed_but_numbers)
    trainer = late("training.trainer.Trainer")
    _replace(trainer, "compute_loss", _compute_loss)
    for name in ("fit", "evaluate", "predict", *(f"{kind}_on_batch" for kind in KINDS)):
        _replace(trainer, name, _training)
    for cls in vars(importlib.import_module("lamina.regularizers")).values():
        if isinstance(cls, type) and "__call__" in vars(cls):
            _replace(cls, "__call__", _recorded)


def close_all() -> None:
    """Put back what was there."""
    while _replaced:
        cls, name, original = _replaced.pop()
        if original is _ABSENT:
            delattr(cls, name)
        else:
            setattr(cls, name, original)


def _replace(cls: type, name: str, door: Callable[[Any], Any]) -> None:
    original = getattr(cls, name)
    _replaced.append((cls, name, vars(cls).get(name, _ABSENT)))
    setattr(cls, name, functools.wraps(original)(door(original)))


# --- the kinds of doors -------------------------------------------------------------------------


def _recorded(original: Any) -> Any:
    def door(self: Any, *args: Any, **kwargs: Any) -> Any:
        return tape.run(functools.partial(original, self), args, kwargs)

    return door


def _closed(original: Any) -> Any:
    def door(self: Any, *args: Any, **kwargs: Any) -> Any:
        outermost = tape.outermost()
        with tape.inside():
            result = original(self, *unwrap(args), **unwrap(kwargs))
        return tape.wrap(result) if outermost else result

    return door


def _closed_but_numbers(original: Any) -> Any:
    """A closed door of methods whose results are NumPy's arrays and numbers in TensorFlow too."""

    def door(self: Any, *args: Any, **kwargs: Any) -> Any:
        args = tuple(list(each) if _is_pairs(each) else each for each in args)
        with tape.inside():
            return original(self, *unwrap(args), **unwrap(kwargs))

    return door


def _training(original: Any) -> Any:
    closed = _closed_but_numbers(original)

    def door(self: Any, *args: Any, **kwargs: Any) -> Any:
        cls = type(self)
        for name in (f"{kind}_step" for kind in KINDS):
            step = getattr(cls, name)
            if list(signature(step).parameters) == ["self", "data"]:
                setattr(cls, name, _pure_step(step, name))
        return closed(self, *args, **kwargs)

    return door


def _compute_loss(original: Any) -> Any:
    """The compiled loss as one step, of all the variables of training and of the arguments."""

    def door(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not tape.active():
            return original(self, *unwrap(args), **unwrap(kwargs))
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

    return door


def _pure_step(step: Any, name: str) -> Any:
    """``train_step(self, data)``, which changes variables, in the form that training runs."""
    parts = {"train_step": (0, 1, 2, 3), "test_step": (0, 1, 3), "predict_step": (0, 1)}[name]

    @functools.wraps(step)
    def pure(self: Any, state: Any, data: Any = _ABSENT) -> Any:
        if data is _ABSENT:  # super().train_step(data) of a subclass
            return step(self, state)
        groups = [variables_of(self)[part] for part in parts]
        variables, arrays = itertools.chain(*groups), itertools.chain(*state)
        with binding.bind(list(zip(variables, arrays, strict=True))) as trace:
            result = unwrap(step(self, data))
        changed = tuple([trace.values[each] for each in group] for group in groups)
        return result, changed[1] if name == "predict_step" else changed

    del pure.__wrapped__  # signature() would follow it
    return pure


def _is_pairs(value: Any) -> bool:
    return isinstance(value, zip)


def _described(original: Any) -> Any:
    return lambda self, *args: original(self, *unwrap(args))


def _variable_method(method: Any, original: Any) -> Any:
    def door(self: Any, *args: Any) -> Any:
        if not tape.outermost() or any_symbolic(args):
            return original(self, *unwrap(args))
        return method(self, *args)

    return door


# --- layers -------------------------------------------------------------------------------------


def _layer_call(original: Any) -> Any:
    def door(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not tape.outermost():
            return unwrap(original(layer, *unwrap(args), **unwrap(kwargs)))
        plain_args, plain_kwargs = unwrap(args), unwrap(kwargs)
        if any_symbolic(plain_args) or any_symbolic(plain_kwargs.values()):
            return original(layer, *plain_args, **plain_kwargs)
        if not tape.active():
            return tape.wrap(original(layer, *plain_args, **plain_kwargs))
        return _taped_call(original, layer, args, kwargs)

    return door


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


def _weight_losses(original: Any) -> Any:
    def door(self: Any) -> Any:
        if not tape.outermost():
            return original(self)
        regularized = [v for v in self.trainable_variables if v.regularizer is not None]
        return [tape.run(v.regularizer, (v,)) for v in regularized]

    return door


# --- Keras 2's arguments ------------------------------------------------------------------------


def _with_initial_weights(original: Any) -> Any:
    def door(self: Any, *args: Any, **kwargs: Any) -> None:
        weights = kwargs.pop("weights", None)
        original(self, *args, **kwargs)
        if weights is not None:
            self._given.pop("weights", None)
            self._lamina.initial_weights = [unwrap(each) for each in weights]

    return door


def _take_initial_weight(original: Any) -> Any:
    """``Dense(3, weights=[kernel, bias])``: each new variable begins with the next array.

    And ``add_weight("kernel", shape=...)``: the name came first.
    """

    def door(self: Any, *args: Any, **kwargs: Any) -> Variable:
        if args and isinstance(args[0], str):
            kwargs["name"], *args = args  # type: ignore[assignment]
        variable = original(self, *args, **kwargs)
        waiting = getattr(self._lamina, "initial_weights", None)
        if waiting:
            array = waiting.pop(0)
            if tuple(getattr(array, "shape", ())) != variable.shape:
                raise ShapeError(
                    f"{self._who()}: an array in `weights` does not fit '{variable.name}'.",
                    met=f"{getattr(array, 'shape', type(array))} for {variable.shape}",
                    rule="weights are given in the order of get_weights()",
                )
            variable._initializer = lambda shape, dtype=None: array
        return variable

    return door


def _old_rates(original: Any) -> Any:
    """``Adam(lr=0.1, decay=1e-3)``: the rate, and its division by ``1 + decay * step``."""

    def door(self: Any, learning_rate: Any, *args: Any, **kwargs: Any) -> None:
        rate, decay = kwargs.pop("lr", learning_rate), kwargs.pop("decay", None)
        if decay:
            rate = late("optimizers.schedules.InverseTimeDecay")(rate, 1, decay)
        for name in ("lr", "decay"):
            self._given.pop(name, None)
        if "learning_rate" in self._given:
            self._given["learning_rate"] = rate
        original(self, rate, *args, **kwargs)

    return door
