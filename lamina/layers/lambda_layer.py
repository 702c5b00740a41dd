"""`Lambda`: any function as a layer."""

import base64
import inspect
import marshal
from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any

from lamina.core import calling, nest, registry
from lamina.core.errors import FileError
from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor
from lamina.core.types import Config, Nest, Shape


class Lambda(Layer):
    """``function(x, **arguments)``; ``mask`` and ``training`` are passed if it has such parameters.

    A model with a Lambda runs node by node, so the function may print and branch in Python. It can
    be saved when the function has a name; loading needs that function registered or passed. A
    subclass of Layer has neither limit.

    Args:
        output_shape: The output's shape without the batch axis (or a function of the input's
            shape), for a function that cannot be evaluated abstractly.
        mask: The output's mask, or a function of the inputs and their mask.
        arguments: Keyword arguments for the function.

    >>> import numpy as np
    >>> Lambda(lambda x: x**2)(np.float32([1, 2, 3]))
    Array([1., 4., 9.], dtype=float32)
    """

    compilable = False

    def __init__(
        self,
        function: Callable[..., Nest],
        output_shape: Shape | Callable[[Any], Any] | None = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.function = function
        self.mask = mask
        self.supports_masking = mask is not None
        self.arguments = arguments or {}
        self._output_shape = output_shape

    def call(self, inputs: Nest, mask: Any = None, training: bool | None = None) -> Nest:
        offered = {"mask": mask, "training": training}
        taken = _parameters(self.function)
        extra = {name: value for name, value in offered.items() if name in taken}
        return self.function(inputs, **self.arguments, **extra)

    def compute_mask(self, inputs: Nest, previous_mask: Any = None) -> Any:
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        given = self._output_shape
        if given is None:
            return super().compute_output_shape(input_shape)
        if callable(given):
            return given(input_shape)
        first: list[Shape] = []
        nest.map_shapes(first.append, input_shape)
        return nest.map_shapes(lambda shape: (first[0][0], *shape), given)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Nest:
        if self._output_shape is None:
            return calling.infer(self, args, kwargs)
        shape = self.compute_output_shape(nest.map_structure(lambda x: x.shape, args[0]))
        return nest.map_shapes(lambda each: SymbolicTensor(each, self.compute_dtype), shape)

    def get_config(self) -> Config:
        function = self._stored(self.function)
        config = {**super().get_config(), "function": function, "arguments": self.arguments}
        for key, value in (("output_shape", self._output_shape), ("mask", self.mask)):
            config.pop(key, None)
            if value is not None:
                config[key] = self._stored(value) if callable(value) else registry.plain(value)
        return config

    def _stored(self, function: Callable[..., Any]) -> Config:
        try:
            return registry.serialize(function)
        except FileError as error:
            raise FileError(f"{self._who()} has no config.\n{error}") from None

    @classmethod
    def from_config(cls, config: Config) -> "Lambda":
        """The layer; its functions have to be built-in, registered or passed.

        A Python function that Keras stored as byte code is run only if the caller of the load said
        ``safe_mode=False``.
        """
        config = dict(config)
        for key in ("function", "output_shape", "mask"):
            value = config.get(key)
            if isinstance(value, dict) and value.get("class_name") == "__lambda__":
                config[key] = _function_from_code(value["config"], config.get("name"))
            elif registry.is_serialized(value):
                config[key] = registry.deserialize(value)
        if isinstance(config.get("output_shape"), list):
            config["output_shape"] = tuple(config["output_shape"])
        return super().from_config(config)  # type: ignore[return-value]


def _parameters(function: Callable[..., Any]) -> Any:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # some built-in functions have none
        return ()


def _function_from_code(stored: Config, name: Any) -> Callable[..., Any]:
    """The function whose byte code is in a file, if the caller allowed it to run."""
    if not registry.unsafe.get():
        raise FileError(
            f"The Lambda layer '{name}' holds Python code, which was not run.",
            rule="loading a file never runs code from it, unless you say so for this load",
            fix="if you trust whoever made the file, load it with safe_mode=False; better, "
            "write the function as a subclass of Layer",
        )
    code = marshal.loads(base64.b64decode(stored["code"]))
    defaults = tuple(stored["defaults"]) if stored.get("defaults") else None
    cells = tuple(CellType(value) for value in stored["closure"]) if stored.get("closure") else None
    return FunctionType(code, {"__builtins__": __builtins__}, code.co_name, defaults, cells)
