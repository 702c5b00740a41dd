"""The outputs of a model by place and name, and values given for them in any of the usual forms."""

from typing import Any

from lamina.core import nest
from lamina.core.errors import ArgumentError, describe_value, unknown
from lamina.core.types import Nest


class Outputs:
    """How many outputs there are, in which nest, and what they are called.

    Args:
        y_pred: The outputs of a call, a nest of arrays or of specs.
        names: Names of the outputs, where the model gives them.

    >>> outputs = Outputs({"a": 1, "b": 2}, None)
    >>> outputs.spread({"b": "mse"}, "loss")
    [None, 'mse']
    """

    def __init__(self, y_pred: Nest, names: list[str] | None) -> None:
        leaves, self.structure = nest.flatten_with(y_pred)
        self.size = len(leaves)
        self.shapes = [tuple(x.shape) if hasattr(x, "shape") else () for x in leaves]
        items = y_pred.values() if isinstance(y_pred, dict) else y_pred
        self.deep = nest.is_nested(y_pred) and any(map(nest.is_nested, items))
        self.by_key = isinstance(y_pred, dict) and not self.deep
        self.names = sorted(y_pred) if self.by_key else list(names or [])
        if len(self.names) != self.size:
            self.names = []

    def spread(self, value: Any, what: str) -> list[Any]:
        """One value for each output, from a dict by name, a list by place, or a like nest.

        Raises:
            ArgumentError: when there are too many, too few, or names of no output.
        """
        by_name = isinstance(value, dict) and (not self.deep or {*value} <= {*self.names})
        if by_name and (self.names or self.size == 1):
            return self._by_name(value, what)
        if isinstance(value, (list, tuple)) and len(value) == self.size:
            return list(value)
        if nest.is_nested(value):
            try:
                return self.structure.flatten_up_to(value)
            except (ValueError, TypeError):
                pass
        elif self.size == 1:
            return [value]
        shown = ", ".join(map(repr, self.names)) or "unnamed"
        raise ArgumentError(
            f"{what} does not fit the model's outputs.",
            met=describe_value(value),
            rule=f"the model has {self.size} output(s): {shown}",
            fix=f"give {what} as a list with an item for each output, or as a dict by name",
        )

    def _by_name(self, value: dict[str, Any], what: str) -> list[Any]:
        if not self.names and len(value) == 1:
            return list(value.values())
        for name in value:
            if name not in self.names:
                raise unknown(f"output in {what}", name, self.names)
        return [value.get(name) for name in self.names]
