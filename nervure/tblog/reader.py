"""Reading event files: for our own pages, and whoever wants the numbers.

A file is data and is only looked at: lengths and check sums are tested, sizes and
counts are bounded, nothing is executed.  Files of TensorFlow, PyTorch and Keras are
read as well, as far as scalars, histograms, images and text go.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from nervure.errors import (
    FileFormatError,
    explain,
    require_file,
)
from nervure.tblog import wire
from nervure.tblog.graphs import GraphNode
from nervure.tblog.records import read_records
from nervure.tblog.wire import Field, fields

_MOST_EVENTS: Final = 2_000_000
_MOST_TAGS: Final = 10_000
_MOST_NODES: Final = 100_000
# Of histograms, images and texts the last ones of a tag are kept.
_MOST_LARGE: Final = 200


class Moment(NamedTuple):
    """A value of a tag at one step.

    Attributes
    ----------
    step
        The number of the step.
    wall_time
        Seconds since 1970.
    value
        A float, a :class:`Histogram`, an :class:`Image`, or a list of texts.
    """

    step: int
    wall_time: float
    value: Any


@dataclass(frozen=True)
class Histogram:
    """How numbers are distributed: counts between ``limits``, and what they add up to.

    ``limits`` are the upper ends of the buckets.
    """

    low: float
    high: float
    count: float
    total: float
    squares: float
    limits: tuple[float, ...]
    counts: tuple[float, ...]


@dataclass(frozen=True)
class Image:
    """A picture, encoded as PNG or another format."""

    height: int
    width: int
    encoded: bytes


@dataclass
class Run:
    """What the event files of a folder hold, by tags.

    Attributes
    ----------
    scalars, histograms, images, texts
        Lists of :class:`Moment`, in the order of writing.
    graph
        The nodes of the last graph.
    damage
        What is wrong with files, if something is; what comes before it counts.

    >>> Run().scalars
    {}
    """

    scalars: dict[str, list[Moment]] = field(default_factory=dict)
    histograms: dict[str, list[Moment]] = field(default_factory=dict)
    images: dict[str, list[Moment]] = field(default_factory=dict)
    texts: dict[str, list[Moment]] = field(default_factory=dict)
    graph: list[GraphNode] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


@dataclass
class Event:
    """One event of a file: its values by kind and tag."""

    wall_time: float = 0.0
    step: int = 0
    file_version: str = ""
    graph_def: bytes = b""
    values: list[tuple[str, str, Any]] = field(default_factory=list)


def read_events(path: str | os.PathLike[str]) -> Iterator[Event]:
    """Yield the events of a file.

    A last event that is not complete is left out: the file may be being written.

    Raises
    ------
    FileFormatError
        For a damaged file, and for what is no event file.

    >>> import tempfile
    >>> from nervure.tblog import EventWriter, read_events
    >>> with EventWriter(tempfile.mkdtemp()) as writer:
    ...     writer.add_scalar("loss", 0.5, step=1)
    >>> [event.values for event in read_events(writer.path)]
    [[], [('scalar', 'loss', 0.5)]]
    """
    name = os.fspath(path)
    require_file(Path(name))
    with open(path, "rb") as file:
        for count, record in enumerate(read_records(file, name)):
            if count >= _MOST_EVENTS:
                raise FileFormatError(
                    explain(
                        f"{name} has more than {_MOST_EVENTS} events",
                        fix="log less often, or begin a new file",
                    )
                )
            try:
                yield _event(record)
            except FileFormatError as error:
                raise FileFormatError(
                    explain(
                        f"{name}: event {count} is damaged: {error}",
                        fix="the events before are whole; write the log again for the "
                        "rest",
                    )
                ) from None


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Return what the event files directly in a folder hold.

    A damaged file is read up to the damage, which ``damage`` names.  Raises
    :class:`OSError` for a folder that cannot be read.

    >>> import tempfile
    >>> from nervure.tblog import read_run
    >>> read_run(tempfile.mkdtemp()).scalars
    {}
    """
    run = Run()
    paths = sorted(
        one
        for one in Path(folder).iterdir()
        if ".tfevents." in one.name and one.is_file()
    )
    for path in paths:
        try:
            for event in read_events(path):
                _take(run, event)
        except (FileFormatError, OSError) as error:
            run.damage.append(f"{error}")
    return run


def _take(run: Run, event: Event) -> None:
    if event.graph_def:
        run.graph = read_graph(event.graph_def)
    tables = {
        "scalar": run.scalars,
        "histogram": run.histograms,
        "image": run.images,
        "text": run.texts,
    }
    for kind, tag, value in event.values:
        table = tables[kind]
        if tag not in table and len(table) >= _MOST_TAGS:
            raise FileFormatError(
                explain(
                    f"there are more than {_MOST_TAGS} tags",
                    fix="use fewer tags: the step is no part of a tag",
                )
            )
        moments = table.setdefault(tag, [])
        moments.append(Moment(event.step, event.wall_time, value))
        if kind != "scalar" and len(moments) > _MOST_LARGE:
            del moments[0]


# --- messages ------------------------------------------------------------------------


def _event(data: bytes) -> Event:
    event = Event()
    for one in fields(data):
        if one.number == 1:
            event.wall_time = wire.as_number(one)
        elif one.number == 2:
            event.step = wire.as_int(one)
        elif one.number == 3:
            event.file_version = wire.as_text(one)
        elif one.number == 4:
            event.graph_def = wire.as_bytes(one)
        elif one.number == 5:
            for value in fields(wire.as_bytes(one)):
                if value.number == 1:
                    event.values.extend(_value(wire.as_bytes(value)))
    return event


def _value(data: bytes) -> Iterator[tuple[str, str, Any]]:
    """Yield the kind, the tag and the content of a value of a summary."""
    tag, plugin = "", ""
    found: list[tuple[str, Any]] = []
    tensor: _Tensor | None = None
    for one in fields(data):
        if one.number == 1:
            tag = wire.as_text(one)
        elif one.number == 2:
            found.append(("scalar", wire.as_number(one)))
        elif one.number == 4:
            found.append(("image", _image(wire.as_bytes(one))))
        elif one.number == 5:
            found.append(("histogram", _histogram(wire.as_bytes(one))))
        elif one.number == 8:
            tensor = _tensor(wire.as_bytes(one))
        elif one.number == 9:
            plugin = _plugin_name(wire.as_bytes(one))
    if tensor is not None:
        found.extend(_of_tensor(tensor, plugin))
    yield from ((kind, tag, content) for kind, content in found)


def _plugin_name(data: bytes) -> str:
    for one in fields(data):
        if one.number == 1:
            for part in fields(wire.as_bytes(one)):
                if part.number == 1:
                    return wire.as_text(part)
    return ""


def _image(data: bytes) -> Image:
    height = width = 0
    encoded = b""
    for one in fields(data):
        if one.number == 1:
            height = wire.as_int(one)
        elif one.number == 2:
            width = wire.as_int(one)
        elif one.number == 4:
            encoded = wire.as_bytes(one)
    return Image(height, width, encoded)


def _histogram(data: bytes) -> Histogram:
    numbers = dict.fromkeys(range(1, 6), 0.0)
    limits: list[float] = []
    counts: list[float] = []
    for one in fields(data):
        if one.number in numbers:
            numbers[one.number] = wire.as_number(one)
        elif one.number == 6:
            limits += wire.as_doubles(one)
        elif one.number == 7:
            counts += wire.as_doubles(one)
    if len(limits) != len(counts):
        raise FileFormatError(
            f"a histogram has {len(limits)} limits and {len(counts)} counts"
        )
    return Histogram(
        numbers[1],
        numbers[2],
        numbers[3],
        numbers[4],
        numbers[5],
        tuple(limits),
        tuple(counts),
    )


class _Tensor(NamedTuple):
    numbers: list[float]
    texts: list[bytes]
    sizes: list[int]


# What a tensor's raw content is made of, by its data type.
_CONTENT: Final = {1: "f", 2: "d", 3: "i", 9: "q"}


def _tensor(data: bytes) -> _Tensor:
    numbers: list[float] = []
    texts: list[bytes] = []
    sizes: list[int] = []
    kind, content = 0, b""
    for one in fields(data):
        if one.number == 1:
            kind = wire.as_int(one)
        elif one.number == 2:
            sizes = [
                wire.as_int(size)
                for dim in fields(wire.as_bytes(one))
                if dim.number == 2
                for size in fields(wire.as_bytes(dim))
                if size.number == 1
            ]
        elif one.number == 4:
            content = wire.as_bytes(one)
        elif one.number == 5:
            numbers += _floats(one)
        elif one.number == 6:
            numbers += wire.as_doubles(one)
        elif one.number == 8:
            texts.append(wire.as_bytes(one))
    letter = _CONTENT.get(kind)
    if content and letter:
        count, rest = divmod(len(content), struct.calcsize(letter))
        if rest:
            raise FileFormatError("the content of a tensor does not fit its type")
        numbers = list(map(float, struct.unpack(f"<{count}{letter}", content)))
    return _Tensor(numbers, texts, sizes)


def _floats(one: Field) -> list[float]:
    if one.kind == wire.FIXED32:
        return [wire.as_number(one)]
    data = wire.as_bytes(one)
    if len(data) % 4:
        raise FileFormatError("a tensor should hold numbers of 4 bytes")
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def _of_tensor(tensor: _Tensor, plugin: str) -> Iterator[tuple[str, Any]]:
    """Yield what a tensor of TensorFlow 2's summaries stands for."""
    if plugin == "scalars" and len(tensor.numbers) == 1:
        yield "scalar", tensor.numbers[0]
    elif plugin == "text":
        yield "text", [one.decode("utf-8", "replace") for one in tensor.texts]
    elif plugin == "images" and len(tensor.texts) > 2:
        width, height = (_small_number(one) for one in tensor.texts[:2])
        for encoded in tensor.texts[2:]:
            yield "image", Image(height, width, encoded)
    elif plugin == "histograms" and len(tensor.numbers) % 3 == 0 and tensor.numbers:
        rows = [tensor.numbers[at : at + 3] for at in range(0, len(tensor.numbers), 3)]
        yield "histogram", _of_rows(rows)


def _small_number(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) < 10 else 0


def _of_rows(rows: list[list[float]]) -> Histogram:
    """Return a histogram of rows of a left end, a right end and a count."""
    middles = [(left + right) / 2 for left, right, _ in rows]
    counts = [count for _, _, count in rows]
    pairs = list(zip(middles, counts, strict=True))
    return Histogram(
        rows[0][0],
        rows[-1][1],
        sum(counts),
        sum(middle * count for middle, count in pairs),
        sum(middle * middle * count for middle, count in pairs),
        tuple(right for _, right, _ in rows),
        tuple(counts),
    )


def read_graph(data: bytes) -> list[GraphNode]:
    """Return the nodes of a message ``GraphDef``, without their attributes.

    Raises :class:`~nervure.errors.FileFormatError` for what is none, or too large.
    """
    found: list[GraphNode] = []
    for one in fields(data):
        if one.number == 1:
            if len(found) >= _MOST_NODES:
                raise FileFormatError(f"a graph has more than {_MOST_NODES} nodes")
            found.append(_node(wire.as_bytes(one)))
    return found


def _node(data: bytes) -> GraphNode:
    texts: dict[int, str] = {}
    inputs = []
    for one in fields(data):
        if one.number in (1, 2, 4):  # name, operation, device
            texts[one.number] = wire.as_text(one)
        elif one.number == 3:
            inputs.append(wire.as_text(one))
    return GraphNode(
        texts.get(1, ""), texts.get(2, ""), tuple(inputs), device=texts.get(4, "")
    )
