"""A trained network as a source of features, for scikit-learn as well."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)

from nervure.errors import ShapeError, explain, unknown_name
from nervure.ir.attrs import NDArray
from nervure.layers import Layer
from nervure.pretrained.transfer.cutting import cut_at
from nervure.train.model import Model

__all__ = ["FeatureExtractor"]

_POOLINGS: Final[dict[str, Callable[..., NDArray]]] = {"avg": np.mean, "max": np.max}


class FeatureExtractor(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """What a layer of a trained network computes, as features for something else.

    A transformer of scikit-learn that has learnt already: ``fit`` changes nothing, and
    copies by ``sklearn.base.clone`` share the network.

    Parameters
    ----------
    model
        A model.  It is not changed; when it is trained further, the features follow.
    layer
        The layer whose output is wanted: its name, its place among ``model.layers``, or
        itself.  None is what the classifier at the end of the model takes (the second
        to last activations), or the model's output when it has no classifier.
    pooling
        "avg" or "max" over all places of a feature map or steps of a sequence; None
        keeps them all, one after the other.
    batch_size
        The rows that are computed together.

    Attributes
    ----------
    network
        The :class:`~nervure.models.Model` from the input to the layer.

    >>> import numpy as np
    >>> import nervure as nv
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> network = nv.models.Sequential([
    ...     nv.layers.Dense(8, activation="tanh", input_shape=(4,)),
    ...     nv.layers.Dense(3, activation="softmax")])
    >>> features = nv.pretrained.FeatureExtractor(network)
    >>> features.transform(np.zeros((2, 4))).shape
    (2, 8)
    >>> X = np.random.default_rng(0).normal(size=(40, 4))
    >>> pipeline = make_pipeline(features, LogisticRegression()).fit(X, X[:, 0] > 0)
    >>> pipeline.predict(X).shape
    (40,)
    """

    def __init__(
        self,
        model: Model,
        layer: Layer | str | int | None = None,
        *,
        pooling: str | None = None,
        batch_size: int = 32,
    ) -> None:
        self.model = model
        self.layer = layer
        self.pooling = pooling
        self.batch_size = batch_size

    # --- the network -----------------------------------------------------------------

    @property
    def network(self) -> Model:
        """The model from the input to the layer; it shares the layers."""
        wanted = (self.model, self.layer)
        made = vars(self).get("_made")
        if made is None or any(
            one is not other for one, other in zip(made[0], wanted, strict=True)
        ):
            made = (wanted, cut_at(self.model, self.layer, "features"))
            self._made = made
        network: Model = made[1]
        return network

    def __call__(self, inputs: Any) -> Any:
        """Apply the network to arrays, or to the symbolic tensors of a new model."""
        return self.network(inputs, training=False)

    # --- scikit-learn ----------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters and that the rows fit the network; learn nothing.

        Raises
        ------
        ShapeError
            For rows that the network cannot take.
        ArgumentError, NotBuiltError, UnknownNameError
            For parameters that cannot be used.
        """
        self._rows(X)
        self._check_pooling()
        return self

    def transform(self, X: Any) -> NDArray:
        """Return the features, ``float32[rows, features]``.

        Parameters
        ----------
        X
            ``[rows, *input of the network]``, or flat rows with as many numbers.

        Raises
        ------
        ShapeError, DataError
            For rows that the network cannot take, or with values that are not finite.
        """
        self._check_pooling()
        rows = self._rows(X)
        found = self.network.predict(rows, batch_size=self.batch_size, verbose=0)
        if self.pooling is not None and found.ndim > 2:
            places = tuple(range(1, found.ndim - 1))
            found = _POOLINGS[self.pooling](found, axis=places)
        return np.ascontiguousarray(found.reshape(len(found), -1))

    def _check_pooling(self) -> None:
        if self.pooling is not None and self.pooling not in _POOLINGS:
            raise unknown_name("pooling", self.pooling, list(_POOLINGS))

    def _rows(self, X: Any) -> NDArray:
        rows = np.asarray(X)
        wanted = self.network.input_shape[1:]
        if rows.ndim == 2 and len(wanted) > 1 and rows.shape[1] == _count(wanted):
            rows = rows.reshape(-1, *wanted)
        fits = rows.ndim == len(wanted) + 1 and all(
            size in (None, one)
            for one, size in zip(rows.shape[1:], wanted, strict=True)
        )
        if not fits:
            raise ShapeError(
                explain(
                    f"expected rows of the shape {list(wanted)} for the network "
                    f"{self.model.name!r}, got X of shape {list(rows.shape)}",
                    fix="resize the images, or make the network with their input_shape",
                )
            )
        return rows

    @property
    def _n_features_out(self) -> int:
        sizes = self.network.output_shape[1:]
        if self.pooling is not None:
            return int(sizes[-1])
        return _count(sizes)

    def __sklearn_is_fitted__(self) -> bool:
        """Tell that there is nothing to wait for."""
        return True

    def __sklearn_clone__(self) -> Self:
        """Return an extractor with the same parameters that shares the network."""
        return type(self)(**self.get_params(deep=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.target_tags.required = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _count(sizes: Sequence[int | None]) -> int:
    """Return how many numbers a shape has; 0 where a size is unknown."""
    return math.prod(size or 0 for size in sizes)
