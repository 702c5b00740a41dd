"""Outputs of `predict` as they come: for a loop, or for a file."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lamina.core import nest
from lamina.core.errors import ArgumentError, ShapeError
from lamina.core.files import replacing
from lamina.core.types import Nest

AHEAD = 2
"""Programs of predicting that may be under way before outputs are fetched."""


def fetched(runner: Any, callbacks: Any) -> Iterator[Nest]:
    """What each program gave, as NumPy arrays, without the rows that filled up a batch."""
    data = runner.data
    rowwise = hasattr(data, "size") and runner.program.facts.rowwise
    left = min(data.size, data.steps * data.batch_size) if rowwise else None
    waiting: deque[Any] = deque()

    def take() -> Nest:
        nonlocal left
        outputs = jax.tree.map(lambda a: np.asarray(a)[:left], waiting.popleft())
        if left is not None:
            left -= len(nest.flatten(outputs)[0])
        return outputs

    for outputs in runner.epoch(callbacks):
        waiting.append(outputs)
        if len(waiting) > AHEAD:
            yield take()
    while waiting:
        yield take()


def together(parts: Iterable[Nest]) -> Nest:
    """All parts in one array for each output."""
    found = list(parts)
    if not found:
        raise ArgumentError("The data gave no batch to predict.")
    return jax.tree.map(lambda *some: np.concatenate(some), *found)


def one_by_one(parts: Iterable[Nest], size: int | None) -> Iterator[Nest]:
    """Parts cut into batches of ``size`` rows; as they are when it is None."""
    for part in parts:
        rows = len(nest.flatten(part)[0])
        for start in range(0, rows, size or rows):
            stop = start + (size or rows)
            yield jax.tree.map(lambda a, i=start, j=stop: a[i:j], part)


def to_file(parts: Iterable[Nest], path: str | os.PathLike[str]) -> np.ndarray:
    """Write one output to a .npy file as it comes; the array in the file, mapped into memory.

    The file appears under its name when it is whole. NumPy leaves room in the header for the
    number of rows, which is written last.

    Raises:
        ArgumentError: for several outputs, for a name that ends otherwise, or without a batch.
        ShapeError: when batches differ in more than their number of rows.
    """
    path = Path(path)
    if path.suffix != ".npy":
        raise ArgumentError(f"predict writes .npy files, not '{path.name}'.")
    rows, first = 0, None
    with replacing(path) as file:
        for part in parts:
            if nest.is_nested(part):
                raise ArgumentError(
                    "predict(out=...) writes one output; the model has several.",
                    fix="take them from predict_batches, or predict with one output at a time",
                )
            # NumPy's files know no bfloat16
            array = part.astype(np.float32) if part.dtype.kind == "V" else part
            if first is None:
                first = array
                _header(file, first, 0)
            if array.shape[1:] != first.shape[1:]:
                raise ShapeError(
                    "The outputs of two batches do not fit into one file.",
                    met=f"{first.shape[1:]} and {array.shape[1:]} after the axis of samples",
                )
            file.write(np.ascontiguousarray(array).data)
            rows += len(array)
        if first is None:
            raise ArgumentError("The data gave no batch to predict.")
        file.seek(0)
        _header(file, first, rows)
    return np.load(path, mmap_mode="r")


def _header(file: Any, array: np.ndarray, rows: int) -> None:
    described = np.lib.format.header_data_from_array_1_0(array)
    described |= {"shape": (rows, *array.shape[1:]), "fortran_order": False}
    np.lib.format.write_array_header_1_0(file, described)


__all__ = ["fetched", "one_by_one", "to_file", "together"]
