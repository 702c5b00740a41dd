"""The one late-binding table, and the gate through which files name classes.

Three things live here because they are one question, "what does this name stand for?":

* `late` finds a function or class of a higher room without importing it at load time;
* `serialize` writes an object as Keras's ``{"module", "class_name", "config", ...}``;
* `deserialize` turns that back into an object. It looks names up in the rooms' public lists and in
  what the caller registered or passed, and nowhere else: a file cannot name a function to call or
  a module to import.
"""

import contextlib
import contextvars
import functools
import importlib
import types
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

import numpy as np

from lamina.core.errors import FileError, nearest
from lamina.core.types import Config, CustomObjects

ROOMS = {
    "keras.layers": "lamina.layers",
    "keras.models": "lamina.models",
    "keras.initializers": "lamina.initializers",
    "keras.regularizers": "lamina.regularizers",
    "keras.constraints": "lamina.constraints",
    "keras.losses": "lamina.losses",
    "keras.metrics": "lamina.metrics",
    "keras.optimizers": "lamina.optimizers",
    "keras.optimizers.schedules": "lamina.optimizers.schedules",
    "keras.activations": "lamina.activations",
    "keras.ops": "lamina.ops",
    "keras.random": "lamina.core.random",
    "keras.dtype_policies": "lamina.core.policies",
}
"""Keras's module names, and the rooms whose public names they hold."""

TOP = ("lamina.models", "lamina.core.policies", "lamina.layers", "lamina.initializers",
       "lamina.losses", "lamina.metrics", "lamina.optimizers", "lamina.regularizers",
       "lamina.core.random")  # fmt: skip
"""Where a class that a file calls ``keras.X`` or ``keras.src.....X`` may live."""

_custom: dict[str, Any] = {}
_names: dict[Any, str] = {}
_scope: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar(
    "objects", default=types.MappingProxyType({})
)
unsafe: contextvars.ContextVar[bool] = contextvars.ContextVar("unsafe", default=False)
"""Whether the caller of the load in progress allowed code from the file to run."""


@functools.cache
def late(name: str) -> Any:
    """What a dotted name of a higher room stands for, imported now: ``late("ops.add")``."""
    room, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(f"lamina.{room}"), attribute)


# --- names of users' own classes and functions ---------------------------------------------------


def register(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """A decorator that lets files name the class or function below it.

    >>> @register("mine")
    ... class Thing: ...
    >>> registered_name(Thing), registered_object("mine>Thing") is Thing
    ('mine>Thing', True)
    """

    def decorate(thing: Any) -> Any:
        full = f"{package}>{name or thing.__name__}"
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            thing.get_config = lambda self: dict(vars(self))
        _custom[full] = thing
        _names[thing] = full
        return thing

    return decorate


def registered_name(thing: Any) -> str:
    """The name under which a class or function was registered, else its own."""
    return _names.get(thing) or thing.__name__


def registered_object(
    name: str, custom_objects: CustomObjects = None, module_objects: CustomObjects = None
) -> Any:
    """What a name was registered as, here or by the caller; None when unknown."""
    for table in (custom_objects, _scope.get(), _custom, module_objects):
        if table and name in table:
            return table[name]
    return None


def custom_objects() -> dict[str, Any]:
    """The table of objects that are known by name to every load; may be changed in place."""
    return _custom


class CustomObjectScope(contextlib.AbstractContextManager["CustomObjectScope"]):
    """Makes ``custom_objects`` known by name to all that is loaded inside the ``with`` block."""

    def __init__(self, custom_objects: CustomObjects) -> None:
        self.objects = custom_objects or {}
        self._tokens: list[contextvars.Token[Mapping[str, Any]]] = []

    def __enter__(self) -> "CustomObjectScope":
        self._tokens.append(_scope.set({**_scope.get(), **self.objects}))
        return self

    def __exit__(self, *exc: object) -> None:
        _scope.reset(self._tokens.pop())


@contextlib.contextmanager
def allow_code(allowed: bool) -> Iterator[None]:
    """Let a load inside the block run code that the file carries, or not."""
    token = unsafe.set(allowed)
    try:
        yield
    finally:
        unsafe.reset(token)


# --- writing ------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value as it stands in a config: objects become their serialised form.

    >>> plain((1, np.float32(0.5), None))
    (1, 0.5, None)
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(each) for each in value)
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, FunctionType) and _room(value.__module__) == "keras.activations":
        return value.__name__
    return serialize(value)


def serialize(thing: Any) -> Any:
    """An object as plain values: ``{"module", "class_name", "config", "registered_name"}``.

    Numbers and strings stand for themselves; tuples, slices, dtypes and arrays get Keras's own
    marked forms, so that both libraries read each other's files.
    """
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    if isinstance(thing, bytes):
        return {"class_name": "__bytes__", "config": {"value": thing.decode("utf8", "replace")}}
    if isinstance(thing, np.generic):
        return thing.item()
    if isinstance(thing, tuple):
        return {"class_name": "__tuple__", "config": {"value": [serialize(x) for x in thing]}}
    if isinstance(thing, list):
        return [serialize(each) for each in thing]
    if isinstance(thing, dict):
        return {key: serialize(each) for key, each in thing.items()}
    if isinstance(thing, slice):
        parts = {"start": thing.start, "stop": thing.stop, "step": thing.step}
        return {"class_name": "__slice__", "config": {k: serialize(v) for k, v in parts.items()}}
    if thing is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if hasattr(thing, "to_symbolic_config"):
        return thing.to_symbolic_config()
    if isinstance(thing, (type, np.dtype)):
        return np.dtype(thing).name
    if hasattr(thing, "get_config"):
        return _serialize_object(thing)
    if hasattr(thing, "__array__"):
        array = np.asarray(thing)
        value = {"value": array.tolist(), "dtype": array.dtype.name}
        marker = "__numpy__" if isinstance(thing, np.ndarray) else "__tensor__"
        return {"class_name": marker, "config": value}
    if callable(thing):
        return _serialize_function(thing)
    raise FileError(
        f"A {type(thing).__name__} cannot be written into a config.",
        fix="give it a get_config() and from_config(), or override get_config of its owner",
    )


def class_identity(cls: type) -> dict[str, Any]:
    """``module``, ``class_name`` and ``registered_name`` that files use for a class."""
    module = cls.__dict__.get("keras_module") or _room(cls.__module__)
    if module is None:
        return {
            "module": None if cls in _names else cls.__module__,
            "class_name": cls.__name__,
            "registered_name": registered_name(cls),
        }
    name = cls.__dict__.get("keras_class_name", cls.__name__)
    foreign = module.startswith("keras.src")
    return {"module": module, "class_name": name, "registered_name": name if foreign else None}


def _serialize_object(thing: Any) -> Config:
    identity = class_identity(type(thing))
    stored: Config = {
        "module": identity["module"],
        "class_name": identity["class_name"],
        "config": _json_ready(thing.get_config()),
        "registered_name": identity["registered_name"],
    }
    for key, method in (
        ("build_config", "get_build_config"),
        ("compile_config", "get_compile_config"),
    ):
        found = getattr(thing, method, None)
        extra = found() if found else None
        if extra is not None:
            stored[key] = serialize(extra) if key == "compile_config" else _json_ready(extra)
    return stored


def _json_ready(value: Any) -> Any:
    """A config with tuples as lists, as Keras writes the inside of configs."""
    if isinstance(value, dict):
        return {key: _json_ready(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(each) for each in value]
    return serialize(value)


def _serialize_function(function: Callable[..., Any]) -> Config:
    name = getattr(function, "__name__", None)
    if name is None or name == "<lambda>":
        raise FileError(
            "A lambda, or a callable without a name, cannot be written to a file.",
            rule="files hold names, never code",
            fix="define a named function and decorate it with "
            "@lamina.saving.register_keras_serializable()",
        )
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name if _room(function.__module__) else registered_name(function),
        "registered_name": "function",
    }


@functools.cache
def _room(module: str) -> str | None:
    """Keras's module name for one of ours: ``lamina.layers.dense`` is ``keras.layers``."""
    best = [k for k, ours in ROOMS.items() if module == ours or module.startswith(ours + ".")]
    return max(best, key=len) if best else None


# --- reading ------------------------------------------------------------------------------------


def is_serialized(value: Any) -> bool:
    """Whether a value is an object's serialised form."""
    return isinstance(value, dict) and "class_name" in value and "config" in value


def revive(value: Any) -> Any:
    """A value from a config, with serialised objects turned into objects at any depth."""
    if is_serialized(value):
        return deserialize(value)
    if isinstance(value, dict):
        return {key: revive(each) for key, each in value.items()}
    if isinstance(value, list):
        return [revive(each) for each in value]
    return value


def deserialize(
    config: Any, custom_objects: CustomObjects = None, safe_mode: bool | None = None
) -> Any:
    """The object that `serialize` wrote.

    Args:
        config: A serialised form, or nests of plain values and serialised forms.
        custom_objects: Classes and functions by name, besides the registered ones.
        safe_mode: False lets code in the file (a Lambda's) run; unset means safe.

    Raises:
        FileError: when the class is not one that may be made from a file.
    """
    if safe_mode is not None:
        with allow_code(not safe_mode):
            return deserialize(config, custom_objects)
    if custom_objects:
        with CustomObjectScope(custom_objects):
            return deserialize(config)
    if isinstance(config, (list, tuple)):
        return [deserialize(each) for each in config]
    if not is_serialized(config):
        return (
            {k: deserialize(v) for k, v in config.items()} if isinstance(config, dict) else config
        )
    name, inner = config["class_name"], config["config"]
    if not isinstance(name, str):
        raise FileError(f"A class name is a string, not a {type(name).__name__}.")
    if name in _MARKED:
        return _MARKED[name](inner)
    if name == "function":
        return find_function(config.get("module"), inner, config.get("registered_name"))
    if not isinstance(inner, dict):
        raise FileError(f"The config of '{name}' is a {type(inner).__name__}, not a dict.")
    cls = find_class(config.get("module"), name, config.get("registered_name"))
    try:
        thing = cls.from_config(inner)
    except FileError as error:
        error.args = (f"{error}\n  in:   {name} '{inner.get('name', '')}'",)
        raise
    for key, method in (
        ("build_config", "build_from_config"),
        ("compile_config", "compile_from_config"),
    ):
        if config.get(key) and hasattr(thing, method):
            getattr(thing, method)(config[key])
    return thing


def _marked_array(inner: Any) -> np.ndarray:
    name = inner["dtype"]
    try:
        dtype = np.dtype(name if isinstance(name, str) and "(" not in name else object)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "biufcSUV" or dtype.itemsize > 16:
        raise FileError(f"An array in a config is of numbers, not of {name!r}.")
    return np.array(inner["value"], dtype=dtype)


_MARKED: dict[str, Callable[[Any], Any]] = {
    "__tuple__": lambda inner: tuple(deserialize(each) for each in inner["value"]),
    "__slice__": lambda inner: slice(*(deserialize(inner[k]) for k in ("start", "stop", "step"))),
    "__ellipsis__": lambda inner: Ellipsis,
    "__bytes__": lambda inner: inner["value"].encode("utf8"),
    "__numpy__": _marked_array,
    "__tensor__": _marked_array,
}


def find_class(module: Any, name: str, registered: Any = None) -> type:
    """The class that a file names, if it is one that files may name; else FileError."""
    own = isinstance(module, str) and module.partition(".")[0] in ("keras", "tf_keras")
    for key in (registered, name, f"Custom>{name}"):
        found = registered_object(key) if isinstance(key, str) else None
        if found is not None:
            if not isinstance(found, type):
                raise FileError(f"'{key}' names a {type(found).__name__}; a class is needed here.")
            return found
    found = _public_class(module, name) if own or module is None else None
    if found is None:
        raise _refusal(module, name)
    return found


def _public_class(module: str | None, name: str) -> type | None:
    rooms = (ROOMS[module],) if module in ROOMS else (*TOP, *ROOMS.values())
    for room in rooms:
        with contextlib.suppress(ModuleNotFoundError):
            loaded = importlib.import_module(room)
            found = (
                vars(loaded).get(name) if name in getattr(loaded, "__all__", vars(loaded)) else None
            )
            if isinstance(found, type) and hasattr(found, "from_config"):
                return found
    return None


def _refusal(module: Any, name: str) -> FileError:
    known = list(public_names("keras.layers")) if module in (None, "keras.layers") else []
    hint = nearest(name, [*known, *_custom])
    return FileError(
        f"'{module}.{name}' is not a class that this file may use. {hint}".rstrip(),
        rule="files name Lamina's own layers, or classes that you pass or register",
        fix=f"custom_objects={{'{name}': {name}}}, or decorate the class with "
        "@lamina.saving.register_keras_serializable()",
    )


def find_function(module: Any, name: Any, registered: Any = None) -> Callable[..., Any]:
    """The function that a file names: a built-in activation, loss or metric, or a caller's."""
    if not isinstance(name, str):
        raise FileError("A function is named by a string.")
    for key in (registered, name, f"Custom>{name}"):
        found = registered_object(key) if isinstance(key, str) and key != "function" else None
        if found is not None:
            return found
    rooms = ("keras.activations", "keras.losses", "keras.metrics")
    for room in rooms if module == "builtins" else {module}.intersection(rooms):
        loaded = importlib.import_module(ROOMS[room])
        found = vars(loaded).get(name) if name in public_names(room) else None
        if isinstance(found, FunctionType) and name not in ("get", "serialize", "deserialize"):
            return found
    raise FileError(
        f"The function '{name}' is not one that this file may use.",
        rule="files name built-in activations, losses and metrics, or functions that you pass",
        fix=f"custom_objects={{'{name}': {name}}}",
    )


def public_names(keras_module: str) -> list[str]:
    """The public names of the room that stands for one of Keras's modules."""
    return list(getattr(importlib.import_module(ROOMS[keras_module]), "__all__", []))
