"""Functions of neural networks, made of the array functions: ``nervure.ops.nn``.

Names and meanings are those of Keras 3 and JAX.  Values and derivatives are finite
wherever they are mathematically, up to the largest numbers of a type: formulas choose
between branches before they compute, so that an overflow in the branch that is not
taken never meets a derivative.  float16 and bfloat16 are computed in float32 and
rounded once; integers become the default float.

Layers, losses and activations with the names that ``compile`` knows are in
``nervure.layers``, ``nervure.losses`` and ``nervure.activations``.
"""

from nervure.ops.deferred import make_deferrable as _make_deferrable
from nervure.ops.exponential import exp as exponential
from nervure.ops.exponential import sigmoid
from nervure.ops.nn.activations import (
    celu,
    elu,
    gelu,
    glu,
    hard_sigmoid,
    hard_silu,
    hard_swish,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    mish,
    relu,
    relu6,
    selu,
    silu,
    softplus,
    softsign,
    swish,
)
from nervure.ops.nn.attention import dot_product_attention
from nervure.ops.nn.convolution import (
    conv,
    conv_transpose,
    depthwise_conv,
    separable_conv,
)
from nervure.ops.nn.crossentropy import (
    binary_crossentropy_with_logits,
    categorical_crossentropy_with_logits,
    sparse_categorical_crossentropy_with_logits,
)
from nervure.ops.nn.dropout import dropout
from nervure.ops.nn.imaging import affine_transform, resize
from nervure.ops.nn.normalization import (
    batch_normalization,
    layer_normalization,
    rms_normalization,
)
from nervure.ops.nn.pooling import average_pool, max_pool
from nervure.ops.nn.resampling import (
    adaptive_average_pool,
    adaptive_max_pool,
    upsample,
)
from nervure.ops.nn.softmax import log_softmax, logsumexp, softmax
from nervure.ops.nn.statistics import moments, normalize
from nervure.ops.searching import one_hot
from nervure.ops.trigonometric import tanh

__all__ = [
    "adaptive_average_pool",
    "adaptive_max_pool",
    "affine_transform",
    "average_pool",
    "batch_normalization",
    "binary_crossentropy_with_logits",
    "categorical_crossentropy_with_logits",
    "celu",
    "conv",
    "conv_transpose",
    "depthwise_conv",
    "dot_product_attention",
    "dropout",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "layer_normalization",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "max_pool",
    "mish",
    "moments",
    "normalize",
    "one_hot",
    "relu",
    "relu6",
    "resize",
    "rms_normalization",
    "selu",
    "separable_conv",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "sparse_categorical_crossentropy_with_logits",
    "swish",
    "tanh",
    "upsample",
]

_make_deferrable(globals(), __all__, "nn.")
