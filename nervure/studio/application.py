"""The addresses of the studio, as an application of Starlette behind the gate."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from nervure.errors import ArgumentError, NervureError, explain
from nervure.studio.access import Access, Gate
from nervure.studio.assets import assets
from nervure.studio.inspector.networks import Networks
from nervure.studio.inspector.subject import lecture_network
from nervure.studio.playground.session import Session
from nervure.studio.programs import POLICY, Programs
from nervure.studio.runs import Runs

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from nervure.program import Program

# Pages that train at the same time, and messages that may wait for one of them.
_MOST_SESSIONS: Final = 8
_MOST_WAITING: Final = 64

Answer = Callable[[Any], Any]


@dataclass(frozen=True)
class Subject:
    """What the studio was opened for.

    Attributes
    ----------
    model
        A model, or None.
    name
        What to call it.
    folder
        The folder below which event files are looked for.
    cache
        Where the network that reads digits is kept; None for Nervure's own folder.
    program
        A :class:`~nervure.program.Program`, or None: what the page of graphs shows
        instead of those of a model.
    """

    model: Any = None
    name: str = ""
    folder: Path = Path("logs")
    cache: Path | None = None
    program: Program | None = None


def application(subject: Subject, access: Access) -> ASGIApp:
    """Return the application of the studio.

    Parameters
    ----------
    subject
        What to show.
    access
        Who may look.
    """
    runs = Runs(subject.folder)
    given = subject.model
    networks = Networks(given, subject.name, subject.cache)
    # A graph can be looked at before anything is trained.
    program = subject.program
    programs = Programs(lambda: lecture_network() if given is None else given, program)
    asked: dict[str, Answer] = {
        "/api/runs/scalars": runs.scalars,
        "/api/runs/details": runs.details,
        **{
            f"/api/inspector/{one}": networks.answer(one)
            for one in ("look", "layer", "map", "filters", "feature", "attack")
        },
    }
    routes = [
        *(Route(path, _asset, methods=["GET"]) for path in assets()),
        Route("/api/about", _about(subject, access, networks), methods=["GET"]),
        Route("/api/program/page", _program_page(programs), methods=["GET"]),
        Route("/api/runs", answering(runs.listed), methods=["GET"]),
        Route("/api/inspector", answering(networks.answer("about")), methods=["GET"]),
        *(
            Route(path, answering(answer), methods=["POST"])
            for path, answer in asked.items()
        ),
        WebSocketRoute("/api/playground", _Playground()),
    ]
    return Gate(Starlette(routes=routes), access)


async def _asset(request: Request) -> Response:
    asset = assets()[request.url.path]
    return Response(asset.content, media_type=asset.media_type)


def _about(
    subject: Subject, access: Access, networks: Networks
) -> Callable[[Request], Awaitable[Response]]:
    async def about(request: Request) -> Response:
        del request
        return JSONResponse(
            {
                "model": subject.name,
                "folder": str(subject.folder),
                "is_program": subject.program is not None,
                "networks": networks.listed(),
                "ticket": access.ticket,
            }
        )

    return about


def _program_page(programs: Programs) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        asked = request.query_params
        kind, network = asked.get("kind", ""), asked.get("network", "")
        try:
            # A thread of Python's own: the lines of anyio's would be the user's lines.
            text = await asyncio.to_thread(programs.page, kind, network)
        except NervureError as error:
            text = f"<!doctype html><title>no graph</title><p>{html.escape(f'{error}')}"
        # Frames of a sandbox are of no origin: the answer must allow being shown there.
        headers = {
            "content-security-policy": POLICY,
            "cross-origin-resource-policy": "cross-origin",
        }
        return HTMLResponse(text, headers=headers)

    return page


def answering(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that hands JSON to a function and sends JSON back.

    The function gets the object of a POST or the query of a GET, and works in a thread.
    What it refuses is sent as ``{"error": ...}`` with status 400.
    """

    async def endpoint(request: Request) -> Response:
        try:
            asked: Any = dict(request.query_params)
            if request.method == "POST":
                asked = _object(await request.body())
            return JSONResponse(await run_in_threadpool(answer, asked))
        except NervureError as error:
            return JSONResponse({"error": f"{error}"}, status_code=400)

    return endpoint


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ArgumentError(
            explain(
                "the body must be a JSON object",
                fix="send {...} with the content type application/json",
            )
        )
    return found


class _Playground:
    """The WebSocket of the playground: one session for each open page."""

    def __init__(self) -> None:
        self._open = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        socket = WebSocket(scope, receive, send)
        await socket.accept(subprotocol="nervure")
        if self._open >= _MOST_SESSIONS:
            reason = f"{_MOST_SESSIONS} playgrounds are open already; close one"
            await socket.send_json({"type": "error", "message": reason})
            await socket.close(1013)
            return
        self._open += 1
        try:
            await _converse(socket)
        finally:
            self._open -= 1


async def _converse(socket: WebSocket) -> None:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[dict[str, Any] | bytes] = asyncio.Queue()

    def pass_on(message: dict[str, Any] | bytes) -> None:
        # The loop may be closed when the server ends while a network trains.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(waiting.put_nowait, message)

    session = Session(pass_on)
    sender = asyncio.create_task(_send_all(socket, waiting))
    try:
        await _listen(socket, session)
    except WebSocketDisconnect:
        pass
    finally:
        session.close()
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
            await sender


async def _listen(socket: WebSocket, session: Session) -> None:
    while True:
        text = await socket.receive_text()
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        session.tell(message if isinstance(message, dict) else {})
        if session.waiting() > _MOST_WAITING:
            await socket.close(1008, "too many messages")
            return


async def _send_all(
    socket: WebSocket, waiting: asyncio.Queue[dict[str, Any] | bytes]
) -> None:
    while True:
        message = await waiting.get()
        if isinstance(message, bytes):
            await socket.send_bytes(message)
        else:
            await socket.send_json(message)
