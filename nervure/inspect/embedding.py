"""Samples as points: how a layer sees which of them are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nervure.errors import ArgumentError, DataError, explain, unknown_name
from nervure.inspect.pictures import grid
from nervure.inspect.question import pictured
from nervure.inspect.responses import activations
from nervure.inspect.seen import listed_layers, named_layer
from nervure.ir.attrs import NDArray
from nervure.train.checks import whole_number
from nervure.train.data import as_numbers
from nervure.train.figures import new_figure
from nervure.train.inputs import read_inputs
from nervure.train.network import Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nervure.train.model import Model

METHODS = ("pca", "tsne")
# Rows whose distances to all training samples are computed at a time.
_ROWS = 256


def features(model: Model, x: Any, layer: Any, batch_size: int) -> NDArray:
    """Return what a layer gives for samples, ``float64[rows, n]``.

    ``layer`` None is the one before the last with weights: in a classifier what its
    output layer decides by.
    """
    values, structure = read_inputs(model, x)
    known = listed_layers(model, values, structure)
    if layer is None:
        outer = [one for one in known if not isinstance(one.layer, Network)]
        weighted = [place for place, one in enumerate(outer) if one.layer.weights]
        if not weighted or weighted[-1] == 0:
            raise ArgumentError(
                explain(
                    f"the model {model.name!r} has no hidden layer",
                    fix="pass the layer whose output is of interest",
                )
            )
        entry = outer[weighted[-1] - 1]
    else:
        entry = named_layer(model, known, layer)
    found = activations(model, x, [entry.name], batch_size=batch_size)[entry.name]
    return found.reshape(len(found), -1).astype(np.float64)


def nearest_training_samples(
    model: Model,
    x: Any,
    x_train: Any,
    k: int = 5,
    *,
    layer: Any = None,
    batch_size: int = 32,
) -> tuple[NDArray, NDArray]:
    """Return which training samples a layer sees as most like each sample.

    By the Euclidean distance between the outputs of the layer.  (Krizhevsky, Sutskever,
    Hinton, "ImageNet classification with deep convolutional neural networks", 2012.)

    Parameters
    ----------
    model
        Any model.
    x, x_train
        Samples, as ``predict`` takes them.
    k
        How many neighbours.
    layer
        A layer, or its name; by default the one before the last layer with weights.
    batch_size
        How many samples are computed at a time.

    Returns
    -------
    Numbers of rows of ``x_train``, ``int64[rows, k]``, the nearest first (of equally
    near ones the first), and their distances, ``float64[rows, k]``.

    Raises
    ------
    DataError, ShapeError
        For samples that the model does not take, and fewer than ``k`` training samples.
    ArgumentError, UnknownNameError
        For a layer that does not exist.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Dense(2, kernel_initializer="identity", input_shape=(2,)),
    ...     nv.layers.Dense(1)])
    >>> rows, distances = nv.inspect.nearest_training_samples(
    ...     model, [[0.0, 1.0]], [[5.0, 5.0], [0.0, 2.0], [0.0, 0.5]], k=2)
    >>> rows.tolist(), distances.tolist()
    ([[2, 1]], [[0.5, 1.0]])
    """
    count = whole_number(k, "k", 1, 5)
    train = features(model, x_train, layer, batch_size)
    if len(train) < count:
        raise DataError(
            explain(
                f"x_train has {len(train)} rows, so there are no {count} neighbours",
                fix=f"pass k={len(train)}, or more training samples",
            )
        )
    points = features(model, x, layer, batch_size)
    places, distances = [], []
    for start in range(0, len(points), _ROWS):
        block = points[start : start + _ROWS]
        # First by the quick formula, which is inexact for near points; then exactly.
        rough = (train**2).sum(axis=1) - 2 * block @ train.T
        more = min(len(train), count + 16)
        near = np.argpartition(rough, more - 1, axis=1)[:, :more]
        near.sort(axis=1)
        exact = np.linalg.norm(block[:, None] - train[near], axis=2)
        order = np.argsort(exact, axis=1, kind="stable")[:, :count]
        places.append(np.take_along_axis(near, order, axis=1))
        distances.append(np.take_along_axis(exact, order, axis=1))
    return np.concatenate(places), np.concatenate(distances)


def plot_nearest_training_samples(
    model: Model,
    x: Any,
    x_train: Any,
    k: int = 5,
    *,
    layer: Any = None,
    batch_size: int = 32,
) -> Figure:
    """Draw each sample, and beside it its :func:`nearest_training_samples`.

    Parameters and errors are those of :func:`nearest_training_samples`; the samples
    must be pictures.

    Returns
    -------
    A figure of matplotlib.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Flatten(input_shape=(2, 2)), nv.layers.Dense(3),
    ...     nv.layers.Dense(2)])
    >>> x = np.arange(16, dtype="float32").reshape(4, 2, 2)
    >>> len(nv.inspect.plot_nearest_training_samples(model, x[:1], x, k=2).axes)
    3
    """
    rows, distances = nearest_training_samples(
        *(model, x, x_train, k), layer=layer, batch_size=batch_size
    )
    samples = pictured(model, read_inputs(model, x)[0][0])
    known = pictured(model, read_inputs(model, x_train)[0][0])
    shown = [[sample, *known[near]] for sample, near in zip(samples, rows, strict=True)]
    titles = [["sample", *(f"{one:.3g}" for one in line)] for line in distances]
    return grid(shown, titles)


def embedding_projection(
    model: Model,
    x: Any,
    *,
    layer: Any = None,
    method: str = "pca",
    perplexity: float = 30.0,
    batch_size: int = 32,
    seed: int = 0,
) -> NDArray:
    """Return a point in the plane for each sample: near ones are alike to a layer.

    Needs scikit-learn.

    Parameters
    ----------
    model
        Any model.
    x
        Samples, as ``predict`` takes them.
    layer
        A layer, or its name; by default the one before the last layer with weights.
    method
        "pca": the two directions of most variance; "tsne": neighbours stay neighbours
        (van der Maaten and Hinton, 2008), which takes long for more than some thousand
        samples.
    perplexity
        For "tsne": about how many neighbours count; less than there are samples.
    batch_size
        How many samples are computed at a time.
    seed
        Of what is random in either method.

    Returns
    -------
    ``float64[rows, 2]``.

    Raises
    ------
    UnknownNameError, ArgumentError
        For another method, and a layer that does not exist.
    DataError, ShapeError
        For samples that the model does not take, and fewer than three.
    ImportError
        Without scikit-learn.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Dense(3, input_shape=(4,)), nv.layers.Dense(2)])
    >>> nv.inspect.embedding_projection(model, np.eye(4, dtype="float32")).shape
    (4, 2)
    """
    name = str(method).lower().replace("-", "").replace("_", "")
    if name not in METHODS:
        raise unknown_name("method", method, METHODS)
    whole_number(seed, "seed", 0, 0)
    points = features(model, x, layer, batch_size)
    if len(points) < 3:
        raise DataError(
            explain(
                f"a projection needs at least 3 samples, got {len(points)}",
                fix="pass more rows",
            )
        )
    if name == "tsne" and not 0 < perplexity < len(points):
        raise ArgumentError(
            explain(
                f"perplexity must be between 0 and the {len(points)} samples, got "
                f"{perplexity!r}",
                fix=f"pass perplexity={max(1, len(points) // 4)}",
            )
        )
    return _projected(points, name, perplexity, seed)


def _projected(points: NDArray, method: str, perplexity: float, seed: int) -> NDArray:
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError:
        raise ImportError(
            explain(
                "scikit-learn is needed for projections and is not installed",
                fix="pip install nervure[sklearn]",
            )
        ) from None
    if method == "tsne":
        projection = TSNE(2, perplexity=perplexity, random_state=seed)
        return np.asarray(projection.fit_transform(points), np.float64)
    if points.shape[1] == 1:
        points = np.concatenate([points, np.zeros_like(points)], axis=1)
    projected = PCA(2, random_state=seed).fit_transform(points)
    return np.asarray(projected, np.float64)


def plot_embedding_projection(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    layer: Any = None,
    method: str = "pca",
    perplexity: float = 30.0,
    batch_size: int = 32,
    seed: int = 0,
) -> Figure:
    """Draw :func:`embedding_projection`, a point for each sample, coloured by class.

    Parameters and errors are those of :func:`embedding_projection`; ``y`` are the
    classes, ``[rows]`` or one-hot rows, or None.

    Returns
    -------
    A figure of matplotlib.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Dense(3, input_shape=(4,)), nv.layers.Dense(2)])
    >>> x = np.eye(4, dtype="float32")
    >>> figure = nv.inspect.plot_embedding_projection(model, x, [0, 1, 0, 1])
    >>> [one.get_text() for one in figure.axes[0].get_legend().get_texts()]
    ['0', '1']
    """
    points = embedding_projection(
        *(model, x),
        layer=layer,
        method=method,
        perplexity=perplexity,
        batch_size=batch_size,
        seed=seed,
    )
    figure = new_figure(5.0, 4.5)
    axes = figure.subplots()
    axes.set_axis_off()
    if y is None:
        axes.scatter(points[:, 0], points[:, 1], s=8)
        return figure
    classes = _classes(y, len(points))
    for one in np.unique(classes):
        chosen = points[classes == one]
        axes.scatter(chosen[:, 0], chosen[:, 1], s=8, label=str(one))
    axes.legend()
    return figure


def _classes(y: Any, rows: int) -> NDArray:
    values = as_numbers(y, "y").values
    if values.ndim == 2:
        values = values[:, 0] if values.shape[1] == 1 else values.argmax(axis=1)
    if values.shape != (rows,):
        raise DataError(
            explain(
                f"y must hold one class for each of {rows} rows of x, got shape "
                f"{list(values.shape)}",
                fix="pass one class for each row, or leave y out",
            )
        )
    return values
