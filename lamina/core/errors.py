r"""The exceptions of Lamina.

    LaminaError
    ├── ArgumentError (ValueError)     an argument has a value that cannot work
    ├── ShapeError (ValueError)        shapes, or ranks, that do not fit together
    ├── DTypeError (TypeError)         a value of the wrong kind or dtype
    ├── UnknownNameError (ValueError)  a name that stands for nothing; says the nearest one
    ├── GraphError (ValueError)        a graph of symbolic tensors that does not hang together
    ├── NotDefinedError (NotImplementedError)  a method that a subclass has to define
    ├── StateError (RuntimeError)      something was asked for in the wrong order
    │   └── UndescribedError (AttributeError)  symbolic inputs or outputs that are not known yet
    ├── LeakError (RuntimeError)       a traced value would have escaped from its transformation
    ├── NumericsError (FloatingPointError)  NaN or inf where there must be a number
    └── FileError (ValueError)         a file that is damaged, refused, or not for this model

What is probably wrong is a `LaminaWarning` (UserWarning) with a code in brackets; this silences one
of them: ``warnings.filterwarnings("ignore", r"(?s).*\[the-code\]")``.

Each one is also the built-in exception that Keras raises in its place, so that code which
catches ``ValueError`` keeps working.
"""

import difflib
from collections.abc import Iterable


class LaminaError(Exception):
    """What every exception that Lamina raises about a user's input has in common.

    Args:
        what: What could not be done, and by whom.
        met: What was met: shapes, dtypes, values by kind.
        rule: The rule that this breaks.
        fix: The usual way out.

    >>> raise ShapeError("Dense 'head' cannot be called.", met="shape (4,)", fix="Add an axis.")
    Traceback (most recent call last):
        ...
    lamina.core.errors.ShapeError: Dense 'head' cannot be called.
      met:  shape (4,)
      fix:  Add an axis.
    """

    def __init__(self, what: str = "", *, met: str = "", rule: str = "", fix: str = "") -> None:
        super().__init__(explain(what, met=met, rule=rule, fix=fix))


class ArgumentError(LaminaError, ValueError):
    """An argument has a value that cannot work."""


class ShapeError(LaminaError, ValueError):
    """Shapes that do not fit together."""


class DTypeError(LaminaError, TypeError):
    """A value of the wrong kind or dtype."""


class UnknownNameError(LaminaError, ValueError):
    """A name that stands for nothing here."""


class GraphError(LaminaError, ValueError):
    """A graph of symbolic tensors that does not hang together."""


class NotDefinedError(LaminaError, NotImplementedError):
    """A method that a subclass has to define."""


class StateError(LaminaError, RuntimeError):
    """Something was asked for before it can exist."""


class UndescribedError(StateError, AttributeError):
    """Symbolic inputs or outputs that are not known yet; to ``hasattr``, there are none."""


class LeakError(LaminaError, RuntimeError):
    """A traced value would have escaped from its transformation."""


class NumericsError(LaminaError, FloatingPointError):
    """NaN or inf where there must be a number."""


class FileError(LaminaError, ValueError):
    """A file that is damaged, refused, or made for another model."""


class LaminaWarning(UserWarning):
    """Something that is probably wrong; its message has a code in brackets."""


def explain(what: str, *, met: str = "", rule: str = "", fix: str = "") -> str:
    """The message of such an error: a line for each part that is given."""
    parts = [("met:  ", met), ("rule: ", rule), ("fix:  ", fix)]
    return "\n".join([what, *(f"  {label}{text}" for label, text in parts if text)])


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the name that was probably meant, or an empty string.

    >>> nearest("relo", ["relu", "tanh"])
    "Did you mean 'relu'?"
    """
    known = [each for each in known if isinstance(each, str)]
    lowered = {each.lower(): each for each in reversed(known)}
    exact = difflib.get_close_matches(str(name), known, n=1, cutoff=0.8)
    found = exact or difflib.get_close_matches(str(name).lower(), list(lowered), n=1, cutoff=0.6)
    return f"Did you mean '{found[0] if exact else lowered[found[0]]}'?" if found else ""


def unknown(kind: str, name: object, known: Iterable[str]) -> UnknownNameError:
    """The error for ``name`` that is none of ``known``; ``kind`` says what it should have been."""
    known = list(known)
    text = f"Unknown {kind}: {name!r}. {nearest(str(name), known)}".rstrip()
    return UnknownNameError(text, fix=_choices(known))


def _choices(known: list[str]) -> str:
    shown = sorted(dict.fromkeys(known))
    if len(shown) > 40:
        shown = [*shown[:40], "..."]
    return "use one of " + ", ".join(shown) if shown else ""


def describe_value(value: object) -> str:
    """What a value is, without its data: type, and shape and dtype or length where there are some.

    >>> describe_value([1, 2])
    'list of length 2, first item int'
    """
    kind = "array" if hasattr(value, "aval") else type(value).__name__
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{kind} of shape {tuple(shape)} and dtype {getattr(value, 'dtype', '?')}"
    if isinstance(value, (list, tuple)) and value:
        return f"{kind} of length {len(value)}, first item {type(value[0]).__name__}"
    if isinstance(value, dict):
        return f"dict with keys {list(value)[:8]}"
    return f"{kind} {value!r}" if isinstance(value, (str, int, float, bool)) else kind
