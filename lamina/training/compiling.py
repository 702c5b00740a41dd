"""What `compile` was given, resolved against the outputs: losses, metrics, and names in logs."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from types import NoneType
from typing import Any

import jax

from lamina import losses, metrics
from lamina.core import masking, nest
from lamina.core.errors import ArgumentError, DTypeError, ShapeError, describe_value
from lamina.core.naming import to_snake_case
from lamina.core.types import Array, Nest
from lamina.losses import Loss
from lamina.ops.targets import align_ranks
from lamina.training.outputs import Outputs

ACCURACY = ("accuracy", "acc")
CROSSENTROPY = ("crossentropy", "ce")


class FunctionLoss(Loss):
    """A loss whose values a function of one's own gives, averaged over the batch."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        super().__init__(name)
        self.function = function

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """What the function gives."""
        y_true, y_pred = align_ranks(y_true, y_pred)
        return self.function(y_true, y_pred)


def check_names(value: Any, get: Callable[[Any], Any], special: Iterable[str]) -> None:
    """Let ``get`` raise its error for a name that stands for nothing, at compile time."""
    for each in nest.flatten(value):
        if isinstance(each, str) and each.lower() not in special:
            get(each)


def _by_shapes(identifier: Any, y_true: Any, y_pred: Any) -> Any:
    """The full name of "accuracy" or "crossentropy", for labels of the kind that shapes tell."""
    name = identifier.lower() if isinstance(identifier, str) else ""
    if name not in ACCURACY + CROSSENTROPY:
        return identifier
    suffix = "accuracy" if name in ACCURACY else "crossentropy"
    if not y_pred.shape or y_pred.shape[-1] == 1:
        return f"binary_{suffix}"
    numbers = len(y_true.shape) < len(y_pred.shape) or y_true.shape[-1] == 1
    return f"sparse_categorical_{suffix}" if numbers else f"categorical_{suffix}"


def name_of(thing: Any) -> str:
    """The name under which logs show a loss or metric."""
    name = getattr(thing, "name", None) or getattr(thing, "__name__", None)
    return name.strip("<>") if name else to_snake_case(type(thing).__name__)


@contextlib.contextmanager
def numberless(who: str) -> Iterator[None]:
    """Say who it is that reads numbers of arrays which have none while a step is compiled."""
    try:
        yield
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise DTypeError(
            f"{who} reads the numbers of an array that has none yet: by NumPy, float(), or if.",
            rule="a step is compiled from a trace with arrays of which only shapes are known",
            fix="use lamina.ops (ops.mean, ops.where ...) instead",
        ) from error


def resolve_loss(identifier: Any, y_true: Any, y_pred: Any) -> Loss:
    """The loss for targets and predictions of these shapes."""
    found = losses.get(_by_shapes(identifier, y_true, y_pred))
    if isinstance(found, Loss):
        return found
    return FunctionLoss(found, identifier if isinstance(identifier, str) else name_of(found))


def resolve_metric(identifier: Any, y_true: Any, y_pred: Any) -> Any:
    """The metric for targets and predictions of these shapes."""
    found = metrics.get(_by_shapes(identifier, y_true, y_pred))
    if not isinstance(found, metrics.Metric):
        found = metrics.MeanMetricWrapper(found, name=name_of(found))
    if isinstance(identifier, str):
        found.name = identifier
    return found


class CompiledLoss:
    """The losses of all outputs, weighted and added.

    Attributes:
        terms: ``(output, name, loss, weight)`` for each part of the sum.
        trackers: Running means of the parts, when there are several.
    """

    def __init__(self, loss: Any, weights: Any, names: list[str] | None) -> None:
        check_names(loss, losses.get, CROSSENTROPY)
        if not all(isinstance(each, (int, float, NoneType)) for each in nest.flatten(weights)):
            raise ArgumentError(
                "loss_weights holds something that is no number.",
                met=describe_value(weights),
                fix="it is the third argument of compile; give metrics=[...] by name",
            )
        self.given, self.weights, self.names = loss, weights, names
        self.terms: list[tuple[int, str, Loss, float | None]] = []
        self.trackers: list[Any] = []
        self.built = False

    def build(self, y_true: Nest, y_pred: Nest) -> None:
        """Find the loss of each output, by the shapes of targets and predictions."""
        self.outputs = outputs = Outputs(y_pred, self.names)
        if outputs.size > 1 and not nest.is_nested(self.given):
            given = [self.given] * outputs.size
        elif outputs.size == 1 and isinstance(self.given, (list, tuple)) and len(self.given) > 1:
            given = [list(self.given)]
        else:
            given = outputs.spread(self.given, "loss")
        self.wanted = [index for index, each in enumerate(given) if each is not None]
        targets, leaves = self._targets(y_true), nest.flatten(y_pred)
        weights = self._weights(given)
        self.terms = []
        order = self.wanted
        if outputs.by_key and isinstance(self.given, dict):
            order = [i for i in map(outputs.names.index, self.given) if i in order]
        for index in order:
            parts = given[index] if isinstance(given[index], list) else [given[index]]
            for part, weight in zip(parts, weights[index], strict=True):
                self._check_target(targets[index], index)
                loss = resolve_loss(part, targets[index], leaves[index])
                name = outputs.names[index] if outputs.names else loss.name
                self.terms.append((index, name, loss, weight))
        if len(self.terms) > 1 and not self.trackers:
            taken: dict[str, int] = {}
            names = [_fresh("", f"{term[1]}_loss", taken, False) for term in self.terms]
            self.trackers = [metrics.Mean(name=name) for name in names]
        self.built = True

    def _weights(self, given: list[Any]) -> list[list[float | None]]:
        if self.weights is None:
            return [[None] * (len(e) if isinstance(e, list) else 1) for e in given]
        if isinstance(given[0], list) and len(given) == 1:
            return [list(self.weights)]
        if isinstance(self.weights, (int, float)):
            return [[self.weights]] * len(given)
        return [[each] for each in self.outputs.spread(self.weights, "loss_weights")]

    def _targets(self, y_true: Nest) -> list[Any]:
        """Targets by output; those of outputs without loss may be left out."""
        if not nest.is_nested(y_true) and len(self.wanted) == 1 < self.outputs.size:
            y_true = [y_true]
        listed = isinstance(y_true, (list, tuple))
        if listed and len(y_true) == len(self.wanted) < self.outputs.size:
            found: list[Any] = [None] * self.outputs.size
            for index, each in zip(self.wanted, y_true, strict=True):
                found[index] = each
            return found
        if y_true is None:
            return [None] * self.outputs.size
        return self.outputs.spread(y_true, "y")

    def _check_target(self, target: Any, index: int) -> None:
        if target is None:
            name = f" '{self.outputs.names[index]}'" if self.outputs.names else ""
            raise ArgumentError(
                f"There is a loss for the output{name}, but no targets.",
                fix="give y, or leave the loss of this output out",
            )

    def __call__(self, y_true: Nest, y_pred: Nest, sample_weight: Nest = None) -> Array | None:
        """The weighted sum; None when no output has a loss."""
        if not self.built:
            self.build(y_true, y_pred)
        targets, leaves = self._targets(y_true), nest.flatten(y_pred)
        weights = spread_weights(self.outputs, sample_weight)
        total, trackers = None, self.trackers or [None] * len(self.terms)
        for (index, name, loss, factor), tracker in zip(self.terms, trackers, strict=True):
            try:
                with numberless(f"The loss '{loss.name}'"):
                    value = loss(targets[index], leaves[index], weights[index])
            except (ShapeError, DTypeError) as error:
                if len(self.terms) > 1:
                    error.add_note(f"in the loss of the output '{name}'")
                raise
            if tracker is not None:
                rows = _rows(leaves[index])
                count = leaves[index].shape[0] if rows is None else rows.sum()
                tracker.update_state(jax.lax.stop_gradient(value), sample_weight=count)
            value = value if factor is None else value * factor
            total = value if total is None else total + value
        return total

    def rowwise(self) -> bool:
        """Whether rows that are masked out do not change the loss."""
        return all(
            _ours(type(loss)) and not isinstance(loss, _MIXING) and _ours_inside(loss)
            for _, _, loss, _ in self.terms
        )


_MIXING = (losses.Circle, losses.Dice, losses.Tversky, losses.CTC)


def spread_weights(outputs: Outputs, sample_weight: Nest) -> list[Any]:
    """Sample weights by output; one array serves all."""
    if sample_weight is None or not nest.is_nested(sample_weight):
        return [sample_weight] * outputs.size
    return outputs.spread(sample_weight, "sample_weight")


def _rows(y_pred: Array) -> Array | None:
    """Which rows have something that is not masked; None without a mask."""
    mask = masking.get_mask(y_pred)
    if mask is None:
        return None
    return mask.any(axis=tuple(range(1, mask.ndim))).astype("float32")


def _ours(thing: Any) -> bool:
    return (getattr(thing, "__module__", None) or "").partition(".")[0] == "lamina"


def _ours_inside(thing: Any) -> bool:
    """Whether a loss or metric calls no function of a user's."""
    return all(_ours(value) for value in vars(thing).values() if callable(value))


class CompiledMetrics:
    """The metrics of all outputs, and their names in logs.

    Attributes:
        entries: ``(name, output, metric, weighted)``.
    """

    def __init__(self, unweighted: Any, weighted: Any, names: list[str] | None) -> None:
        self.given = [(unweighted, False, "metrics"), (weighted, True, "weighted_metrics")]
        for given, _, what in self.given:
            if given is not None and not isinstance(given, (str, list, tuple, dict)):
                raise ArgumentError(
                    f"{what} is a list, tuple or dict, not {describe_value(given)}.",
                    fix=f"put it into a list: {what}=[...]",
                )
            check_names(given, metrics.get, ACCURACY + CROSSENTROPY)
        self.names = names
        self.entries: list[tuple[str, int, Any, bool]] = []
        self.built = False

    def build(self, y_true: Nest, y_pred: Nest) -> None:
        """Find the metrics of each output, by the shapes of targets and predictions."""
        self.outputs = outputs = Outputs(y_pred, self.names)
        leaves = nest.flatten(y_pred)
        taken: dict[str, int] = {}
        self.entries = []
        for given, weighted, what in self.given:
            by_output = self._spread(given, what) if given else []
            for index, some in enumerate(by_output):
                for each in _flat(some):
                    target = self._target(y_true, index)
                    metric = resolve_metric(each, target, leaves[index])
                    prefix = outputs.names[index] if outputs.size > 1 and outputs.names else ""
                    name = _fresh(prefix, metric.name, taken, weighted)
                    self.entries.append((name, index, metric, weighted))
        self.built = True

    def _spread(self, given: Any, what: str) -> list[Any]:
        if self.outputs.size == 1:
            return [list(_flat(given))]
        return self.outputs.spread([given] if isinstance(given, str) else given, what)

    def _target(self, y_true: Nest, index: int) -> Any:
        targets = y_true if y_true is None else self.outputs.spread(y_true, "y")
        if targets is None or targets[index] is None:
            raise ArgumentError(
                "There are metrics, but no targets to compare predictions with.",
                fix="give y, or compile without metrics for this output",
            )
        return targets[index]

    def update(self, y_true: Nest, y_pred: Nest, sample_weight: Nest = None) -> None:
        """Take a batch into the running sums."""
        if not self.built:
            self.build(y_true, y_pred)
        if not self.entries:
            return
        leaves, weights = nest.flatten(y_pred), spread_weights(self.outputs, sample_weight)
        for name, index, metric, weighted in self.entries:
            weight = weights[index] if weighted else None
            rows = _rows(leaves[index]) if _ours(type(metric)) and _ours_inside(metric) else None
            if rows is not None and weight is not None:
                weight = weight * rows.reshape(rows.shape + (1,) * (weight.ndim - 1))
            weight = rows if weight is None else weight
            kwargs = {} if weight is None else {"sample_weight": weight}
            with numberless(f"The metric '{name}'"):
                metric.update_state(self._target(y_true, index), leaves[index], **kwargs)

    def rowwise(self) -> bool:
        """Whether rows that are masked out do not change the metrics."""
        return all(_ours(type(m)) and _ours_inside(m) for _, _, m, _ in self.entries)


def _flat(value: Any) -> Iterator[Any]:
    """The metrics in a nest of lists and dicts."""
    if isinstance(value, (list, tuple, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _flat(each)
    elif value is not None:
        yield value


def _fresh(prefix: str, name: str, taken: dict[str, int], weighted: bool) -> str:
    """A name for logs that none has yet, made as Keras makes it."""
    full = f"{prefix}_{name}" if prefix else name
    if full in taken and weighted:
        full = f"{prefix}_weighted_{name}" if prefix else f"weighted_{name}"
    count = taken[full] = taken.get(full, 0) + 1
    return f"{full}_{count - 1}" if count > 1 else full
