"""Labels, vectors and sequences as arrays ready for training."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.types import ArrayLike, DTypeLike


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> np.ndarray:
    """One-hot rows for class numbers.

    Args:
        x: Integers from 0, of any shape; a last axis of size 1 is dropped.
        num_classes: Width of a row; the largest class plus one when left out.

    Returns:
        float32 of shape ``x.shape + (num_classes,)``.

    Raises:
        ShapeError: when a class is negative or beyond ``num_classes``.

    >>> to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    classes = np.asarray(x).astype(np.int64)
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    width = num_classes or (int(classes.max()) + 1 if classes.size else 0)
    if classes.size and (classes.min() < 0 or classes.max() >= width):
        raise ShapeError(
            "to_categorical got classes that have no column.",
            met=f"classes from {classes.min()} to {classes.max()}, num_classes={width}",
            rule="classes are numbered from 0 to num_classes - 1",
        )
    return np.eye(width, dtype=np.float32)[classes]


def normalize(x: ArrayLike, axis: int = -1, order: int | float = 2) -> np.ndarray:
    """Vectors along ``axis`` divided by their norm of this order; zero vectors stay zero.

    >>> normalize([3.0, 4.0])
    array([[0.6, 0.8]])
    """
    array = np.atleast_2d(np.asarray(x, float if np.asarray(x).dtype.kind != "f" else None))
    norms = np.atleast_1d(np.linalg.norm(array, order, axis))
    return array / np.expand_dims(np.where(norms == 0, 1, norms), axis)


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of different lengths as one array.

    Args:
        sequences: Sequences of numbers, or of arrays of one shape.
        maxlen: Length of the result; the longest sequence's when left out.
        padding, truncating: Where to add or cut: "pre" or "post".
        value: What to fill with.

    >>> pad_sequences([[1], [2, 3]])
    array([[0, 1],
           [2, 3]], dtype=int32)
    """
    for name, given in (("padding", padding), ("truncating", truncating)):
        if given not in ("pre", "post"):
            raise ArgumentError(f"{name}={given!r} is neither 'pre' nor 'post'.")
    try:
        lengths = [len(sequence) for sequence in sequences]
    except TypeError:
        raise ArgumentError("pad_sequences takes a list of sequences.") from None
    length = max(lengths, default=0) if maxlen is None else maxlen
    first = next((np.asarray(s) for s in sequences if len(s)), np.zeros(0))
    out = np.full((len(lengths), length, *first.shape[1:]), value, dtype=dtype)
    for row, sequence in zip(out, sequences, strict=True):
        kept = np.asarray(sequence)
        if not kept.size or not length:
            continue
        kept = kept[-length:] if truncating == "pre" else kept[:length]
        if kept.shape[1:] != first.shape[1:]:
            raise ShapeError(f"Items of shape {kept.shape[1:]} stand beside {first.shape[1:]}.")
        if padding == "pre":
            row[-len(kept) :] = kept
        else:
            row[: len(kept)] = kept
    return out
