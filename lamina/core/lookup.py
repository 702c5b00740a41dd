"""What users may give in place of an object: its name, its config, its class, or the object."""

from collections.abc import Mapping
from typing import Any

from lamina.core import registry
from lamina.core.errors import ArgumentError, describe_value, unknown


def find(identifier: Any, kind: str, known: Mapping[str, Any]) -> Any:
    """The object that an identifier stands for; None stays None, a class is instantiated.

    Args:
        identifier: A name, registered by the user or one of ``known``; a config; a class; or a
            callable, which is returned.
        kind: What it should be, for errors.
        known: Classes and functions by name.

    Raises:
        UnknownNameError: for a name that stands for nothing, with the nearest one.
        ArgumentError: for what is no callable.
    """
    if isinstance(identifier, str):
        found = registry.registered_object(identifier, module_objects=known)
        if found is None:
            raise unknown(
                kind, identifier, sorted(known, key=lambda name: (not name.islower(), name))
            )
        identifier = found
    elif isinstance(identifier, dict):
        identifier = from_config(identifier, known)
    if isinstance(identifier, type):
        identifier = identifier()
    if identifier is None or callable(identifier):
        return identifier
    raise ArgumentError(
        f"This is no {kind}: {describe_value(identifier)}.",
        fix="give the name of one, its config, a callable, or None; by name: "
        + ", ".join(sorted(name for name in known if name.islower())[:6])
        + ", ...",
    )


def from_config(config: Any, known: Mapping[str, Any], custom_objects: Any = None) -> Any:
    """`registry.deserialize`, for which names without a module mean those of ``known`` first."""
    if isinstance(config, str):
        return registry.registered_object(config, custom_objects, known) or config
    if isinstance(config, dict) and config.get("module") is None:
        name = config.get("class_name")
        custom = registry.registered_object(name, custom_objects) if isinstance(name, str) else None
        if custom is None and isinstance(known.get(str(name)), type):
            return known[str(name)].from_config(config.get("config") or {})
    return registry.deserialize(config, custom_objects)
