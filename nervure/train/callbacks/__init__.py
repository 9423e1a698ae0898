"""Objects that are told how training goes, and may steer it."""

from nervure.train.callbacks.base import Callback, LambdaCallback
from nervure.train.callbacks.callback_list import CallbackList, as_callbacks

__all__ = ["Callback", "CallbackList", "LambdaCallback", "as_callbacks"]
