"""Every metric, at least once, with three batches."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from catalogue import label

from lamina import metrics

RNG = np.random.default_rng(1)
N, C, BATCHES = 16, 5, 3


def batches(make):
    return [make() for _ in range(BATCHES)]


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


REAL = batches(lambda: (RNG.normal(size=(N, C)), RNG.normal(size=(N, C))))
POSITIVE = batches(lambda: (RNG.uniform(0.1, 2, (N, C)), RNG.uniform(0.1, 2, (N, C))))
BITS = batches(lambda: (RNG.integers(0, 2, (N, C)), RNG.uniform(size=(N, C))))
YESNO = batches(lambda: (RNG.integers(0, 2, (N, 1)), RNG.uniform(size=(N, 1))))
FLAT = batches(lambda: (RNG.integers(0, 2, N), RNG.uniform(size=N)))
HOT = batches(lambda: (np.eye(C)[RNG.integers(0, C, N)], softmax(RNG.normal(size=(N, C)))))
SPARSE = batches(lambda: (RNG.integers(0, C, N), softmax(RNG.normal(size=(N, C)))))
COLUMN = [(y[:, None], p) for y, p in SPARSE]
TIME = batches(lambda: (RNG.integers(0, C, (N, 4)), softmax(RNG.normal(size=(N, 4, C)))))
IDS = batches(lambda: (RNG.integers(0, C, N), RNG.integers(0, C, N)))
LOGITS = [(y, np.log(p)) for y, p in SPARSE]
BEST = batches(lambda: (RNG.integers(0, C, N), np.argsort(RNG.normal(size=(N, C)))))


@dataclass(frozen=True, eq=False)
class MetricRow:
    """A metric, its constructor's arguments, and batches: of targets and predictions, or values."""

    name: str
    options: dict[str, Any]
    data: list[tuple[np.ndarray, ...]]

    def make(self, **more: Any) -> metrics.Metric:
        metric = getattr(metrics, self.name)(**self.options, **more)
        if len(self.data[0]) == 2:
            metric.build(*(x.shape for x in self.data[0]))
        return metric

    @property
    def batches(self) -> list[list[Any]]:
        return [[jnp.asarray(x) for x in batch] for batch in self.data]

    def __str__(self) -> str:
        return label(self.name, self.options)


METRICS = [MetricRow(*each) for each in [
    ("Accuracy", {}, IDS),
    ("BinaryAccuracy", {}, YESNO),
    ("BinaryAccuracy", {"threshold": 0.3}, BITS),
    ("CategoricalAccuracy", {}, HOT),
    ("SparseCategoricalAccuracy", {}, SPARSE),
    ("SparseCategoricalAccuracy", {}, COLUMN),
    ("SparseCategoricalAccuracy", {}, TIME),
    ("TopKCategoricalAccuracy", {"k": 2}, HOT),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, SPARSE),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, TIME),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, BEST),
    ("MeanSquaredError", {}, REAL),
    ("RootMeanSquaredError", {}, REAL),
    ("MeanAbsoluteError", {}, REAL),
    ("MeanAbsolutePercentageError", {}, REAL),
    ("MeanSquaredLogarithmicError", {}, POSITIVE),
    ("CosineSimilarity", {}, REAL),
    ("LogCoshError", {}, REAL),
    ("Hinge", {}, BITS),
    ("SquaredHinge", {}, BITS),
    ("CategoricalHinge", {}, HOT),
    ("KLDivergence", {}, POSITIVE),
    ("Poisson", {}, POSITIVE),
    ("BinaryCrossentropy", {}, BITS),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, YESNO),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, HOT),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LOGITS),
    ("PearsonCorrelation", {}, REAL),
    ("ConcordanceCorrelation", {}, REAL),
    ("R2Score", {}, REAL),
    ("R2Score", {"class_aggregation": "variance_weighted_average", "num_regressors": 3}, REAL),
    ("R2Score", {"class_aggregation": None}, REAL),
    ("TruePositives", {}, YESNO),
    ("FalsePositives", {"thresholds": [0.9, 0.2]}, BITS),
    ("TrueNegatives", {"thresholds": [0.0, 0.5, 1.0]}, FLAT),
    ("FalseNegatives", {"thresholds": 0.7}, FLAT),
    ("Precision", {}, YESNO),
    ("Precision", {"thresholds": [0.2, 0.8]}, BITS),
    ("Precision", {"top_k": 2}, BITS),
    ("Precision", {"class_id": 1, "top_k": 3}, BITS),
    ("Recall", {}, FLAT),
    ("Recall", {"class_id": 2}, BITS),
    ("SensitivityAtSpecificity", {"specificity": 0.6}, FLAT),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "num_thresholds": 7}, YESNO),
    ("PrecisionAtRecall", {"recall": 0.8}, YESNO),
    ("RecallAtPrecision", {"precision": 0.5, "num_thresholds": 1}, YESNO),
    ("AUC", {}, YESNO),
    ("AUC", {"curve": "PR"}, BITS),
    ("AUC", {"curve": "PRGAIN", "num_thresholds": 11}, YESNO),
    ("AUC", {"curve": "PR", "summation_method": "majoring"}, YESNO),
    ("AUC", {"thresholds": [0.3, 0.35, 0.9], "summation_method": "minoring"}, YESNO),
    ("AUC", {"multi_label": True, "num_labels": C, "label_weights": [1, 2, 0.5, 1, 1]}, BITS),
    ("AUC", {"multi_label": True, "curve": "PR"}, BITS),
    ("AUC", {"from_logits": True}, [(y, p * 8 - 4) for y, p in YESNO]),
    ("FBetaScore", {"beta": 2.0}, HOT),
    ("FBetaScore", {"average": "micro", "threshold": 0.4}, BITS),
    ("F1Score", {"average": "macro"}, HOT),
    ("F1Score", {"average": "weighted", "threshold": 0.5}, BITS),
    ("IoU", {"num_classes": C, "target_class_ids": [0, 2]}, IDS),
    ("IoU", {"num_classes": 3, "target_class_ids": [0], "ignore_class": 1}, IDS),
    ("BinaryIoU", {"threshold": 0.3}, FLAT),
    ("MeanIoU", {"num_classes": C, "sparse_y_pred": False}, SPARSE),
    ("OneHotIoU", {"num_classes": C, "target_class_ids": [1]}, HOT),
    ("OneHotMeanIoU", {"num_classes": C}, HOT),
]]  # fmt: skip
VALUES = [
    MetricRow("Mean", {}, [(y,) for y, _ in REAL]),
    MetricRow("Sum", {}, [(y,) for y, _ in REAL]),
    MetricRow(
        "MeanMetricWrapper", {"fn": metrics.binary_crossentropy, "label_smoothing": 0.1}, BITS
    ),
]
each_metric = pytest.mark.parametrize("row", METRICS + VALUES, ids=str)
