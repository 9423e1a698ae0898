"""Objects that are told how training goes, under Keras' names."""

from nervure.train.callbacks import Callback, CallbackList, LambdaCallback
from nervure.train.history import History

__all__ = ["Callback", "CallbackList", "History", "LambdaCallback"]
