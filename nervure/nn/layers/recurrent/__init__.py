"""Recurrent layers: a cell applied to the steps of a sequence, one after the other."""

from nervure.nn.layers.recurrent.bidirectional import Bidirectional
from nervure.nn.layers.recurrent.cells import GRUCell, LSTMCell, SimpleRNNCell
from nervure.nn.layers.recurrent.families import GRU, LSTM, SimpleRNN
from nervure.nn.layers.recurrent.rnn import RNN
from nervure.nn.layers.recurrent.stacked import StackedRNNCells
from nervure.nn.layers.recurrent.time_distributed import TimeDistributed

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
    "TimeDistributed",
]
