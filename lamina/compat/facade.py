"""Modules named ``tensorflow`` and ``keras``, whose names are looked up in Lamina."""

import importlib
import importlib.util
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any

import lamina
from lamina.compat import keras_names, tf_names
from lamina.compat.tape import lifted
from lamina.core.errors import explain, nearest

ROOTS = ("tensorflow", "keras")
_ABSENT = object()


class Facade(ModuleType):
    """One module of the facade."""

    __path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = _lookup(self.__name__, name)
        if found is _ABSENT:
            raise AttributeError(missing(self.__name__, name))
        setattr(self, name, found)
        return found

    def __dir__(self) -> list[str]:
        return sorted(_names(self.__name__))


class Finder(MetaPathFinder, Loader):
    """Finds the facade's modules, and says so of those that it has not."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        """A spec for each module of the facade; None for modules of others."""
        if fullname.partition(".")[0] not in ROOTS:
            return None
        if not _is_module(fullname):
            raise ImportError(missing(*fullname.rpartition(".")[::2]))
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty module; names come when they are asked for."""
        return Facade(spec.name, f"Lamina's facade of {spec.name}.")

    def exec_module(self, module: ModuleType) -> None:
        """Names that are there from the start."""
        version = {"tensorflow": tf_names.VERSION, "keras": keras_names.VERSION}.get(
            module.__name__.removeprefix("tensorflow.")
        )
        if version:
            module.__version__ = version  # type: ignore[attr-defined]
        module.__all__ = _names(module.__name__)  # type: ignore[attr-defined]


def _keras_path(module: str) -> str | None:
    """``keras.layers`` for that module under either root, aliases resolved; None for others."""
    path = module.removeprefix("tensorflow.")
    if path.partition(".")[0] not in ("keras", "python"):
        return None
    return keras_names.ALIASES.get(path, path)


def _room(path: str) -> Any:
    """Lamina's room for a path such as ``keras.layers``; None when there is none."""
    name = "lamina" + path.removeprefix("keras")
    if path.count(".") > 1 and path not in keras_names.NESTED:
        return None
    if path.count(".") == 1 and path.removeprefix("keras.") not in lamina._ROOMS:
        return None
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def _is_module(module: str) -> bool:
    path = _keras_path(module)
    if path is None:
        return module == "tensorflow" or module.removeprefix("tensorflow.") in tf_names.namespaces()
    return path in keras_names.TABLES or _room(path) is not None


def _names(module: str) -> list[str]:
    path = _keras_path(module)
    if path is None:
        return list(tf_names.namespaces().get(module.removeprefix("tensorflow").lstrip("."), {}))
    room = _room(path)
    return [*keras_names.TABLES.get(path, {}), *getattr(room, "__all__", ())]


def _lookup(module: str, name: str) -> Any:
    """What a name in a module of the facade stands for; _ABSENT when nothing."""
    path = _keras_path(module)
    if path is None:
        table = tf_names.namespaces().get(module.removeprefix("tensorflow").lstrip("."), {})
        if name in table:
            return table[name]
    else:
        table = keras_names.TABLES.get(path, {})
        if name in table:
            return _entry(table[name])
        found = getattr(_room(path), name, None) if name in _names(module) else None
        if found is not None and not isinstance(found, ModuleType):
            return _lifted(found) if path.partition(".")[2] in keras_names.LIFTED else found
    child = f"{module}.{name}"
    return importlib.import_module(child) if _is_module(child) else _ABSENT


def _entry(value: Any) -> Any:
    """An entry of a table: an object, or ``"room:name"`` in Lamina."""
    if not isinstance(value, str):
        return value
    room, _, name = value.partition(":")
    found = getattr(importlib.import_module(f"lamina.{room}"), name)
    return _lifted(found)


def _lifted(found: Any) -> Any:
    return lifted(found) if isinstance(found, FunctionType) else found


def missing(module: str, name: str) -> str:
    """The message for a name that the facade has not."""
    short = module.replace("tensorflow", "tf", 1) if module else ""
    full = f"{short}.{name}" if short else name
    about = "Keras" if full.startswith(("keras", "tf.keras")) else "TensorFlow"
    hints = {**tf_names.HINTS, **keras_names.HINTS}
    key = full.removeprefix("tf.")
    hint = hints.get(key) or hints.get(key.rpartition(".")[0])
    known = _names(module) if module and _is_module(module) else ROOTS
    return explain(
        f"{full} is not part of Lamina's facade of {about}. {nearest(name, known)}".rstrip(),
        fix=hint
        or "use lamina.ops or jax.numpy for arrays, lamina's layers and models for the "
        "rest; lamina.compat.uninstall() gives the real package back",
    )
