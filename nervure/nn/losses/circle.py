"""The circle loss, for embeddings."""

from __future__ import annotations

from typing import Any, Final, Unpack

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ShapeError, explain
from nervure.nn.losses.base import Loss, LossOptions
from nervure.ops import nn

# Far below every score, and finite: a row without partners has no NaN as gradient.
_NOTHING: Final = -1e30


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80.0,
    margin: float = 0.4,
) -> Array:
    """Return how badly each embedding lies among those of its class and of others.

    Sun et al., "Circle loss: a unified perspective of pair similarity optimization",
    2020, with cosine distances.

    Parameters
    ----------
    y_true
        ``int[n]`` or ``int[n, 1]``: the classes.
    y_pred
        ``float[n, features]``: embeddings of length 1.
    ref_labels, ref_embeddings
        What to compare with: ``int[m]`` and ``float[m, features]``; the batch itself by
        default.
    remove_diagonal
        Whether the first n references are the batch, so that none is compared with
        itself.
    gamma
        The scale of the exponents.
    margin
        How close those of a class, and how far those of others, should be.

    >>> import nervure as nv
    >>> embeddings = [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]
    >>> nv.losses.circle([0, 0, 1], embeddings).numpy().round(3).tolist()
    [0.0, 0.0, 0.0]
    """
    pred = ops.asarray(y_pred)
    labels = _flat_labels(y_true, pred)
    others = pred if ref_embeddings is None else ops.asarray(ref_embeddings)
    other_labels = labels if ref_labels is None else _flat_labels(ref_labels, others)
    distances = ops.maximum(1.0 - pred @ others.T, 0.0)
    same = labels[:, None] == other_labels[None, :]
    positive, negative = same, ~same
    if remove_diagonal:
        itself = ops.eye(same.shape[0], same.shape[1], dtype=dtypes.bool_)
        positive = positive & ~itself
    pulls = -gamma * (margin + distances) * (margin - distances)
    room = ops.maximum(1.0 + margin - distances, 0.0)
    pushes = gamma * room * (1.0 - margin - distances)
    near = nn.logsumexp(ops.where(positive, pulls, _NOTHING), axis=1)
    far = nn.logsumexp(ops.where(negative, pushes, _NOTHING), axis=1)
    return nn.softplus(near + far)


def _flat_labels(labels: Any, embeddings: Array) -> Array:
    array = ops.astype(ops.asarray(labels), dtypes.int32)
    if array.ndim == 2 and array.shape[1] == 1:
        array = ops.squeeze(array, 1)
    if embeddings.ndim != 2 or array.shape != embeddings.shape[:1]:
        raise ShapeError(
            explain(
                "the circle loss expects classes of shape [n] and embeddings of shape "
                f"[n, features], got {list(array.shape)} and {list(embeddings.shape)}",
                fix="pass the class of each row, not one-hot rows",
            )
        )
    return array


class Circle(Loss):
    """The circle loss of a batch of embeddings; see :func:`circle`.

    Embeddings whose loss is 0 are not counted in the mean, as in Keras.

    Parameters
    ----------
    gamma, margin, remove_diagonal
        See :func:`circle`.

    Other arguments: see :class:`Loss`.

    >>> import nervure as nv
    >>> embeddings = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    >>> round(nv.losses.Circle()([0, 0, 1], embeddings).item(), 2)
    94.4
    """

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(**options)
        self.gamma = gamma
        self.margin = margin
        self.remove_diagonal = bool(remove_diagonal)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each embedding."""
        return circle(
            y_true,
            y_pred,
            remove_diagonal=self.remove_diagonal,
            gamma=self.gamma,
            margin=self.margin,
        )

    def counted(self, y_true: Array, values: Array) -> Array:
        """Return which embeddings count."""
        return values > 0
