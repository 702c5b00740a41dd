"""The compiled form of a step: several steps of arrays in one program, or one of a batch.

A loop inside the program saves the cost of starting it (MLP 784-128-64-10, batch 32, two cores:
0.21 ms a step instead of 0.29). XLA on a CPU runs convolutions inside loops slowly, so a step that
convolves there is a program of its own.
"""

from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import binding, calling, nest
from lamina.core.compiled import keeps_batch_size
from lamina.core.errors import ArgumentError, LaminaError, StateError
from lamina.core.fingerprint import ByIdentity, structure
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Array
from lamina.training import step as steps
from lamina.training.callback import Kind
from lamina.training.state import TrainState
from lamina.training.step import Batch, Facts

PROGRAMS_KEPT = 16
WIDE, WIDE_BYTES = 64, 1 << 22
"""Batches predicted as one, at most, and bytes of the largest array in the program then."""
_DEFAULT = {"train": steps.train_step, "test": steps.test_step, "predict": steps.predict_step}
_STATES = {"train": (0, 1, 2, 3), "test": (0, 1, 3), "predict": (0, 1)}


def overridden(model: Any, *names: str) -> bool:
    """Whether the model's class has methods of its own by one of these names."""
    return any(
        not getattr(type(model), name).__module__.startswith("lamina.training") for name in names
    )


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        signature(function).bind(0, 0)
    except TypeError:
        return False
    return True


def _own_step(kind: Kind) -> Callable[..., tuple[TrainState, Any]]:
    """An overridden step, in the form of Keras on JAX, as the form that programs run."""
    places = _STATES[kind]

    def run(model: Any, state: TrainState, batch: Batch, facts: Facts) -> tuple[TrainState, Any]:
        facts.rowwise = False
        given = tuple(list(state[place]) for place in places)
        own = getattr(model, f"{kind}_step")
        result = own(given, batch.data()) if _takes_two(own) else None
        if not isinstance(result, tuple) or len(result) != 2:
            raise ArgumentError(
                f"{type(model).__name__}.{kind}_step has not the form of a step.",
                rule="it takes (state, data) and returns (logs, state); predict_step returns "
                "(outputs, non_trainable_variables)",
            )
        value, new = result
        if kind == "predict":
            return state._replace(non_trainable=list(new)), value
        changed = dict(zip((TrainState._fields[place] for place in places), new, strict=True))
        return state._replace(**{name: list(part) for name, part in changed.items()}), value

    return run


class Program:
    """The compiled steps of one kind for one model."""

    def __init__(self, model: Any, kind: Kind) -> None:
        self.kind = kind
        self.key: Any = None
        self.facts = Facts()
        self.eager = model.run_eagerly or model.jit_compile is False
        own = overridden(model, f"{kind}_step")
        run = _own_step(kind) if own else _DEFAULT[kind]
        self.facts.rowwise = not own and not self.eager and _rowwise(model, kind)
        self.loops = not (
            own or self.eager or kind == "predict"
            or overridden(model, "compute_metrics", "get_metrics_result", "compute_loss")
        )  # fmt: skip
        self.examined = False
        self.widths: dict[int, int] = {}
        facts = self.facts

        def single(state: TrainState, batch: Batch) -> tuple[TrainState, Any]:
            return run(model, state, batch, facts)

        self.pure = inner = single if self.eager else jax.jit(single)

        def several(
            state: TrainState, arrays: Batch, rows: Array, last: Any, begin: Any, count: Any
        ) -> tuple[TrainState, Any]:
            def one(number: Any, state: TrainState) -> tuple[TrainState, Any]:
                batch = jax.tree.map(lambda a: _gather(a, rows[number]), arrays)
                if last is not None:
                    size = jnp.where(number == len(rows) - 1, last, rows.shape[1])
                    batch = batch._replace(real=jnp.arange(rows.shape[1]) < size)
                return inner(state, batch)

            if not self.loops:
                return one(begin, state)
            state = jax.lax.fori_loop(begin, begin + count, lambda i, s: one(i, s)[0], state)
            with binding.bind(list(zip(model.metrics_variables, state.metrics, strict=True))):
                return state, model.get_metrics_result()

        donated = () if kind == "predict" else (0,)
        self.single = self.pure
        if donated and not self.eager:
            self.single = jax.jit(single, donate_argnums=donated)
        self.several = several if self.eager else jax.jit(several, donate_argnums=donated)

    def examine(self, state: TrainState, batch: Batch, short: bool) -> None:
        """Trace the step once, to see whether it may be looped and its batches filled up."""
        if self.examined or self.eager:
            return
        if short and self.facts.rowwise:
            size = nest.flatten(batch.x)[0].shape[0]
            batch = batch._replace(real=np.ones(size, bool))
        trace = self.pure.trace(state, batch)  # type: ignore[union-attr]
        if jax.default_backend() == "cpu" and any(map(_convolves, _equations(trace.jaxpr))):
            self.loops = False
        if self.kind == "predict":
            rows = nest.flatten(batch.x)[0].shape[:1]
            outputs = jax.tree.leaves(trace.out_info[1])
            self.facts.rowwise &= all(x.shape[:1] == rows for x in outputs)
        self.examined = True

    def width(self, state: TrainState, batch: Batch, steps: int) -> int:
        """How many of ``steps`` batches like this one are predicted as one: a power of two.

        One if a row's outputs may depend on others, or where arrays in the program would be large.
        So few that filling up the last program costs a quarter more at most.
        """
        rows = nest.flatten(batch.x)[0].shape[0]
        if not self.facts.rowwise:
            return 1
        if rows not in self.widths:
            jaxpr = self.pure.trace(state, batch).jaxpr  # type: ignore[union-attr]
            arrays = [x.aval for equation in _equations(jaxpr) for x in equation.outvars]
            largest = max((x.size * x.dtype.itemsize for x in arrays), default=1)
            self.widths[rows] = _power(min(WIDE, WIDE_BYTES // max(largest, 1)))
        width = min(self.widths[rows], _power(steps))
        while -steps % width > steps // 4:
            width //= 2
        return width


def _power(limit: int) -> int:
    """The largest power of two up to a limit, or 1."""
    return 1 << max(limit, 1).bit_length() - 1


def _gather(a: Array, rows: Array) -> Array:
    return jnp.asarray(a).at[rows].get(mode="promise_in_bounds")


def _equations(jaxpr: Any) -> Iterator[Any]:
    """The equations of a traced function, those of functions inside included."""
    for equation in jaxpr.eqns:
        yield equation
        for each in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(each):
                yield from _equations(each)


def _convolves(equation: Any) -> bool:
    return equation.primitive.name == "conv_general_dilated"


def _is_jaxpr(value: Any) -> bool:
    return hasattr(value, "eqns")


def _rowwise(model: Any, kind: Kind) -> bool:
    """Whether, going by classes and the graph, each row is computed by itself."""
    if overridden(model, "compute_loss", "compute_metrics") or not structure(model).ours:
        return False
    if kind != "predict":
        parts = (model.compiled_loss, model.compiled_metrics)
        if not all(part is None or part.rowwise() for part in parts):
            return False
    return all(_keeps_rows(layer) for layer in structure(model).layers)


def _keeps_rows(layer: Any) -> bool:
    """Whether nothing in the graph of a layer takes the batch axis away or works along it."""
    graph = getattr(getattr(layer, "_plan", None), "graph", None)
    for node in graph.nodes if graph is not None else ():
        if any(not x.shape or x.shape[0] is not None for x in node.outputs):
            return False
        given = node.operation._call_arguments(*node.args, **node.kwargs)
        if given.get("axis", 1) is None:  # all axes at once: flip, roll, cumsum
            return False
        own = getattr(node.operation, "axis", None)
        first = {0, *(-len(x.shape) for x in node.inputs)}
        axes = nest.flatten([own, list(given.values())])
        if any(type(axis) is int and axis in first for axis in axes):
            return False
    return True


def program_for(model: Any, kind: Kind) -> Program:
    """The program of a kind of step, made anew when something it depends on has changed."""
    programs = model._training.programs
    settings = _settings(model.optimizer) if kind == "train" else ()
    key = (kind, structure(model).key, settings, model.run_eagerly, model.jit_compile)
    program = programs.pop(key, None) or Program(model, kind)
    programs[key] = program
    program.key = key
    while len(programs) > PROGRAMS_KEPT:
        programs.pop(next(iter(programs)))
    return program


def _settings(optimizer: Any) -> tuple[Any, ...]:
    """What a step takes from the optimizer besides its variables: numbers, and a schedule."""
    plain = (bool, int, float, str, type(None))
    found = vars(optimizer).items() if optimizer is not None else ()
    inner = [getattr(optimizer, "inner_optimizer", None), *getattr(optimizer, "optimizers", ())]
    own = ((name, value if isinstance(value, plain) else ByIdentity(value))
           for name, value in found
           if isinstance(value, plain) or callable(value))  # fmt: skip
    return (*own, *(_settings(each) for each in inner if each is not None))


def prepare(model: Any, kind: Kind, batch: Batch) -> None:
    """Build what is not built yet: the model, its losses and metrics, the optimizer's state.

    Losses and metrics are tried abstractly on the outputs, so that targets which do not fit are
    found before the first step.
    """
    loss, metrics = model.compiled_loss, model.compiled_metrics
    pending = kind != "predict" and any(
        part is not None and not part.built for part in (loss, metrics)
    )
    if pending or not structure(model).built:
        rows = keeps_batch_size(model)
        specs = nest.map_structure(lambda x: _symbolic(x, rows), batch.x)
        try:
            outputs = calling.describe_only(model, (specs,), {})
        except LaminaError:
            if not overridden(model, f"{kind}_step"):
                raise
            outputs = None
        if pending and outputs is not None:
            _try_out(model, batch, outputs)
    if kind == "train" and model.optimizer is not None:
        _build_optimizer(model)


def _symbolic(x: Any, rows: bool) -> Any:
    if x is None:
        return None
    return SymbolicTensor(x.shape if rows else (None, *x.shape[1:]), _dtype(x))


def _dtype(x: Any) -> Any:
    return jax.dtypes.canonicalize_dtype(x.dtype)


def _try_out(model: Any, batch: Batch, outputs: Any) -> None:
    rows = nest.flatten(batch.x)[0].shape[0]

    def spec(x: Any) -> Any:
        sizes = tuple(rows if size is None else size for size in x.shape)
        return jax.ShapeDtypeStruct(sizes, _dtype(x))

    def attempt(y: Any, y_pred: Any, weight: Any) -> None:
        with binding.bind(describing=True):
            if model.compiled_loss is not None:
                model.compiled_loss(y, y_pred, weight)
            if model.compiled_metrics is not None:
                model.compiled_metrics.update(y, y_pred, weight)

    y, weight = jax.tree.map(spec, (batch.y, batch.weight))
    jax.eval_shape(attempt, y, nest.map_structure(spec, outputs), weight)


def _build_optimizer(model: Any) -> None:
    optimizer, trainable = model.optimizer, model.trainable_variables
    optimizer.build(trainable)
    known = optimizer._trainable_variables
    if [id(v) for v in known] != [id(v) for v in trainable]:
        names = {v.path for v in known} ^ {v.path for v in trainable}
        raise StateError(
            f"The optimizer of {model._who()} was made for other variables.",
            met=", ".join(sorted(names)[:8]) or "variables of another model",
            rule="which variables are trained is settled by the first fit after compile",
            fix="compile again, with a new optimizer, after changing `trainable` or layers",
        )
