"""Checks of losses, last activations, targets and metrics, one output at a time."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lamina import metrics
from lamina.training.endings import BOUNDS
from lamina.training.seen import Finding, Seen, Term, judge

BINARY = ("binary_crossentropy", "binary_focal_crossentropy")
SPARSE = ("sparse_categorical_crossentropy", "categorical_generalized_cross_entropy")
ONE_HOT = ("categorical_crossentropy", "categorical_focal_crossentropy")
CLASSES = (*BINARY, *ONE_HOT, *SPARSE)
REGRESSION = ("mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error",
              "mean_squared_logarithmic_error", "huber", "log_cosh")  # fmt: skip
ELEMENTWISE = (*REGRESSION, "hinge", "squared_hinge", "poisson")
_PROBABILITIES = ("sigmoid", "softmax", "hard_sigmoid")
_COUNTING = (metrics.Precision, metrics.Recall, metrics.TruePositives, metrics.FalsePositives,
             metrics.TrueNegatives, metrics.FalseNegatives)  # fmt: skip
FEW = 0.01
"""The share of stray values that is nothing to speak of."""


def probabilities_for_logits(it: Term) -> bool:
    """warning [from-logits]: {it.who} has from_logits=True, but {it.ending.where} ends in
    {it.ending.activation}, so that it is taken twice. Leave from_logits out, or the activation.
    """
    crossentropy = it.kind in CLASSES and it.option("from_logits")
    return crossentropy and it.ending.activation in _PROBABILITIES


def logits_for_probabilities(it: Term) -> bool:
    """warning [from-logits]: {it.who} takes probabilities, but {it.ending.where} has the activation
    '{it.ending.activation}'. Give it a softmax (for several classes, of which one holds) or a
    sigmoid; or give the loss, as an object, from_logits=True.
    """
    known = it.ending.activation not in ("", "exponential", "softplus", *_PROBABILITIES)
    return it.kind in CLASSES and known and not it.option("from_logits") and not one_class(it)


def softmax_of_one(it: Term) -> bool:
    """warning [softmax-of-one]: {it.ending.where} takes a softmax over one unit, which is always 1.
    For two classes take activation='sigmoid' and 'binary_crossentropy'; for more, as many units.
    """
    return _softmax(it) and it.shape[-1] == 1


def one_class(it: Term) -> bool:
    """warning [one-class]: {it.who} of one unit is always 0. For yes or no take
    'binary_crossentropy' with activation='sigmoid'; for more classes, as many units.
    """
    return it.kind in ONE_HOT and it.option("axis", -1) == -1 and it.shape[-1:] == (1,)


def softmax_elsewhere(it: Term) -> bool:
    """warning [softmax-axis]: {it.who} has its classes along another axis than the softmax of
    {it.ending.where}. Give both the same: layers.Softmax(axis), and axis of the loss.
    """
    if it.kind not in (*ONE_HOT, *SPARSE) or it.ending.activation != "softmax" or not it.shape:
        return False
    along, rank = {it.option("axis", -1), it.ending.axis}, len(it.shape)
    return len({axis % rank for axis in along}) > 1 or it.ending.channels_first and rank > 2


def sigmoid_for_one_of_many(it: Term) -> bool:
    """warning [exclusive-classes]: {it.who} is for classes of which one holds, but
    {it.ending.where} has a sigmoid for each. Take activation='softmax'; or, if several may hold
    together, 'binary_crossentropy'.
    """
    several = it.kind in (*ONE_HOT, *SPARSE) and it.shape[-1] > 1
    return several and it.ending.activation == "sigmoid" and not it.option("from_logits")


def softmax_for_several(it: Term) -> bool:
    """warning [multi-label]: Several labels of a sample hold together in {it.target.name}, but
    {it.ending.where} has a softmax, whose outputs add up to 1. Take activation='sigmoid'.
    """
    return it.kind in BINARY and _softmax(it) and _multi_hot(it)


def fractions(it: Term) -> bool:
    """warning [labels-not-whole]: {it.who} takes class numbers, but {it.target.name} holds
    fractions. For free numbers take 'mse'; for probabilities 'categorical_crossentropy'.
    """
    return it.kind in SPARSE and not _whole(it)


def out_of_range(it: Term) -> str:
    """error [labels-out-of-range]: {it.target.name} holds {more} Labels are counted from 0."""
    if it.kind not in SPARSE or not _whole(it):
        return ""
    values, count = it.target.values, it.shape[it.option("axis", -1)]
    wrong = np.unique(values[(values < 0) | (values >= count)])
    wrong = wrong[wrong != it.option("ignore_class")]
    if len(wrong) <= any(layer._computes_mask() for layer in it.seen.layers):
        return ""  # one such label may be the padding, if there are masks
    fix = f"Make the last layer {int(it.target.high) + 1} wide, or renumber the labels."
    if it.target.low == 1 and wrong.tolist() == [count]:
        fix = f"Give {it.target.name} - 1."
    elif len(wrong) == 1 and (wrong[0] < 0 or wrong[0] == 255):
        fix = f"If it means 'nothing', give the loss ignore_class={wrong[0]:g}."
    shown = ", ".join(f"{each:g}" for each in wrong[:4])
    return f"the label {shown}, but {it.output} has {count} classes, 0 to {count - 1}. {fix}"


def class_numbers(it: Term) -> int:
    """warning [class-numbers]: {it.target.name} holds whole numbers from 0 to {it.target.high}, all
    about equally often, as numbers of classes; {it.who} takes them for amounts. For classes take
    Dense({more}, activation='softmax') and 'sparse_categorical_crossentropy'.
    """
    values = it.target.values
    whole = it.kind in REGRESSION and values.dtype.kind in "iu" and it.target.low == 0
    if not whole or not 2 <= it.target.high < 100 or it.shape[1:] not in ((), (1,)):
        return 0
    counts = np.bincount(values.reshape(-1))
    even = counts.min() >= 3 and counts.max() <= 3 * counts.min()
    return len(counts) if even else 0


def not_yes_or_no(it: Term) -> bool:
    """warning [labels-range]: {it.who} takes targets from 0 to 1, but {it.target.name} goes from
    {it.target.low:g} to {it.target.high:g}. For labels -1 and 1 give (y + 1) / 2, or take 'hinge';
    for free numbers take 'mse'.
    """
    return it.kind in BINARY and _strays(it.target.values, -0.1, 1.1)


def not_one_hot(it: Term) -> bool:
    """warning [not-one-hot]: {it.who} takes rows that add up to 1, one class for each sample, but
    rows of {it.target.name} do not. If several classes may hold together, take
    'binary_crossentropy' with activation='sigmoid'.
    """
    if it.kind not in ONE_HOT or it.option("axis", -1) != -1 or one_class(it):
        return False
    several = np.count_nonzero(it.target.values, axis=-1) > 1  # one number may be a weight
    return _often(several & (np.abs(it.target.values.sum(axis=-1) - 1) > 0.01))


def out_of_reach(it: Term) -> bool:
    """warning [range-of-output]: {it.ending.where} ends in {it.ending.activation}, but
    {it.target.name} goes from {it.target.low:g} to {it.target.high:g}, which that cannot give.
    Leave the activation out, or scale the targets.
    """
    bounds = BOUNDS.get(it.ending.activation, (None, None))
    return it.kind in REGRESSION and _strays(it.target.values, *bounds) and not repeated(it)


def repeated(it: Term) -> str:
    """warning [target-broadcast]: A sample of {it.target.name} has the shape {more}: {it.who}
    repeats one to fit the other. Give targets of the shape of the output; for class numbers take
    'sparse_categorical_crossentropy'.
    """
    given, wanted = it.target.values.shape[1:], it.shape[1:]
    fits = given == wanted or (*given, 1) == wanted or given == (*wanted, 1)
    wrong = it.kind in ELEMENTWISE and not fits
    return f"{given}, of {it.output} {wanted}" if wrong else ""


def one_label(it: Term) -> bool:
    """warning [one-label]: All labels in {it.target.name} are of one class, so there is nothing to
    tell apart. If they were cut out of sorted ones, shuffle first.
    """
    numbers, layers = _all_numbers(it), it.seen.layers
    alike = numbers is not None and len(numbers) >= 32 and bool(np.all(numbers == numbers[0]))
    return alike and all(layer.trainable for layer in layers)  # a GAN has frozen ones


def strange_weights(it: Term) -> str:
    """warning [class-weight]: class_weight names {more}, which is no label in {it.target.name}."""
    numbers, keys = _all_numbers(it), getattr(it.seen.data, "class_weight", None) or ()
    known = set(keys if numbers is None else numbers.tolist())
    return ", ".join(str(key) for key in keys if key not in known)


def accuracy_of_numbers(it: Term) -> bool:
    """warning [accuracy-of-numbers]: The metric '{it.name}' counts predictions that equal labels,
    but {it.target.name} holds numbers from {it.target.low:g} to {it.target.high:g}. For free
    numbers take 'mae'; for yes or no, labels 0 and 1.
    """
    values = it.target.values
    if it.kind == "binary_accuracy":
        return bool(_loss(it)) and bool(np.mean((values != 0) & (values != 1)) > FEW)
    if _loss(it) not in REGRESSION or not it.kind.endswith("accuracy") or _whole(it):
        return False
    return not (values.ndim > 1 and np.allclose(values.sum(axis=-1), 1, atol=0.01))


def accuracy_of_several(it: Term) -> bool:
    """warning [accuracy-of-labels]: The metric '{it.name}' compares the likeliest label only, but
    several hold together in {it.target.name}. Take 'binary_accuracy', or F1Score().
    """
    return it.kind == "categorical_accuracy" and _loss(it) in BINARY and _multi_hot(it)


def accuracy_of_rare(it: Term) -> str:
    """warning [rare-labels]: {more} of the labels in {it.target.name} are of one class, so that the
    metric '{it.name}' is as high for a model that always says so. Look at 'AUC' or Recall() too;
    class_weight lets rare samples weigh more.
    """
    numbers = _all_numbers(replace(it, kind=_loss(it))) if it.kind.endswith("accuracy") else None
    alone = all(term.kind.endswith("accuracy") for term in it.seen.metrics)
    weighed = it.seen.weights is not None
    if numbers is None or not alone or weighed or len(numbers) < 100:
        return ""
    share = np.unique_counts(numbers).counts.max() / len(numbers)
    return f"{share:.1%}" if 0.98 <= share < 1 else ""


def metric_of_logits(it: Term) -> str:
    """warning [metric-of-logits]: The metric '{it.name}' takes probabilities, but the loss has
    from_logits=True: the outputs are none. Give it, as an object, {more}.
    """
    if not any(t.target.name == it.target.name and t.option("from_logits") for t in it.seen.terms):
        return ""
    if it.kind == "binary_accuracy":
        return "threshold=0" if it.option("threshold", 0.5) > 0 else ""
    if isinstance(it.thing, metrics.AUC):
        return "" if it.thing.from_logits else "from_logits=True"
    counting = isinstance(it.thing, _COUNTING) and max(it.thing.thresholds) > 0
    return "thresholds=0" if counting else ""


def sorted_labels(it: tuple[Term, Term]) -> bool:
    """warning [sorted-labels]: Most samples to validate with are of classes that training never
    sees. validation_split takes the last samples as they are: shuffle sorted data before.
    """
    known, new = _all_numbers(it[0]), _numbers(it[1])
    return known is not None and new is not None and bool(np.mean(~np.isin(new, known)) > 0.5)


# --- what they share ----------------------------------------------------------------------------


def _softmax(it: Term) -> bool:
    last = it.ending.axis in (-1, len(it.shape) - 1)
    return it.ending.activation == "softmax" and last and len(it.shape) > 0


def _whole(it: Term) -> bool:
    return it.target.values.dtype.kind in "biu" or not np.any(it.target.values % 1)


def _often(wrong: np.ndarray) -> bool:
    return wrong.size > 0 and bool(wrong.mean() > 10 * FEW)


def _strays(values: np.ndarray, low: float | None, high: float | None) -> bool:
    """Whether more than a few values lie clearly outside of a range."""
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    return values.size > 0 and bool(np.mean((values < low - 0.01) | (values > high + 0.01)) > FEW)


def _multi_hot(it: Term) -> bool:
    """Whether targets are zeros and ones, with several ones in many rows."""
    values = it.target.values
    plain = values.ndim > 1 and bool(np.all((values == 0) | (values == 1)))
    return plain and _often(np.count_nonzero(values, axis=-1) > 1)


def _numbers(it: Term) -> np.ndarray | None:
    """The class number of each sample; None if there is not one for each."""
    values = it.target.values
    if values.ndim == 2 and values.shape[-1] > 1 and it.kind in ONE_HOT:
        return values.argmax(axis=-1)
    one = values.ndim == 1 or values.ndim == 2 and values.shape[-1] == 1
    return values.reshape(-1) if it.kind in CLASSES and one and _whole(it) else None


def _all_numbers(it: Term) -> np.ndarray | None:
    """The class numbers of all samples; None if they are not all seen."""
    return _numbers(it) if it.seen.listed and it.target.stride == 1 else None


def _loss(it: Term) -> str:
    """The kind of the loss that a metric stands beside; empty for one of a user's own."""
    return next((t.kind for t in it.seen.terms if t.target.name == it.target.name), "")


LABELS = [out_of_range, fractions, class_numbers, not_yes_or_no, not_one_hot]
BOTH = [probabilities_for_logits, logits_for_probabilities]
LOSSES = [softmax_of_one, one_class, softmax_elsewhere, sigmoid_for_one_of_many,
          softmax_for_several, out_of_reach, repeated, one_label, strange_weights]  # fmt: skip
METRICS = [accuracy_of_numbers, accuracy_of_several, accuracy_of_rare, metric_of_logits]


def findings(seen: Seen) -> Iterator[Finding]:
    """What is wrong with losses, metrics and targets."""
    yield from judge([*BOTH, *LABELS, *LOSSES], seen.terms)
    yield from judge([*BOTH, *METRICS], seen.metrics)
    yield from judge(LABELS, seen.held_out)
    yield from judge([sorted_labels], zip(seen.terms, seen.held_out, strict=False))
