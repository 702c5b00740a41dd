"""`Operation`, a step of a graph; and `@op`, which makes an array function one.

An `@op` function called with arrays is that function. Called with a symbolic tensor among its
arguments, at any depth, it records a node instead, whose shape and dtype come from evaluating the
function abstractly.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from lamina.core import symbolic
from lamina.core.configurable import Configurable
from lamina.core.errors import LaminaError, NotDefinedError, ShapeError
from lamina.core.graph import Node
from lamina.core.naming import auto_name, check_name
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Nest
from lamina.core.variable import Variable

OPS: dict[str, Callable[..., Any]] = {}
"""Every `@op` function by name."""


class Operation(Configurable):
    """Something that takes and gives tensors, and can be a step of a graph.

    Subclasses define ``call``; ``compute_output_spec`` only where evaluating ``call`` abstractly
    is not right.
    """

    name: Any
    _nodes: list[Node]

    def __init__(self, name: str | None = None) -> None:
        self.name = auto_name(type(self).__name__) if name is None else check_name(name, "A step")
        self._nodes = []

    def __call__(self, *args: Any, **kwargs: Any) -> Nest:
        if symbolic.any_symbolic(args) or symbolic.any_symbolic(kwargs.values()):
            return self.symbolic_call(*args, **kwargs)
        return self.call(*args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Nest:
        """The computation, on arrays."""
        raise NotDefinedError(f"{type(self).__name__} defines no call().")

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Nest:
        """Record a call on symbolic tensors as a node; returns its symbolic outputs."""
        output = self.compute_output_spec(*args, **kwargs)
        Node(self, args, kwargs, output)
        return output

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Nest:
        """Symbolic tensors with the shapes and dtypes that ``call`` would give."""
        return symbolic.evaluate(lambda a, k: self.call(*a, **k), args, kwargs)

    def _call_arguments(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The arguments of a call by parameter name, defaults included."""
        return _bound(self.call, args, kwargs)

    @property
    def input(self) -> Nest:
        """The symbolic input of the only call on symbolic tensors."""
        inputs = self._only_node("input").inputs
        return inputs[0] if len(inputs) == 1 else inputs

    @property
    def output(self) -> Nest:
        """The symbolic output of the only call on symbolic tensors."""
        return self._only_node("output").output

    @property
    def _inbound_nodes(self) -> list[Node]:
        return self._nodes

    def _only_node(self, what: str) -> Node:
        if not self._nodes:
            raise ShapeError(
                f"'{self.name}' has no {what} yet.",
                rule=f"a layer has an {what} once it was called on a symbolic tensor",
                fix="call it on a lamina.Input(...) first",
            )
        if len(self._nodes) > 1 and what == "output":
            return self._nodes[0]
        return self._nodes[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


class FunctionOperation(Operation):
    """A call of an `@op` function on symbolic tensors, as a step of a graph."""

    def __init__(self, function: str, name: str | None = None) -> None:
        super().__init__(name or auto_name(function))
        self.function = function

    def fingerprint_parts(self) -> str:
        """What the step computes, apart from its name."""
        return self.function

    def call(self, *args: Any, **kwargs: Any) -> Nest:
        return OPS[self.function](*args, **kwargs)

    def _call_arguments(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return _bound(OPS[self.function].plain, args, kwargs)  # type: ignore[attr-defined]

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Nest:
        rule = OPS[self.function].shape_rule  # type: ignore[attr-defined]
        plain = OPS[self.function].plain  # type: ignore[attr-defined]
        try:
            if rule is not None:
                return rule(*args, **kwargs)
            return symbolic.evaluate_fitting(lambda a, k: plain(*a, **k), args, kwargs)
        except LaminaError:
            raise
        except Exception as error:
            raise refused(self.function, (*args, *kwargs.values()), error) from error


def _bound(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def first_line(error: BaseException) -> str:
    """The first line of an error's message; sizes that stand for unknown ones shown as None."""
    text = str(error).strip().split("\n", 1)[0]
    for probe in symbolic.PROBES:
        text = text.replace(str(probe), "None")
    return text


def refused(function: str, arguments: Iterable[Any], error: BaseException) -> ShapeError:
    """The error for arguments that an op cannot take, with the first line of jax's own."""
    what = f"ops.{function} cannot take these arguments: {first_line(error)}"
    return ShapeError(what, met=", ".join(map(_shown, arguments)))


def _shown(x: Any) -> str:
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"{symbolic.declared_shape(x)} {x.dtype}"
    if isinstance(x, (list, tuple)) and any(hasattr(each, "shape") for each in x):
        return "[" + ", ".join(_shown(each) for each in x) + "]"
    return repr(x) if isinstance(x, (int, float, str, bool, tuple, list)) else type(x).__name__


def op(
    function: Callable[..., Any] | None = None,
    *,
    shape: Callable[..., Nest] | None = None,
    name: str | None = None,
) -> Any:
    """Make an array function one that also takes symbolic tensors.

    Args:
        function: A pure function of arrays and static values.
        shape: A rule that gives the symbolic result from the same arguments, where abstract
            evaluation cannot (broadcasting of unknown with known sizes).
        name: Name of the operation; the function's own when left out.

    >>> import jax.numpy as jnp
    >>> @op
    ... def doubled(x):
    ...     return jnp.add(x, x)
    >>> doubled(SymbolicTensor((None, 3))).shape, float(doubled(2.0))
    ((None, 3), 4.0)
    """
    if function is None:
        return functools.partial(op, shape=shape, name=name)
    known = name or function.__name__

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        for value in args:
            kind = type(value)
            if kind is SymbolicTensor or (kind in _CONTAINERS and symbolic.any_symbolic(value)):
                return FunctionOperation(known)(*args, **kwargs)
            if kind in _CONTAINERS or isinstance(value, Variable):
                return function(*map(_read, args), **{k: _read(v) for k, v in kwargs.items()})
        if kwargs:
            if symbolic.any_symbolic(kwargs.values()):
                return FunctionOperation(known)(*args, **kwargs)
            kwargs = {key: _read(value) for key, value in kwargs.items()}
        return function(*args, **kwargs)

    wrapper.shape_rule = shape  # type: ignore[attr-defined]
    wrapper.plain = function  # type: ignore[attr-defined]
    OPS[known] = wrapper
    return wrapper


_CONTAINERS = (list, tuple, dict)


def _read(value: Any) -> Any:
    if isinstance(value, Variable):
        return value.value
    if type(value) in (list, tuple) and any(isinstance(each, Variable) for each in value):
        return type(value)(_read(each) for each in value)
    return value
