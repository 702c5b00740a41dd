"""The flow inside a layer whose call computes with `jax.numpy`, which takes no symbolic tensors.

The call is traced by JAX. What goes into each layer inside and comes out is marked by an equation
that does nothing but have a name, so the jaxpr says what depends on what. What is computed between
layers becomes a step of its own.
"""

from typing import Any

import jax
from jax.ad_checkpoint import checkpoint_name

from lamina.core import binding, calling, nest
from lamina.core.dtypes import canonical
from lamina.core.fingerprint import structure
from lamina.core.graph import Graph, Node
from lamina.core.operation import Operation
from lamina.core.symbolic import PROBES, SymbolicTensor

MARK = "lamina"
SILENT = frozenset(
    "name convert_element_type broadcast_in_dim squeeze expand_dims reshape stop_gradient copy "
    "select_n split iota gt lt ge le eq ne".split()
)
"""Primitives that name no computation."""


class Computed(Operation):
    """What a call computes between its layers, by the names of the primitives."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        shown = [_titled(name) for name in dict.fromkeys(names)]
        self.label = ", ".join(shown[:3]) + (", …" if len(shown) > 3 else "") or "Reshape"


def _titled(name: str) -> str:
    """The name of a primitive or of a function of JAX as that of a class."""
    parts = name.removeprefix("reduce_").removesuffix("_p").strip("_").split("_")
    return {"Mul": "Multiply", "Sub": "Subtract", "Div": "Divide"}.get(
        found := "".join(part.capitalize() for part in parts), found
    )


def follow(layer: Any, given: dict[str, Any]) -> Graph:
    """The graph of one call of a built layer on these symbolic tensors, by parameter."""
    found = structure(layer)
    calls: list[tuple[Any, list[SymbolicTensor]]] = []

    def pure(values: Any, arrays: Any) -> list[Any]:
        with binding.bind(list(zip(found.variables, values, strict=True)), training=False):
            first, *others = arrays.items()
            outputs = calling.run(layer, (first[1],), dict(others))
        return [x for x in nest.flatten(outputs) if hasattr(x, "shape")]

    def marked(part: Any, original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            number = len(calls)
            calls.append((part, []))
            args, kwargs = _marks((args, kwargs), number, "in")
            return _marks(original(*args, **kwargs), number, "out")

        return call

    variables = [jax.ShapeDtypeStruct(v.shape, v._dtype) for v in found.variables]
    entries = nest.flatten(list(given.values()))
    with calling.around_calls(layer._sublayers(), marked):
        jaxpr = jax.make_jaxpr(pure)(variables, nest.map_structure(_spec, given)).jaxpr
    inputs = jaxpr.invars[len(jaxpr.invars) - len(entries) :]
    return _Reader(dict(zip(inputs, entries, strict=True)), calls).graph(jaxpr, entries)


def _spec(x: SymbolicTensor) -> jax.ShapeDtypeStruct:
    sizes = tuple(PROBES[0] if size is None else size for size in x.shape)
    return jax.ShapeDtypeStruct(sizes, canonical(x.dtype))


def _marks(value: Any, number: int, side: str) -> Any:
    leaves, treedef = nest.flatten_with(value)
    named = [
        checkpoint_name(x, f"{MARK} {number} {side} {k}") if isinstance(x, jax.Array) else x
        for k, x in enumerate(leaves)
    ]
    return nest.unflatten(treedef, named)


class _Reader:
    """Reads a marked jaxpr from top to bottom."""

    def __init__(self, known: dict[Any, SymbolicTensor], calls: list[Any]) -> None:
        self.known: dict[Any, SymbolicTensor | None] = dict(known)
        self.equations: dict[Any, Any] = {}
        self.calls = calls
        self.waiting: dict[int, list[SymbolicTensor]] = {}

    def graph(self, jaxpr: Any, given: list[SymbolicTensor]) -> Graph:
        for equation in jaxpr.eqns:
            mark = str(equation.params.get("name", "")).split()
            if equation.primitive.name == "name" and mark[:1] == [MARK]:
                self._mark(int(mark[1]), mark[2], equation)
            else:
                self.equations |= dict.fromkeys(equation.outvars, equation)
        outputs = [self.tensor(x) for x in jaxpr.outvars]
        return Graph(given, [x for x in outputs if x is not None])

    def _mark(self, number: int, side: str, equation: Any) -> None:
        (inside,), (outside,) = equation.invars, equation.outvars
        inputs = self.waiting.setdefault(number, [])
        if side == "in":
            x = self.tensor(inside)
            self.known[outside] = x
            inputs += [] if x is None else [x]
            return
        made = _like(outside)
        self.known[outside] = made
        part, outputs = self.calls[number]
        outputs.append(made)
        if len(outputs) > 1:  # a node holds all outputs of its call
            del part._nodes[-1:]
        Node(part, tuple(inputs), {}, list(outputs))

    def tensor(self, var: Any) -> SymbolicTensor | None:
        """The tensor that a variable stands for; None for constants and weights."""
        if _literal(var) or var in self.known or var not in self.equations:
            return None if _literal(var) else self.known.get(var)
        names: list[str] = []
        leaves: dict[int, SymbolicTensor] = {}
        stack, done = [var], {var}
        while stack:
            equation = self.equations[stack.pop()]
            names.insert(0, _name(equation))
            for x in equation.invars:
                if _literal(x) or x in done:
                    continue
                done.add(x)
                if (leaf := self.known.get(x)) is not None:
                    leaves[id(leaf)] = leaf
                elif x in self.equations and x not in self.known:
                    stack.append(x)
        names = [name for name in names if name not in SILENT]
        found = next(iter(leaves.values()), None)
        if found is not None and (names or len(leaves) > 1 or _like(var).shape != found.shape):
            found = _like(var)
            Node(Computed(names), tuple(leaves.values()), {}, found)
        self.known[var] = found
        return found


def _literal(var: Any) -> bool:
    return hasattr(var, "val")


def _name(equation: Any) -> str:
    """What an equation computes: the function of JAX, where it calls one."""
    name, params = equation.primitive.name, equation.params
    if name == "custom_jvp_call":
        inner = params["call_jaxpr"].jaxpr.eqns
        return str(inner[0].params.get("name", name)) if inner else name
    return str(params.get("name", name)) if name in ("jit", "pjit") else name


def _like(var: Any) -> SymbolicTensor:
    sizes = [None if size in PROBES else size for size in var.aval.shape]
    return SymbolicTensor(sizes, str(var.aval.dtype))
