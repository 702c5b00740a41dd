"""Callbacks: what can be told of the events of a run."""

from lamina.callbacks.averaging import SwapEMAWeights
from lamina.callbacks.backup import BackupAndRestore
from lamina.callbacks.monitoring import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from lamina.callbacks.orbax import OrbaxCheckpoint
from lamina.callbacks.simple import (
    CSVLogger,
    LambdaCallback,
    LearningRateScheduler,
    RemoteMonitor,
    TerminateOnNaN,
)
from lamina.callbacks.tensorboard import TensorBoard
from lamina.training import Callback, CallbackList, History, ProgbarLogger

__all__ = [
    "BackupAndRestore", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History",
    "LambdaCallback", "LearningRateScheduler", "ModelCheckpoint", "OrbaxCheckpoint",
    "ProgbarLogger", "ReduceLROnPlateau", "RemoteMonitor", "SwapEMAWeights", "TensorBoard",
    "TerminateOnNaN",
]  # fmt: skip
