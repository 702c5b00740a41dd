"""Connectionist temporal classification: sequences of labels from frames, without alignments."""

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.errors import ArgumentError, ShapeError, unknown
from lamina.core.types import Array, ArrayLike
from lamina.ops._rules import array_op

NEVER = -1e5
"""The log-probability of what cannot happen; finite, so that no gradient becomes NaN."""


def losses(labels: Array, logits: Array, counts: Array, frames: Array, blank: int = 0) -> Array:
    """Minus the log-probability of each label sequence, summed over all its alignments.

    Args:
        labels: Integers, (batch, length); of each row the first ``counts`` count.
        logits: Floats, (batch, time, classes); of each row the first ``frames`` count.
        blank: The class that stands between labels.

    Graves et al., "Connectionist Temporal Classification" (2006), section 4.1, in logarithms.
    """
    batch, length = labels.shape
    states = jnp.full((batch, 2 * length + 1), blank, jnp.int32).at[:, 1::2].set(labels)
    emitted = jnp.take_along_axis(jax.nn.log_softmax(logits), states[:, None], axis=2)
    before = jnp.pad(states, ((0, 0), (2, 0)))[:, :-2]
    may_skip = (jnp.arange(2 * length + 1) % 2 == 1) & (states != before)
    may_skip = may_skip.at[:, 1:2].set(True)

    def shifted(x: Array, by: int) -> Array:
        return jnp.pad(x, ((0, 0), (by, 0)), constant_values=NEVER)[:, :-by]

    def step(score: Array, frame: tuple[Array, Array]) -> tuple[Array, None]:
        emission, time = frame
        skipped = jnp.where(may_skip, shifted(score, 2), NEVER)
        moved = jnp.logaddexp(jnp.logaddexp(score, shifted(score, 1)), skipped) + emission
        return jnp.where((time < frames)[:, None], moved, score), None

    start = jnp.full(states.shape, NEVER, logits.dtype).at[:, 0].set(0)
    score, _ = jax.lax.scan(step, start, (emitted.swapaxes(0, 1), jnp.arange(logits.shape[1])))
    last = 2 * counts[:, None]
    ends = jnp.take_along_axis(score, jnp.concatenate([last, jnp.maximum(last - 1, 0)], 1), 1)
    ends = ends.at[:, 1].set(jnp.where(counts > 0, ends[:, 1], NEVER))
    return -jax.nn.logsumexp(ends, axis=1)


def _logits(x: ArrayLike) -> Array:
    x = jnp.asarray(x)
    return x.astype(jnp.result_type(x.dtype, jnp.float32))


@array_op(4)
def ctc_loss(
    target: ArrayLike,
    output: ArrayLike,
    target_length: ArrayLike,
    output_length: ArrayLike,
    mask_index: int = 0,
) -> Array:
    """Minus the log-probability of label sequences under all their alignments to frames.

    Args:
        target: Labels, (batch, length).
        output: Logits, (batch, time, classes).
        target_length, output_length: How many labels and frames count in each row, (batch,).
        mask_index: The class that stands between labels (blank).

    Returns:
        Shape (batch,).
    """
    labels, logits = jnp.asarray(target, jnp.int32), _logits(output)
    if labels.ndim != 2 or logits.ndim != 3 or labels.shape[0] != logits.shape[0]:
        raise ShapeError(
            "ops.ctc_loss: target and output do not fit together.",
            met=f"target of shape {labels.shape}, output of shape {logits.shape}",
            rule="(batch, length) labels and (batch, time, classes) logits",
        )
    counts, frames = (jnp.asarray(each, jnp.int32) for each in (target_length, output_length))
    return losses(labels, logits, counts, frames, mask_index)


@array_op(2)
def ctc_decode(
    inputs: ArrayLike,
    sequence_lengths: ArrayLike,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int | None = 0,
) -> tuple[Array, Array]:
    """The most probable label sequences of frames.

    Args:
        inputs: Logits, (batch, time, classes).
        sequence_lengths: How many frames count in each row, (batch,).
        strategy: "greedy" takes the best class of each frame; "beam_search" adds up the
            alignments of ``beam_width`` sequences.
        top_paths: How many sequences a beam search returns.
        merge_repeated: Whether a greedy search counts a label in neighbouring frames once.
        mask_index: The class that stands between labels (blank); the last one for None.

    Returns:
        Labels of shape (paths, batch, time), filled up with -1, and (batch, paths): minus the sum
        of the best logits (greedy), or the log-probabilities (beam search).
    """
    logits, frames = _logits(inputs), jnp.asarray(sequence_lengths, jnp.int32)
    if logits.ndim != 3:
        raise ShapeError(f"ops.ctc_decode takes (batch, time, classes), not shape {logits.shape}.")
    blank = logits.shape[-1] - 1 if mask_index is None else mask_index
    if strategy == "greedy":
        return _greedy(logits, frames, merge_repeated, blank)
    if strategy != "beam_search":
        raise unknown("strategy of ops.ctc_decode", strategy, ("greedy", "beam_search"))
    if top_paths > beam_width:
        raise ArgumentError(f"ops.ctc_decode: {top_paths=} is more than {beam_width=}.")
    search = jax.vmap(lambda x, n: _beam_search(x, n, beam_width, top_paths, blank))
    paths, scores = search(jax.nn.log_softmax(logits), frames)
    return paths.swapaxes(0, 1), scores


def _greedy(logits: Array, frames: Array, merge: bool, blank: int) -> tuple[Array, Array]:
    counts = jnp.arange(logits.shape[1]) < frames[:, None]
    labels = jnp.where(counts, jnp.argmax(logits, -1).astype(jnp.int32), blank)
    kept = labels != blank
    if merge:
        kept = kept.at[:, 1:].set(kept[:, 1:] & (labels[:, 1:] != labels[:, :-1]))
    order = jnp.argsort(~kept, axis=1, stable=True)
    path = jnp.take_along_axis(jnp.where(kept, labels, -1), order, 1)
    return path[None], -jnp.sum(jnp.where(counts, jnp.max(logits, -1), 0), 1)[:, None]


def _beam_search(
    logs: Array, frames: Array, width: int, top: int, blank: int
) -> tuple[Array, Array]:
    """Prefix beam search of one sequence (Hannun et al., 2014, algorithm 1).

    A prefix has two scores: of the alignments that end in blank, and of those that end in its
    last label. Equal scores are settled for the lower label, then for the longer prefix.
    """
    time, classes = logs.shape
    labels = jnp.arange(classes)

    def step(state: Any, frame: tuple[Array, Array]) -> tuple[Any, None]:
        paths, sizes, blanks, ends = state
        x, now = frame
        last = jnp.take_along_axis(paths, jnp.maximum(sizes - 1, 0)[:, None], 1)[:, 0]
        both = jnp.logaddexp(blanks, ends)
        longer = jnp.where(labels == last[:, None], blanks[:, None], both[:, None]) + x
        longer = longer.at[:, blank].set(-jnp.inf)
        # A prefix grown by a label may be in the beam already: then its score goes there.
        stem = jnp.where(jnp.arange(time) == sizes[:, None] - 1, -1, paths)
        grows = jnp.all(paths[:, None] == stem, -1) & (sizes[:, None] + 1 == sizes)
        grows &= (both > -jnp.inf)[:, None] & (both > -jnp.inf)
        arriving = jnp.where(grows, jnp.take(longer, jnp.maximum(last, 0), 1), -jnp.inf)
        stays = jnp.logaddexp(ends + x[last], jax.nn.logsumexp(arriving, axis=0))
        taken = jnp.any(grows[:, :, None] & (labels == last[:, None]), 1)
        longer = jnp.where(taken, -jnp.inf, longer)
        rests = both + x[blank]
        scores = jnp.concatenate([longer.reshape(-1), jnp.logaddexp(rests, stays)])
        _, best = jax.lax.top_k(scores, width)
        grown = best < width * classes
        source = jnp.where(grown, best // classes, best - width * classes)
        size = sizes[source]
        added = jnp.where(grown & (jnp.arange(time)[:, None] == size), best % classes, -1).T
        new = (
            jnp.where(added >= 0, added, paths[source]),
            size + grown,
            jnp.where(grown, -jnp.inf, rests[source]),
            jnp.where(grown, scores[best], stays[source]),
        )
        # The first frame always counts, as in Keras.
        going = (now < frames) | (now == 0)
        return jax.tree.map(lambda a, b: jnp.where(going, a, b), new, state), None

    nothing = jnp.full(width, -jnp.inf, logs.dtype)
    start = (
        jnp.full((width, time), -1, jnp.int32),
        jnp.zeros(width, jnp.int32),
        nothing.at[0].set(0),
        nothing,
    )
    (paths, _, blanks, ends), _ = jax.lax.scan(step, start, (logs, jnp.arange(time)))
    scores, best = jax.lax.top_k(jnp.logaddexp(blanks, ends), top)
    return jnp.where((scores > -jnp.inf)[:, None], paths[best], -1), scores
