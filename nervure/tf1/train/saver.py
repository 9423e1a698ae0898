"""Checkpoints: the values of variables in files that hold data and nothing else.

``saver.save(session, "folder/model.ckpt", 100)`` writes
``folder/model.ckpt-100.safetensors`` in one move (no file ever exists in part), and
``folder/checkpoint``, a text file that names the newest ones, as TensorFlow's does.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nervure.errors import ArgumentError, FileFormatError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.tf1.errors import DataLossError, NotFoundError
from nervure.tf1.graph import GraphKeys, get_default_graph
from nervure.tf1.variables import Variable
from nervure.train.saving.atomic import write_atomically
from nervure.train.saving.tensors import from_bytes, to_bytes

_ENDING: Final = ".safetensors"
_LINE: Final = re.compile(r'^(all_)?model_checkpoint_paths?: ("(?:[^"\\]|\\.)*")$')
_MOST_LINES: Final = 10_000

AnyPath = str | os.PathLike[str]


@dataclass
class CheckpointState:
    """What the file ``checkpoint`` of a folder says.

    Attributes
    ----------
    model_checkpoint_path
        The newest checkpoint.
    all_model_checkpoint_paths
        All that are kept, the oldest first.

    >>> import nervure.tf1 as tf
    >>> tf.train.CheckpointState("model.ckpt-1").model_checkpoint_path
    'model.ckpt-1'
    """

    model_checkpoint_path: str
    all_model_checkpoint_paths: list[str] = field(default_factory=list)


class Saver:
    """Writes the values of variables to files, and reads them back.

    Parameters
    ----------
    var_list
        Variables, or a dict of them by the names in the file; by default all global
        variables of the default graph.
    max_to_keep
        How many checkpoints stay; None or 0 is all.
    name
        Not used.

    Raises
    ------
    ArgumentError
        When there are no variables to save.

    >>> import nervure.tf1 as tf
    >>> import tempfile
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.Variable(3.0, name="v")
    ...     session.run(tf.global_variables_initializer())
    ...     saver = tf.train.Saver()
    ...     path = saver.save(session, tempfile.mkdtemp() + "/model.ckpt")
    ...     session.run(v.assign(0.0))
    ...     saver.restore(session, path)
    ...     session.run(v)
    np.float32(0.0)
    np.float32(3.0)
    """

    def __init__(
        self,
        var_list: Any = None,
        max_to_keep: int | None = 5,
        name: str | None = None,
    ) -> None:
        graph = get_default_graph()
        given = (
            graph.get_collection(GraphKeys.GLOBAL_VARIABLES)
            if (var_list is None)
            else var_list
        )
        self._variables = _named(given)
        if not self._variables:
            raise ArgumentError(
                explain(
                    "there are no variables to save",
                    fix="make the saver after the variables",
                )
            )
        self._most = max_to_keep or 0
        self._kept: list[str] = []

    @property
    def last_checkpoints(self) -> list[str]:
        """The checkpoints that are kept, the oldest first."""
        return list(self._kept)

    def save(
        self,
        sess: Any,
        save_path: AnyPath,
        global_step: Any = None,
        latest_filename: str = "checkpoint",
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
    ) -> str:
        """Write a checkpoint and return its name, which :meth:`restore` takes.

        Parameters
        ----------
        sess
            The session whose values are written.
        save_path
            The name without the number; the folder must exist.
        global_step
            A number, or the variable that counts steps, that is added to the name.
        latest_filename
            The name of the file that names the newest checkpoint.
        write_state
            Whether to write it, and to delete old checkpoints.

        The graph itself is never written: it is a program, not data.

        Raises
        ------
        FailedPreconditionError
            When a variable has no value.
        NotFoundError
            When the folder does not exist.
        """
        prefix = os.fspath(save_path)
        if global_step is not None:
            is_number = hasattr(global_step, "__index__") and not hasattr(
                global_step, "op"
            )
            step = global_step if is_number else sess.run(global_step)
            prefix = f"{prefix}-{int(step)}"
        values = {key: sess.value_of(one) for key, one in self._variables.items()}
        path = Path(prefix + _ENDING)
        if not path.parent.is_dir():
            raise NotFoundError(
                explain(
                    f"the folder {str(path.parent)!r} does not exist",
                    fix="make it first",
                )
            )
        write_atomically(path, to_bytes(values))
        if write_state:
            self._remember(prefix, path.parent / latest_filename)
        return prefix

    def _remember(self, prefix: str, state: Path) -> None:
        """Note the newest checkpoint, and delete those that are too old."""
        self._kept = [*(one for one in self._kept if one != prefix), prefix]
        old: list[str] = []
        if self._most:
            old, self._kept = self._kept[: -self._most], self._kept[-self._most :]
        lines = [f"model_checkpoint_path: {_quoted(prefix, state)}"]
        lines += [
            f"all_model_checkpoint_paths: {_quoted(one, state)}" for one in self._kept
        ]
        write_atomically(state, ("\n".join(lines) + "\n").encode())
        for one in old:
            Path(one + _ENDING).unlink(missing_ok=True)

    def restore(self, sess: Any, save_path: AnyPath) -> None:
        """Give the variables of a session the values of a checkpoint.

        Either all variables change or none.

        Raises
        ------
        NotFoundError
            When there is no such checkpoint, or a variable is not in it.
        DataLossError
            When the file is damaged.
        ShapeError
            When a variable has another shape there.
        """
        prefix = os.fspath(save_path)
        path = Path(prefix + _ENDING)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise NotFoundError(
                explain(
                    f"there is no checkpoint {prefix!r} (no file {path})",
                    fix="pass what save or tf.train.latest_checkpoint returned",
                )
            ) from None
        try:
            found = from_bytes(path, data, path.name)
        except FileFormatError as error:
            raise DataLossError(f"{error}") from None
        values = [
            (one, _checked(key, one, found, prefix))
            for key, one in self._variables.items()
        ]
        for variable, value in values:
            sess.store(variable, value)


def _named(given: Any) -> dict[str, Variable]:
    pairs: Any
    if isinstance(given, Mapping):
        pairs = given.items()
    else:
        pairs = [(one.op.name, one) for one in given]
    named: dict[str, Variable] = {}
    for key, variable in pairs:
        if not isinstance(variable, Variable):
            raise ArgumentError(
                explain(
                    f"Saver: expected variables, got {variable!r}",
                    fix="pass a list of variables, or a dict from names to variables",
                )
            )
        if key in named and named[key] is not variable:
            raise ArgumentError(
                explain(
                    f"Saver: two variables are named {key!r}",
                    fix="give each a key of its own in a dict",
                )
            )
        named[key] = variable
    return named


def _checked(
    key: str, variable: Variable, found: dict[str, NDArray], prefix: str
) -> NDArray:
    if key not in found:
        raise NotFoundError(
            explain(
                f"the checkpoint {prefix!r} has no variable {key!r}; it has "
                + ", ".join(sorted(found)[:20]),
                fix="restore with tf.train.Saver({name in the file: variable})",
            )
        )
    value = found[key]
    if value.shape != variable.known_shape or value.dtype != variable.dtype.dtype:
        raise ShapeError(
            explain(
                f"the checkpoint {prefix!r} has {key!r} as {value.dtype.name}"
                f"{list(value.shape)}, the variable is {variable.dtype.name}"
                f"{list(variable.known_shape)}",
                fix="make the variable as it was when the checkpoint was saved",
            )
        )
    return value


def _quoted(prefix: str, state: Path) -> str:
    """Return a name as the state writes it: within the same folder without it."""
    path = Path(prefix)
    inside = path.parent.resolve() == state.parent.resolve()
    return json.dumps(path.name if inside else str(path.resolve()))


def get_checkpoint_state(
    checkpoint_dir: AnyPath, latest_filename: str | None = None
) -> CheckpointState | None:
    """Return what the file ``checkpoint`` of a folder says, or None.

    >>> import nervure.tf1 as tf
    >>> import tempfile
    >>> print(tf.train.get_checkpoint_state(tempfile.mkdtemp()))
    None
    """
    folder = Path(checkpoint_dir)
    path = folder / (latest_filename or "checkpoint")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[:_MOST_LINES]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        raise DataLossError(f"{path} is not text") from None
    newest, kept = None, []
    for line in lines:
        match = _LINE.match(line)
        try:
            told = json.loads(match[2]) if match else None
        except ValueError:  # a control character, or an escape that there is not
            told = None
        if match is None or told is None:
            raise DataLossError(f"{path} has a line that it cannot have: {line[:80]!r}")
        name = str(folder / told)
        if match[1]:
            kept.append(name)
        else:
            newest = name
    return None if newest is None else CheckpointState(newest, kept)


def latest_checkpoint(
    checkpoint_dir: AnyPath, latest_filename: str | None = None
) -> str | None:
    """Return the newest checkpoint of a folder, or None.

    >>> import nervure.tf1 as tf
    >>> import tempfile
    >>> print(tf.train.latest_checkpoint(tempfile.mkdtemp()))
    None
    """
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None or not checkpoint_exists(state.model_checkpoint_path):
        return None
    return state.model_checkpoint_path


def checkpoint_exists(checkpoint_prefix: AnyPath) -> bool:
    """Tell whether there is a checkpoint of this name.

    >>> import nervure.tf1 as tf
    >>> tf.train.checkpoint_exists("/nowhere/model.ckpt")
    False
    """
    return Path(os.fspath(checkpoint_prefix) + _ENDING).is_file()
