"""A top-level call as one cached XLA program.

A program is keyed by the layer's fingerprint and the static part of the arguments, so it is never
stale: whatever changes the computation changes the key. Shapes and dtypes of the arrays are jit's
own key within a program. A layer keeps a bounded number of both.
"""

import contextlib
import logging
from typing import Any

import jax
import numpy as np
from jax._src.core import trace_state_clean as outside_transformations
from jax.core import Tracer

from lamina.core import binding, masking, nest, tracking
from lamina.core.errors import ShapeError
from lamina.core.fingerprint import Structure, structure
from lamina.core.registry import late
from lamina.core.types import Array, Nest
from lamina.core.variable import Variable, materialize, read_all

PROGRAMS_KEPT = 16
SHAPES_KEPT = 64
SHAPES_NOTED = 8
NOT_COMPILED = object()
_ARRAYS = (np.ndarray, jax.Array)
_log = logging.getLogger("lamina")


def purely(
    layer: Any,
    found: Structure,
    values: list[Array],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    training: bool | None,
) -> tuple[Nest, dict[int, Array], dict[int, list[Array]], list[Any]]:
    """Run a call as a function of the variables' arrays.

    Returns:
        Outputs; new arrays of written variables by their place in ``found.variables``; losses by
        the place of their layer in ``found.layers``; masks of the flat outputs.
    """
    run = late("core.calling.run")
    with binding.bind(dict(zip(found.variables, values, strict=True)), training=training) as trace:
        outputs = read_all(run(layer, args, kwargs))
        masks = [masking.get_mask(x) for x in nest.flatten(outputs)]
    return binding.collected(found, trace, outputs, masks)


class Program:
    """One compiled call of a layer: a fingerprint and static arguments, any shapes."""

    def __init__(self, layer: Any, found: Structure, static: Any, training: bool | None) -> None:
        self.layer = layer
        self.found = found
        self.static = static
        self.training = training
        self.traces = 0
        self.compiled: Any = jax.jit(self._pure)

    def _pure(self, values: list[Array], leaves: list[Array]) -> Any:
        self.traces += 1
        args, kwargs = self.static.fill(leaves)
        return purely(self.layer, self.found, values, args, kwargs, self.training)

    def run(self, leaves: Any, frame: binding.Frame | None = None) -> Nest:
        """Run on the arrays among the arguments, then put updates, losses and masks in place."""
        variables = self.found.variables
        if frame is None:
            values = [variable._array for variable in variables]
            if any(array is None for array in values):
                materialize(variables)
                values = [variable._array for variable in variables]
        else:
            values = [binding.read(variable) for variable in variables]
        before = self.traces
        outputs, updates, losses, masks = self.compiled(values, list(leaves))
        if self.traces != before and not jax.config.jax_disable_jit:  # type: ignore[attr-defined]
            self._note_compilation()
        for index, array in updates.items():
            binding.write(variables[index], array)
        if losses or self.layer._lamina.lossy:
            self._hand_out(losses, frame)
        if any(mask is not None for mask in masks):
            for x, mask in zip(nest.flatten(outputs), masks, strict=True):
                masking.set_mask(x, mask)
        return outputs

    def _hand_out(self, losses: dict[int, list[Array]], frame: binding.Frame | None) -> None:
        calling_losses = [
            (self.found.layers[index], value) for index, many in losses.items() for value in many
        ]
        if frame is not None:
            frame.trace.losses += calling_losses
            return
        late("core.calling.clear_losses")(self.layer)
        late("core.calling.hand_out")(calling_losses)
        self.layer._lamina.lossy = bool(losses)

    def _note_compilation(self) -> None:
        if self.traces == SHAPES_NOTED:
            _log.warning(
                "%s has been compiled for %d input shapes. Every new shape compiles anew; pad "
                "batches to one size to avoid it.",
                self.layer._who(),
                self.traces,
            )
        if self.traces % SHAPES_KEPT == 0:
            self.compiled.clear_cache()


class _One:
    """Static arguments of the commonest call: one positional array."""

    key = "one array"

    def fill(self, leaves: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (leaves[0],), {}


class _Split:
    """Arguments with the arrays taken out, hashable."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        leaves, self.treedef = nest.flatten_with((args, kwargs))
        self.arrays = [leaf for leaf in leaves if isinstance(leaf, _ARRAYS)]
        self.rest = tuple(
            _HOLE if isinstance(leaf, _ARRAYS) else (type(leaf), leaf) for leaf in leaves
        )
        self.key = (self.treedef, self.rest)

    def fill(self, leaves: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        arrays = iter(leaves)
        filled = [next(arrays) if each is _HOLE else each[1] for each in self.rest]
        return nest.unflatten(self.treedef, filled)


_HOLE: Any = ("array",)
_ONE = _One()


def ready(layer: Any, x: Any) -> Program | None:
    """The program of ``layer(x)`` if there is one and nothing changed since it was made."""
    fast = layer._lamina.fast
    if fast is None or fast[0] != tracking.count() or not isinstance(x, _ARRAYS):
        return None
    if isinstance(x, Tracer) or not outside_transformations() or x.dtype == object:
        return None
    return fast[1]


def attempt(
    layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: binding.Frame | None
) -> Nest:
    """Run ``layer(*args, **kwargs)`` as a program; NOT_COMPILED when it has to run eagerly."""
    found = structure(layer)
    if not found.ours or not args or (frame is not None and frame.trace.captures is not None):
        return NOT_COMPILED
    split = _Split(args, kwargs)
    if any(kind is Variable for kind, *_ in split.rest):
        args, kwargs = read_all((args, kwargs))
        split = _Split(args, kwargs)
    if not _compilable(split):
        return NOT_COMPILED
    if not found.built:
        _build(layer, args, kwargs)
    count, found = tracking.count(), structure(layer)
    training = frame.training if frame is not None else None
    one = len(args) == 1 and not kwargs and isinstance(args[0], _ARRAYS)
    static = _ONE if one else split
    key = (found.key, static.key, training)
    programs = layer._lamina.programs
    program = programs.pop(key, None)
    if program is None or any(
        a is not b for a, b in zip(program.found.variables, found.variables, strict=True)
    ):
        program = Program(layer, found, static, training)
    programs[key] = program
    while len(programs) > PROGRAMS_KEPT:
        programs.pop(next(iter(programs)))
    if one and training is None:
        layer._lamina.fast = (count, program)
    return program.run(split.arrays, frame)


def _compilable(split: _Split) -> bool:
    if any(masking.get_mask(x) is not None for x in split.arrays):
        return False
    if not split.arrays or any(isinstance(leaf, Tracer) for leaf in split.arrays):
        return False
    if any(isinstance(x, np.ndarray) and x.dtype.kind in "OUS" for x in split.arrays):
        return False
    try:
        hash(split.rest)
    except TypeError:
        return False
    return True


def _build(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Create the variables by evaluating the call abstractly, on the shapes of these arrays."""
    tensor = late("core.symbolic.SymbolicTensor")

    def describe(whole: bool) -> None:
        def stand_in(x: Any) -> Any:
            if not isinstance(x, _ARRAYS):
                return x
            return tensor(x.shape if whole or not x.ndim else (None, *x.shape[1:]), x.dtype)

        late("core.calling.describe_only")(layer, *nest.map_structure(stand_in, (args, kwargs)))

    try:
        describe(keeps_batch_size(layer))
    except ShapeError:
        with contextlib.suppress(ShapeError):
            # perhaps not every array begins with the batch: a mask is (length, positions)
            return describe(True)
        raise


def keeps_batch_size(layer: Any) -> bool:
    """Whether a layer inside keeps something for each row of a batch, so is built for one size."""
    return any(getattr(each, "stateful", False) for each in layer._flatten_layers())


__all__ = [
    "NOT_COMPILED", "Program", "attempt", "keeps_batch_size", "outside_transformations", "purely",
    "ready",
]  # fmt: skip
