"""The errors of Nervure and the one place that formats them.

Every message says what was expected, what came, where the thing was made and how to
mend it.  A shape error, for example, reads::

    ShapeError in dot: contracted axes must have equal sizes, got 3 and 4
      x  float32[2, 3]  from tanh, model.py:12
      y  float32[4, 5]  from buffer 'weights', model.py:8
      made at model.py:14
      fix: transpose one operand, or pass other contracting axes

All classes derive from :class:`NervureError` and from the built-in exception that a
NumPy user would catch, so ``except ValueError`` keeps working.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from numpy.linalg import LinAlgError


class NervureError(Exception):
    """Base class of every error that Nervure raises on purpose."""


class ShapeError(NervureError, ValueError):
    """Operands whose shapes do not fit the operation."""


class DTypeError(NervureError, TypeError):
    """Operands whose data types do not fit the operation."""


class ArgumentError(NervureError, ValueError):
    """An argument (an axis, a stride, a batch size) with a value not allowed."""


class AxisError(ArgumentError, IndexError):
    """An axis that the array does not have; NumPy users catch either base."""


class IndexingError(NervureError, IndexError):
    """An index that is out of range, or a key that does not fit the array."""


class GradientError(NervureError, ValueError):
    """A derivative that does not exist, with the reason."""


class TraceError(NervureError, RuntimeError):
    """A value was asked for while a function is being traced, so there is none yet."""


class SingularMatrixError(NervureError, LinAlgError):
    """A matrix that LAPACK cannot decompose, invert or solve for."""


class DataError(NervureError, ValueError):
    """Data that must not be trained on: NaN, wrong length, labels out of range."""


class NumericsError(NervureError, FloatingPointError):
    """A training step whose loss or weights are no finite numbers any more.

    ``report`` is the :class:`~nervure.train.numerics_report.NumericsReport` of the
    step, or None where it could not be run again.
    """

    report: Any = None


class NumericsWarning(RuntimeWarning):
    """What :class:`NumericsError` says, when training goes on all the same."""


class UnknownNameError(NervureError, ValueError):
    """A name (of a loss, an activation, ...) that is not known."""


class NotCompiledError(NervureError, RuntimeError):
    """A model is asked to train or evaluate before ``compile`` was called."""


class NotBuiltError(NervureError, RuntimeError):
    """A model or layer is used before the shape of its input is known."""


class FileFormatError(NervureError, ValueError):
    """A file that is damaged, truncated or not what it claims to be."""


class GraphError(NervureError, ValueError):
    """A graph, or the text of one, that is not well formed."""


class SettingError(NervureError, ValueError):
    """A setting (``nervure.config`` or an environment variable) with a bad value."""


class MachineError(NervureError, RuntimeError):
    """A machine, or its installation of LLVM, that cannot run compiled code."""


class BudgetError(NervureError, MemoryError):
    """A memory budget that no plan keeps to.

    ``smallest_bytes`` is the smallest budget that can be kept to, as far as known.
    """

    def __init__(self, message: str, smallest_bytes: int | None = None) -> None:
        super().__init__(message)
        self.smallest_bytes = smallest_bytes


def explain(
    headline: str,
    *,
    operands: Iterable[tuple[str, str, str]] = (),
    made_at: str | None = None,
    fix: str | None = None,
) -> str:
    """Format an error message in the house form.

    Parameters
    ----------
    headline
        What was expected and what came, in one sentence.
    operands
        Triples ``(name, type, origin)``, such as
        ``("x", "float32[2, 3]", "from tanh, model.py:12")``.
    made_at
        The user's ``file:line`` that asked for the operation.
    fix
        How to mend it.
    """
    rows = list(operands)
    lines = [headline]
    if rows:
        name_width = max(len(name) for name, _, _ in rows)
        type_width = max(len(type_) for _, type_, _ in rows)
        for name, type_, origin in rows:
            row = f"  {name:<{name_width}}  {type_:<{type_width}}  {origin}"
            lines.append(row.rstrip())
    if made_at:
        lines.append(f"  made at {made_at}")
    if fix:
        lines.append(f"  fix: {fix}")
    return "\n".join(lines)


def nearest_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return the known names most like ``name``, best first."""
    lowered = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), lowered, n=limit, cutoff=0.5)
    return [lowered[match] for match in matches]


def unknown_name(kind: str, name: object, known: Sequence[str]) -> UnknownNameError:
    """Build the error for a name that is not among ``known``.

    The message names the nearest candidates, or all of them when nothing is near.
    """
    near = nearest_names(name, known) if isinstance(name, str) else []
    if near:
        fix = "did you mean " + " or ".join(repr(candidate) for candidate in near) + "?"
    else:
        fix = "use one of " + ", ".join(repr(candidate) for candidate in sorted(known))
    return UnknownNameError(explain(f"unknown {kind}: {name!r}", fix=fix))
