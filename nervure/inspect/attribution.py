"""Which numbers of a sample a score depends on, by its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nervure.errors import ArgumentError, ShapeError, explain
from nervure.inspect.pictures import beside
from nervure.inspect.question import Question, pictured, read_question, strongest
from nervure.ir.attrs import NDArray
from nervure.train.batched import by_batches
from nervure.train.checks import whole_number
from nervure.train.data import as_numbers
from nervure.train.scores import read_samples, score_gradient_program
from nervure.train.session import numpy_generator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nervure.train.model import Model


def saliency(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    keep_channels: bool = False,
    batch_size: int = 32,
) -> NDArray:
    """Return by how much the score of a class changes with each pixel.

    The absolute derivative of the score, and of the channels of a pixel the largest.
    (Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks", 2014.)

    Parameters
    ----------
    model
        A classifier; the score before a softmax or sigmoid is differentiated.  Of a
        network with one output and no sigmoid it is that output.
    x
        Samples ``[rows, *features]``.
    y
        The class of interest of each, ``[rows]`` or one-hot rows, or one for all; None
        takes those that the model sees.
    keep_channels
        Return the derivatives themselves, with their signs, in the shape of x.
    batch_size
        How many samples are computed at a time.

    Returns
    -------
    ``float32[rows, height, width]`` for pictures with channels, ``float32[rows,
    features]`` for samples of one axis.

    Raises
    ------
    DataError, ShapeError, ArgumentError
        For samples and classes that do not fit the model.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(
    ...     2, kernel_initializer="identity", input_shape=(2,), activation="softmax")])
    >>> nv.inspect.saliency(model, [[0.3, 0.9]]).tolist()
    [[0.0, 1.0]]
    """
    asked = read_question(model, x, y, batch_size)
    found = _gradients(asked, asked.x)
    return found if keep_channels else strongest(model, found)


def _gradients(asked: Question, x: NDArray) -> NDArray:
    program = score_gradient_program(asked.model)
    found: NDArray = by_batches(
        lambda rows, labels: program(rows, labels)[1],
        [x, asked.labels],
        asked.batch_size,
    )
    return found


def smooth_grad(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    samples: int = 50,
    noise: float = 0.15,
    keep_channels: bool = False,
    batch_size: int = 32,
    seed: int | None = None,
) -> NDArray:
    """Return :func:`saliency` with the noise taken out: the mean over noisy copies.

    (Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017.)

    Parameters
    ----------
    model, x, y, keep_channels, batch_size
        As for :func:`saliency`.
    samples
        How many copies of each sample.
    noise
        The standard deviation of what is added to them, as a part of the range of the
        numbers of the sample.
    seed
        Of the noise; None draws one from the process's generator.

    Returns
    -------
    As :func:`saliency`.  The absolute value is taken of the mean.

    Raises
    ------
    DataError, ShapeError, ArgumentError
        As :func:`saliency`, and for other than at least one copy and noise from 0.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(
    ...     2, kernel_initializer="identity", input_shape=(2,), activation="softmax")])
    >>> nv.inspect.smooth_grad(model, [[0.3, 0.9]], samples=3).tolist()
    [[0.0, 1.0]]
    """
    asked = read_question(model, x, y, batch_size)
    count = whole_number(samples, "samples", 1, 50)
    if not isinstance(noise, int | float) or isinstance(noise, bool) or noise < 0:
        raise ArgumentError(
            explain(
                f"noise must be a number of at least 0, got {noise!r}",
                fix="it is the standard deviation as a share of the range: noise=0.15",
            )
        )
    generator = numpy_generator(seed)
    axes = tuple(range(1, asked.x.ndim))
    spread = noise * np.ptp(asked.x, axis=axes, keepdims=True)
    total = np.zeros(asked.x.shape, np.float64)
    for _ in range(count):
        drawn = generator.standard_normal(asked.x.shape)
        total += _gradients(asked, (asked.x + spread * drawn).astype(asked.x.dtype))
    mean = (total / count).astype(asked.x.dtype)
    return mean if keep_channels else strongest(model, mean)


def integrated_gradients(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    baseline: Any = 0.0,
    steps: int = 50,
    batch_size: int = 32,
) -> NDArray:
    """Return what each number of a sample contributes to the score of a class.

    ``(x - baseline)`` times the mean gradient on the straight way from the baseline to
    the sample.  The contributions add up to the difference of the scores at both ends
    (completeness), as exactly as the steps are many.  (Sundararajan, Taly, Yan,
    "Axiomatic attribution for deep networks", 2017.)

    Parameters
    ----------
    model, x, y, batch_size
        As for :func:`saliency`.
    baseline
        A sample without information: a number, one sample, or as many as x.
    steps
        At how many points of the way the gradient is taken (Gauss and Legendre's rule).

    Returns
    -------
    ``float32[rows, *features]``, of the shape of x.

    Raises
    ------
    DataError, ShapeError, ArgumentError
        As :func:`saliency`, and for a baseline of another shape.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(
    ...     1, kernel_initializer="ones", input_shape=(2,))])
    >>> nv.inspect.integrated_gradients(model, [[2.0, 3.0]]).round(5).tolist()
    [[2.0, 3.0]]
    """
    asked = read_question(model, x, y, batch_size)
    count = whole_number(steps, "steps", 1, 50)
    start = _read_baseline(baseline, asked.x)
    way = asked.x - start
    total = np.zeros(asked.x.shape, np.float64)
    points, weights = np.polynomial.legendre.leggauss(count)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        between = (start + point * way).astype(asked.x.dtype)
        total += weight * _gradients(asked, between)
    return (way * total).astype(asked.x.dtype)


def _read_baseline(baseline: Any, x: NDArray) -> NDArray:
    if isinstance(baseline, int | float):
        return np.full_like(x, baseline)
    values = as_numbers(baseline, "baseline").values.astype(x.dtype)
    if values.shape not in (x.shape, x.shape[1:], (1, *x.shape[1:])):
        raise ShapeError(
            explain(
                f"baseline must be a number, a sample {list(x.shape[1:])} or samples "
                f"{list(x.shape)}, got shape {list(values.shape)}",
                fix="pass 0.0 for black pictures, or one sample without the batch axis",
            )
        )
    return np.broadcast_to(values, x.shape)


# --- pictures -----------------------------------------------------------------------


def plot_saliency(
    model: Model, x: Any, y: Any = None, *, batch_size: int = 32
) -> Figure:
    """Draw samples, and below the :func:`saliency` of each, whose parameters these are.

    Returns
    -------
    A figure of matplotlib.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Flatten(input_shape=(2, 2)), nv.layers.Dense(2)])
    >>> len(nv.inspect.plot_saliency(model, [[[0.0, 1.0], [1.0, 0.0]]]).axes)
    2
    """
    found = saliency(model, x, y, batch_size=batch_size)
    return beside(pictured(model, read_samples(model, x)), found, "saliency")


def plot_smooth_grad(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    samples: int = 50,
    noise: float = 0.15,
    batch_size: int = 32,
    seed: int | None = None,
) -> Figure:
    """Draw samples, and below :func:`smooth_grad` of each, whose parameters these are.

    Returns
    -------
    A figure of matplotlib.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Flatten(input_shape=(2, 2)), nv.layers.Dense(2)])
    >>> x = [[[0.0, 1.0], [1.0, 0.0]]]
    >>> len(nv.inspect.plot_smooth_grad(model, x, samples=2).axes)
    2
    """
    found = smooth_grad(
        *(model, x, y),
        samples=samples,
        noise=noise,
        batch_size=batch_size,
        seed=seed,
    )
    return beside(pictured(model, read_samples(model, x)), found, "SmoothGrad")


def plot_integrated_gradients(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    baseline: Any = 0.0,
    steps: int = 50,
    batch_size: int = 32,
) -> Figure:
    """Draw samples, and below how much each pixel contributes to the score.

    The parameters are those of :func:`integrated_gradients`; of the contributions of a
    pixel's channels the picture shows the largest, without its sign.

    Returns
    -------
    A figure of matplotlib.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Flatten(input_shape=(2, 2)), nv.layers.Dense(2)])
    >>> x = [[[0.0, 1.0], [1.0, 0.0]]]
    >>> len(nv.inspect.plot_integrated_gradients(model, x, steps=2).axes)
    2
    """
    samples = read_samples(model, x)
    found = integrated_gradients(
        *(model, x, y), baseline=baseline, steps=steps, batch_size=batch_size
    )
    return beside(
        pictured(model, samples), strongest(model, found), "integrated gradients"
    )
