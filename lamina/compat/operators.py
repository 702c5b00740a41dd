"""Operators of tensors and variables, which record themselves on tapes; and ``tf.Variable``."""

import operator
from typing import Any

import jax
import numpy as np

from lamina import ops
from lamina.compat import tape
from lamina.compat.tensor import Tensor, below, unwrap
from lamina.core.variable import Variable as LaminaVariable

OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide",
    "floordiv": "floor_divide", "mod": "mod", "pow": "power", "matmul": "matmul",
    "and": "logical_and", "or": "logical_or", "xor": "logical_xor", "lt": "less",
    "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
    "neg": "negative", "abs": "absolute", "invert": "logical_not",
}  # fmt: skip
"""Python's operators, by the functions of `lamina.ops` that they stand for."""
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")


def operator_methods() -> dict[str, Any]:
    """Methods for the operators, which record themselves on tapes."""
    methods: dict[str, Any] = {"__getitem__": _item}
    for name, op in OPERATORS.items():
        methods[f"__{name}__"] = _method(op)
        if name not in (*_COMPARISONS, "neg", "abs", "invert"):
            methods[f"__r{name}__"] = _method(op, swapped=True)
    return methods


def _item(self: Any, key: Any) -> Any:
    return tape.run(operator.getitem, (self, key))


def _method(op: str, swapped: bool = False) -> Any:
    def method(self: Any, *other: Any) -> Any:
        if other and (other[0] is None or isinstance(other[0], str)):
            return NotImplemented
        return tape.run(getattr(ops, op), (*other, self) if swapped else (self, *other))

    return method


def _items(self: Any) -> Any:
    return (self[index] for index in range(len(self)))


Tensor.__iter__ = _items  # type: ignore[attr-defined]
for _name, _each in operator_methods().items():
    setattr(Tensor, _name, _each)


class _Variables(type):
    """What is called ``tf.Variable``: a call makes a variable of Lamina, and any is one of it."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, LaminaVariable)

    def __call__(
        cls, initial_value: Any = None, trainable: Any = None, *_: Any, **options: Any
    ) -> LaminaVariable:
        value = unwrap(initial_value() if callable(initial_value) else initial_value)
        value = value.value if isinstance(value, LaminaVariable) else value
        dtype, name = options.get("dtype"), options.get("name") or "Variable"
        if dtype is None and not hasattr(value, "dtype"):
            dtype = constant_dtype(value)
        trained = trainable is not False
        variable = LaminaVariable(value, dtype=dtype, trainable=trained, name=name)
        variable.constraint = options.get("constraint")
        return variable


class Variable(metaclass=_Variables):
    """``tf.Variable(value)`` makes a variable; weights of layers are instances too.

    >>> isinstance(Variable([1.0, 2.0]), Variable)
    True
    """


def shown(variable: LaminaVariable) -> str:
    """A variable as TensorFlow prints it.

    >>> shown(Variable(1.0, name="v"))
    "<tf.Variable 'v:0' shape=() dtype=float32, numpy=1.0>"
    """
    values = repr(variable.numpy()) if variable.ndim else str(variable.numpy())
    described = f"shape={variable.shape} dtype={variable.dtype}"
    return f"<tf.Variable '{variable.path}:0' {described}, numpy={below(values)}>"


def constant_dtype(value: Any) -> str | None:
    """The dtype that TensorFlow gives to Python's own numbers, or lists of them."""
    kind = np.asarray(value).dtype.kind
    return {"f": "float32", "i": "int32", "b": "bool", "c": "complex128"}.get(kind)


def is_tensor(x: Any) -> bool:
    """Whether a value is a tensor, a variable, or a symbolic tensor."""
    return isinstance(x, (Tensor, jax.Array, LaminaVariable)) or ops.is_tensor(x)
