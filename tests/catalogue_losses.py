"""Every loss, at least once, with targets and predictions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from catalogue import label

from lamina import losses

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(4, 3, 5)), RNG.normal(size=(4, 3, 5))
POSITIVE = RNG.uniform(0.1, 2, (4, 3, 5)), RNG.uniform(0.1, 2, (4, 3, 5))
BITS = RNG.integers(0, 2, (4, 3, 5)), RNG.uniform(0.05, 0.95, (4, 3, 5))
SOFT = np.exp(REAL[0]) / np.exp(REAL[0]).sum(-1, keepdims=True)
LABELS = RNG.integers(0, 5, (4, 3))
HOT = np.eye(5)[LABELS], SOFT
SPARSE = LABELS, SOFT
LOGITS = LABELS, REAL[1]
FLAT = LABELS[:, 0], REAL[1][:, 0]
UNIT = LABELS[:, 0], REAL[0][:, 0] / np.linalg.norm(REAL[0][:, 0], axis=-1, keepdims=True)
TEXT = np.array([[1, 2, 0], [3, 3, 1], [4, 0, 0], [0, 0, 0]]), RNG.normal(size=(4, 7, 5))


@dataclass(frozen=True, eq=False)
class LossRow:
    """A loss, its constructor's arguments, and what it compares."""

    name: str
    options: dict[str, Any]
    data: tuple[np.ndarray, np.ndarray]

    def make(self, **more: Any) -> losses.Loss:
        return getattr(losses, self.name)(**self.options, **more)

    @property
    def true(self) -> np.ndarray:
        return self.data[0]

    @property
    def pred(self) -> np.ndarray:
        return self.data[1].astype("float32")

    def __str__(self) -> str:
        return label(self.name, self.options)


LOSSES = [LossRow(*each) for each in [
    ("MeanSquaredError", {}, REAL),
    ("MeanAbsoluteError", {}, REAL),
    ("MeanAbsolutePercentageError", {}, REAL),
    ("MeanSquaredLogarithmicError", {}, REAL),
    ("CosineSimilarity", {}, REAL),
    ("CosineSimilarity", {"axis": 1}, REAL),
    ("Huber", {}, REAL),
    ("Huber", {"delta": 0.3}, REAL),
    ("LogCosh", {}, REAL),
    ("Hinge", {}, BITS),
    ("SquaredHinge", {}, (2 * BITS[0] - 1, REAL[1])),
    ("CategoricalHinge", {}, HOT),
    ("KLDivergence", {}, POSITIVE),
    ("Poisson", {}, POSITIVE),
    ("BinaryCrossentropy", {}, BITS),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, (BITS[0], REAL[1])),
    ("BinaryCrossentropy", {"axis": 1}, BITS),
    ("BinaryFocalCrossentropy", {}, BITS),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "gamma": 1.5}, BITS),
    ("BinaryFocalCrossentropy", {"from_logits": True, "alpha": 0.4}, (BITS[0], REAL[1])),
    ("CategoricalCrossentropy", {}, HOT),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, (HOT[0], REAL[1])),
    ("CategoricalCrossentropy", {"axis": 1}, HOT),
    ("CategoricalFocalCrossentropy", {}, HOT),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "gamma": 1.0}, (HOT[0], REAL[1])),
    ("SparseCategoricalCrossentropy", {}, SPARSE),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LOGITS),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}, LOGITS),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, (FLAT[0][:, None], FLAT[1])),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, SPARSE),
    ("Dice", {}, BITS),
    ("Dice", {"axis": (1, 2)}, BITS),
    ("Tversky", {"alpha": 0.3, "beta": 0.8, "axis": (1,)}, BITS),
    ("Circle", {}, UNIT),
    ("Circle", {"gamma": 2.0, "margin": 0.2, "remove_diagonal": False}, UNIT),
    ("CTC", {}, TEXT),
]]  # fmt: skip
each_loss = pytest.mark.parametrize("row", LOSSES, ids=str)
