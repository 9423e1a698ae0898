"""Layers that weigh places of a sequence by what they hold."""

from nervure.nn.layers.attention.grouped import GroupQueryAttention
from nervure.nn.layers.attention.multi_head import MultiHeadAttention
from nervure.nn.layers.attention.plain import AdditiveAttention, Attention

__all__ = [
    "AdditiveAttention",
    "Attention",
    "GroupQueryAttention",
    "MultiHeadAttention",
]
