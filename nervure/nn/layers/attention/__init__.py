"""Layers that weigh places of a sequence by what they hold."""

from nervure.nn.layers.attention.multi_head import MultiHeadAttention

__all__ = ["MultiHeadAttention"]
