"""Adversarial samples: small changes of the input that turn the answer of a network.

Every attack takes a model and samples with all numbers between ``clip_min`` and
``clip_max``, and returns samples of the same shape.

| file | what is in it |
|---|---|
| ``problem`` | what all attacks are given, read and checked |
| ``fast_gradient`` | ``fgsm``: one step of a given size |
| ``projected_gradient`` | ``pgd``: many steps within a ball |
| ``least_change``, ``descent`` | ``lbfgs``: the smallest change, by L-BFGS in a box |
| ``least_change_adam`` | ``carlini_wagner``: the smallest change, by Adam |
| ``constants`` | the search for the weight of the loss, which both need |
| ``nearest_boundary`` | ``deepfool``: over the nearest linearised boundary |
| ``universal_change`` | ``universal``: one change for all samples |
| ``hardening`` | ``AdversarialTraining``: a model that learns from attacked samples |
| ``comparison`` | samples before and after, as a picture |
| ``robustness`` | accuracy under attacks of growing strength, and its picture |

>>> import nervure as nv
>>> model = nv.models.Sequential([nv.layers.Dense(2, input_shape=(3,))])
>>> nv.adversarial.fgsm(model, [[0.5, 0.5, 0.5]], eps=0.1).shape
(1, 3)
"""

from nervure.adversarial.comparison import plot_comparison
from nervure.adversarial.fast_gradient import fgsm
from nervure.adversarial.hardening import AdversarialTraining
from nervure.adversarial.least_change import lbfgs
from nervure.adversarial.least_change_adam import carlini_wagner
from nervure.adversarial.nearest_boundary import deepfool
from nervure.adversarial.projected_gradient import pgd
from nervure.adversarial.robustness import (
    RobustnessCurve,
    plot_robustness_curve,
    robustness_curve,
)
from nervure.adversarial.universal_change import universal

__all__ = [
    "AdversarialTraining",
    "RobustnessCurve",
    "carlini_wagner",
    "deepfool",
    "fgsm",
    "lbfgs",
    "pgd",
    "plot_comparison",
    "plot_robustness_curve",
    "robustness_curve",
    "universal",
]
