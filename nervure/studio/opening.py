"""What the command ``nervure studio`` does."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Final

from nervure.errors import ArgumentError, DataError, explain
from nervure.exec import choose_executor
from nervure.ir.graph import Graph, substitute
from nervure.ir.jsonform import from_json
from nervure.ir.sites import made_at
from nervure.models import load_model
from nervure.prims.leaf import input_leaf
from nervure.program import Program
from nervure.studio.application import Subject
from nervure.studio.server import Server

_LARGEST_GRAPH: Final = 200_000_000
_RUNS: Final = Path("logs")  # where callbacks write, if they are told nothing else


def open_studio(subject: Path | None, host: str, port: int, browser: bool) -> None:
    """Serve the studio until Ctrl-C, and open it at the page of its subject.

    Parameters
    ----------
    subject
        The file of a model or of a graph, or a folder of runs; None opens the
        playground, and shows the runs in the folder "logs".
    host, port
        Where to listen.
    browser
        Whether to open the browser.

    Raises
    ------
    ArgumentError
        For a subject that is not there, and an address that cannot be used.
    """
    found = read_subject(_RUNS if subject is None else subject)
    server = Server(found, host=host, port=port)
    address = server.address + ("" if subject is None else first_page(found))

    def ready() -> None:
        print(f"Nervure studio: {address}\nCtrl-C ends it.", flush=True)
        if browser:
            webbrowser.open(address)

    server.run(ready)


def first_page(subject: Subject) -> str:
    """Return the end of the address at which a subject is to be seen first.

    >>> first_page(Subject(folder=Path("runs")))
    '#/training'
    """
    is_graph = subject.model is not None or subject.program is not None
    return "#/graph" if is_graph else "#/training"


def read_subject(path: Path) -> Subject:
    """Return what a path stands for: a model, a graph, or runs.

    Raises :class:`~nervure.errors.ArgumentError` if there is nothing, other than the
    folder "logs", where runs may appear later.

    >>> import tempfile
    >>> read_subject(Path(tempfile.mkdtemp())).model is None
    True
    """
    if path.is_dir() and not (path / "model.json").exists():
        return Subject(folder=path)
    if path.suffix == ".json" and path.is_file():
        return Subject(name=path.name, program=_program(path))
    if path.exists():
        return Subject(load_model(path), path.name)
    if path == _RUNS:
        return Subject(folder=path)
    raise ArgumentError(
        explain(
            f"there is no {path}",
            fix="give the file of a model, a graph that Graph.to_json() wrote, or the "
            "folder that callbacks.Studio or callbacks.TensorBoard writes to",
        )
    )


def _program(path: Path) -> Program:
    """Return the program of a graph in a file, as the chosen executor would run it."""
    if path.stat().st_size > _LARGEST_GRAPH:
        raise DataError(explain(f"{path} is larger than {_LARGEST_GRAPH:,} bytes"))
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise DataError(explain(f"{path} holds no text: it is no graph")) from None
    graph = _without_data(from_json(text))
    executor = choose_executor(graph).name
    return Program(graph, name=path.name, executor=executor, inputs=list)


def _without_data(graph: Graph) -> Graph:
    """Return the graph with arguments for the buffers, whose data no file holds."""
    arguments = {}
    for node in graph:
        if node.buffer is not None:
            with made_at(node.site):
                name = node.buffer.name
                arguments[node] = input_leaf(node.shape, node.dtype, name)
    outputs = substitute(graph.outputs, arguments)
    return Graph(outputs, [*graph.inputs, *arguments.values()])
