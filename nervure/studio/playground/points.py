"""Data sets on a plane: those of playground.tensorflow.org, and tables of the user.

All points lie in about ``[-6, 6]`` on both axes; targets are -1 and 1 for two classes,
0, 1, 2, ... for more, and lie in ``[-1, 1]`` for regressions.  The shapes are those of
the original's ``dataset.ts``: spirals of 1.75 turns, gaussians around (2, 2) and
(-2, -2), and so on.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from nervure.errors import ArgumentError, DataError, explain
from nervure.ir.attrs import NDArray

CLASSIFICATION: Final = "classification"
REGRESSION: Final = "regression"

# How many points the original draws for each kind of problem.
_CLASSIFIED: Final = 500
_REGRESSED: Final = 1200
_REACH: Final = 6.0
_MOST_ROWS: Final = 20_000
MOST_CLASSES: Final = 10


class Points(NamedTuple):
    """Points of the plane with targets.

    Attributes
    ----------
    x
        ``float32[n, 2]``, within about -6 and 6.
    y
        ``float32[n, 1]``: within -1 and 1, or the number of the class, from 0.
    problem
        "classification" or "regression".
    axes
        What the two axes are called.
    classes
        What the classes are called, if there are more than two.
    """

    x: NDArray
    y: NDArray
    problem: str
    axes: tuple[str, str] = ("x₁", "x₂")
    classes: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """How many neurons answer: one for each class if there are more than two."""
        return max(1, len(self.classes))


def dataset(name: str, *, noise: float = 0.0, seed: int = 0) -> Points:
    """Draw one of the data sets of the original.

    Parameters
    ----------
    name
        "circle", "xor", "gauss", "spiral", "plane" or "multigauss".
    noise
        From 0 to 0.5: how much points stray.
    seed
        The same seed, the same points.

    Raises
    ------
    ArgumentError
        For another name, or noise out of range.

    >>> from nervure.studio.playground.points import dataset
    >>> dataset("spiral").x.shape
    (500, 2)
    """
    if name not in _SHAPES:
        known = ", ".join(map(repr, _SHAPES))
        raise ArgumentError(
            explain(f"the playground has no data set {name!r}", fix=f"take {known}")
        )
    if not 0 <= noise <= 0.5:
        raise ArgumentError(
            explain(
                f"noise must lie between 0 and 0.5, got {noise!r}",
                fix="write noise=0.1, for example",
            )
        )
    problem, draw = _SHAPES[name]
    x, y = draw(noise, np.random.default_rng(seed))
    return shuffled(Points(x, y, problem), seed)


def shuffled(points: Points, seed: int) -> Points:
    """Return the points in a random order, as float32."""
    order = np.random.default_rng([seed, 1]).permutation(len(points.x))
    return points._replace(
        x=points.x[order].astype(np.float32),
        y=points.y[order].astype(np.float32).reshape(-1, 1),
    )


def names() -> tuple[str, ...]:
    """Return the names of the data sets of the original.

    >>> from nervure.studio.playground.points import names
    >>> names()[:2]
    ('circle', 'xor')
    """
    return tuple(_SHAPES)


# --- the six shapes -------------------------------------------------------------------

_Drawn = tuple[NDArray, NDArray]


def _circle(noise: float, generator: np.random.Generator) -> _Drawn:
    radius = 5.0
    half = _CLASSIFIED // 2
    distance = np.concatenate(
        [
            generator.uniform(0, radius * 0.5, half),
            generator.uniform(radius * 0.7, radius, half),
        ]
    )
    angle = generator.uniform(0, 2 * math.pi, 2 * half)
    x = np.stack([distance * np.sin(angle), distance * np.cos(angle)], axis=1)
    strayed = x + generator.uniform(-radius, radius, x.shape) * noise
    return x, np.where(np.hypot(*strayed.T) < radius * 0.5, 1.0, -1.0)


def _xor(noise: float, generator: np.random.Generator) -> _Drawn:
    x = generator.uniform(-5, 5, (_CLASSIFIED, 2))
    x += np.where(x > 0, 0.3, -0.3)
    strayed = x + generator.uniform(-5, 5, x.shape) * noise
    return x, np.where(strayed.prod(axis=1) >= 0, 1.0, -1.0)


def _gauss(noise: float, generator: np.random.Generator) -> _Drawn:
    # The original's variance goes from 0.5 to 4 as noise goes from 0 to 0.5.
    spread = math.sqrt(0.5 + 7 * noise)
    y = np.repeat([1.0, -1.0], _CLASSIFIED // 2)
    return generator.normal(0, spread, (len(y), 2)) + 2 * y[:, None], y


def _spiral(noise: float, generator: np.random.Generator) -> _Drawn:
    half = _CLASSIFIED // 2
    part = np.arange(half) / half
    parts, targets = [], []
    for turn, target in ((0.0, 1.0), (math.pi, -1.0)):
        angle = 1.75 * part * 2 * math.pi + turn
        arm = (part * 5)[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        parts.append(arm + generator.uniform(-1, 1, arm.shape) * noise)
        targets.append(np.full(half, target))
    return np.concatenate(parts), np.concatenate(targets)


def _plane(noise: float, generator: np.random.Generator) -> _Drawn:
    x = generator.uniform(-_REACH, _REACH, (_REGRESSED, 2))
    strayed = x + generator.uniform(-_REACH, _REACH, x.shape) * noise
    return x, np.clip(strayed.sum(axis=1) / 10, -1, 1)


_HILLS: Final = np.array(
    [
        [-4, 2.5, 1],
        [0, 2.5, -1],
        [4, 2.5, 1],
        [-4, -2.5, -1],
        [0, -2.5, 1],
        [4, -2.5, -1],
    ]
)


def _multigauss(noise: float, generator: np.random.Generator) -> _Drawn:
    x = generator.uniform(-_REACH, _REACH, (_REGRESSED, 2))
    strayed = x + generator.uniform(-_REACH, _REACH, x.shape) * noise
    distance = np.linalg.norm(strayed[:, None] - _HILLS[:, :2], axis=2)
    heights = np.clip(1 - distance / 2, 0, 1) * _HILLS[:, 2]
    highest = np.abs(heights).argmax(axis=1)
    return x, heights[np.arange(len(x)), highest]


_Shape = Callable[[float, np.random.Generator], _Drawn]
_SHAPES: Final[dict[str, tuple[str, _Shape]]] = {
    "circle": (CLASSIFICATION, _circle),
    "xor": (CLASSIFICATION, _xor),
    "gauss": (CLASSIFICATION, _gauss),
    "spiral": (CLASSIFICATION, _spiral),
    "plane": (REGRESSION, _plane),
    "multigauss": (REGRESSION, _multigauss),
}


# --- tables ---------------------------------------------------------------------------


def of_columns(
    inputs: NDArray,
    targets: NDArray,
    problem: str,
    axes: tuple[str, str],
    seed: int,
    classes: tuple[str, ...] = (),
) -> Points:
    """Bring two columns to ``[-6, 6]`` and a third to ``[-1, 1]``.

    With more than two ``classes`` the targets are their numbers and stay as they are.

    Raises :class:`~nervure.errors.DataError` for fewer than four rows, numbers that are
    not finite, and columns that hold a single value.

    >>> import numpy as np
    >>> from nervure.studio.playground.points import of_columns
    >>> x = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 5.0], [3.0, 9.0]])
    >>> of_columns(x, np.array([0, 0, 1, 1]), "classification", ("a", "b"), 0).y.sum()
    np.float32(0.0)
    """
    table = np.column_stack([inputs, targets]).astype(np.float64)
    if len(table) < 4:
        raise DataError(
            explain(
                f"the table has {len(table)} rows; at least 4 are needed",
                fix="add rows to the table",
            )
        )
    if not np.isfinite(table).all():
        raise DataError(
            explain(
                "the table holds empty cells or numbers that are not finite",
                fix="fill them or leave out those rows",
            )
        )
    low, high = table.min(axis=0), table.max(axis=0)
    if (low == high).any():
        column = (*axes, "the target")[int((low == high).argmax())]
        raise DataError(
            explain(
                f"{column} is the same in every row, so there is nothing to learn",
                fix="choose another column, or look at the file",
            )
        )
    scaled = 2 * (table - low) / (high - low) - 1
    x, y = scaled[:, :2] * (_REACH - 1), scaled[:, 2]
    if len(classes) > 2:
        return shuffled(Points(x, table[:, 2], problem, axes, classes), seed)
    return shuffled(Points(x, y, problem, axes), seed)


def of_table(text: str, seed: int = 0) -> Points:
    r"""Read a table of comma-separated values: two inputs, and the target as the last.

    The first row may hold names.  A target with two different values, numbers or words,
    or with up to ten different words makes a classification; more numbers make a
    regression.  Further columns between are left out.

    Raises
    ------
    DataError
        For what is no such table; the message says in which row.

    >>> from nervure.studio.playground.points import of_table
    >>> of_table("a,b,kind\n1,2,no\n2,3,yes\n3,1,no\n4,4,yes\n").axes
    ('a', 'b')
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if any(row)]
    except csv.Error as error:
        raise DataError(
            explain(
                f"this is no table of values: {error}",
                fix="write comma-separated values, one row a line",
            )
        ) from None
    if not rows or len(rows[0]) < 3:
        raise DataError(
            explain(
                "the table needs three columns: two inputs and a target",
                fix="write one point a line, such as 0.5,1.25,1",
            )
        )
    axes = ("x₁", "x₂")
    if _number(rows[0][0]) is None:
        axes = (rows[0][0].strip()[:20], rows[0][1].strip()[:20])
        rows = rows[1:]
    if len(rows) > _MOST_ROWS:
        raise DataError(
            explain(
                f"the table has {len(rows)} rows; {_MOST_ROWS} is the most",
                fix="use some of the rows",
            )
        )
    inputs = np.array([_inputs(row, at) for at, row in enumerate(rows, 1)])
    words = [row[-1].strip() for row in rows]
    kinds = sorted(set(words))
    numbers = [_number(word) for word in words]
    is_words = any(one is None for one in numbers)
    if len(kinds) == 2 or (is_words and 2 < len(kinds) <= MOST_CLASSES):
        found = np.array([kinds.index(word) for word in words])
        classes = tuple(kind[:20] for kind in kinds) if len(kinds) > 2 else ()
        x = inputs.reshape(-1, 2)
        return of_columns(x, found, CLASSIFICATION, axes, seed, classes)
    if is_words:
        raise DataError(
            explain(
                f"the target has {len(kinds)} different words; two to {MOST_CLASSES} "
                "classes, or numbers, are expected in the last column",
                fix="let the last column hold the class or a number",
            )
        )
    return of_columns(
        inputs.reshape(-1, 2), np.array(numbers, float), REGRESSION, axes, seed
    )


def _inputs(row: list[str], at: int) -> list[float]:
    found = [_number(cell) for cell in row[:2]]
    if len(row) < 3 or any(one is None for one in found):
        raise DataError(
            explain(
                f"row {at} of the table is {','.join(row)[:60]!r}; expected two "
                "numbers and a target",
                fix="write one row a line: 0.5,-1.2,blue",
            )
        )
    return [one for one in found if one is not None]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


# --- the seven features ---------------------------------------------------------------

_Feature = Callable[[Any], Any]
FEATURES: Final[dict[str, _Feature]] = {
    "x": lambda x: x[:, 0],
    "y": lambda x: x[:, 1],
    "xSquared": lambda x: x[:, 0] ** 2,
    "ySquared": lambda x: x[:, 1] ** 2,
    "xTimesY": lambda x: x[:, 0] * x[:, 1],
    "sinX": lambda x: np.sin(x[:, 0]),
    "sinY": lambda x: np.sin(x[:, 1]),
}


def features(x: NDArray, chosen: list[str] | tuple[str, ...]) -> NDArray:
    """Return the chosen features of points, ``float32[n, len(chosen)]``.

    ``chosen`` are keys of ``FEATURES``; a ``KeyError`` says that one is none.

    >>> import numpy as np
    >>> from nervure.studio.playground.points import features
    >>> features(np.array([[2.0, 3.0]]), ["x", "xTimesY"]).tolist()
    [[2.0, 6.0]]
    """
    return np.stack([FEATURES[one](x) for one in chosen], axis=1).astype(np.float32)
