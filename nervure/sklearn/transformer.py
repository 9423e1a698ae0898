"""A network as a source of features."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from nervure import step
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.ir.attrs import NDArray
from nervure.layers import Dense, Flatten, Layer, Reshape
from nervure.sklearn import rows
from nervure.sklearn.base import LEAST_ROWS, PREDICTED_ROWS, Facts
from nervure.sklearn.neural import HIDDEN_UNITS, LOSSES, NeuralEstimator
from nervure.sklearn.targets import ClassTargets, NumberTargets
from nervure.train.targets import kind_of

__all__ = ["NeuralTransformer"]

_TARGETS: Final = ("X", "classes", "numbers")


class NeuralTransformer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, NeuralEstimator
):
    """Features that a network has learnt to compute: the output of one of its layers.

    By default the network is an autoencoder: it learns to return what it is given, and
    its narrowest layer is what ``transform`` returns.

    Parameters
    ----------
    model
        As for :class:`NeuralClassifier`.  None is an autoencoder with the layers
        features, 100, ``n_components``, 100, features.
    n_components
        The number of features of the default network.
    layer
        Which layer's output ``transform`` returns: its name, or its place among the
        model's layers.  None is the one with the fewest units; for targets other than
        "X", the one before the last.
    target
        What the network learns to predict: "X", or "classes" or "numbers" given as
        ``y``.
    loss
        A name, a class, a loss or a function; "auto" suits the target.
    optimizer
        A name, a class or an optimizer.
    metrics
        Names or metrics that ``history_`` records.
    epochs, batch_size, shuffle, callbacks, verbose
        As for :meth:`nervure.models.Model.fit`.
    early_stopping, validation_fraction, n_iter_no_change, tol
        Whether a share of the rows is held out, so that training ends when for more
        than so many epochs their score has not grown by ``tol``, and goes back to the
        weights of its best epoch.
    random_state
        A whole number makes each fit the same; None draws from NumPy's generator.
    warm_start
        Whether ``fit`` goes on with what was learnt before.
    part_parameters
        Parameters of the parts: ``optimizer__learning_rate=0.01``,
        ``loss__label_smoothing=0.1``, ``model__units=64`` for an argument of the
        function.  A search may vary them.

    Attributes
    ----------
    model_, history_, n_iter_
        The trained model, the numbers of each epoch by name, and how many there were.

    >>> import numpy as np
    >>> from nervure.sklearn import NeuralTransformer
    >>> X = np.random.default_rng(0).normal(size=(60, 5))
    >>> NeuralTransformer(n_components=3, epochs=5).fit_transform(X).shape
    (60, 3)
    """

    def __init__(
        self,
        model: Any = None,
        *,
        n_components: int = 2,
        layer: int | str | None = None,
        target: str = "X",
        loss: Any = "auto",
        optimizer: Any = "adam",
        metrics: Any = None,
        epochs: int = 100,
        batch_size: int = 32,
        shuffle: bool = True,
        callbacks: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int | str = 0,
        **part_parameters: Any,
    ) -> None:
        super().__init__(
            model=model,
            loss=loss,
            optimizer=optimizer,
            metrics=metrics,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            callbacks=callbacks,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
            part_parameters=part_parameters,
        )
        self.n_components = n_components
        self.layer = layer
        self.target = target

    # --- training --------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Train a new network; ``y`` is used only for targets other than "X"."""
        return super().fit(X, y, sample_weight)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.target not in _TARGETS:
            raise ArgumentError(
                explain(
                    f"target is {self.target!r}, expected one of {', '.join(_TARGETS)}",
                    fix="target='X' learns to rebuild the rows, target='classes' to "
                    "predict y",
                )
            )

    def _read(self, X: Any, y: Any, *, reset: bool) -> tuple[NDArray, NDArray]:
        if self.target == "X":
            x = rows.read_features(self, X, self._input_dtype(), reset=reset)
            return x, x
        if y is None:
            raise ArgumentError(
                explain(
                    f"target={self.target!r} needs y, as in fit(X, y); requires y to "
                    "be "
                    "passed, but the target y is None",
                    fix="pass y, or write target='X'",
                )
            )
        return super()._read(X, y, reset=reset)

    def _new_targets(self, y: NDArray, classes: Any) -> Any:
        return ClassTargets(y) if self.target == "classes" else NumberTargets(y)

    def _encoded(self, y: NDArray) -> NDArray:
        if isinstance(self._targets, ClassTargets):
            kind = kind_of(self.model_.require_compiled("fit").loss)
            self._targets.settle(kind)
            return self._targets.encoded(y, kind, self._units)
        return self._targets.encoded(y).astype(self._input_dtype())

    def _automatic_loss(self, facts: Facts) -> str:
        return LOSSES[facts.target_type_]

    def _default_layers(
        self,
        X_shape_: tuple[int, ...],
        n_classes_: int,
        n_outputs_: int,
        target_type_: str,
    ) -> list[Layer]:
        flat = [Flatten()] if len(X_shape_) > 1 else []
        inner = [*flat, _hidden(), Dense(self.n_components)]
        if self.target != "X":
            return [*inner, *super()._default_layers((1,), n_classes_, n_outputs_,
                                                     target_type_)]  # fmt: skip
        outer = [_hidden(), Dense(math.prod(X_shape_))]
        return [*inner, *outer, *([Reshape(X_shape_)] if flat else [])]

    # --- the features ----------------------------------------------------------------

    def transform(self, X: Any) -> NDArray:
        """Return the features, ``float32[rows, *output of the layer]``."""
        check_is_fitted(self)
        x = rows.read_features(self, X, self._input_dtype(), reset=False)
        program = self._state.program(("layer", self.layer), self._features_program)
        found = []
        for start in range(0, len(x), PREDICTED_ROWS):
            part = x[start : start + PREDICTED_ROWS]
            # Powers of two, so that few programs are made.
            size = max(LEAST_ROWS, 1 << (len(part) - 1).bit_length())
            features = program(Array.of_value(rows.filled(part, size)))
            found.append(features.numpy()[: len(part)])
        return np.concatenate(found)

    def _chosen_layer(self) -> Layer:
        model = self.model_
        if isinstance(self.layer, str):
            return model.get_layer(self.layer)
        if self.layer is not None:
            return model.get_layer(index=self.layer)
        if self.target != "X":
            return model.get_layer(index=-2)
        sized = [one for one in model.layers if one.weights]
        return min(sized, key=lambda one: math.prod(one.output_shape[1:]))

    def _features_program(self) -> Any:
        """Return a compiled function from features to the output of the layer."""
        model, layer = self.model_, self._chosen_layer()

        def features(x: Array) -> Any:
            seen: list[Any] = []
            call = layer.call

            def watching(*inputs: Any, **options: Any) -> Any:
                seen.append(call(*inputs, **options))
                return seen[-1]

            vars(layer)["call"] = watching  # for this trace
            try:
                model(x.astype(model.input_dtype), training=False)
            finally:
                del vars(layer)["call"]
            return seen[-1]

        return step.compile(features)

    @property
    def _n_features_out(self) -> int:
        return math.prod(self._chosen_layer().output_shape[1:])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.target != "X"
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _hidden() -> Dense:
    return Dense(HIDDEN_UNITS, activation="relu")
