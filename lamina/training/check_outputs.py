"""Checks of losses, last activations, targets and metrics, one output at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lamina import metrics
from lamina.core.fingerprint import structure
from lamina.training.endings import BOUNDS
from lamina.training.seen import Finding, Sample, Seen, Term

BINARY = ("binary_crossentropy", "binary_focal_crossentropy")
SPARSE = ("sparse_categorical_crossentropy", "categorical_generalized_cross_entropy")
ONE_HOT = ("categorical_crossentropy", "categorical_focal_crossentropy")
CATEGORICAL = (*ONE_HOT, *SPARSE)
REGRESSION = ("mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error",
              "mean_squared_logarithmic_error", "huber", "log_cosh")  # fmt: skip
ELEMENTWISE = (*REGRESSION, "hinge", "squared_hinge", "poisson")
_PROBABILITIES = ("sigmoid", "softmax", "hard_sigmoid")
_COUNTING = (metrics.Precision, metrics.Recall, metrics.TruePositives, metrics.FalsePositives,
             metrics.TrueNegatives, metrics.FalseNegatives)  # fmt: skip
FEW = 0.01
"""The share of stray values that is nothing to speak of."""


def logits(seen: Seen) -> Iterator[Finding]:
    """Probabilities taken for logits, and the other way round."""
    for term in (*seen.terms, *seen.metrics):
        if term.kind not in (*BINARY, *CATEGORICAL) or term.ending is None:
            continue
        activation, where, _ = term.ending
        given = term.option("from_logits", False)
        if given and activation in _PROBABILITIES:
            yield Finding(
                "from-logits",
                f"{_who(term)} has from_logits=True, but {where} ends in {activation}, so that the "
                "loss takes it a second time. Leave from_logits out, or the activation.",
            )
        elif not given and activation not in (*_PROBABILITIES, "exponential", "softplus"):
            named = "no activation" if activation == "linear" else f"activation {activation!r}"
            fit = "sigmoid" if term.kind in BINARY else "softmax"
            yield Finding(
                "from-logits",
                f"{_who(term)} takes probabilities, but {where} has {named}. Give it "
                f"activation={fit!r}"
                + (", or the loss from_logits=True." if hasattr(term.thing, "from_logits") else
                   f", or give {_class(term.kind)}(from_logits=True)."),
            )  # fmt: skip


def classes(seen: Seen) -> Iterator[Finding]:
    """Activations and losses for another kind of classes than the labels are of."""
    for term in seen.terms:
        if term.ending is None or not term.shape:
            continue
        activation, where, axis = term.ending
        units, last = term.shape[-1], axis in (-1, len(term.shape) - 1)
        if activation == "softmax" and last and units == 1:
            yield Finding(
                "softmax-of-one",
                f"{where} takes a softmax over one unit, which is always 1. For two classes take "
                "activation='sigmoid' and binary crossentropy; for more, as many units.",
            )
        elif term.kind in ONE_HOT and units == 1 and term.option("axis", -1) == -1:
            yield Finding(
                "one-class",
                f"{_who(term)} of one unit is always 0. For yes or no take "
                "'binary_crossentropy' with activation='sigmoid'; for more classes, as many units.",
            )
        elif activation == "sigmoid" and term.kind in CATEGORICAL and units > 1:
            if not term.option("from_logits", False):
                yield Finding(
                    "exclusive-classes",
                    f"{_who(term)} is for classes that exclude each other, but {where} has a "
                    "sigmoid for each. Take activation='softmax'; or 'binary_crossentropy', if "
                    "several may hold together.",
                )
        elif activation == "softmax" and last and term.kind in BINARY and _multi_hot(term):
            yield Finding(
                "multi-label",
                f"Several labels of a sample hold together, but {where} has a softmax, whose "
                "outputs add up to 1. Take activation='sigmoid'.",
            )


def labels(seen: Seen) -> Iterator[Finding]:
    """Labels that are not what the loss takes."""
    for term in (*seen.terms, *seen.held_out):
        values = _counted(term)
        if values is None or values.size == 0:
            continue
        assert term.target is not None
        name = term.target.name
        if term.kind in SPARSE:
            yield from _sparse_labels(seen, term, values, name)
        elif term.kind in BINARY and _strays(values, 0, 1):
            if set(np.unique(values).tolist()) == {-1, 1}:
                fix = "Give (y + 1) / 2, or take a hinge loss."
            else:
                fix = "Scale them, or take a loss for free numbers, as 'mse'."
            yield Finding(
                "labels-range",
                f"{_who(term)} takes targets from 0 to 1, but {name} goes from {values.min():g} to "
                f"{values.max():g}. {fix}",
            )
        elif term.kind in ONE_HOT and term.option("axis", -1) == -1 and values.shape[-1] > 1:
            rows = values.reshape(-1, values.shape[-1])
            several = np.count_nonzero(rows, axis=-1) > 1
            wrong = several & (np.abs(rows.sum(axis=-1) - 1) > 0.01)
            if wrong.mean() > 10 * FEW:
                place = int(np.argmax(wrong))
                yield Finding(
                    "not-one-hot",
                    f"{_who(term)} takes one class for each sample, in rows that add up to 1, but "
                    f"a row of {name} adds up to {rows[place].sum():g}. If several may hold "
                    "together, take 'binary_crossentropy' with activation='sigmoid'.",
                )


def _sparse_labels(seen: Seen, term: Term, values: np.ndarray, name: str) -> Iterator[Finding]:
    axis = term.option("axis", -1)
    count = term.shape[axis]
    if values.dtype.kind == "f" and np.any(values % 1 != 0):
        yield Finding(
            "labels-not-whole",
            f"{_who(term)} takes class numbers, but {name} holds fractions. For free numbers "
            "take 'mse'; for probabilities of classes 'categorical_crossentropy'.",
        )
        return
    wrong = np.unique(values[(values < 0) | (values >= count)])
    wrong = wrong[wrong != term.option("ignore_class", None)]
    masked = any(layer._computes_mask() for layer in seen.layers)
    if len(wrong) <= masked:  # one such label may be the padding, if there are masks
        return
    shown = ", ".join(f"{each:g}" for each in wrong[:4].tolist())
    if values.min() == 1 and wrong.tolist() == [count]:
        fix = f"Labels are counted from 0: give {name} - 1."
    elif len(wrong) == 1 and (wrong[0] < 0 or wrong[0] == 255):
        fix = f"If it means 'nothing', give {_class(term.kind)}(ignore_class={wrong[0]:g})."
    else:
        fix = f"Make the last layer {int(values.max()) + 1} wide, or renumber the labels."
    yield Finding(
        "labels-out-of-range",
        f"{name} holds the label{'s' * (len(wrong) > 1)} {shown}, but {_output(term)} "
        f"has {count} classes, 0 to {count - 1}. {fix}",
        certain=structure(seen.model).ours,
    )


def ranges(seen: Seen) -> Iterator[Finding]:
    """Targets that the last activation cannot reach."""
    for term in seen.terms:
        values = _counted(term)
        if term.ending is None or values is None or term.kind not in REGRESSION:
            continue
        low, high = BOUNDS.get(term.ending.activation, (None, None))
        if values.size and _strays(values, low, high) and not _repeated(term):
            reach = f"no less than {low}" if high is None else f"from {low} to {high}"
            assert term.target is not None
            yield Finding(
                "range-of-output",
                f"{term.ending.where} ends in {term.ending.activation}, which gives numbers "
                f"{reach}, but {term.target.name} goes from {values.min():g} to "
                f"{values.max():g}. Leave the activation out, or scale the targets.",
            )


def broadcasts(seen: Seen) -> Iterator[Finding]:
    """Targets that fit the output only because they are repeated."""
    for term in seen.terms:
        if term.target is None or term.kind not in ELEMENTWISE or not _repeated(term):
            continue
        softmax = term.ending is not None and term.ending.activation == "softmax"
        fix = " For class numbers take 'sparse_categorical_crossentropy'." if softmax else ""
        yield Finding(
            "target-broadcast",
            f"{term.target.name} has the shape {_shape(term.target.values.shape)}, "
            f"{_output(term)} {_shape(term.shape)}: {_who(term)} repeats one to fit the other. "
            f"Give targets of the shape of the output.{fix}",
        )


def _repeated(term: Term) -> bool:
    """Whether targets have another shape than the output, but for a last axis of size 1."""
    assert term.target is not None
    given, wanted = term.target.values.shape[1:], term.shape[1:]
    return given != wanted and (*given, 1) != wanted and given != (*wanted, 1)


def one_label(seen: Seen) -> Iterator[Finding]:
    """Labels that are all the same, and held-out labels that training never sees."""
    for term in seen.terms:
        numbers = _numbers(term)
        frozen = any(not layer.trainable for layer in seen.layers)
        if numbers is None or frozen or len(numbers) < 32 or numbers.min() != numbers.max():
            continue
        assert term.target is not None
        what = "all labels" if seen.listed else "all labels of the first batch"
        yield Finding(
            "one-label",
            f"{term.target.name}: {what} are {numbers[0]:g}, so there is nothing to tell apart. "
            "If the data is sorted by class, shuffle it.",
        )
    for term, held in zip(seen.terms, seen.held_out, strict=False):
        known, new = _numbers(term), _numbers(held)
        if known is None or new is None or not seen.listed:
            continue
        assert term.target is not None
        strange = np.isin(new, known, invert=True)
        if term.target.whole and strange.mean() > 0.5:
            yield Finding(
                "sorted-labels",
                f"{strange.mean():.0%} of the samples to validate with are of classes that "
                "training never sees. validation_split takes the last samples as they are: "
                "shuffle sorted data before.",
            )


def class_weights(seen: Seen) -> Iterator[Finding]:
    """Weights for classes that do not occur."""
    for term in seen.terms if seen.class_weight and seen.listed else ():
        numbers = _numbers(term)
        if numbers is None or term.target is None or not term.target.whole:
            continue
        missing = [key for key in seen.class_weight if key not in set(numbers.tolist())]
        if missing:
            yield Finding(
                "class-weight",
                f"class_weight has the key{'s' * (len(missing) > 1)} "
                f"{', '.join(map(str, missing[:4]))}, but no label of {term.target.name} is that; "
                f"there are {', '.join(f'{each:g}' for each in np.unique(numbers)[:8])}.",
            )


def meaningless(seen: Seen) -> Iterator[Finding]:
    """Metrics that say nothing about these targets and outputs."""
    losses = {id(term.target): term for term in seen.terms}
    for term in seen.metrics:
        loss, values = losses.get(id(term.target)), _counted(term)
        if loss is None or values is None or not values.size or not loss.kind:
            continue
        accuracy = term.kind.endswith("accuracy")
        if accuracy and _free_numbers(term, loss, values):
            yield Finding(
                "accuracy-of-numbers",
                f"The metric '{term.name}' counts predictions that equal labels, but the targets "
                f"are numbers from {values.min():g} to {values.max():g}. For free numbers take "
                "'mae'; for classes, labels 0, 1, ...",
            )
        elif term.kind == "categorical_accuracy" and loss.kind in BINARY and _multi_hot(loss):
            yield Finding(
                "accuracy-of-labels",
                f"The metric '{term.name}' compares the likeliest label only, but several hold "
                "together. Take 'binary_accuracy', or keras.metrics.F1Score.",
            )
        elif loss.option("from_logits", False) and _at_half(term):
            yield Finding(
                "metric-of-logits",
                f"The metric '{term.name}' takes probabilities, but the outputs are logits (the "
                f"loss has from_logits=True). {_remedy(term)}",
            )


def _free_numbers(term: Term, loss: Term, values: np.ndarray) -> bool:
    if term.kind == "binary_accuracy":
        return bool(np.mean((values != 0) & (values != 1)) > FEW)
    if loss.kind not in REGRESSION or values.dtype.kind != "f":
        return False
    rows = values.reshape(-1, values.shape[-1])
    soft = term.kind == "categorical_accuracy" and np.allclose(rows.sum(-1), 1, atol=0.01)
    return not soft and bool(np.mean(values % 1 != 0) > FEW)


def _at_half(term: Term) -> bool:
    """Whether a metric compares with a threshold that is meant for probabilities."""
    if term.kind == "binary_accuracy":
        return term.option("threshold", 0.5) > 0
    if isinstance(term.thing, metrics.AUC):
        return not term.thing.from_logits
    return isinstance(term.thing, _COUNTING) and any(each > 0 for each in term.thing.thresholds)


def _remedy(term: Term) -> str:
    if isinstance(term.thing, metrics.AUC):
        return "Give AUC(from_logits=True)."
    if term.kind == "binary_accuracy":
        return "Give BinaryAccuracy(threshold=0)."
    return f"Give {type(term.thing).__name__}(thresholds=0)."


def _who(term: Term) -> str:
    name = term.thing.name or term.kind
    return f"{name} (of the output '{term.name}')" if term.name != name else str(name)


def _output(term: Term) -> str:
    named = term.name not in (term.thing.name, term.kind)
    return f"the output '{term.name}'" if named else "the output"


def _class(kind: str) -> str:
    return "".join(part.capitalize() for part in kind.split("_"))


def _shape(shape: Any) -> str:
    return "(" + ", ".join(["batch", *map(str, shape[1:])]) + ")"


def _counted(term: Term) -> np.ndarray | None:
    """The targets of samples whose weight is not 0."""
    if term.target is None:
        return None
    values, weights = term.target.values, term.weights
    if weights is None or weights.stride != term.target.stride:
        return values
    rank = min(weights.values.ndim, values.ndim)
    counts = weights.values.reshape(*weights.values.shape[:rank], -1).any(axis=-1)
    fits = counts.shape == values.shape[:rank]
    return values[counts] if fits else values


def _strays(values: np.ndarray, low: float | None, high: float | None) -> bool:
    """Whether more than a few values lie clearly outside of a range."""
    outside = np.zeros(values.shape, bool)
    if low is not None:
        outside |= values < low - 0.01
    if high is not None:
        outside |= values > high + 0.01
    return bool(outside.mean() > FEW)


def _multi_hot(term: Term) -> bool:
    """Whether targets are zeros and ones with several ones, or none, in many rows."""
    values = _counted(term)
    if values is None or values.ndim < 2 or values.shape[-1] < 2 or not values.size:
        return False
    rows = values.reshape(-1, values.shape[-1])
    plain = np.all((rows == 0) | (rows == 1))
    return bool(plain and np.mean(np.count_nonzero(rows, axis=-1) > 1) > 10 * FEW)


def _numbers(term: Term) -> np.ndarray | None:
    """The class number of each sample; None if there is not one for each."""
    sample: Sample | None = term.target
    if sample is None or term.kind not in (*BINARY, *CATEGORICAL):
        return None
    values = sample.values
    if values.ndim == 2 and term.kind in ONE_HOT:
        return values.argmax(axis=-1)
    if values.ndim == 2 and values.shape[-1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or np.any(values % 1 != 0):
        return None
    return values


CHECKS: list[Callable[[Seen], Iterator[Finding]]] = [
    logits, classes, labels, ranges, broadcasts, one_label, class_weights, meaningless,
]  # fmt: skip
