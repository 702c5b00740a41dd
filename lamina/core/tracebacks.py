"""Tracebacks that end at the user's own line: frames of Lamina and JAX are folded away.

``LAMINA_TRACEBACK=full`` in the environment, or `config.disable_traceback_filtering`, keeps them.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from jax._src import traceback_util

from lamina.core.settings import settings

F = TypeVar("F", bound=Callable[..., Any])
traceback_util.register_exclusion(str(Path(__file__).parent.parent))


def fold(error: BaseException) -> None:
    """Take the frames of Lamina and JAX out of an exception's traceback."""
    if not settings.full_traceback and error.__traceback__ is not None:
        error.with_traceback(traceback_util.filter_traceback(error.__traceback__))


def folded(function: F) -> F:
    """A function whose exceptions show no frames of Lamina and JAX."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            fold(error)
            raise

    return cast(F, wrapper)
