"""Callbacks: what can be told of the events of a run."""

from lamina.callbacks.backup import BackupAndRestore
from lamina.callbacks.monitoring import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from lamina.callbacks.simple import (
    CSVLogger,
    LambdaCallback,
    LearningRateScheduler,
    TerminateOnNaN,
)
from lamina.training import Callback, CallbackList, History, ProgbarLogger

__all__ = [
    "BackupAndRestore", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History",
    "LambdaCallback", "LearningRateScheduler", "ModelCheckpoint", "ProgbarLogger",
    "ReduceLROnPlateau", "TerminateOnNaN",
]  # fmt: skip
