"""`SwapEMAWeights`: evaluate, and keep, with the moving averages of the weights."""

from dataclasses import dataclass
from typing import Any

from lamina.callbacks.rates import rated
from lamina.core.errors import ArgumentError
from lamina.training.callback import Callback, Logs


@dataclass(eq=False, repr=False)
class SwapEMAWeights(Callback):
    """Puts the moving averages of the weights into the model while it is tested or predicts.

    The optimizer keeps them with ``use_ema=True``. Weights and averages change places, so no
    memory is needed; afterwards they change back.

    Args:
        swap_on_epoch: Whether the averages also stay in the model from the end of an epoch to the
            beginning of the next one, for callbacks that come later in the list, such as a
            `ModelCheckpoint`. One that may stop training has to come before.

    Raises:
        ArgumentError: when it swaps first, if no optimizer keeps averages.
    """

    swap_on_epoch: bool = False
    _inside = False

    def _pairs(self) -> list[tuple[Any, Any]]:
        """Each variable with its average."""
        optimizers = rated(self.model.optimizer).values()
        pairs = [pair for each in optimizers if each.use_ema and each.built
                 for pair in zip(each._trainable_variables, each._model_variables_moving_average,
                                 strict=True)]  # fmt: skip
        if not pairs:
            raise ArgumentError(
                "SwapEMAWeights finds no moving averages of the weights.",
                rule="the optimizer keeps them when it is made with use_ema=True",
                fix="compile(optimizer=Adam(use_ema=True), ...)",
            )
        return pairs

    def _put(self, inside: bool) -> None:
        if inside == self._inside:
            return
        for variable, average in self._pairs():
            value = variable.value
            variable.assign(average.value)
            average.assign(value)
        self._inside = inside

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._put(False)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if not self.swap_on_epoch:
            return
        self._put(True)
        if epoch == self.params["epochs"] - 1 or self.model.stop_training:
            # The end of fit sets weights to what the optimizer holds as averages.
            for variable, average in self._pairs():
                average.assign(variable.value)
            self._inside = False

    def on_test_begin(self, logs: Logs = None) -> None:
        self._put(True)

    def on_test_end(self, logs: Logs = None) -> None:
        self._put(False)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._put(True)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._put(False)
