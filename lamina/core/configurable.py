"""Objects that remember how they were constructed, so that a config is derived, not restated."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Self

from lamina.core import registry
from lamina.core.types import Config

_PLAIN = (bool, int, float, str, type(None))


@functools.cache
def signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function, remembered."""
    return inspect.signature(function)


class Configurable:
    """Base of all that can be rebuilt from a config of plain values.

    ``get_config`` returns each constructor argument: from the attribute of that name when there
    is one, from memory otherwise. A subclass overrides it only where the stored form differs.

    >>> class Scale(Configurable):
    ...     def __init__(self, factor=2.0):
    ...         self.factor = factor
    >>> scale = Scale()
    >>> scale.factor = 3.0
    >>> scale.get_config(), Scale.from_config(scale.get_config()).factor
    ({'factor': 3.0}, 3.0)
    """

    keras_module: str | None = None
    """The module that Keras writes for this class in a file, where it is not its room's name."""

    _given: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        object.__setattr__(self, "_given", _bind(cls, args, kwargs))
        return self

    def get_config(self) -> Config:
        """The constructor's arguments as plain values that JSON can hold."""
        return {name: registry.plain(self._argument(name)) for name in self._given}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """An object like the one that ``config`` was taken from."""
        return cls(**{name: registry.revive(value) for name, value in config.items()})

    def _argument(self, name: str) -> Any:
        """The present value of a constructor argument."""
        given = self._given[name]
        attribute = getattr(self, name, inspect.Parameter.empty)
        return attribute if _stands_for(self, attribute, given) else given


def _bind(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Constructor arguments by name, defaults included; lists are kept as tuples' equals."""
    try:
        bound = signature(cls.__init__).bind(None, *args, **kwargs)
    except TypeError:
        return {}  # __init__ itself raises the error, in its own words
    bound.apply_defaults()
    given: dict[str, Any] = {}
    for parameter in list(bound.signature.parameters.values())[1:]:
        value = bound.arguments[parameter.name]
        if parameter.kind is parameter.VAR_KEYWORD:
            given.update(value)
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            given[parameter.name] = value
    return given


def _stands_for(owner: Configurable, attribute: Any, given: Any) -> bool:
    """Whether an attribute is the present value of the argument of its name.

    Of Lamina's own classes it always is. A user's class may keep something else under the same
    name (``self.dropout = Dropout(dropout)``): then what was given counts.
    """
    if attribute is inspect.Parameter.empty or inspect.ismethod(attribute):
        return False
    if type(owner).__module__.partition(".")[0] == "lamina":
        return True
    if type(attribute) is type(given) or attribute is given:
        return True
    if isinstance(attribute, _PLAIN):
        return isinstance(given, _PLAIN)
    if isinstance(attribute, (list, dict)):
        return isinstance(given, (list, tuple) if isinstance(attribute, list) else dict)
    return callable(attribute) and isinstance(given, (str, dict)) and not _is_layer(attribute)


def _is_layer(value: Any) -> bool:
    return hasattr(value, "get_weights")
