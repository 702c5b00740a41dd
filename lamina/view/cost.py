"""What a step costs: multiply-adds, FLOPs, bytes of its outputs and of its parameters.

A call is traced without arrays, and the primitives of its jaxpr are counted. So any layer and any
op has a cost, and no weight is made for it. The rules:

- Multiply-adds are those of matrix products and convolutions, padding included; of a transposed
  convolution, those of its input's elements with the kernel.
- FLOPs are two for each multiply-add, and one for each element of every other computation on
  floats: of the output if it goes element by element, of the input if it is a reduction. Moving,
  comparing with no result in floats, and integers are free.
- The body of a scan counts as often as it runs; of a condition, the branch that costs most. The
  body of a loop whose length depends on the data counts once.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lamina.core import binding, calling, masking, nest
from lamina.core.compiled import keeps_batch_size
from lamina.core.dtypes import canonical
from lamina.core.errors import ArgumentError, DTypeError, ShapeError, describe_value
from lamina.core.fingerprint import structure
from lamina.core.symbolic import SymbolicTensor
from lamina.core.tracking import is_layer, unique
from lamina.core.variable import read_all
from lamina.view.flow import Entry, Flow, flow_of, is_model

Spec = jax.ShapeDtypeStruct


@dataclass(frozen=True)
class Cost:
    """What one forward pass costs.

    >>> Cost(macs=3, flops=6) + Cost(flops=1, activations=4)
    Cost(macs=3, flops=7, activations=4, parameters=0)

    Attributes:
        macs: Multiply-adds of matrix products and convolutions.
        flops: Floating point operations, two of them for a multiply-add.
        activations: Bytes of the outputs of all steps.
        parameters: Bytes of the variables.
    """

    macs: int = 0
    flops: int = 0
    activations: int = 0
    parameters: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def cost(model: Any, batch_size: int = 1, input_shapes: Any = None) -> Cost | None:
    """What one forward pass of a model, or of any layer, costs.

    Args:
        model: A model or any other layer.
        batch_size: What stands for a free first size of the inputs.
        input_shapes: Shapes of the inputs, batch included, where other sizes are free too: one, or
            a list with one for each input.

    Returns:
        None where it is not known: the layer is not built, or a size of an input is free.

    Raises:
        ArgumentError: when the batch size is no positive number.
        ShapeError: when the shapes are not those of the model's inputs.

    >>> import lamina as keras
    >>> cost(keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)]))
    Cost(macs=12, flops=28, activations=16, parameters=64)
    """
    if not is_layer(model):
        raise DTypeError("A model or a layer has a cost.", met=describe_value(model))
    flow = flow_of(model)
    inputs = input_specs(model, flow, batch_size, input_shapes)
    if flow.graph is not None:
        whole = total(model, flow, step_costs(flow, inputs))
        if whole is not None or not isinstance(model._lamina.build_shapes, dict):
            return whole
    if not model.built or not inputs or None in inputs:
        return None
    rest = iter(inputs)
    given = {name.removesuffix("_shape"): nest.map_shapes(lambda _: next(rest), shapes)
             for name, shapes in model._lamina.build_shapes.items()}  # fmt: skip
    first = given.pop(next(iter(given)))
    return _call(model, (first,), given)[0]


def input_specs(
    model: Any, flow: Flow, batch_size: int = 1, input_shapes: Any = None
) -> list[Spec | None]:
    """Shapes and dtypes of a layer's inputs; None where a size is free."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ArgumentError("batch_size is a positive int.", met=repr(batch_size))
    shapes: list[Any] = []
    if flow.graph is not None:
        shapes, kinds = [x.shape for x in flow.graph.inputs], [x.dtype for x in flow.graph.inputs]
    else:
        for each in (model._lamina.build_shapes or {}).values():
            nest.map_shapes(shapes.append, each)
        if not keeps_batch_size(model):  # they may be those of the first batch
            shapes = [(None, *shape[1:]) if len(shape) > 1 else shape for shape in shapes]
        kinds = [model.compute_dtype] * len(shapes)
    if input_shapes is not None:
        given = [input_shapes] if nest.is_shape(input_shapes) else list(input_shapes)
        if len(given) != len(shapes) or not all(map(_fits, given, shapes)):
            raise ShapeError(
                f"input_shapes does not fit {model._who()}.",
                met=", ".join(map(str, given)),
                rule=f"its inputs are {', '.join(map(str, shapes))}",
            )
        shapes = given
    return [_spec(shape, kind, batch_size) for shape, kind in zip(shapes, kinds, strict=True)]


def _fits(given: Any, known: Any) -> bool:
    pairs = zip(given, known, strict=False)
    return len(given) == len(known) and all(None in (a, b) or a == b for a, b in pairs)


class Costs(NamedTuple):
    """The costs of the steps of a flow.

    Attributes:
        steps: By the ``id`` of the step; of all its calls, if it has several. None if not known.
        inputs: For each call of a step the shapes and dtypes of its inputs.
        outputs: Shapes and dtypes of what the flow gives.
    """

    steps: dict[int, Cost | None]
    inputs: dict[int, list[list[Spec | None]]]
    outputs: list[Spec | None]


def call_cost(own: Any, args: Any, kwargs: Any) -> Cost | None:
    """What one call of a layer or an op costs, with shapes and dtypes in the place of arrays."""
    return _step(own, args, kwargs)[0]


def step_costs(flow: Flow, inputs: Sequence[Spec | None] = ()) -> Costs:
    """What each step costs; shapes are followed from step to step.

    Args:
        flow: What a layer is made of.
        inputs: Shapes and dtypes of the flow's inputs; without them, those that it was described
            for, and 1 for a free first size.
    """
    graph, found = flow.graph, Costs({}, defaultdict(list), [])
    if graph is None:
        return found._replace(steps=dict.fromkeys(map(id, flow.steps)))
    specs = {id(x): spec for x, spec in zip(graph.inputs, inputs, strict=False)}

    def known(x: Any) -> Spec | None:
        return specs.get(id(x)) or _spec(x.shape, x.dtype, 1)

    for node in graph.nodes:
        own, place = flow.own(node.operation), id(node.operation)
        one: Cost | None = Cost()
        if node.inputs and not isinstance(own, Entry):
            given = [known(x) for x in node.inputs]
            found.inputs[place].append(given)
            one, outputs = None, []
            if None not in given:
                one, outputs = _step(own, *nest.map_structure(
                    lambda x: known(x) if isinstance(x, SymbolicTensor) else x,
                    (node.args, node.kwargs),
                ))  # fmt: skip
            if len(outputs) == len(node.outputs):
                specs |= {id(x): spec for x, spec in zip(node.outputs, outputs, strict=True)}
        before = found.steps.get(place, Cost())
        found.steps[place] = None if one is None or before is None else before + one
    for step in flow.steps:
        one = found.steps.setdefault(id(step), None)
        if one is not None:
            found.steps[id(step)] = replace(one, parameters=_held(flow.own(step)))
    return found._replace(outputs=[known(x) for x in graph.outputs])


def total(layer: Any, flow: Flow, costs: Costs) -> Cost | None:
    """The sum of the steps, each variable counted once."""
    used = [costs.steps[id(step)] for step in flow.steps]
    if None in used:
        return None
    return replace(sum((each for each in used if each), Cost()), parameters=_held(layer))


def size_of(shape: Sequence[int], dtype: Any) -> int:
    """Bytes of an array.

    >>> size_of((3, 2), "bfloat16"), size_of((3,), "int4")
    (12, 2)
    """
    bits = 4 if str(dtype) in ("int4", "uint4") else 8 * jnp.dtype(dtype).itemsize
    return -(-math.prod(shape) * bits // 8)


def _spec(shape: Sequence[int | None], dtype: Any, batch: int) -> Spec | None:
    sizes = [batch if n is None and not place else n for place, n in enumerate(shape)]
    return None if None in sizes else Spec(tuple(sizes), canonical(dtype))  # type: ignore[arg-type]


def _held(layer: Any) -> int:
    return sum(size_of(v.shape, v._dtype) for v in unique(layer.weights)) if is_layer(layer) else 0


def _step(own: Any, args: Any, kwargs: Any) -> tuple[Cost | None, list[Any]]:
    """Cost, and shapes and dtypes of the outputs, of one call."""
    if is_model(own):  # by its steps, since their outputs are activations too
        flow = flow_of(own)
        given = [x for x in nest.flatten((args, kwargs)) if isinstance(x, Spec)]
        if flow.graph is not None and len(given) == len(flow.graph.inputs):
            found = step_costs(flow, given)
            whole = total(own, flow, found)
            if whole is not None and None not in found.outputs:
                return whole, found.outputs
    return _call(own, args, kwargs)


_known: dict[Any, tuple[Cost, list[Spec]]] = {}
KNOWN_KEPT = 4096


def _call(own: Any, args: Any, kwargs: Any) -> tuple[Cost | None, list[Any]]:
    """`_step` by the jaxpr of the call; equal calls are traced once."""
    found = Call(own, args, kwargs, Spec)
    if found.variables is None:
        return None, []
    if found.key in _known:
        return _known[found.key]
    variables = [Spec(v.shape, v._dtype) for v in found.variables]
    try:
        jaxpr = jax.make_jaxpr(found.pure)(variables, found.arrays)
    except Exception:  # what cannot run without values has no cost that we know
        return None, []
    outputs = [Spec(x.shape, x.dtype) for x in jaxpr.out_avals]
    macs, flops = count(jaxpr.jaxpr)
    result = Cost(macs, flops, sum(size_of(x.shape, x.dtype) for x in outputs), _held(own)), outputs
    if found.key is not None:
        _known[found.key] = result
        if len(_known) > KNOWN_KEPT:
            _known.pop(next(iter(_known)))
    return result


class Call:
    """One call of a layer or an op, as a pure function.

    Attributes:
        variables: The layer's variables; none for an op, None for a layer that is not built.
        arrays: The arguments that are arrays, those of the type ``kind``; then their masks.
        key: A value equal for calls that compute the same; None if that cannot be told.
    """

    def __init__(
        self, own: Any, args: Any, kwargs: Any, kind: Any, training: bool | None = False
    ) -> None:
        self.own, self.training = own, training
        self._leaves, self._treedef = nest.flatten_with((args, kwargs))
        self._places = [place for place, x in enumerate(self._leaves) if isinstance(x, kind)]
        self.arrays = [self._leaves[place] for place in self._places]
        self._masked = [n for n, x in enumerate(self.arrays) if masking.get_mask(x) is not None]
        self.arrays += [masking.get_mask(self.arrays[n]) for n in self._masked]
        found = structure(own) if is_layer(own) else None
        self.variables = [] if found is None else found.variables if found.built else None
        what = found.key if found and found.ours else getattr(own, "function", None)
        specs = tuple((x.shape, str(x.dtype)) if isinstance(x, kind) else (type(x), x)
                      for x in self._leaves)  # fmt: skip
        key = (what, self._treedef, specs, tuple(self._masked), training)
        try:
            self.key = None if what is None or hash(key) is None else key
        except TypeError:  # an argument that cannot be compared
            self.key = None

    def pure(self, values: Any, arrays: Any) -> list[Any]:
        """The outputs, flat, for arrays in the place of the variables and of the arguments."""
        filled = list(self._leaves)
        for place, array in zip(self._places, arrays, strict=False):
            filled[place] = array
        args, kwargs = nest.unflatten(self._treedef, filled)
        if not is_layer(self.own):
            outputs = self.own.call(*args, **kwargs)
        else:
            pairs = list(zip(self.variables or (), values, strict=True))
            with binding.bind(pairs, training=self.training):
                for n, mask in zip(self._masked, arrays[len(self._places) :], strict=True):
                    masking.set_mask(arrays[n], mask)
                outputs = read_all(calling.run(self.own, tuple(args), kwargs))
        return [x for x in nest.flatten(outputs) if hasattr(x, "shape")]


# --- counting primitives ------------------------------------------------------------------------

MOVES = frozenset(
    "broadcast_in_dim reshape transpose squeeze expand_dims slice dynamic_slice gather scatter "
    "dynamic_update_slice concatenate pad rev iota select_n convert_element_type copy copy_p split "
    "stop_gradient optimization_barrier device_put bitcast_convert_type reduce_precision sort "
    "top_k argmax argmin random_bits random_seed random_wrap random_unwrap".split()
)
"""Primitives that compute no float."""
INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")


def count(jaxpr: Any) -> tuple[int, int]:
    """Multiply-adds and FLOPs of a jaxpr.

    >>> count(jax.make_jaxpr(lambda x: jnp.tanh(x @ x))(jnp.ones((2, 2))).jaxpr)
    (8, 20)
    """
    macs = flops = 0
    for equation in jaxpr.eqns:
        one = _count_equation(equation)
        macs, flops = macs + one[0], flops + one[1]
    return macs, flops


def _count_equation(equation: Any) -> tuple[int, int]:
    name, params = equation.primitive.name, equation.params
    if name in _PRODUCTS:
        macs = _PRODUCTS[name](equation, *(v.aval.shape for v in equation.invars[:2]))
        return macs, 2 * macs
    if name == "cond":
        platforms = params.get("branches_platforms")
        branches = [count(each.jaxpr) for each in params["branches"]]
        return branches[-1] if platforms else max(branches, key=lambda each: each[1])
    if name == "while":
        parts = [count(params[part].jaxpr) for part in ("cond_jaxpr", "body_jaxpr")]
        return parts[0][0] + parts[1][0], parts[0][1] + parts[1][1]
    inner = next((params[key] for key in INNER if key in params), None)
    if inner is not None and name != "reduce":
        macs, flops = count(getattr(inner, "jaxpr", inner))
        times = params["length"] if name == "scan" else 1
        return macs * times, flops * times
    floats = [v.aval for v in equation.outvars if jnp.issubdtype(v.aval.dtype, jnp.inexact)]
    if name in MOVES or not floats:
        return 0, 0
    if name.startswith("reduce_window"):
        return 0, floats[0].size * math.prod(params["window_dimensions"])
    if name.startswith("reduce"):
        return 0, equation.invars[0].aval.size
    if name.startswith("scatter"):  # adds its third operand to places of the first
        return 0, equation.invars[2].aval.size
    return 0, sum(each.size for each in floats)


def _dot(equation: Any, left: Any, right: Any) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    return equation.outvars[0].aval.size * math.prod(left[axis] for axis in contracted)


def _convolution(equation: Any, data: Any, kernel: Any) -> int:
    params = equation.params
    numbers, apart = params["dimension_numbers"], params["lhs_dilation"]
    patch = math.prod(kernel) // kernel[numbers.rhs_spec[0]]  # numbers of the kernel by output
    if all(step == 1 for step in apart):
        return equation.outvars[0].aval.size * patch
    positions = math.prod(data) // data[numbers.lhs_spec[1]] * kernel[numbers.rhs_spec[0]]
    return positions * patch // math.prod(params["window_strides"])


def _own_convolution(equation: Any, left: Any, right: Any) -> int:
    """Of `ops.fast.convolution`: outputs times the kernel's numbers for each, whichever is made."""
    made = equation.outvars[0].aval.shape
    shapes = {"y": (made, right), "x": (left, right), "k": (right, made)}
    output, kernel = shapes[equation.params["role"]]
    return math.prod(output) * math.prod(kernel[:-1])


_PRODUCTS: dict[str, Callable[..., int]] = {
    "dot_general": _dot,
    "conv_general_dilated": _convolution,
    "lamina_conv": _own_convolution,
}
