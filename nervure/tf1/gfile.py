"""Files and folders under TensorFlow 1's names: ``tf.gfile``."""

from __future__ import annotations

import glob
import os
import shutil
from pathlib import Path
from typing import IO, Any

AnyPath = str | os.PathLike[str]


def Exists(path: AnyPath) -> bool:  # noqa: N802 - TensorFlow's names
    """Tell whether there is a file or folder.

    >>> import nervure.tf1 as tf
    >>> tf.gfile.Exists("/nowhere")
    False
    """
    return Path(path).exists()


def IsDirectory(path: AnyPath) -> bool:  # noqa: N802
    """Tell whether there is a folder.

    >>> import nervure.tf1 as tf
    >>> tf.gfile.IsDirectory("/nowhere")
    False
    """
    return Path(path).is_dir()


def MakeDirs(path: AnyPath) -> None:  # noqa: N802
    """Make a folder, and those above it; it may exist.

    >>> import nervure.tf1 as tf
    >>> import tempfile
    >>> tf.gfile.MakeDirs(tempfile.mkdtemp() + "/a/b")
    """
    Path(path).mkdir(parents=True, exist_ok=True)


MkDir = MakeDirs


def ListDirectory(path: AnyPath) -> list[str]:  # noqa: N802
    """Return the names in a folder, sorted.

    >>> import nervure.tf1 as tf
    >>> import tempfile
    >>> tf.gfile.ListDirectory(tempfile.mkdtemp())
    []
    """
    return sorted(os.listdir(path))


def Glob(pattern: str) -> list[str]:  # noqa: N802
    """Return the paths that fit a pattern, sorted.

    >>> import nervure.tf1 as tf
    >>> tf.gfile.Glob("/nowhere/*")
    []
    """
    return sorted(glob.glob(pattern))


def Remove(path: AnyPath) -> None:  # noqa: N802
    """Delete a file.

    >>> import nervure.tf1 as tf
    >>> import tempfile
    >>> tf.gfile.Remove(tempfile.mkstemp()[1])
    """
    Path(path).unlink()


def DeleteRecursively(path: AnyPath) -> None:  # noqa: N802
    """Delete a folder and everything in it; raises if there is none.

    >>> import nervure.tf1 as tf
    >>> import tempfile
    >>> tf.gfile.DeleteRecursively(tempfile.mkdtemp())
    """
    shutil.rmtree(path)


def GFile(name: AnyPath, mode: str = "r") -> IO[Any]:  # noqa: N802
    """Open a file.

    >>> import nervure.tf1 as tf
    >>> import os
    >>> with tf.gfile.GFile(os.devnull) as file:
    ...     file.read()
    ''
    """
    return Path(name).open(mode)


Open = GFile
