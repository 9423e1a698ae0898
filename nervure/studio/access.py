"""Who may ask the studio what: the gate that every request passes first.

A page of another site must not use the studio through its visitor's browser, and a
program must not tie it up.  So the gate looks, for every method and for WebSockets, at

* ``Host``: one of this server's names; any other was rebound to this machine;
* ``Origin`` and ``Sec-Fetch-Site``: the studio itself; "null" is nobody;
* the method: GET, HEAD, POST;
* the token, for everything but the page itself: 256 random bits, compared in constant
  time; frames, which cannot send it, carry a ticket made from it for one page only;
* the path, the length of the address and of the body, and how long the body takes.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES: Final = 4_000_000
BODY_SECONDS: Final = 10.0
_LONGEST_ADDRESS: Final = 4_096
_METHODS: Final = ("GET", "HEAD", "POST")
_PROTOCOL: Final = "nervure"
_TICKET_PATH: Final = "/api/program/page"

_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
)
_NOTEBOOKS: Final = "'self' http://localhost:* http://127.0.0.1:*"


@dataclass(frozen=True)
class Access:
    """What the gate knows.

    Attributes
    ----------
    hosts
        Values of ``Host`` that are this server's, such as "127.0.0.1:8000".
    token
        The secret.
    in_notebooks
        Whether pages of notebooks on this machine may show the studio in a frame.
    body_seconds
        How long a body may take to arrive.
    """

    hosts: frozenset[str]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    in_notebooks: bool = False
    body_seconds: float = BODY_SECONDS

    def knows(self, token: str) -> bool:
        """Tell whether a token is the one, in a time that does not depend on it.

        >>> access = Access(frozenset(), token="right")
        >>> access.knows("right"), access.knows("wrong")
        (True, False)
        """
        given, right = token.encode("utf-8", "replace"), self.token.encode()
        return hmac.compare_digest(given, right)

    @property
    def ticket(self) -> str:
        """What the address of the frame with a program carries, not the token."""
        digest = hmac.new(self.token.encode(), _TICKET_PATH.encode(), "sha256")
        return digest.hexdigest()

    def policy(self) -> str:
        """Return the content-security policy of the page."""
        ancestors = _NOTEBOOKS if self.in_notebooks else "'none'"
        return _PAGE_POLICY.format(ancestors=ancestors)


class Refusal(NamedTuple):
    """A status of HTTP, and why."""

    status: int
    reason: str


class _TooLongError(Exception):
    """A body has more bytes than it may."""


class Gate:
    """Lets requests pass to an application, or refuses them.

    Parameters
    ----------
    application
        What is behind the gate.
    access
        What the gate knows.
    """

    def __init__(self, application: ASGIApp, access: Access) -> None:
        self._application = application
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        headers = _Headers(scope["headers"])
        is_socket = scope["type"] == "websocket"
        refusal = _refusal(scope, headers, self._access)
        if refusal is not None:
            await _refuse(refusal, is_socket, receive, send)
        elif is_socket:
            await self._application(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = _with_headers(send, self._access, scope["path"])
        try:
            async with asyncio.timeout(self._access.body_seconds):
                body = await _whole_body(receive)
        except TimeoutError:
            await _refuse(Refusal(408, "the body took too long"), False, receive, send)
            return
        except _TooLongError:
            reason = f"a body may have {MOST_BYTES} bytes"
            await _refuse(Refusal(413, reason), False, receive, send)
            return
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Message:
            found = next(messages, None)
            return await receive() if found is None else found

        await self._application(scope, again, guarded)


class _Headers:
    """Headers of a request by lower-case name."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            key = name.decode("latin-1").lower()
            self._values.setdefault(key, []).append(value.decode("latin-1"))

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def one(self, name: str) -> str | None:
        """Return a header that is there once; None for none or several."""
        found = self.all(name)
        return found[0] if len(found) == 1 else None


def _refusal(scope: Scope, headers: _Headers, access: Access) -> Refusal | None:
    """Return why a request may not pass, or None."""
    is_socket = scope["type"] == "websocket"
    if headers.one("host") not in access.hosts:
        return Refusal(421, "this server has another name")
    if not is_socket and scope["method"] not in _METHODS:
        return Refusal(405, f"methods are {', '.join(_METHODS)}")
    origins = headers.all("origin")
    needs_origin = is_socket or scope["method"] == "POST"
    if (origins or needs_origin) and not _is_ours(origins, headers, access):
        return Refusal(403, "requests of other pages are refused")
    address = scope.get("raw_path") or scope["path"].encode()
    if len(address) + len(scope.get("query_string", b"")) > _LONGEST_ADDRESS:
        return Refusal(414, "the address is too long")
    if _leads_astray(address, scope["path"]):
        return Refusal(404, "there is no such page")
    length = headers.all("content-length")
    if any(not one.isdigit() or int(one) > MOST_BYTES for one in length):
        return Refusal(413, f"a body may have {MOST_BYTES} bytes")
    if scope["path"].startswith("/api/") or is_socket:
        return _without_token(scope, headers, access)
    return None


def _is_ours(origins: list[str], headers: _Headers, access: Access) -> bool:
    if len(origins) != 1:
        return False
    scheme, _, host = origins[0].partition("://")
    return scheme == "http" and host in access.hosts and host == headers.one("host")


def _leads_astray(address: bytes, path: str) -> bool:
    low = address.lower()
    encoded = any(one in low for one in (b"%2e", b"%2f", b"%5c", b"%00", b"%25"))
    return encoded or "\\" in path or "\0" in path or ".." in path or "//" in path


def _without_token(scope: Scope, headers: _Headers, access: Access) -> Refusal | None:
    """Return why something behind the token may not be had, or None."""
    if any(one not in ("same-origin", "none") for one in headers.all("sec-fetch-site")):
        return Refusal(403, "requests of other pages are refused")
    if scope["type"] == "websocket":
        offered = scope.get("subprotocols", [])
        known = len(offered) == 2 and offered[0] == _PROTOCOL
        given = offered[1] if known else ""
    elif scope["path"] == _TICKET_PATH:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        given = query.get("ticket", [""])[0]
        good = hmac.compare_digest(given.encode(), access.ticket.encode())
        return None if good else Refusal(401, "the ticket is wrong")
    else:
        given = headers.one("x-nervure-token") or ""
    if access.knows(given):
        return None
    return Refusal(401, "open the address that `nervure studio` printed")


async def _refuse(
    refusal: Refusal, is_socket: bool, receive: Receive, send: Send
) -> None:
    if is_socket:
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.reason})
        return
    body = f"{refusal.reason}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'"),
        (b"connection", b"close"),
    ]
    start = {"type": "http.response.start", "status": refusal.status}
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _whole_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            raise _TooLongError
        if not message.get("more_body"):
            return b"".join(parts)


def _with_headers(send: Send, access: Access, path: str) -> Send:
    """Return ``send`` that adds what browsers are told about every answer."""
    fixed = {
        b"content-security-policy": access.policy().encode(),
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"no-referrer",
        b"cross-origin-resource-policy": b"same-origin",
        b"cross-origin-opener-policy": b"same-origin",
        b"permissions-policy": b"camera=(), microphone=(), geolocation=()",
        b"cache-control": b"no-store" if path.startswith("/api/") else b"no-cache",
    }

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            there = {name for name, _ in message["headers"]}
            added = [pair for pair in fixed.items() if pair[0] not in there]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sending
