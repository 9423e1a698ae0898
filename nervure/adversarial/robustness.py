"""How the accuracy falls when attacks may change more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from nervure.adversarial.fast_gradient import fgsm
from nervure.adversarial.problem import read_size
from nervure.adversarial.projected_gradient import pgd
from nervure.errors import ArgumentError, explain, unknown_name
from nervure.ir.attrs import NDArray
from nervure.train.batched import by_batches
from nervure.train.figures import new_figure
from nervure.train.scores import class_count, read_labels, read_samples, score_program

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nervure.train.model import Model

# ``attack(model, x, y, eps=...) -> samples``
Attack = Callable[..., NDArray]

_ATTACKS: Final[dict[str, Attack]] = {"fgsm": fgsm, "pgd": pgd}
_LEVELS: Final = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)


class RobustnessCurve(NamedTuple):
    """The accuracy under attacks of growing strength.

    Attributes
    ----------
    eps
        ``float64[n]``: the sizes of the change that were allowed.
    accuracy
        ``float64[n]``: the share of the samples that the model still gets right.

    >>> import numpy as np
    >>> RobustnessCurve(np.array([0.0, 0.1]), np.array([0.9, 0.4])).accuracy.tolist()
    [0.9, 0.4]
    """

    eps: NDArray
    accuracy: NDArray


def robustness_curve(
    model: Model,
    x: Any,
    y: Any,
    eps: Sequence[float] = _LEVELS,
    attack: str | Attack = "pgd",
    *,
    batch_size: int = 32,
) -> RobustnessCurve:
    """Attack samples more and more strongly and return the accuracy each time.

    Parameters
    ----------
    model
        A classifier.
    x, y
        Samples and their classes, as for :func:`~nervure.adversarial.fgsm`.
    eps
        How much may change, each from 0; 0 is the accuracy without an attack.
    attack
        "fgsm", "pgd", or a function ``attack(model, x, y, eps=...)`` that returns
        samples, such as ``functools.partial(pgd, norm=2, steps=10)``.
    batch_size
        How many samples are evaluated at a time.

    Raises
    ------
    DataError, ShapeError, ArgumentError, UnknownNameError
        As :func:`~nervure.adversarial.fgsm`, for no or negative ``eps``, and for an
        unknown attack.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(
    ...     2, kernel_initializer="identity", input_shape=(2,), activation="softmax")])
    >>> curve = nv.adversarial.robustness_curve(
    ...     model, [[0.6, 0.4], [0.3, 0.9]], [0, 1], eps=[0, 0.2, 0.4], attack="fgsm")
    >>> curve.accuracy.tolist()
    [1.0, 0.5, 0.0]
    """
    chosen = _ATTACKS.get(attack) if isinstance(attack, str) else attack
    if chosen is None or not callable(chosen):
        raise unknown_name("attack", attack, tuple(_ATTACKS))
    levels = [read_size(one, "eps", 0.1) for one in np.atleast_1d(np.asarray(eps))]
    if not levels:
        raise ArgumentError(
            explain(
                "eps must hold at least one number, got none",
                fix="pass the sizes of change to try, such as eps=[0.0, 0.1, 0.2]",
            )
        )
    samples = read_samples(model, x)
    labels = read_labels(y, len(samples), class_count(model, samples))
    accuracies = []
    for level in levels:
        moved = samples if level == 0 else chosen(model, samples, labels, eps=level)
        scores = by_batches(score_program(model), [moved], batch_size)
        accuracies.append(float((scores.argmax(axis=1) == labels).mean()))
    return RobustnessCurve(np.array(levels), np.array(accuracies))


def plot_robustness_curve(
    model: Model | Mapping[str, Model],
    x: Any,
    y: Any,
    eps: Sequence[float] = _LEVELS,
    attack: str | Attack = "pgd",
    *,
    batch_size: int = 32,
) -> Figure:
    """Draw :func:`robustness_curve` of a model, or of several by their names.

    Arguments and errors are those of :func:`robustness_curve`; ``model`` may be a dict
    such as ``{"plain": first, "hardened": second}``, and an empty one is an
    :class:`~nervure.errors.ArgumentError`.  Points are joined in the order of ``eps``
    on the axis, however they were given.

    Returns
    -------
    A figure of matplotlib; ``figure.savefig("curve.png")`` writes it.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(
    ...     2, kernel_initializer="identity", input_shape=(2,), activation="softmax")])
    >>> figure = nv.adversarial.plot_robustness_curve(
    ...     {"plain": model}, [[0.6, 0.4]], [0], eps=[0, 0.2], attack="fgsm")
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['plain']
    """
    named = model if isinstance(model, Mapping) else {model.name: model}
    if not named:
        raise ArgumentError(
            explain(
                "model must hold at least one model, got an empty dict",
                fix="pass a model, or a dict such as {'plain': model}",
            )
        )
    figure = new_figure(5.0, 3.5)
    axes = figure.subplots()
    for name, one in named.items():
        curve = robustness_curve(one, x, y, eps, attack, batch_size=batch_size)
        order = np.argsort(curve.eps)
        axes.plot(curve.eps[order], curve.accuracy[order], marker=".", label=name)
    axes.set(xlabel="eps", ylabel="accuracy", ylim=(-0.02, 1.02))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
