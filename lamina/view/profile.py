"""`profile`: the measured time and memory of a model, layer by layer."""

import statistics
import time
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import nest
from lamina.core.errors import ArgumentError, DTypeError, describe_value
from lamina.core.tracking import is_layer
from lamina.core.variable import materialize
from lamina.view.axes import page
from lamina.view.cost import Call, call_cost
from lamina.view.describe import kind_of
from lamina.view.facts import count_text
from lamina.view.flow import class_label, flow_of, is_model
from lamina.view.layout import Rect
from lamina.view.plot import Shown
from lamina.view.running import ran
from lamina.view.style import Theme, theme
from lamina.view.svg import CHIP, ROW, TITLE, _rect, _text, text_width
from lamina.view.table import Table, bar, bytes_text

_ARRAYS = (np.ndarray, jax.Array)
LEAST, ENOUGH = 3, 0.5
"""Runs of a step that takes long, and seconds after which there are no more."""
LINE, BAR, MARGIN = 21.0, 300.0, 18.0
"""Sizes of the drawing: a line, the longest bar, the margin."""


@dataclass(frozen=True)
class Timing:
    """What was measured of one step, in all its calls.

    Attributes:
        name, class_name, kind, depth: The step, and how many nested models are around it.
        forward: Seconds of the forward pass.
        both: Seconds of the forward pass and the gradients of inputs and weights; None if not
            asked for.
        memory: Bytes of the outputs and of what the computation needs besides, or None.
        flops: Floating-point operations, or None.
    """

    name: str
    class_name: str
    kind: Any
    forward: float
    both: float | None
    memory: int | None
    flops: int | None
    depth: int = 0

    @property
    def seconds(self) -> float:
        """All that was measured: with the gradients, if they were asked for."""
        return self.forward if self.both is None else self.both

    def __add__(self, other: "Timing") -> "Timing":
        """Both calls of one step."""
        return replace(
            self, forward=self.forward + other.forward,
            both=None if self.both is None else self.both + (other.both or 0.0),
            memory=max(self.memory or 0, other.memory or 0) or None,
            flops=None if self.flops is None else self.flops + (other.flops or 0),
        )  # fmt: skip


class Profile(Shown):
    """Measured times, as a table when printed and as bars in a notebook or a file.

    Attributes:
        rows: A `Timing` for each step.
        whole: The whole model as one compiled program.
    """

    def __init__(self, rows: list[Timing], whole: Timing, style: str = "light") -> None:
        self.rows, self.whole = rows, whole
        super().__init__(_drawn(self, theme(style)))

    @property
    def total(self) -> float:
        """Seconds of all steps, one after the other."""
        return sum(row.seconds for row in self.rows if not row.depth)

    @property
    def table(self) -> Table:
        """What was measured."""
        gradients = self.whole.both is not None
        head = ["Layer (type)", "Forward", *["With gradients"] * gradients]
        head += ["Share", "Memory", "FLOP/s"]
        body = []
        for row in self.rows:
            indent = "   " * (row.depth - 1) + "└ " * (row.depth > 0)
            cells = [f"{indent}{row.name} ({row.class_name})", _seconds(row.forward)]
            cells += [_seconds(row.seconds)] * gradients
            cells += [bar(row.seconds / (self.total or 1.0))]
            cells += ["?" if row.memory is None else bytes_text(row.memory)]
            cells += [count_text(row.flops / (row.forward or 1e-9)) if row.flops else "-"]
            body.append(cells)
        return Table(f"Profile of '{self.whole.name}'", head, body, self.notes, set(head[1:]))

    @property
    def notes(self) -> list[str]:
        """The sum, the whole, and where it was measured."""
        device = jax.devices()[0]
        return [
            f"One after the other: {_seconds(self.total)}",
            f"The whole model as one program: {_seconds(self.whole.seconds)}",
            f"Median of several runs on {device.device_kind or device.platform}",
        ]

    def __repr__(self) -> str:
        return self.table.text()


def profile(
    model: Any, x: Any, backward: bool = False, repeats: int = 10, expand_nested: bool = False,
    training: bool = False, theme: str = "light",
) -> Profile:  # fmt: skip
    """Measure how long each layer takes for given inputs, and how much memory.

    Each step is compiled by itself and run on what the steps before it gave. The first run is not
    counted; of the others the median is. The whole model is measured beside: as one program it is
    often faster than its parts, since XLA joins them.

    Args:
        model: A model, built or not; it is left as it is, but built.
        x: A batch of inputs.
        backward: Whether to measure gradients too.
        repeats: How often each step is run.
        expand_nested: Whether to measure what is inside nested models too.
        training: Whether layers behave as in training.
        theme: "light" or "dark".

    Raises:
        DTypeError: when ``model`` is no layer.
        ArgumentError: when ``repeats`` is no positive number.
        ShapeError: when the inputs do not fit.

    >>> import lamina as keras
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, name="a")])
    >>> found = profile(model, np.ones((8, 3), "float32"))
    >>> [row.name for row in found.rows], found.rows[0].forward > 0
    (['a'], True)
    """
    if not is_layer(model):
        raise DTypeError("A model is profiled.", met=describe_value(model))
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ArgumentError("repeats is a positive int.", met=repr(repeats))
    x = nest.map_structure(jnp.asarray, x)
    model(x)  # says what is wrong with the inputs, and builds
    measure = _Measure(repeats, backward, training)
    rows = measure.steps(model, (x,), {}, expand_nested, 0)
    whole = measure.time(model, (x,), {}, 0)
    return Profile(rows or [whole], whole, theme)


class _Measure:
    def __init__(self, repeats: int, backward: bool, training: bool) -> None:
        self.repeats, self.backward, self.training = repeats, backward, training
        self.compiled: dict[Any, Any] = {}

    def steps(self, model: Any, args: Any, kwargs: Any, expand: bool, depth: int) -> list[Timing]:
        """The rows of a model's steps, those of nested models after each."""
        found: dict[int, list[Timing]] = {}
        for own, given, named, _ in ran(model, args, kwargs):
            rows = [self.time(own, given, named, depth)]
            if expand and is_model(own):
                rows += self.steps(own, given, named, expand, depth + 1)
            before = found.get(id(own))
            found[id(own)] = [a + b for a, b in zip(before, rows, strict=True)] if before else rows
        flow = flow_of(model)
        order = {id(flow.own(step)): place for place, step in enumerate(flow.steps)}
        places = sorted(found, key=lambda place: order.get(place, len(order)))
        return [row for place in places for row in found[place]]

    def time(self, own: Any, args: Any, kwargs: Any, depth: int) -> Timing:
        """Run one call several times; equal calls are compiled once."""
        call = Call(own, args, kwargs, _ARRAYS, self.training)
        materialize(call.variables or ())
        values = [variable.stored() for variable in call.variables or ()]
        given = (values, [jnp.asarray(x) for x in call.arrays])
        programs = self.compiled.get(call.key)
        if programs is None or call.key is None:
            functions = [call.pure, *[_gradients(call.pure)] * self.backward]
            programs = [jax.jit(each).lower(*given).compile() for each in functions]
            self.compiled[call.key] = programs
        forward, *both = (self._median(program, given) for program in programs)
        needed = programs[-1].memory_analysis()
        memory = needed and needed.output_size_in_bytes + needed.temp_size_in_bytes
        cost = call_cost(own, *nest.map_structure(_spec, (args, kwargs)))
        return Timing(
            own.name, class_label(own), kind_of(own), forward, both[0] if both else None,
            memory or None, None if cost is None else cost.flops, depth,
        )  # fmt: skip

    def _median(self, program: Any, given: Any) -> float:
        jax.block_until_ready(program(*given))
        times = []
        while len(times) < self.repeats and (len(times) < LEAST or sum(times) < ENOUGH):
            start = time.perf_counter()
            jax.block_until_ready(program(*given))
            times.append(time.perf_counter() - start)
        return statistics.median(times)


def _spec(x: Any) -> Any:
    return jax.ShapeDtypeStruct(x.shape, x.dtype) if isinstance(x, _ARRAYS) else x


def _gradients(pure: Any) -> Any:
    """The outputs of a call, and the gradients of their sum by all that is a float."""

    def total(values: Any, arrays: Any) -> Any:
        outputs = pure(values, arrays)
        floats = [x for x in outputs if jnp.issubdtype(x.dtype, jnp.floating)]
        return sum((jnp.sum(x, dtype="float32") for x in floats), jnp.float32(0)), outputs

    return jax.value_and_grad(total, (0, 1), has_aux=True, allow_int=True)


def _seconds(value: float) -> str:
    size, unit = (1.0, "s") if value >= 1 else (1e-3, "ms") if value >= 1e-3 else (1e-6, "µs")
    return f"{value / size:.3g} {unit}"


# --- drawing ------------------------------------------------------------------------------------


def _drawn(found: Profile, style: Theme) -> Any:
    """A bar for each step: the forward pass in a full colour, the backward pass in a pale one."""
    left = MARGIN + max(text_width(row.name, ROW) for row in found.rows) + 10.0
    longest = max(row.seconds for row in found.rows) or 1.0
    parts = [_text(f"Profile of '{found.whole.name}'", MARGIN, 24.0, TITLE, style.ink, bold=True)]
    y, end = 44.0, 0.0
    for row in found.rows:
        y += LINE
        colour = style.quiet if row.depth else style.ink
        parts.append(_text(row.name, left - 10.0 - text_width(row.name, ROW), y, ROW, colour))
        stroke = style.stroke(row.kind)
        for seconds, fill in ((row.both, style.fill(row.kind)), (row.forward, stroke)):
            if seconds is not None:
                width = max(BAR * seconds / longest, 0.6)
                parts.append(_rect(Rect(left + width / 2, y, width, 13.0), 1.5, fill, stroke, 0.8))
        label = _seconds(row.forward)
        label += f" of {_seconds(row.both)}" if row.both is not None else ""
        x = left + 7.0 + BAR * max(row.seconds, row.forward) / longest
        parts.append(_text(label, x, y, CHIP, style.quiet))
        end = max(end, x + text_width(label, CHIP))
    notes = ["full: forward; pale: with gradients"] * (found.whole.both is not None) + found.notes
    for note in notes:
        y += LINE if note is not notes[0] else 1.6 * LINE
        parts.append(_text(note, MARGIN, y, ROW, style.quiet))
        end = max(end, MARGIN + text_width(note, ROW))
    return page(f"profile of {found.whole.name}", [parts], style, 1, end + MARGIN, [y + LINE])
