"""Estimators for scikit-learn that are neural networks.

Read in this order: ``base`` (from data to a trained network), ``targets`` and ``rows``
(what the data mean), then the estimators.

| file | what is in it |
|---|---|
| ``parameters`` | parameters with their names checked |
| ``rows``, ``targets`` | features, weights and targets, checked and encoded |
| ``base`` | what all estimators share |
| ``state`` | a trained network that can be pickled |
| ``functions`` | functions that make models |
| ``stopping`` | early stopping |
| ``parts``, ``neural``, ``transformer`` | estimators around any network |
| ``conv`` | a network for images |
| ``perceptron``, ``mlp``, ``lbfgs`` | multilayer perceptrons as in scikit-learn |
"""

from nervure.sklearn.conv import ConvClassifier
from nervure.sklearn.mlp import MLPClassifier, MLPRegressor
from nervure.sklearn.neural import NeuralClassifier, NeuralRegressor
from nervure.sklearn.transformer import NeuralTransformer

__all__ = [
    "ConvClassifier",
    "MLPClassifier",
    "MLPRegressor",
    "NeuralClassifier",
    "NeuralRegressor",
    "NeuralTransformer",
]
