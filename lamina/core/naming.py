"""Automatic names, and what a name may be."""

import collections
import contextlib
import re
from collections.abc import Iterator

from lamina.core.errors import ArgumentError

_counts: collections.Counter[str] = collections.Counter()


def to_snake_case(name: str) -> str:
    """The usual name of an instance of a class.

    >>> to_snake_case("BatchNormalization"), to_snake_case("Conv2DTranspose")
    ('batch_normalization', 'conv2d_transpose')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix: str) -> str:
    """A name not given before in this process: ``dense``, ``dense_1``, ``dense_2``, ...

    >>> reset_names(); auto_name("dense"), auto_name("dense")
    ('dense', 'dense_1')
    """
    prefix = to_snake_case(prefix)
    count = _counts[prefix]
    _counts[prefix] += 1
    return f"{prefix}_{count}" if count else prefix


def get_uid(prefix: str = "") -> int:
    """A number that grows by one with each call for the same prefix, from 1."""
    _counts[prefix] += 1
    return _counts[prefix]


def reset_names() -> None:
    """Let automatic names count from the beginning."""
    _counts.clear()


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Count on from the names of before the block once it ends.

    >>> reset_names()
    >>> with kept():
    ...     name = auto_name("dense")
    >>> name, auto_name("dense")
    ('dense', 'dense')
    """
    before = dict(_counts)
    try:
        yield
    finally:
        _counts.clear()
        _counts.update(before)


def check_name(name: object, owner: str) -> str:
    """``name`` if it can be part of a path, else an error that says why not."""
    if not isinstance(name, str) or not name or "/" in name:
        raise ArgumentError(
            f"{owner} cannot be named {name!r}.",
            rule="a name is a string without '/', since it becomes part of a path",
            fix=f"name={str(name).replace('/', '_')!r}" if name else "leave `name` out",
        )
    return name
