"""`SymbolicTensor`: a tensor of a model that is being described; and shapes without running.

Shapes and dtypes come from `jax.eval_shape` of the code itself. Unknown sizes are probed: with one
symbolic size for all of them, or with two concrete ones where JAX cannot decide by symbols; what
depends on them is unknown in the result.
"""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from lamina.core import nest
from lamina.core.dtypes import canonical, standardize_dtype
from lamina.core.errors import ArgumentError, DTypeError, LaminaError, ShapeError, explain
from lamina.core.naming import auto_name
from lamina.core.registry import late
from lamina.core.types import Config, DTypeLike, Nest, Shape, ShapeLike

PROBES = (27720, 55440)
"""Sizes that stand for unknown ones: divisible by 1 to 12, and unlikely to be anyone's own."""


class SymbolicTensor:
    """A tensor without values: shape (None where unknown), dtype, and where it comes from.

    Operators and indexing record operations, so that ``x + 1`` can be part of a model.

    >>> x = SymbolicTensor((None, 3))
    >>> (x * 2)[:, 0].shape
    (None,)
    """

    def __init__(
        self,
        shape: ShapeLike,
        dtype: DTypeLike = "float32",
        sparse: bool = False,
        ragged: bool = False,
        ragged_rank: int | None = None,
        row_splits_dtype: DTypeLike = None,
        name: str | None = None,
    ) -> None:
        self.shape: Shape = standardize_shape(shape)
        self.dtype = standardize_dtype(dtype)
        self.sparse = bool(sparse)
        self.ragged = bool(ragged)
        self.ragged_rank = ragged_rank
        self.row_splits_dtype = row_splits_dtype
        self.name = name or auto_name("keras_tensor")
        self.record: tuple[Any, int, int] | None = None
        """``(operation, number of the node, number of the output)`` that it came from."""
        self.symbolic_mask: SymbolicTensor | None = None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    rank = ndim

    @property
    def _keras_history(self) -> Any:
        return self.record

    @property
    def _keras_mask(self) -> Any:
        return self.symbolic_mask

    def to_symbolic_config(self) -> Config:
        """The marked form in which files refer to a tensor of the same model."""
        if self.record is None:
            raise DTypeError(f"The symbolic tensor '{self.name}' belongs to no model.")
        operation, node, index = self.record
        history = [operation.name, node, index]
        config = {"shape": list(self.shape), "dtype": self.dtype, "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}

    def reshape(self, *newshape: Any) -> Any:
        """The tensor with its elements in another shape."""
        return late("ops.reshape")(self, newshape[0] if len(newshape) == 1 else newshape)

    def squeeze(self, axis: Any = None) -> Any:
        """The tensor without axes of size 1."""
        return late("ops.squeeze")(self, axis)

    def astype(self, dtype: DTypeLike) -> Any:
        """The tensor in another dtype."""
        return late("ops.cast")(self, dtype)

    @property
    def T(self) -> Any:
        """The tensor with its axes reversed."""
        return late("ops.transpose")(self)

    def __getitem__(self, key: Any) -> Any:
        return late("ops.get_item")(self, key)

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def __hash__(self) -> int:
        return id(self)

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise _no_values(self, "len()", "read `x.shape`, where None is an unknown size")
        return self.shape[0]

    def __iter__(self) -> Any:
        if not self.shape or self.shape[0] is None:
            raise _no_values(self, "iteration", "use ops.unstack, ops.split or ops.map")
        return (self[index] for index in range(self.shape[0]))

    def __bool__(self) -> bool:
        raise _no_values(self, "a Python condition", "use ops.where or ops.cond")

    def __float__(self) -> float:
        raise _no_values(self, "float()", "use ops.cast")

    def __int__(self) -> int:
        raise _no_values(self, "int()", "use ops.cast")

    __index__ = __int__

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise _no_values(
            self, "NumPy", "use the function of the same name in lamina.ops", ArgumentError
        )

    def __array_ufunc__(self, ufunc: Any, *args: Any, **kwargs: Any) -> Any:
        if args[0] == "__call__" and not kwargs and ufunc.__name__ in _UFUNCS:
            return late(f"ops.{ufunc.__name__}")(*args[1:])
        raise _no_values(self, f"numpy.{ufunc.__name__}", f"use lamina.ops.{ufunc.__name__}")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = function.__name__
        raise _no_values(self, f"numpy.{name}", f"use lamina.ops.{name}")

    @property
    def __jax_array__(self) -> Any:
        # A property: jax asks whether the attribute exists, and would refuse with its own words.
        raise _no_values(
            self,
            "a function of jax.numpy",
            "use the function of the same name in lamina.ops, or call it inside a Lambda layer or "
            "a Layer's call()",
            kind=ArgumentError,  # jax would replace a TypeError by one of its own
        )


_UFUNCS = frozenset("add subtract multiply divide true_divide floor_divide matmul power".split())
_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide",
    "floordiv": "floor_divide", "mod": "mod", "pow": "power", "matmul": "matmul",
    "and": "logical_and", "or": "logical_or", "xor": "logical_xor",
}  # fmt: skip
_COMPARISONS = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
                "eq": "equal", "ne": "not_equal"}  # fmt: skip
_UNARY = {"neg": "negative", "abs": "absolute", "invert": "logical_not"}


def _operator(op: str, swapped: bool = False, unary: bool = False) -> Callable[..., Any]:
    if unary:
        return lambda self: late(f"ops.{op}")(self)
    if swapped:
        return lambda self, other: late(f"ops.{op}")(other, self)
    return lambda self, other: late(f"ops.{op}")(self, other)


for _name, _op in _OPERATORS.items():
    setattr(SymbolicTensor, f"__{_name}__", _operator(_op))
    setattr(SymbolicTensor, f"__r{_name}__", _operator(_op, swapped=True))
for _name, _op in _COMPARISONS.items():
    setattr(SymbolicTensor, f"__{_name}__", _operator(_op))
for _name, _op in _UNARY.items():
    setattr(SymbolicTensor, f"__{_name}__", _operator(_op, unary=True))


def _no_values(
    x: SymbolicTensor, where: str, fix: str, kind: type[LaminaError] = DTypeError
) -> LaminaError:
    return kind(
        explain(
            f"The symbolic tensor '{x.name}' has no values, so {where} cannot take it.",
            met=f"shape {x.shape}, dtype {x.dtype}",
            rule="a symbolic tensor describes a model; values exist when the model is called",
            fix=fix,
        )
    )


def is_symbolic(x: Any) -> bool:
    """Whether a value is a symbolic tensor (Keras's name: ``is_keras_tensor``)."""
    return isinstance(x, SymbolicTensor)


def any_symbolic(values: Any) -> bool:
    """Whether there is a symbolic tensor in nested lists, tuples and dicts."""
    for value in values:
        if isinstance(value, SymbolicTensor):
            return True
        if isinstance(value, (list, tuple)):
            if any_symbolic(value):
                return True
        elif isinstance(value, dict) and any_symbolic(value.values()):
            return True
    return False


def standardize_shape(shape: Any) -> Shape:
    """A shape as a tuple of ints and Nones.

    Raises:
        ShapeError: when a size is negative or no number.
    """
    if isinstance(shape, (int, np.integer)):
        shape = (shape,)
    try:
        sizes = tuple(None if size is None else int(size) for size in shape)
    except (TypeError, ValueError):
        raise ShapeError(f"A shape is a tuple of ints and Nones, not {shape!r}.") from None
    if any(size is not None and size < 0 for size in sizes):
        raise ShapeError(f"The sizes in a shape are 0 or more: {sizes} has a negative one.")
    return sizes


def declared_shape(x: Any) -> Shape:
    """The shape of an array, with None for sizes that stand for unknown ones in a probe."""
    return tuple(_declared(size) for size in x.shape)


def _declared(size: Any) -> int | None:
    if not isinstance(size, int):
        return None
    return None if size and size % PROBES[0] == 0 else size


@functools.lru_cache(maxsize=1)
def _symbol() -> Any:
    from jax import export

    return export.symbolic_shape("unknown", constraints=["unknown >= 2"])[0]


def evaluate(function: Callable[..., Nest], *args: Nest, symbols: bool = False) -> Nest:
    """What ``function`` would return for ``args``: symbolic tensors in place of arrays.

    Args:
        function: A pure function of nests of arrays.
        args: Nests with symbolic tensors where arrays will be; all else is passed as it is.
        symbols: Probe unknown sizes by a symbol first. It tells sizes derived from unknown ones
            from known ones, which matters when sub-layers are built on the way.
    """
    leaves, treedef = nest.flatten_with(args)
    places = [index for index, leaf in enumerate(leaves) if isinstance(leaf, SymbolicTensor)]
    unknown = any(None in leaves[index].shape for index in places)

    def run(size: Any) -> tuple[list[Any], Any]:
        def pure(arrays: list[Any]) -> list[Any]:
            filled = list(leaves)
            for index, array in zip(places, arrays, strict=True):
                filled[index] = array
            out, structure = nest.flatten_with(function(*nest.unflatten(treedef, filled)))
            found.append(structure)
            return [None if each is None else jax.numpy.asarray(each) for each in out]

        found: list[Any] = []
        specs = [_spec(leaves[index], size) for index in places]
        return jax.eval_shape(pure, specs), found[-1]

    if not unknown:
        outputs, structure = run(0)
        shapes = [None if out is None else tuple(out.shape) for out in outputs]
    else:
        outputs, shapes, structure = _probe(run, symbols)
    tensors = [
        None if out is None else SymbolicTensor(shape or (), out.dtype)
        for out, shape in zip(outputs, shapes, strict=True)
    ]
    return nest.unflatten(structure, tensors)


def evaluate_fitting(function: Callable[..., Nest], *args: Nest) -> Nest:
    """`evaluate`, for shapes that were described more loosely than they have to be.

    Where an unknown size has to equal, or broadcast with, a known one of another argument, it is
    read as that one. What the readings that work do not agree on is unknown.
    """
    try:
        return evaluate(function, *args)
    except ArgumentError:
        raise
    except Exception as error:
        first = error
    leaves, treedef = nest.flatten_with(args)
    for readings in _readings(leaves):
        found: list[Any] = []
        for reading in readings:
            with contextlib.suppress(Exception):
                found.append(evaluate(function, *nest.unflatten(treedef, reading)))
        with contextlib.suppress(ValueError):  # of readings that differ in rank
            if found:
                return functools.reduce(functools.partial(nest.map_structure, _agreed), found)
    raise first


def _readings(leaves: list[Any]) -> Iterator[list[list[Any]]]:
    """The leaves with 0, 1 or 2 unknown sizes as known ones; or all, as arguments beside them.

    The sizes 1 to 3 are tried too: what they fit as well is not determined by the others.
    """
    tensors = [x for x in leaves if isinstance(x, SymbolicTensor)]
    known = sorted({1, 2, 3, *(size for x in tensors for size in x.shape if size)})
    unknown = range(sum(x.shape.count(None) for x in tensors))
    for count in range(min(len(unknown), 2) + 1):
        pins = itertools.product(
            itertools.combinations(unknown, count), itertools.product(known, repeat=count)
        )
        yield [
            _filled(leaves, dict(zip(*each, strict=True))) for each in itertools.islice(pins, 99)
        ]
    beside = {(x.ndim, i): n for x in tensors for i, n in enumerate(x.shape) if n is not None}
    places = [(x.ndim, i) for x in tensors for i, n in enumerate(x.shape) if n is None]
    yield [_filled(leaves, {at: beside.get(place) for at, place in enumerate(places)})]


def _filled(leaves: list[Any], pinned: dict[int, int | None]) -> list[Any]:
    sizes = map(pinned.get, itertools.count())
    return [_refined(x, sizes) for x in leaves]


def _agreed(a: Any, b: Any) -> Any:
    if not isinstance(a, SymbolicTensor):
        return a
    pairs = zip(a.shape, b.shape, strict=True)
    return SymbolicTensor([m if m == n else None for m, n in pairs], a.dtype)


def _refined(x: Any, sizes: Iterator[int | None]) -> Any:
    if not isinstance(x, SymbolicTensor):
        return x
    return SymbolicTensor([next(sizes) if n is None else n for n in x.shape], x.dtype, name="read")


def _spec(x: SymbolicTensor, size: Any) -> jax.ShapeDtypeStruct:
    shape = tuple(size if each is None else each for each in x.shape)
    return jax.ShapeDtypeStruct(shape, canonical(x.dtype))


def _probe(run: Callable[[Any], Any], symbols: bool) -> tuple[list[Any], list[Any], Any]:
    if symbols:
        try:
            outputs, structure = run(_symbol())
            return outputs, [_known(out, out) for out in outputs], structure
        except LaminaError:
            raise
        except Exception:
            pass
    first, structure = run(PROBES[0])
    second, _ = run(PROBES[1])
    return first, [_known(a, b) for a, b in zip(first, second, strict=True)], structure


def _known(first: Any, second: Any) -> Shape | None:
    if first is None:
        return None
    pairs = zip(first.shape, second.shape, strict=True)
    return tuple(a if isinstance(a, int) and a == b else None for a, b in pairs)
