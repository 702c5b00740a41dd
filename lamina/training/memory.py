"""Bytes that a step needs, told by XLA for the compiled program, and named when there are none."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax

from lamina.core import nest
from lamina.core.errors import LaminaError
from lamina.training.program import prepare, program_for
from lamina.training.state import read, variables_of
from lamina.training.step import Batch


class OutOfMemoryError(LaminaError, MemoryError, RuntimeError):
    """The device has no room for a step."""


@dataclass(frozen=True)
class Memory:
    """Bytes of each part of a step.

    Attributes:
        weights: Weights, moving statistics and running sums of metrics.
        optimizer: What the optimizer remembers.
        gradients: One for each trained weight.
        activations: What else the program keeps at its fullest moment, by XLA's own count.
        batch: The samples.
        rows: The number of samples.
        limit: Bytes of the device.
    """

    weights: int
    optimizer: int
    gradients: int
    activations: int
    batch: int
    rows: int
    limit: int

    @property
    def total(self) -> int:
        """The sum of the parts."""
        return self.weights + self.optimizer + self.gradients + self.activations + self.batch

    @property
    def largest_batch(self) -> int:
        """The batch size that would fit, if activations grow with the samples; 0 if none does."""
        fixed = self.weights + self.optimizer + self.gradients
        return max(self.limit - fixed, 0) * self.rows // max(self.activations + self.batch, 1)

    def __str__(self) -> str:
        parts = ("weights", "optimizer", "gradients", "activations", "batch")
        text = ", ".join(f"{part} {_shown(getattr(self, part))}" for part in parts)
        return f"{text}; {_shown(self.total)} in all for {self.rows} samples"


def _shown(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}" if unit != "bytes" else f"{size} bytes"
        size /= 1024
    return f"{size:.1f} GiB"


def bytes_of(tree: Any) -> int:
    """Bytes of all arrays in a tree."""
    return sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(tree))


def estimate(model: Any, kind: Any, batch: Batch) -> Memory:
    """Compile the step for a batch, and ask XLA."""
    prepare(model, kind, batch)
    state = read(variables_of(model, kind))
    pure: Any = jax.jit(program_for(model, kind).pure)
    found = pure.lower(state, batch).compile().memory_analysis()
    gradients = bytes_of(state.trainable) if kind == "train" else 0
    free = max(found.temp_size_in_bytes - gradients, 0) if found is not None else 0
    return Memory(
        weights=bytes_of((state.trainable, state.non_trainable, state.metrics)),
        optimizer=bytes_of(state.optimizer),
        gradients=gradients,
        activations=free,
        batch=bytes_of(batch),
        rows=nest.flatten(batch.x)[0].shape[0],
        limit=_limit(),
    )


def _limit() -> int:
    """Bytes of the first device; on a CPU, those of the machine."""
    known = jax.local_devices()[0].memory_stats() or {}
    return known.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextlib.contextmanager
def named(runner: Any) -> Iterator[None]:
    """Say how much each part needs, and which batch size would fit, when memory runs out."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        try:
            need = estimate(runner.model, runner.kind, runner.data.first())
        except jax.errors.JaxRuntimeError:  # nor is there room to ask
            raise error from None
        fits = need.largest_batch
        if fits >= need.rows:  # others hold memory too, so what is free is not the whole device
            fits = need.rows // 2
        raise OutOfMemoryError(
            f"{runner.model._who()} needs more memory than the device has.",
            met=str(need),
            rule=f"the device has {_shown(need.limit)}",
            fix=f"batch_size={fits} would fit, going by this; "
            "gradient_accumulation_steps keeps the step as it was"
            if fits
            else "not even a batch of one fits: make the model smaller, or its dtype",
        ) from error


__all__ = ["Memory", "OutOfMemoryError", "bytes_of", "estimate", "named"]
