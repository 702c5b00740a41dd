"""The error about a file: what was refused, by which rule, and the safe way."""

from lamina.core.errors import FileError


def refusal(what: str, *, met: str = "", rule: str = "", fix: str = "") -> FileError:
    """A `FileError` that says what is wrong, what was met, the rule behind it, and the fix."""
    return FileError(what, met=met, rule=rule, fix=fix)
