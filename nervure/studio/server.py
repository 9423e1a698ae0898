"""Running the studio: in the foreground for the command, in a thread for notebooks."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from nervure.errors import ArgumentError, NervureError, explain
from nervure.studio.access import MOST_BYTES, Access
from nervure.studio.application import Subject, application

_HEADER_SECONDS: Final = 10.0
_MOST_CONNECTIONS: Final = 64
_LOOPBACK: Final = "127.0.0.1"


class _Patient(H11Protocol):
    """Closes connections that never finish their first headers."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._end = self.loop.call_later(_HEADER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._end.cancel()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()
        super().connection_lost(exc)


class Server:
    """The studio on a port of this machine.

    Parameters
    ----------
    subject
        What to show.
    host
        Where to listen: this machine only, unless another address is given.
    port
        The port; 0 takes a free one.
    in_notebooks
        Whether notebooks on this machine may show it in a frame.
    body_seconds
        How long the body of a request may take.

    Raises
    ------
    ArgumentError
        If the address is none, or taken.

    Attributes
    ----------
    address
        With the token: what to open.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        host: str = _LOOPBACK,
        port: int = 0,
        in_notebooks: bool = False,
        body_seconds: float = 10.0,
    ) -> None:
        if host in ("", "0.0.0.0", "::"):
            raise ArgumentError(
                explain(
                    f"the studio cannot listen on {host!r}: it needs a name to know",
                    fix="give the address under which others see this machine",
                )
            )
        self._socket = _listening(host, port)
        self.port = int(self._socket.getsockname()[1])
        self.access = Access(
            _own_names(host, self.port),
            in_notebooks=in_notebooks,
            body_seconds=body_seconds,
        )
        shown = f"[{host}]" if ":" in host else host
        self.origin = f"http://{shown}:{self.port}"
        self.address = f"{self.origin}/?token={self.access.token}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                application(subject, self.access),
                http=_Patient,
                ws="websockets-sansio",
                ws_max_size=MOST_BYTES,
                ws_per_message_deflate=False,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread: threading.Thread | None = None

    def run(self, ready: Callable[[], Any] = lambda: None) -> None:
        """Serve until Ctrl-C; ``ready`` is called when pages can be had."""
        threading.Thread(target=self._when_ready, args=(ready,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            self._server.run(sockets=[self._socket])

    def start(self) -> Server:
        """Serve in a thread, and return when pages can be had."""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._when_ready(lambda: None)
        return self

    def close(self) -> None:
        """End serving."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def _when_ready(self, ready: Callable[[], Any]) -> None:
        while not self._server.started:
            if self._server.should_exit:
                raise NervureError(
                    explain(
                        "the server of the studio did not start",
                        fix="look at what was printed before; another port may help",
                    )
                )
            time.sleep(0.01)
        ready()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        # Now, so that a port that is taken is found before anything is promised.
        found.listen()
    except (OSError, OverflowError) as error:
        found.close()
        raise ArgumentError(
            explain(
                f"the studio cannot listen on {host}, port {port}: {error}",
                fix="choose another --port; 0 takes a free one",
            )
        ) from None
    return found


def _own_names(host: str, port: int) -> frozenset[str]:
    """Return what browsers may call this server."""
    names = {"127.0.0.1", "localhost"}
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).version == 6:
            host = f"[{host}]"
    return frozenset(f"{name}:{port}" for name in names | {host})
