"""Vision transformers: an image as a sequence of patches.

Dosovitskiy et al., "An image is worth 16x16 words: transformers for image recognition
at scale", 2020.
"""

from __future__ import annotations

from typing import Any, Final, Unpack

from nervure import ops
from nervure.array import Array
from nervure.layers import (
    Add,
    Layer,
    LayerNormalization,
    MultiHeadAttention,
    Reshape,
)
from nervure.nn.layer_options import LayerOptions
from nervure.nn.registry import register_keras_serializable
from nervure.pretrained.options import (
    TORCHVISION,
    Facts,
    NetworkOptions,
    settings_of,
)
from nervure.pretrained.parts import Parts, assembled
from nervure.train.model import Model

__all__ = ["ClassToken", "PositionEmbedding", "vit_b_16"]

_FACTS: Final = Facts("vit_b_16", styles=(TORCHVISION,), needs_sizes=True)
_PATCH: Final = 16
_WIDTH: Final = 768
_HEADS: Final = 12
_BLOCKS: Final = 12
_HIDDEN: Final = 3072
_EPSILON: Final = 1e-6


@register_keras_serializable("nervure")
class ClassToken(Layer):
    """A learnt vector in front of a sequence, which collects what it is about.

    ``float[batch, steps, features]`` becomes ``float[batch, steps + 1, features]``.

    >>> import nervure as nv
    >>> from nervure.pretrained import ClassToken
    >>> ClassToken()(nv.ones((2, 3, 4))).shape
    (2, 4, 4)
    """

    def __init__(self, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)

    def build(self, input_shape: Any) -> None:
        """Create the vector."""
        self.token = self.add_weight((1, 1, input_shape[-1]), "zeros", name="token")

    def call(self, inputs: Array) -> Array:
        """Put the vector in front of each sequence."""
        shape = (inputs.shape[0], 1, inputs.shape[-1])
        first = ops.broadcast_to(self.token.value, shape)
        return ops.concat([first, inputs], axis=1)


@register_keras_serializable("nervure")
class PositionEmbedding(Layer):
    """A learnt vector for each place of a sequence, added to what is there.

    ``float[batch, steps, features]`` keeps its shape.

    >>> import nervure as nv
    >>> from nervure.pretrained import PositionEmbedding
    >>> layer = PositionEmbedding()
    >>> layer(nv.ones((2, 3, 4))).shape, layer.count_params()
    ((2, 3, 4), 12)
    """

    def __init__(self, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)

    def build(self, input_shape: Any) -> None:
        """Create the vectors."""
        self.embedding = self.add_weight(
            (1, *input_shape[1:]), "random_normal", name="embedding"
        )

    def call(self, inputs: Array) -> Array:
        """Add the vectors."""
        return inputs + self.embedding.value


def vit_b_16(**options: Unpack[NetworkOptions]) -> Model:
    """Return ViT-B/16: 86.6 million weights.

    ``float32[batch, 224, 224, 3]`` becomes ``float32[batch, 1000]``.  Without the top
    it becomes the sequence of features, ``float32[batch, 197, 768]``, the class token
    first; pooling goes over the sequence.

    Parameters
    ----------
    options
        As for :func:`resnet50`; torchvision's style only.  Height and width are
        multiples of 16; weights of a file fit the size that they were trained for.

    >>> import nervure as nv
    >>> nv.pretrained.vit_b_16().count_params()
    86567656
    """
    return assembled(settings_of(_FACTS, options), _body, _top)


def _body(parts: Parts, x: Any) -> Any:
    x = parts.conv(
        x,
        _WIDTH,
        _PATCH,
        strides=_PATCH,
        padding="valid",
        use_bias=True,
        name="patches_conv",
        source="conv_proj",
    )
    x = Reshape((x.shape[1] * x.shape[2], _WIDTH), name="patches")(x)
    x = parts.add(ClassToken(name="class_token"), x, "class_token")
    x = parts.add(PositionEmbedding(name="positions"), x, "encoder.pos_embedding")
    for number in range(_BLOCKS):
        x = _block(
            parts, x, f"block{number + 1}", f"encoder.layers.encoder_layer_{number}"
        )
    return _norm(parts, x, "norm", "encoder.ln")


def _top(parts: Parts, x: Any) -> Any:
    return parts.predictions(x[:, 0], "heads.head")


def _block(parts: Parts, inputs: Any, name: str, source: str) -> Any:
    """Let the places look at each other, then think each for itself."""
    x = _norm(parts, inputs, f"{name}_norm1", f"{source}.ln_1")
    attention = MultiHeadAttention(_HEADS, _WIDTH // _HEADS, name=f"{name}_attention")
    attended = attention(x, x)
    parts.note(attention, f"{source}.self_attention")
    inputs = Add(name=f"{name}_add1")([inputs, attended])
    x = _norm(parts, inputs, f"{name}_norm2", f"{source}.ln_2")
    x = parts.dense(
        x,
        _HIDDEN,
        activation="gelu",
        name=f"{name}_dense1",
        source=f"{source}.mlp.0",
    )
    x = parts.dense(x, _WIDTH, name=f"{name}_dense2", source=f"{source}.mlp.3")
    return Add(name=f"{name}_add2")([inputs, x])


def _norm(parts: Parts, x: Any, name: str, source: str) -> Any:
    return parts.add(LayerNormalization(epsilon=_EPSILON, name=name), x, source)
