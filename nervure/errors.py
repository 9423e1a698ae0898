"""The errors of Nervure and the one place that formats them.

Every message says what was expected, what came, where the thing was made and how to
mend it.  A shape error, for example, reads::

    ShapeError in dot: contracted axes must have equal sizes, got 3 and 4
      x  float32[2, 3]  from tanh, model.py:12
      y  float32[4, 5]  from buffer 'weights', model.py:8
      made at model.py:14
      fix: transpose one operand, or pass other contracting axes
      more: nervure help ShapeError

The last line is the command that prints the page of the class, without network: what
the error means, and code before and after (``nervure/explain/pages``).

All classes derive from :class:`NervureError` and from the built-in exception that a
NumPy user would catch, so ``except ValueError`` keeps working.
"""

from __future__ import annotations

import difflib
import errno
import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from numpy.linalg import LinAlgError


class NervureError(Exception):
    """Base class of every error that Nervure raises on purpose.

    >>> import nervure as nv
    >>> nv.ones(3)[5]
    Traceback (most recent call last):
        ...
    nervure.errors.IndexingError: ...
    >>> isinstance(nv.errors.IndexingError(), nv.errors.NervureError)
    True

    ``str(error)`` ends with the command that prints more; formatted into another text,
    where that line would stand in the middle, the error is the message alone.

    >>> error = nv.errors.ShapeError("expected 3 rows, got 4")
    >>> print(error)
    expected 3 rows, got 4
      more: nervure help ShapeError
    >>> f"while reading: {error}"
    'while reading: expected 3 rows, got 4'
    """

    def __str__(self) -> str:
        message = BaseException.__str__(self)
        return f"{message}\n  more: nervure help {page_name(type(self))}"

    def __format__(self, spec: str) -> str:
        return format(BaseException.__str__(self), spec)


class ShapeError(NervureError, ValueError):
    """Operands whose shapes do not fit the operation.

    >>> import nervure as nv
    >>> nv.ones((2, 3)) @ nv.ones((2, 3))
    Traceback (most recent call last):
        ...
    nervure.errors.ShapeError: ...
    >>> (nv.ones((2, 3)) @ nv.ones((2, 3)).mT).shape
    (2, 2)
    """


class NoAxesError(ShapeError, TypeError):
    """An array without axes, asked for its length or for its elements one by one.

    Python expects a ``TypeError`` of what has no length.

    >>> import nervure as nv
    >>> len(nv.asarray(1.0))
    Traceback (most recent call last):
        ...
    nervure.errors.NoAxesError: ...
    >>> len(nv.asarray([1.0]))
    1
    """


class DTypeError(NervureError, TypeError):
    """Operands whose data types do not fit the operation.

    >>> import nervure as nv
    >>> nv.asarray([1.0]) & 1
    Traceback (most recent call last):
        ...
    nervure.errors.DTypeError: ...
    >>> (nv.asarray([1.0]).astype('int64') & 1).tolist()
    [1]
    """


class ArgumentError(NervureError, ValueError):
    """An argument (an axis, a stride, a batch size) with a value not allowed.

    >>> import nervure as nv
    >>> nv.linspace(0, 1, -1)
    Traceback (most recent call last):
        ...
    nervure.errors.ArgumentError: ...
    >>> nv.linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]
    """


class AxisError(ArgumentError, IndexError):
    """An axis that the array does not have; NumPy users catch either base.

    >>> import nervure as nv
    >>> nv.sum(nv.ones((2, 3)), axis=2)
    Traceback (most recent call last):
        ...
    nervure.errors.AxisError: ...
    >>> nv.sum(nv.ones((2, 3)), axis=1).tolist()
    [3.0, 3.0]
    """


class IndexingError(NervureError, IndexError):
    """An index that is out of range, or a key that does not fit the array.

    >>> import nervure as nv
    >>> nv.arange(3)[5]
    Traceback (most recent call last):
        ...
    nervure.errors.IndexingError: ...
    >>> int(nv.arange(3)[-1])
    2
    """


class GradientError(NervureError, ValueError):
    """A derivative that does not exist, with the reason.

    >>> import nervure as nv
    >>> nv.grad(lambda x: 2 * x)(nv.ones(3))
    Traceback (most recent call last):
        ...
    nervure.errors.GradientError: ...
    >>> nv.grad(lambda x: nv.sum(2 * x))(nv.ones(3)).tolist()
    [2.0, 2.0, 2.0]
    """


class TraceError(NervureError, RuntimeError):
    """A value was asked for while a function is being traced, so there is none yet.

    >>> import nervure as nv
    >>> nv.compile(lambda x: 1.0 if x > 0 else -1.0)(nv.asarray(3.0))
    Traceback (most recent call last):
        ...
    nervure.errors.TraceError: ...
    >>> float(nv.compile(lambda x: nv.where(x > 0, 1.0, -1.0))(nv.asarray(3.0)))
    1.0
    """


class SingularMatrixError(NervureError, LinAlgError):
    """A matrix that LAPACK cannot decompose, invert or solve for.

    >>> import nervure as nv
    >>> nv.linalg.inv(nv.zeros((2, 2)))
    Traceback (most recent call last):
        ...
    nervure.errors.SingularMatrixError: ...
    >>> nv.linalg.inv(nv.zeros((2, 2)) + 0.5 * nv.eye(2)).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """


class DataError(NervureError, ValueError):
    """Data that must not be trained on: NaN, wrong length, labels out of range.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> model.fit(nv.asarray([[nv.nan]]), nv.ones(1), verbose=0)
    Traceback (most recent call last):
        ...
    nervure.errors.DataError: ...
    >>> _ = model.fit(nv.asarray([[0.5]]), nv.ones(1), verbose=0)  # mended
    """


class NumericsError(NervureError, FloatingPointError):
    """A training step whose loss or weights are no finite numbers any more.

    ``report`` is the :class:`~nervure.train.numerics_report.NumericsReport` of the
    step, or None where it could not be run again.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(1)])
    >>> model.compile(nv.optimizers.SGD(1e30), "mse", check_numerics=True)
    >>> x = nv.linspace(-1, 1, 64)[:, None]
    >>> model.fit(x, x, epochs=9, verbose=0)
    Traceback (most recent call last):
        ...
    nervure.errors.NumericsError: ...
    >>> model = nv.models.Sequential([nv.layers.Dense(1)])
    >>> model.compile(nv.optimizers.SGD(0.1), "mse", check_numerics=True)
    >>> _ = model.fit(x, x, epochs=9, verbose=0)  # mended
    """

    report: Any = None


class NumericsWarning(RuntimeWarning):
    """What :class:`NumericsError` says, when training goes on all the same.

    >>> issubclass(NumericsWarning, RuntimeWarning)
    True
    """


class UnknownNameError(NervureError, ValueError):
    """A name (of a loss, an activation, ...) that is not known.

    >>> import nervure as nv
    >>> nv.layers.Dense(1, activation="rleu")
    Traceback (most recent call last):
        ...
    nervure.errors.UnknownNameError: ...
    >>> _ = nv.layers.Dense(1, activation="relu")  # mended
    """


class NotCompiledError(NervureError, RuntimeError):
    """A model is asked to train or evaluate before ``compile`` was called.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(1)])
    >>> x = nv.ones((4, 2))
    >>> model.fit(x, nv.ones(4), verbose=0)
    Traceback (most recent call last):
        ...
    nervure.errors.NotCompiledError: ...
    >>> model.compile("sgd", "mse"); _ = model.fit(x, nv.ones(4), verbose=0)  # mended
    """


class NotBuiltError(NervureError, RuntimeError):
    """A model or layer is used before the shape of its input is known.

    >>> import nervure as nv
    >>> layer = nv.layers.Dense(1)
    >>> layer.count_params()
    Traceback (most recent call last):
        ...
    nervure.errors.NotBuiltError: ...
    >>> layer.build((None, 2)); layer.count_params()
    3
    """


class MissingFileError(NervureError, FileNotFoundError):
    """A file to be read that is not there.

    Parameters
    ----------
    message
        What is said.
    filename
        The path, which the attribute of that name keeps, as in Python's own error.

    >>> import nervure as nv
    >>> nv.models.load_model("no such folder/model.nv")
    Traceback (most recent call last):
        ...
    nervure.errors.MissingFileError: ...
    """

    def __init__(self, message: str, filename: str | None = None) -> None:
        super().__init__(message)
        self.errno = errno.ENOENT
        self.filename = filename


class FileFormatError(NervureError, ValueError):
    """A file that is damaged, truncated or not what it claims to be.

    >>> import nervure as nv
    >>> from pathlib import Path
    >>> _ = Path("broken.nv").write_bytes(b"no model")
    >>> nv.models.load_model("broken.nv")
    Traceback (most recent call last):
        ...
    nervure.errors.FileFormatError: ...
    >>> nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))]).save("whole.nv")
    >>> _ = nv.models.load_model("whole.nv")  # mended
    """


class GraphError(NervureError, ValueError):
    """A graph, or the text of one, that is not well formed.

    >>> from nervure.ir import primitive_named
    >>> primitive_named("tahn")
    Traceback (most recent call last):
        ...
    nervure.errors.GraphError: ...
    >>> primitive_named("tanh").name  # mended
    'tanh'
    """


class SettingError(NervureError, ValueError):
    """A setting (``nervure.config`` or an environment variable) with a bad value.

    >>> import nervure as nv
    >>> nv.config.num_threads = -1
    Traceback (most recent call last):
        ...
    nervure.errors.SettingError: ...
    >>> with nv.config.override(num_threads=2): print(nv.config.num_threads)
    2
    """


class MachineError(NervureError, RuntimeError):
    """A machine, or its installation of LLVM, that cannot run compiled code.

    Raised where LLVM cannot make code for this machine; Nervure then goes on with
    ``NERVURE_EXECUTOR=reference``, and ``nervure doctor`` says what is there.

    >>> issubclass(MachineError, RuntimeError)
    True
    """


class NativeCodeError(NervureError, RuntimeError):
    """Compiled code that reads or writes outside of its buffers: an error in Nervure.

    Found only with ``NERVURE_CHECK=1``, where every load and store is checked.  The
    message says which kernel of which operation it is, and what to report.

    >>> issubclass(NativeCodeError, RuntimeError)
    True
    """


class BudgetError(NervureError, MemoryError):
    """A memory budget that no plan keeps to.

    ``smallest_bytes`` is the smallest budget that can be kept to, as far as known.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))])
    >>> model.compile("sgd", "mse")
    >>> try:
    ...     model.train_program(batch_size=32, memory_budget=1)
    ... except nv.errors.BudgetError as error:
    ...     budget = error.smallest_bytes
    >>> _ = model.train_program(batch_size=32, memory_budget=budget)  # mended
    """

    def __init__(self, message: str, smallest_bytes: int | None = None) -> None:
        super().__init__(message)
        self.smallest_bytes = smallest_bytes


# What is to be done about an error that no program of a user should meet.
REPORT: Final = (
    "if you made no nodes or primitives yourself, this is an error in Nervure: report "
    "it with this text, the code that made the graph and what `nervure doctor` prints"
)


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

    >>> print(explain("expected 3 rows, got 4", fix="drop a row"))
    expected 3 rows, got 4
      fix: drop a row
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


def page_name(error: type[BaseException]) -> str:
    """Return the name under which ``nervure help`` explains a class of errors.

    It is the name of the class itself, or, for a class that a user derives, the name of
    the first base of ours.

    >>> page_name(AxisError)
    'AxisError'
    """
    ours = (one for one in error.__mro__ if one.__module__.startswith("nervure."))
    return next(ours, NervureError).__name__


def require_file(path: Path) -> None:
    """Raise :class:`MissingFileError` unless something is at ``path``.

    The message names the files beside it that are called most like it.

    >>> require_file(Path("no such folder") / "model.nv")
    Traceback (most recent call last):
    ...
    nervure.errors.MissingFileError: there is no file 'no such folder/model.nv'
      fix: there is no folder 'no such folder' either: check the path
      more: nervure help MissingFileError
    """
    if path.is_dir():
        message = explain(
            f"expected a file, but {str(path)!r} is a folder",
            fix="name the file in it that is to be read",
        )
        raise MissingFileError(message, str(path))
    if path.exists():
        return
    folder = path.parent
    if not folder.is_dir():
        fix = f"there is no folder {str(folder)!r} either: check the path"
    else:
        names = [one.name for one in itertools.islice(folder.iterdir(), 1000)]
        near = " or ".join(repr(name) for name in nearest_names(path.name, names))
        fix = f"did you mean {near}?" if near else "check the path, or write it first"
    message = explain(f"there is no file {str(path)!r}", fix=fix)
    raise MissingFileError(message, str(path))


def as_path(name: Any) -> Path:
    """Return the name of a file or folder as a path.

    Raises :class:`ArgumentError` for what is no name.

    >>> as_path("runs").name
    'runs'
    >>> as_path(3)
    Traceback (most recent call last):
    ...
    nervure.errors.ArgumentError: expected the name of a file, got 3
      fix: pass a string or a pathlib.Path, such as 'model.nv'
      more: nervure help ArgumentError
    """
    if isinstance(name, str | os.PathLike) and name != "":
        path = os.fspath(name)
        return Path(path if isinstance(path, str) else os.fsdecode(path))
    raise ArgumentError(
        explain(
            f"expected the name of a file, got {name!r}",
            fix="pass a string or a pathlib.Path, such as 'model.nv'",
        )
    )


def require_function(what: str, function: object) -> None:
    """Raise :class:`ArgumentError` for what cannot be called.

    >>> require_function("grad", abs)
    >>> require_function("grad", abs(-3))
    Traceback (most recent call last):
    ...
    nervure.errors.ArgumentError: grad: expected a function, got 3
      fix: pass the function itself, such as lambda x: x * x, not what it returns
      more: nervure help ArgumentError
    """
    if not callable(function):
        raise ArgumentError(
            explain(
                f"{what}: expected a function, got {function!r}",
                fix="pass the function itself, such as lambda x: x * x, not what it "
                "returns",
            )
        )


def nearest_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return the known names most like ``name``, best first.

    >>> nearest_names("rleu", ["relu", "tanh"])
    ['relu']
    """
    lowered = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), lowered, n=limit, cutoff=0.5)
    return [lowered[match] for match in matches]


def unknown_name(kind: str, name: object, known: Sequence[str]) -> UnknownNameError:
    """Build the error for a name that is not among ``known``.

    The message names the nearest candidates, or all of them when nothing is near.

    >>> print(unknown_name("loss", "msee", ["mse", "mae"]))
    unknown loss: 'msee'
      fix: did you mean 'mse' or 'mae'?
      more: nervure help UnknownNameError
    """
    near = nearest_names(name, known) if isinstance(name, str) else []
    if near:
        fix = "did you mean " + " or ".join(repr(candidate) for candidate in near) + "?"
    else:
        fix = "use one of " + ", ".join(repr(candidate) for candidate in sorted(known))
    return UnknownNameError(explain(f"unknown {kind}: {name!r}", fix=fix))
