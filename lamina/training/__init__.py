"""Training: compile, fit, evaluate, predict, and the pure step that they run."""

from lamina.training.callback import Callback, CallbackList, History
from lamina.training.progress import ProgbarLogger
from lamina.training.state import TrainState
from lamina.training.trainer import Trainer

__all__ = ["Callback", "CallbackList", "History", "ProgbarLogger", "TrainState", "Trainer"]
