"""Summaries for TensorBoard under TensorFlow 1's names: ``tf.summary``.

A summary is an operation whose value in a run is ``bytes``: a message that
``FileWriter.add_summary`` puts into an event file (see ``nervure.tblog``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from nervure.array import Array
from nervure.errors import ArgumentError, DTypeError, explain
from nervure.tblog import summaries
from nervure.tblog.graphs import GraphNode
from nervure.tblog.writer import EventWriter
from nervure.tf1 import data_types
from nervure.tf1.building import operation
from nervure.tf1.emission import Context, HostValue
from nervure.tf1.graph import Graph, GraphKeys, get_default_graph
from nervure.tf1.shapes import TensorShape
from nervure.tf1.tensor import Tensor, convert_to_tensor

AnyPath = str | os.PathLike[str]


def _summary(
    kind: str,
    name: str,
    tensor: Any,
    collections: Sequence[str] | None,
    make: Callable[[str, Any], list[bytes]],
) -> Tensor:
    """Make the operation of a summary; ``make(tag, value)`` gives its values."""
    x = convert_to_tensor(tensor)
    graph = x.graph
    clean = "".join(one if one.isalnum() or one in "_-./" else "_" for one in name)

    def emit(_context: Context, value: Any) -> HostValue:
        if isinstance(value, HostValue):
            inner = value.build
            return HostValue(
                value.arrays,
                lambda *found: summaries.summary(*make(tag, inner(*found))),
            )
        return HostValue([value], lambda found: summaries.summary(*make(tag, found)))

    types = [(TensorShape([]), data_types.string)]
    made = operation(kind, [x], emit, clean.strip("/") or kind, types=types)
    tag = made.name
    graph.add_to_collections(
        [GraphKeys.SUMMARIES] if collections is None else collections, made.outputs[0]
    )
    return made.outputs[0]


def _numbers(tensor: Any, what: str) -> Tensor:
    x = convert_to_tensor(tensor)
    if x.dtype == data_types.string:
        raise DTypeError(
            explain(
                f"{what}: expected numbers, got text",
                fix="tf.summary.text records text",
            )
        )
    return x


def scalar(
    name: str,
    tensor: Any,
    collections: Sequence[str] | None = None,
    family: str | None = None,
) -> Tensor:
    """Return the summary of a number.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     type(session.run(tf.summary.scalar("loss", 0.5)))
    <class 'bytes'>
    """
    return _summary(
        "ScalarSummary",
        _within(family, name),
        _numbers(tensor, "scalar"),
        collections,
        lambda tag, value: [summaries.scalar(tag, value)],
    )


def histogram(
    name: str,
    values: Any,
    collections: Sequence[str] | None = None,
    family: str | None = None,
) -> Tensor:
    """Return the summary of how numbers are distributed.

    A run raises :class:`~nervure.errors.DataError` if one is NaN or infinite.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     type(session.run(tf.summary.histogram("weights", [0.5, 1.0])))
    <class 'bytes'>
    """
    return _summary(
        "HistogramSummary",
        _within(family, name),
        _numbers(values, "histogram"),
        collections,
        lambda tag, value: [summaries.histogram(tag, value)],
    )


def image(
    name: str,
    tensor: Any,
    max_outputs: int = 3,
    collections: Sequence[str] | None = None,
    family: str | None = None,
) -> Tensor:
    """Return the summary of pictures ``[n, height, width, 1, 3 or 4]``.

    ``uint8`` is shown as it is; other numbers are scaled, each picture by itself.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     type(session.run(tf.summary.image("digits", tf.zeros([2, 8, 8, 1]))))
    <class 'bytes'>
    """
    return _summary(
        "ImageSummary",
        _within(family, name),
        _numbers(tensor, "image"),
        collections,
        lambda tag, value: summaries.images(tag, value, max_outputs),
    )


def text(name: str, tensor: Any, collections: Sequence[str] | None = None) -> Tensor:
    """Return the summary of text.

    Raises
    ------
    DTypeError
        For a tensor that holds no text.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     type(session.run(tf.summary.text("note", tf.constant("a first try"))))
    <class 'bytes'>
    """

    def made(tag: str, value: Any) -> list[bytes]:
        given = [value] if isinstance(value, bytes) else value.ravel().tolist()
        lines = [one.decode("utf-8", "replace") for one in given]
        return [summaries.text(tag, lines[0] if isinstance(value, bytes) else lines)]

    x = convert_to_tensor(tensor)
    if x.dtype != data_types.string:
        raise DTypeError(
            explain(
                f"text: expected text, got {x.type_text}",
                fix="tf.summary.scalar and histogram record numbers",
            )
        )
    return _summary("TextSummary", name, x, collections, made)


def _within(family: str | None, name: str) -> str:
    return f"{family}/{name}" if family else name


def merge(
    inputs: Sequence[Any],
    collections: Sequence[str] | None = None,
    name: str | None = None,
) -> Tensor:
    """Return several summaries as one.

    Raises
    ------
    ArgumentError, DTypeError
        For no summaries, and for tensors that are none.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     both = tf.summary.merge([tf.summary.scalar("a", 1.0),
    ...                              tf.summary.scalar("b", 2.0)])
    ...     type(session.run(both))
    <class 'bytes'>
    """
    tensors = [convert_to_tensor(one) for one in inputs]
    if not tensors:
        raise ArgumentError(
            explain(
                "merge: expected at least one summary",
                fix="pass what tf.summary.scalar and its kin returned",
            )
        )
    for one in tensors:
        if one.dtype != data_types.string:
            raise DTypeError(
                explain(
                    f"merge: {one.name} is no summary, it is {one.type_text}",
                    fix="pass what tf.summary.scalar and its kin returned",
                )
            )

    def emit(_context: Context, *values: HostValue) -> HostValue:
        arrays: list[Array] = []
        pieces = []
        for value in values:
            pieces.append((value.build, len(arrays), len(arrays) + len(value.arrays)))
            arrays += value.arrays

        def build(*found: Any) -> bytes:
            return b"".join(make(*found[start:end]) for make, start, end in pieces)

        return HostValue(arrays, build)

    types = [(TensorShape([]), data_types.string)]
    made = operation("MergeSummary", tensors, emit, name, types=types).outputs[0]
    made.graph.add_to_collections(collections or [], made)
    return made


def merge_all(
    key: str = GraphKeys.SUMMARIES, scope: str | None = None, name: str | None = None
) -> Tensor | None:
    """Return all summaries of the default graph as one, None if there are none.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     print(tf.summary.merge_all())
    None
    """
    found = get_default_graph().get_collection(key, scope)
    return merge(found, name=name) if found else None


class FileWriter:
    """Writes summaries and graphs into an event file of a folder.

    Parameters
    ----------
    logdir
        The folder; it is made if it is not there.
    graph
        A graph to write.
    filename_suffix
        Ends the file's name.

    The others are taken and not used.

    >>> import nervure.tf1 as tf
    >>> import tempfile
    >>> with tf.Graph().as_default() as graph, tf.Session() as session:
    ...     loss = tf.summary.scalar("loss", 0.5)
    ...     with tf.summary.FileWriter(tempfile.mkdtemp(), graph) as writer:
    ...         writer.add_summary(session.run(loss), 1)
    """

    def __init__(
        self,
        logdir: AnyPath,
        graph: Graph | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        graph_def: None = None,
        filename_suffix: str | None = None,
        session: None = None,
    ) -> None:
        self._logdir = os.fspath(logdir)
        self._suffix = filename_suffix or ""
        self._writer = EventWriter(self._logdir, self._suffix)
        if graph is not None:
            self.add_graph(graph)

    def get_logdir(self) -> str:
        """Return the folder."""
        return self._logdir

    def add_summary(self, summary: bytes, global_step: Any = None) -> None:
        """Write what a run returned for a summary.

        Raises
        ------
        DTypeError
            For what is not the bytes that ``session.run`` returned.
        """
        if not isinstance(summary, bytes):
            raise DTypeError(
                explain(
                    f"add_summary expects the bytes that session.run returned, got "
                    f"{type(summary).__name__}",
                    fix="write writer.add_summary(session.run(merged), step)",
                )
            )
        self._writer.add_summary(
            summary, None if global_step is None else int(global_step)
        )

    def add_graph(self, graph: Graph, global_step: Any = None) -> None:
        """Write a graph."""
        self._writer.add_graph(graph_nodes(graph))

    def flush(self) -> None:
        """Write what has been collected, so that TensorBoard sees it."""
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def reopen(self) -> None:
        """Go on in a new file."""
        self._writer.close()
        self._writer = EventWriter(self._logdir, self._suffix)

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, *_error: Any) -> None:
        self.close()


def graph_nodes(graph: Graph) -> list[GraphNode]:
    """Return the operations of a graph as nodes of a picture.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default() as graph:
    ...     one = tf.constant(1.0, name="one")
    >>> tf.summary.graph_nodes(graph)[0].name
    'one'
    """
    found = []
    for one in graph.get_operations():
        outputs = one.outputs
        attributes = {
            key: value if isinstance(value, bool | int | float) else str(value)
            for key, value in one.attributes.items()
            if isinstance(value, bool | int | float | str | list)
        }
        found.append(
            GraphNode(
                one.name,
                one.type,
                [
                    *(_input_name(tensor) for tensor in one.inputs),
                    *(f"^{other.name}" for other in one.control_inputs),
                ],
                [tensor.shape.sizes for tensor in outputs],
                outputs[0].dtype.name if outputs else "",
                one.device,
                attributes,
            )
        )
    return found


def _input_name(tensor: Tensor) -> str:
    place = tensor.value_index
    return f"{tensor.op.name}:{place}" if place else tensor.op.name
