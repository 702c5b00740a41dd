"""Names of classes in files, as Keras calls the functions about them."""

from collections.abc import Callable
from typing import Any

from lamina.core import registry
from lamina.core.errors import ArgumentError
from lamina.core.registry import CustomObjectScope
from lamina.core.types import CustomObjects

custom_object_scope = CustomObjectScope


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[Any], Any]:
    """A decorator that lets files name a class or function of yours.

    Args:
        package: Tells your names from those of others.
        name: The name in files; the class's own when left out.

    >>> @register_keras_serializable("mine")
    ... def double(x):
    ...     return 2 * x
    >>> get_registered_name(double)
    'mine>double'
    """
    return registry.register(package, name)


def get_custom_objects() -> dict[str, Any]:
    """The table of what is registered, by name; it may be changed in place."""
    return registry.custom_objects()


def get_registered_name(obj: Any) -> str:
    """The name under which a class or function is registered, or else its own."""
    return registry.registered_name(obj)


def get_registered_object(
    name: str, custom_objects: CustomObjects = None, module_objects: CustomObjects = None
) -> Any:
    """What is registered under a name, or found in the tables given; None if there is nothing."""
    return registry.registered_object(name, custom_objects, module_objects)


def serialize_keras_object(obj: Any) -> Any:
    """An object as plain values that JSON can hold: module, class name, config.

    >>> serialize_keras_object((1, 2))
    {'class_name': '__tuple__', 'config': {'value': [1, 2]}}
    """
    return registry.serialize(obj)


def deserialize_keras_object(
    config: Any, custom_objects: CustomObjects = None, safe_mode: bool = True, **kwargs: Any
) -> Any:
    """The object that ``serialize_keras_object`` described.

    Args:
        config: Plain values.
        custom_objects: Classes and functions of yours by name, besides the registered ones.
        safe_mode: False lets Python code in the config (of Lambda layers) run, in this call.

    Raises:
        FileError: when the config names what it may not.
    """
    modules = kwargs.pop("module_objects", None)
    if kwargs:
        raise ArgumentError(f"deserialize_keras_object takes no argument '{next(iter(kwargs))}'.")
    return registry.deserialize(config, {**(modules or {}), **(custom_objects or {})}, safe_mode)
