"""A small example of every layer and loss, for the checks of gradients.

A key is the public name, and words after it if there are several examples.  Shapes
have a batch; a layer of several inputs gets a list of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import nervure as nv
from nervure import activations, layers
from nervure.nn.layer import Layer

Options = Mapping[str, Any]
Shape = tuple[int, ...]


def _apply(layer: Layer, inputs: list[Any]) -> Any:
    return layer(*inputs)


def _together(layer: Layer, inputs: list[Any]) -> Any:
    """Apply a layer that takes a list."""
    return layer(inputs)


def _training(layer: Layer, inputs: list[Any]) -> Any:
    return layer(*inputs, training=True)


@dataclass(frozen=True)
class LayerCase:
    """How a layer is made and called.

    Attributes
    ----------
    make
        Gets the options of every layer, among them the data type.
    shapes
        Those of the inputs that are differentiated, with the batch.
    call
        Applies the layer to them; its results may be a tree.
    scale
        The standard deviation of the inputs.
    weights
        Whether the weights are differentiated as well.
    """

    make: Callable[[Options], Layer]
    shapes: Sequence[Shape]
    call: Callable[[Layer, list[Any]], Any] = _apply
    scale: float = 1.0
    weights: bool = True


def of(name: str, *args: Any, **kwargs: Any) -> Callable[[Options], Layer]:
    """Return a maker of a layer with these arguments."""
    return lambda options: getattr(layers, name)(*args, **kwargs, **options)


def around(
    name: str, inner: Callable[[Options], Layer], **kwargs: Any
) -> Callable[[Options], Layer]:
    """Return a maker of a layer around another one."""
    return lambda o: getattr(layers, name)(inner(o), **kwargs, **o)


LAYERS: dict[str, LayerCase] = {}


def _add(key: str, shape: Shape, *args: Any, **kwargs: Any) -> None:
    """Add a layer of one input that needs nothing special."""
    LAYERS[key] = LayerCase(of(key.partition(" ")[0], *args, **kwargs), [shape])


# --- dense layers and embeddings ------------------------------------------------------

_add("Dense", (3, 5), 4, "tanh")
_add("EinsumDense", (3, 2, 5), "abc,cd->abd", (None, 4), bias_axes="d")
_add("Activation", (3, 4), "tanh")
_add("Identity", (3, 4))
_add("Lambda", (3, 4), nv.exp)
_add("Operation", (3, 4), "exp")
LAYERS["InputLayer"] = LayerCase(
    lambda o: layers.InputLayer((4,), dtype=o["dtype"]), [(3, 4)]
)
_PLACES = np.array([[0, 2, 2], [1, 5, 0]])
LAYERS["Embedding"] = LayerCase(
    of("Embedding", 6, 4), [], lambda layer, _: layer(nv.asarray(_PLACES))
)
LAYERS["ReversibleEmbedding"] = LayerCase(
    of("ReversibleEmbedding", 6, 4), [], lambda layer, _: layer(nv.asarray(_PLACES))
)
LAYERS["ReversibleEmbedding reversed"] = LayerCase(
    of("ReversibleEmbedding", 6, 4, tie_weights=False, logit_soft_cap=2.0),
    [(2, 3, 4)],
    lambda layer, given: [
        layer(nv.asarray(_PLACES)),
        layer(given[0], reverse=True),
    ],
)

# --- convolutions ---------------------------------------------------------------------

_add("Conv1D", (3, 7, 2), 3, 2, strides=2)
_add("Conv1D causal", (3, 7, 2), 3, 2, padding="causal", dilation_rate=2)
_add("Conv2D", (3, 5, 4, 2), 3, 2, padding="same")
_add("Conv2D dilated", (3, 5, 5, 2), 2, 2, dilation_rate=2)
_add("Conv2D groups", (3, 5, 5, 2), 4, 3, groups=2)
_add("Conv2D channels first", (3, 2, 5, 4), 3, 2, data_format="channels_first")
_add("Conv3D", (2, 3, 3, 3, 2), 2, 2)
_add("Conv1DTranspose", (3, 4, 2), 2, 3, 2)
_add("Conv2DTranspose", (3, 3, 3, 2), 2, 3, 2, padding="same")
_add("Conv3DTranspose", (2, 2, 2, 2, 2), 2, 2, 2)
_add("DepthwiseConv1D", (3, 5, 3), 2)
_add("DepthwiseConv2D", (3, 4, 4, 3), 2, depth_multiplier=2)
_add("SeparableConv1D", (3, 5, 3), 2, 2)
_add("SeparableConv2D", (3, 4, 4, 3), 2, 2)

# --- windows and shapes ---------------------------------------------------------------

_IMAGES: dict[int, Shape] = {1: (3, 6, 2), 2: (3, 5, 4, 2), 3: (2, 4, 4, 3, 2)}
for _rank, _shape in _IMAGES.items():
    for _kind in ("Max", "Average"):
        _add(f"{_kind}Pooling{_rank}D", _shape, 2)
        _add(f"{_kind}Pooling{_rank}D overlapping", _shape, 3, 1, "same")
        _add(f"Global{_kind}Pooling{_rank}D", _shape)
        _add(f"Adaptive{_kind}Pooling{_rank}D", _shape, 2)
    _add(f"UpSampling{_rank}D", _shape, 2)
    _add(f"ZeroPadding{_rank}D", _shape, 1)
    _add(f"Cropping{_rank}D", _shape, 1)
    LAYERS[f"SpatialDropout{_rank}D"] = LayerCase(
        of(f"SpatialDropout{_rank}D", 0.4, seed=1), [_shape], _training
    )
_add("UpSampling2D bilinear", (3, 3, 3, 2), 2, interpolation="bilinear")
_add("UpSampling2D bicubic", (2, 3, 3, 2), 2, interpolation="bicubic")
_add("UpSampling2D lanczos", (2, 4, 4, 1), 2, interpolation="lanczos3")
_add("Flatten", (3, 2, 3))
_add("Permute", (3, 2, 3), (2, 1))
_add("Reshape", (3, 6), (3, 2))
_add("RepeatVector", (3, 4), 3)
_add("Masking", (3, 4, 2))

# --- several inputs -------------------------------------------------------------------

for _name in (
    "Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"
):  # fmt: skip
    LAYERS[_name] = LayerCase(of(_name), [(3, 4), (3, 4)], _together)
LAYERS["Dot"] = LayerCase(of("Dot", 1), [(3, 4), (3, 4)], _together)
LAYERS["Dot normalized"] = LayerCase(
    of("Dot", (2, 1), normalize=True), [(3, 2, 4), (3, 4, 3)], _together
)

# --- recurrence -----------------------------------------------------------------------

for _name in ("SimpleRNN", "GRU", "LSTM"):
    _add(_name, (3, 4, 2), 3)
    _add(f"{_name} of everything", (3, 4, 2), 3, return_sequences=True,
         return_state=True, go_backwards=True)  # fmt: skip
    _cells = 3 if _name == "LSTM" else 2
    LAYERS[f"{_name}Cell"] = LayerCase(
        of(f"{_name}Cell", 3),
        [(2, 2)] + [(2, 3)] * (_cells - 1),
        lambda layer, given: layer(given[0], given[1:]),
    )
_add("GRU reset before", (2, 4, 2), 3, reset_after=False)
LAYERS["RNN"] = LayerCase(
    around("RNN", of("GRUCell", 3), return_sequences=True), [(2, 4, 2)]
)
LAYERS["RNN masked"] = LayerCase(
    around("RNN", of("LSTMCell", 2), unroll=True),
    [(2, 4, 2)],
    lambda layer, given: layer(
        given[0], mask=nv.asarray([[True, True, False, True], [True, False] * 2])
    ),
)
LAYERS["StackedRNNCells"] = LayerCase(
    lambda o: layers.RNN(
        layers.StackedRNNCells([layers.GRUCell(2, **o), layers.LSTMCell(3, **o)], **o),
        **o,
    ),
    [(2, 3, 2)],
)
LAYERS["Bidirectional"] = LayerCase(around("Bidirectional", of("LSTM", 2)), [(3, 3, 2)])
LAYERS["Bidirectional product"] = LayerCase(
    around("Bidirectional", of("GRU", 2, return_sequences=True), merge_mode="mul"),
    [(3, 3, 2)],
)
LAYERS["TimeDistributed"] = LayerCase(
    around("TimeDistributed", of("Dense", 2)), [(3, 3, 4)]
)
_FILMS: dict[int, Shape] = {
    1: (2, 3, 4, 2),
    2: (2, 2, 3, 3, 1),
    3: (1, 2, 2, 3, 2, 1),
}
for _rank, _shape in _FILMS.items():
    _add(f"ConvLSTM{_rank}D", _shape, 2, 2, padding="same")

# --- attention ------------------------------------------------------------------------

_QUERY, _VALUE = (2, 3, 4), (2, 5, 4)
_ALLOWED = np.random.default_rng(1).random((2, 3, 5)) > 0.3
_THERE = np.array([[True] * 4 + [False], [True, False, True, True, True]])


def _masked(layer: Layer, given: list[Any]) -> Any:
    return layer(
        *given,
        value_mask=nv.asarray(_THERE),
        attention_mask=nv.asarray(_ALLOWED),
        return_attention_scores=True,
    )


for _name in ("Attention", "AdditiveAttention"):
    LAYERS[_name] = LayerCase(
        of(_name, use_scale=True), [_QUERY, _VALUE, _VALUE], _together
    )
    LAYERS[f"{_name} masked"] = LayerCase(
        of(_name, use_scale=False, dropout=0.3, seed=1),
        [_QUERY, _QUERY],
        lambda layer, given: layer(given, use_causal_mask=True, training=True),
    )
LAYERS["Attention concat"] = LayerCase(
    of("Attention", score_mode="concat"), [_QUERY, _VALUE], _together
)
_HEADS = {
    "MultiHeadAttention": of("MultiHeadAttention", 2, 3, value_dim=2),
    "GroupQueryAttention": of("GroupQueryAttention", 2, 4, 2),
}
for _name, _make in _HEADS.items():
    LAYERS[_name] = LayerCase(_make, [_QUERY, _VALUE, _VALUE])
    LAYERS[f"{_name} masked"] = LayerCase(_make, [_QUERY, _VALUE], _masked)
LAYERS["MultiHeadAttention gated"] = LayerCase(
    of("MultiHeadAttention", 2, 2, dropout=0.3, seed=1, use_gate=True,
       sliding_window=2),
    [_QUERY, _QUERY],
    lambda layer, given: layer(*given, use_causal_mask=True, training=True),
)  # fmt: skip
LAYERS["GroupQueryAttention gated"] = LayerCase(
    of("GroupQueryAttention", 2, 4, 2, dropout=0.3, seed=1, use_gate=True),
    [_QUERY, _QUERY],
    lambda layer, given: layer(*given, use_causal_mask=True, training=True),
)

# --- noise: the same numbers are drawn at every call ----------------------------------

for _name in ("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise"):
    LAYERS[_name] = LayerCase(of(_name, 0.4, seed=1), [(3, 6)], _training)
_add("ActivityRegularization", (3, 4), l2=0.1)

# --- normalization --------------------------------------------------------------------

_add("BatchNormalization", (3, 4))
LAYERS["BatchNormalization in training"] = LayerCase(
    of("BatchNormalization"), [(3, 4)], _training
)
LAYERS["BatchNormalization masked"] = LayerCase(
    of("BatchNormalization"),
    [(3, 4, 2)],
    lambda layer, given: layer(
        given[0], training=True, mask=nv.asarray(np.arange(12).reshape(3, 4) % 3 > 0)
    ),
)
_add("LayerNormalization", (3, 4, 3))
_add("GroupNormalization", (3, 3, 4), 2)
_add("RMSNormalization", (3, 4))
_add("UnitNormalization", (3, 4))
LAYERS["SpectralNormalization"] = LayerCase(
    around("SpectralNormalization", of("Dense", 3)), [(3, 4)]
)
# In training the call sets the kernel, so only the inputs can be moved.
LAYERS["SpectralNormalization in training"] = LayerCase(
    around("SpectralNormalization", of("Dense", 3)), [(3, 4)], _training, weights=False
)

# --- activations ----------------------------------------------------------------------

_add("ELU", (3, 6))
_add("LeakyReLU", (3, 6))
_add("PReLU", (3, 6))
_add("ReLU", (3, 6), max_value=1.0, negative_slope=0.2, threshold=0.1)
_add("Softmax", (3, 6))
LAYERS["Softmax masked"] = LayerCase(
    of("Softmax"),
    [(3, 4)],
    lambda layer, given: layer(
        given[0], mask=nv.asarray(np.arange(12).reshape(3, 4) % 3 > 0)
    ),
)
for _name in activations.__all__:
    if _name not in ("get", "serialize", "deserialize", "threshold", "sparsemax"):
        _add(f"Activation {_name}", (3, 6), _name)
_add("Activation threshold", (3, 6), lambda x: activations.threshold(x, 0.1, -2.0))
# Larger inputs would leave one 1 in each row, whatever they are.
LAYERS["Activation sparsemax"] = LayerCase(
    of("Activation", "sparsemax"), [(3, 6)], scale=0.3
)

# --- preprocessing --------------------------------------------------------------------

_PICTURES = (3, 5, 4, 2)
_add("CenterCrop", _PICTURES, 3, 2)
_add("Rescaling", (3, 4), 0.5, 1.0)
_add("Normalization", (3, 2), mean=[1.0, -0.5], variance=[4.0, 0.3])
_add("Normalization inverted", (3, 2), mean=1.0, variance=4.0, axis=None, invert=True)
for _name in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"):
    _add(f"Resizing {_name}", _PICTURES, 3, 7, interpolation=_name)
_add("Resizing antialiased", _PICTURES, 3, 3, antialias=True)
# The range is so wide that nothing is cut off.
_RANGE = {"value_range": (-100.0, 100.0)}
_RANDOM = {
    "RandomBrightness": of("RandomBrightness", 0.2, seed=1, **_RANGE),
    "RandomContrast": of("RandomContrast", 0.3, seed=1, **_RANGE),
    "RandomFlip": of("RandomFlip", seed=1),
    "RandomRotation": of("RandomRotation", 0.1, seed=1),
    "RandomTranslation": of("RandomTranslation", 0.2, 0.3, "wrap", seed=1),
    "RandomZoom": of("RandomZoom", 0.3, fill_mode="nearest", seed=1),
}
for _name, _make in _RANDOM.items():
    LAYERS[_name] = LayerCase(_make, [_PICTURES], _training)
LAYERS["CategoryEncoding"] = LayerCase(
    of("CategoryEncoding", 4, output_mode="count"),
    [(2, 3)],
    lambda layer, given: layer(
        nv.asarray([[0, 2, 2], [3, 0, 1]]), count_weights=given[0]
    ),
)

# What has no gradient, with the reason.
WITHOUT_GRADIENT = {
    "InputSpec": "describes inputs",
    "Layer": "has no computation of its own",
    "Wrapper": "has no computation of its own",
    "Discretization": "gives the numbers of bins",
    "Hashing": "gives the numbers of bins",
    "IntegerLookup": "gives places in a vocabulary",
    "StringLookup": "gives places in a vocabulary",
    "TextVectorization": "gives places in a vocabulary",
}

# --- losses ---------------------------------------------------------------------------

_SHARES = np.random.default_rng(8).dirichlet(np.ones(4), 3)
_LOGITS = np.random.default_rng(9).normal(size=(3, 4))
_ONE_HOT = np.eye(4)[[0, 2, 3]]
_SIGNS = 2 * _ONE_HOT - 1
_CLASSES = np.array([0, 2, 3])
_TRUE = (_SHARES > 0.3) * 1.0
_UNITS = np.random.default_rng(3).normal(size=(6, 3))
_UNITS /= 1.01 * np.linalg.norm(_UNITS, axis=1, keepdims=True)

# The options, the truth and the predictions.
LOSSES: dict[str, tuple[dict[str, Any], np.ndarray, np.ndarray]] = {
    "BinaryCrossentropy": ({}, _TRUE, _SHARES),
    "BinaryCrossentropy logits": (
        {"from_logits": True, "label_smoothing": 0.1}, _TRUE, _LOGITS
    ),
    "BinaryFocalCrossentropy": ({}, _TRUE, _SHARES),
    "BinaryFocalCrossentropy logits": (
        {"from_logits": True, "apply_class_balancing": True}, _TRUE, _LOGITS
    ),
    "CTC": ({}, np.array([[1, 2, 2], [3, 1, 0]]),
            np.random.default_rng(2).normal(size=(2, 6, 4))),
    "CategoricalCrossentropy": ({"label_smoothing": 0.1}, _ONE_HOT, _SHARES),
    "CategoricalCrossentropy logits": ({"from_logits": True}, _SHARES[::-1], _LOGITS),
    "CategoricalFocalCrossentropy": ({}, _ONE_HOT, _SHARES),
    "CategoricalFocalCrossentropy logits": ({"from_logits": True}, _ONE_HOT, _LOGITS),
    "CategoricalGeneralizedCrossEntropy": ({}, _CLASSES, _SHARES),
    "CategoricalHinge": ({}, _ONE_HOT, _SHARES),
    "Circle": ({"gamma": 4.0}, np.array([0, 0, 1, 1, 2, 2]), _UNITS),
    "CosineSimilarity": ({}, _ONE_HOT, _SHARES),
    "Dice": ({}, _ONE_HOT, _SHARES),
    "Hinge": ({}, _SIGNS, _SHARES),
    "Huber": ({"delta": 0.5}, _ONE_HOT, 3 * _SHARES),
    "KLDivergence": ({}, _SHARES[::-1], _SHARES),
    "LogCosh": ({}, _ONE_HOT, _SHARES),
    "MeanAbsoluteError": ({}, _ONE_HOT, _SHARES),
    "MeanAbsolutePercentageError": ({}, _ONE_HOT + 1, _SHARES),
    "MeanSquaredError": ({}, _ONE_HOT, _SHARES),
    "MeanSquaredLogarithmicError": ({}, _ONE_HOT, _SHARES),
    "Poisson": ({}, _ONE_HOT, _SHARES),
    "SparseCategoricalCrossentropy": ({}, _CLASSES, _SHARES),
    "SparseCategoricalCrossentropy logits": (
        {"from_logits": True, "ignore_class": 2}, _CLASSES, _LOGITS
    ),
    "SquaredHinge": ({}, _SIGNS, _SHARES),
    "Tversky": ({}, _ONE_HOT, _SHARES),
}  # fmt: skip
