"""The losses of the public list, each a formula of `lamina.ops.formulas` with its options."""

from typing import Any

from lamina.core.errors import ArgumentError
from lamina.core.types import Array
from lamina.losses.loss import Loss, Reduction
from lamina.ops import formulas


class FormulaLoss(Loss):
    """A loss whose values a formula gives; its options are attributes."""

    formula: Any

    def __init_subclass__(cls, formula: Any = None) -> None:
        super().__init_subclass__()
        if formula is not None:
            cls.formula = staticmethod(formula)
            if "__init__" not in vars(cls):
                cls.__init__ = formulas.named(cls.__init__, formula.__name__)

    def __init__(self, name: str | None, reduction: Reduction, dtype: Any, **options: Any) -> None:
        super().__init__(name, reduction, dtype)
        self._options = tuple(options)
        vars(self).update(options)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The formula's value for each position."""
        options = {name: getattr(self, name) for name in self._options}
        return type(self).formula(y_true, y_pred, **options)


class PlainLoss(FormulaLoss):
    """A loss whose formula has no options; the formula's name is its own, unless it is given."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class MeanSquaredError(PlainLoss, formula=formulas.mean_squared_error):
    """Mean of the squared differences. Also known as MSE or L2 loss.

    >>> float(MeanSquaredError()([[0.0], [1.0]], [[1.0], [1.0]]))
    0.5
    """


class MeanAbsoluteError(PlainLoss, formula=formulas.mean_absolute_error):
    """Mean of the absolute differences. Also known as MAE or L1 loss."""


class MeanAbsolutePercentageError(PlainLoss, formula=formulas.mean_absolute_percentage_error):
    """Mean of the absolute differences in percent of the targets."""


class MeanSquaredLogarithmicError(PlainLoss, formula=formulas.mean_squared_logarithmic_error):
    """Mean of the squared differences of ``log(1 + y)``."""


class CosineSimilarity(FormulaLoss, formula=formulas.cosine_similarity):
    """Minus the cosine between targets and predictions along ``axis``."""

    def __init__(
        self,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype, axis=axis)


class Huber(FormulaLoss, formula=formulas.huber):
    """Half the squared error, linear beyond ``delta``."""

    def __init__(
        self,
        delta: float = 1.0,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype, delta=delta)


class LogCosh(PlainLoss, formula=formulas.log_cosh):
    """``log(cosh(error))``: squared when small, absolute when large."""


class Hinge(PlainLoss, formula=formulas.hinge):
    """Distance from a margin of 1, for labels -1 and 1 (0 stands for -1)."""


class SquaredHinge(PlainLoss, formula=formulas.squared_hinge):
    """Squared distance from a margin of 1, for labels -1 and 1."""


class CategoricalHinge(PlainLoss, formula=formulas.categorical_hinge):
    """How far the target class is from leading all others by 1."""


class KLDivergence(PlainLoss, formula=formulas.kl_divergence):
    """Kullback-Leibler divergence of predicted from target probabilities."""


class Poisson(PlainLoss, formula=formulas.poisson):
    """Negative log-likelihood of counts under predicted rates."""


class BinaryCrossentropy(FormulaLoss, formula=formulas.binary_crossentropy):
    """Cross-entropy of labels 0 and 1 with probabilities, or with logits if ``from_logits``.

    >>> round(float(BinaryCrossentropy(from_logits=True)([[1.0]], [[0.0]])), 3)
    0.693
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            name, reduction, dtype,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class BinaryFocalCrossentropy(FormulaLoss, formula=formulas.binary_focal_crossentropy):
    """`BinaryCrossentropy` with easy positions weighted down by ``(1 - p)**gamma``."""

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            name, reduction, dtype,
            apply_class_balancing=apply_class_balancing, alpha=alpha, gamma=gamma,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class CategoricalCrossentropy(FormulaLoss, formula=formulas.categorical_crossentropy):
    """Cross-entropy of one-hot targets with probabilities, or with logits if ``from_logits``."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            name, reduction, dtype,
            from_logits=from_logits, label_smoothing=label_smoothing, axis=axis,
        )  # fmt: skip


class CategoricalFocalCrossentropy(FormulaLoss, formula=formulas.categorical_focal_crossentropy):
    """`CategoricalCrossentropy` with easy classes weighted down by ``(1 - p)**gamma``."""

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            name, reduction, dtype,
            alpha=alpha, gamma=gamma, from_logits=from_logits, label_smoothing=label_smoothing,
            axis=axis,
        )  # fmt: skip


class SparseCategoricalCrossentropy(FormulaLoss, formula=formulas.sparse_categorical_crossentropy):
    """Cross-entropy of integer labels with probabilities, or with logits if ``from_logits``.

    Positions labelled ``ignore_class`` do not count.

    >>> round(float(SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])), 3)
    0.693
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: Reduction = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            name, reduction, dtype, from_logits=from_logits, ignore_class=ignore_class, axis=axis
        )


class CategoricalGeneralizedCrossEntropy(
    FormulaLoss, formula=formulas.categorical_generalized_cross_entropy
):
    """``(1 - p**q) / q`` of the probability given to integer labels; withstands wrong ones."""

    def __init__(
        self,
        q: float = 0.5,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        if not 0 < q < 1:
            raise ArgumentError(f"q must lie between 0 and 1; it is {q}.")
        super().__init__(name, reduction, dtype, q=q)


class Dice(FormulaLoss, formula=formulas.dice):
    """1 minus the Dice coefficient of two regions, summed over ``axis`` (all when None)."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "dice",
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype, axis=axis)


class Tversky(FormulaLoss, formula=formulas.tversky):
    """1 minus the Tversky index; misses weigh ``alpha``, extras ``beta``."""

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype, alpha=alpha, beta=beta, axis=axis)


class Circle(FormulaLoss, formula=formulas.circle):
    """Circle loss of unit-length embeddings with integer labels."""

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "circle",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            name, reduction, dtype, gamma=gamma, margin=margin, remove_diagonal=remove_diagonal
        )


class CTC(PlainLoss, formula=formulas.ctc):
    """Connectionist temporal classification of label sequences; class 0 is blank."""
