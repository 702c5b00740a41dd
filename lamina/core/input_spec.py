"""`InputSpec`: what a layer demands of its inputs, and the check with an error that teaches."""

from typing import Any

from lamina.core import nest
from lamina.core.configurable import Configurable
from lamina.core.dtypes import standardize_dtype
from lamina.core.errors import ShapeError
from lamina.core.symbolic import SymbolicTensor, declared_shape
from lamina.core.types import DTypeLike, Shape, ShapeLike


class InputSpec(Configurable):
    """Rank, sizes of certain axes, or whole shape that an input must have.

    >>> InputSpec(min_ndim=2, axes={-1: 3}).problem((None, 4))
    'axis -1 of the input has size 3'
    """

    keras_module = "keras.layers"

    def __init__(
        self,
        dtype: DTypeLike = None,
        shape: ShapeLike | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else standardize_dtype(dtype)
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name
        self.optional = optional

    def __repr__(self) -> str:
        parts = [f"{k}={v}" for k, v in vars(self).items() if v and not k.startswith("_")]
        return f"InputSpec({', '.join(parts)})"

    def problem(self, shape: Shape) -> str:
        """Which rule a shape breaks, in words; empty when none."""
        rank = len(shape)
        if self.shape is not None:
            return self._shape_problem(shape)
        if self.ndim is not None and rank != self.ndim:
            return f"the input has {self.ndim} axes"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"the input has at most {self.max_ndim} axes"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"the input has at least {self.min_ndim} axes"
        for axis, size in self.axes.items():
            if not -rank <= axis < rank:
                return f"the input has an axis {axis}"
            if size is not None and shape[axis] not in (size, None):
                return f"axis {axis} of the input has size {size}"
        return ""

    def _shape_problem(self, shape: Shape) -> str:
        wanted = self.shape
        assert wanted is not None
        if self.allow_last_axis_squeeze:
            wanted = wanted[:-1] if wanted and wanted[-1] == 1 else wanted
            shape = shape[:-1] if shape and shape[-1] == 1 else shape
        fits = len(shape) == len(wanted) and all(
            a is None or b is None or a == b for a, b in zip(shape, wanted, strict=False)
        )
        return "" if fits else f"the input has the shape {self.shape}"


def check(specs: Any, inputs: Any, who: str) -> None:
    """Raise ShapeError, naming ``who``, when an input breaks its spec."""
    if isinstance(specs, dict) and isinstance(inputs, dict):
        missing = [name for name in specs if name not in inputs]
        if missing:
            raise ShapeError(f"{who} needs the inputs {list(specs)}; missing are {missing}.")
        inputs = [inputs[name] for name in specs]
    specs = list(specs.values()) if isinstance(specs, dict) else nest.flatten(specs)
    leaves = nest.flatten(inputs)
    if len(leaves) != len(specs):
        raise ShapeError(
            f"{who} takes {len(specs)} input(s), but got {len(leaves)}.",
            met=", ".join(str(_shape_of(x)) for x in leaves),
        )
    for index, (spec, x) in enumerate(zip(specs, leaves, strict=True)):
        if spec is None or (x is None and spec.optional):
            continue
        shape = _shape_of(x)
        problem = "an input is an array" if shape is None else spec.problem(shape)
        if problem:
            which = f"input {index} " if len(specs) > 1 else "input "
            raise ShapeError(
                f"{who} cannot be called with this {which.strip()}.",
                met=f"shape {shape}",
                rule=problem,
                fix=_fix(spec, shape),
            )


def completed(specs: Any, inputs: Any) -> Any:
    """Symbolic inputs with the sizes that a layer's weights fix in place of unknown ones."""
    if not isinstance(specs, InputSpec) or not isinstance(inputs, SymbolicTensor):
        return inputs
    sizes = list(inputs.shape)
    for axis, size in specs.axes.items():
        if sizes[axis] is None:
            sizes[axis] = size
    if tuple(sizes) == inputs.shape:
        return inputs
    known = SymbolicTensor(sizes, inputs.dtype)
    known.symbolic_mask = inputs.symbolic_mask
    return known


def _shape_of(x: Any) -> Shape | None:
    return declared_shape(x) if hasattr(x, "shape") else None


def _fix(spec: InputSpec, shape: Shape | None) -> str:
    if shape is None:
        return "pass a NumPy or JAX array"
    wanted = spec.ndim or spec.min_ndim
    if wanted is not None and len(shape) == wanted - 1:
        if spec.shape is not None and shape == spec.shape[1:]:
            return "add the batch axis: x[None]"
        return "add an axis: x[None] for a batch of one, or x[..., None] for a last axis"
    last = spec.axes.get(-1, spec.shape[-1] if spec.shape else None)
    if last is not None and shape and shape[-1] != last:
        return f"give the input {last} features on its last axis, or build the layer anew"
    return ""
