"""The losses of the public list, each a formula of `lamina.ops.formulas` with its options."""

from typing import Any

from lamina.core.errors import ArgumentError
from lamina.core.types import Array
from lamina.losses.loss import Loss, Reduction
from lamina.ops import formulas


class FormulaLoss(Loss):
    """A loss whose values a formula gives; its options are attributes."""

    formula: Any

    def __init__(self, name: str | None, reduction: Reduction, dtype: Any, **options: Any) -> None:
        super().__init__(name, reduction, dtype)
        self._options = tuple(options)
        vars(self).update(options)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The formula's value for each position."""
        options = {name: getattr(self, name) for name in self._options}
        return type(self).formula(y_true, y_pred, **options)


class MeanSquaredError(FormulaLoss):
    """Mean of the squared differences. Also known as MSE or L2 loss.

    >>> float(MeanSquaredError()([[0.0], [1.0]], [[1.0], [1.0]]))
    0.5
    """

    formula = staticmethod(formulas.mean_squared_error)

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class MeanAbsoluteError(FormulaLoss):
    """Mean of the absolute differences. Also known as MAE or L1 loss."""

    formula = staticmethod(formulas.mean_absolute_error)

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class MeanAbsolutePercentageError(FormulaLoss):
    """Mean of the absolute differences in percent of the targets."""

    formula = staticmethod(formulas.mean_absolute_percentage_error)

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class MeanSquaredLogarithmicError(FormulaLoss):
    """Mean of the squared differences of ``log(1 + y)``."""

    formula = staticmethod(formulas.mean_squared_logarithmic_error)

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class CosineSimilarity(FormulaLoss):
    """Minus the cosine between targets and predictions along ``axis``."""

    formula = staticmethod(formulas.cosine_similarity)

    def __init__(
        self,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype, axis=axis)


class Huber(FormulaLoss):
    """Half the squared error, linear beyond ``delta``."""

    formula = staticmethod(formulas.huber)

    def __init__(
        self,
        delta: float = 1.0,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype, delta=delta)


class LogCosh(FormulaLoss):
    """``log(cosh(error))``: squared when small, absolute when large."""

    formula = staticmethod(formulas.log_cosh)

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "log_cosh",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class Hinge(FormulaLoss):
    """Distance from a margin of 1, for labels -1 and 1 (0 stands for -1)."""

    formula = staticmethod(formulas.hinge)

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class SquaredHinge(FormulaLoss):
    """Squared distance from a margin of 1, for labels -1 and 1."""

    formula = staticmethod(formulas.squared_hinge)

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class CategoricalHinge(FormulaLoss):
    """How far the target class is from leading all others by 1."""

    formula = staticmethod(formulas.categorical_hinge)

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class KLDivergence(FormulaLoss):
    """Kullback-Leibler divergence of predicted from target probabilities."""

    formula = staticmethod(formulas.kl_divergence)

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "kl_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class Poisson(FormulaLoss):
    """Negative log-likelihood of counts under predicted rates."""

    formula = staticmethod(formulas.poisson)

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "poisson",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class BinaryCrossentropy(FormulaLoss):
    """Cross-entropy of labels 0 and 1 with probabilities, or with logits if ``from_logits``.

    >>> round(float(BinaryCrossentropy(from_logits=True)([[1.0]], [[0.0]])), 3)
    0.693
    """

    formula = staticmethod(formulas.binary_crossentropy)

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
            name,
            reduction,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class BinaryFocalCrossentropy(FormulaLoss):
    """`BinaryCrossentropy` with easy positions weighted down by ``(1 - p)**gamma``."""

    formula = staticmethod(formulas.binary_focal_crossentropy)

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
            name,
            reduction,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalCrossentropy(FormulaLoss):
    """Cross-entropy of one-hot targets with probabilities, or with logits if ``from_logits``."""

    formula = staticmethod(formulas.categorical_crossentropy)

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
            name,
            reduction,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalFocalCrossentropy(FormulaLoss):
    """`CategoricalCrossentropy` with easy classes weighted down by ``(1 - p)**gamma``."""

    formula = staticmethod(formulas.categorical_focal_crossentropy)

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
            name,
            reduction,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(FormulaLoss):
    """Cross-entropy of integer labels with probabilities, or with logits if ``from_logits``.

    Positions labelled ``ignore_class`` do not count.

    >>> round(float(SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])), 3)
    0.693
    """

    formula = staticmethod(formulas.sparse_categorical_crossentropy)

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


class CategoricalGeneralizedCrossEntropy(FormulaLoss):
    """``(1 - p**q) / q`` of the probability given to integer labels; withstands wrong ones."""

    formula = staticmethod(formulas.categorical_generalized_cross_entropy)

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


class Dice(FormulaLoss):
    """1 minus the Dice coefficient of two regions, summed over ``axis`` (all when None)."""

    formula = staticmethod(formulas.dice)

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "dice",
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype, axis=axis)


class Tversky(FormulaLoss):
    """1 minus the Tversky index; misses weigh ``alpha``, extras ``beta``."""

    formula = staticmethod(formulas.tversky)

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


class Circle(FormulaLoss):
    """Circle loss of unit-length embeddings with integer labels."""

    formula = staticmethod(formulas.circle)

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


class CTC(FormulaLoss):
    """Connectionist temporal classification of label sequences; class 0 is blank."""

    formula = staticmethod(formulas.ctc)

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = "ctc",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
