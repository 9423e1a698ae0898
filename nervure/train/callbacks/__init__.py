"""Objects that are told how training goes, and may steer it."""

from nervure.train.callbacks.backup import BackupAndRestore
from nervure.train.callbacks.base import Callback, LambdaCallback
from nervure.train.callbacks.callback_list import CallbackList, as_callbacks
from nervure.train.callbacks.checkpoint import ModelCheckpoint
from nervure.train.callbacks.early_stopping import EarlyStopping, TerminateOnNaN
from nervure.train.callbacks.learning_rate import (
    LearningRateScheduler,
    ReduceLROnPlateau,
)
from nervure.train.callbacks.records import CSVLogger, ProgbarLogger

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
    "as_callbacks",
]
