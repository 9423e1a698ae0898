"""The studio refuses what no page of its own would ask."""

from __future__ import annotations

import contextlib
import json
import socket
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from nervure.studio.access import MOST_BYTES
from nervure.studio.application import Subject
from nervure.studio.server import Server
from nervure.tblog import EventWriter

METHODS = ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "GE T"]
API = "/api/about"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    with EventWriter(outside / "secret") as writer:
        writer.add_scalar("secret", 1.0, step=0)
    folder = tmp_path_factory.mktemp("runs")
    with EventWriter(folder / "mine") as writer:
        writer.add_scalar("loss", 0.5, step=0)
    (folder / "link").symlink_to(outside / "secret")
    linked = folder / "linked_file"
    linked.mkdir()
    (event_file,) = (outside / "secret").iterdir()
    (linked / event_file.name).symlink_to(event_file)
    found = Server(Subject(folder=folder), body_seconds=0.5).start()
    yield found
    found.close()


def answer(server, text: bytes, patience: float = 5.0) -> bytes:
    """Send bytes as they are and return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), patience) as connection:
        connection.sendall(text)
        parts = []
        while True:
            try:
                part = connection.recv(65536)
            except ConnectionResetError:
                break
            if not part:
                break
            parts.append(part)
        return b"".join(parts)


def request(
    server, method="GET", path=API, *, host=None, token=None, body=b"", **headers
) -> int:
    """Return the status of one request; headers that are None are left out."""
    lines = {
        "Host": f"127.0.0.1:{server.port}" if host is None else host,
        "X-Nervure-Token": server.access.token if token is None else token,
        "Connection": "close",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    if body and "Content-Length" not in lines:
        lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    text = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
    return status(answer(server, text))


def status(text: bytes) -> int:
    return int(text.split(b" ", 2)[1]) if text else 0


def own(server) -> str:
    return f"http://127.0.0.1:{server.port}"


def test_own_requests_pass(server):
    assert request(server) == 200
    assert request(server, "HEAD") == 200
    assert request(server, path="/", token="") == 200
    assert request(server, host=f"localhost:{server.port}") == 200
    body = b'{"runs": ["mine"]}'
    path = "/api/runs/scalars"
    assert request(server, "POST", path, body=body, Origin=own(server)) == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1.nip.io:{port}"],
)
def test_rebound_names_are_refused(server, method, host):
    named = host.format(port=server.port)
    assert request(server, method, host=named, Origin=own(server)) == 421
    assert request(server, method, "/", host=named, Origin=f"http://{named}") == 421


def test_hosts_that_are_missing_or_double_are_refused(server):
    line = f"Host: 127.0.0.1:{server.port}\r\n"
    assert status(answer(server, f"GET {API} HTTP/1.1\r\n\r\n".encode())) == 400
    twice = f"GET {API} HTTP/1.1\r\n{line}Host: evil.example\r\n\r\n"
    assert status(answer(server, twice.encode())) in (400, 421)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://evil.example",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:{port}.evil.example",
        "http://localhost:{port}",
        "file://",
    ],
)
def test_foreign_origins_are_refused(server, method, origin):
    body = b"{}" if method == "POST" else b""
    named = origin.format(port=server.port)
    assert request(server, method, body=body, Origin=named) == 403


def test_posts_without_an_origin_are_refused(server):
    assert request(server, "POST", "/api/runs/scalars", body=b'{"runs": []}') == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_requests_that_other_sites_began_are_refused(server, site):
    assert request(server, Sec_Fetch_Site=site) == 403


@pytest.mark.parametrize("method", METHODS)
def test_other_methods_are_refused(server, method):
    assert request(server, method, Origin=own(server)) in (400, 405)


@pytest.mark.parametrize("token", ["", "wrong", "é", "a" * 5000])
@pytest.mark.parametrize(
    "path", [API, "/api/runs", "/api/inspector", "/api/none", "/api/program/page"]
)
def test_wrong_tokens_are_refused(server, token, path):
    assert request(server, path=path, token=token) == 401


def test_the_ticket_opens_one_page_only(server):
    ticket = server.access.ticket
    page = "/api/program/page"
    assert request(server, path=f"{page}?ticket={ticket}x", token="") == 401
    assert request(server, path=f"{page}?ticket={server.access.token}") == 401
    assert request(server, token=ticket) == 401


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/%252e%252e/etc/passwd",
        "/static/../../etc/passwd",
        "//etc/passwd",
        "/studio.js/../../server.py",
        "/..\\..\\etc\\passwd",
        "/..%5c..%5cetc",
        "/studio.js%00.html",
        "/server.py",
        "/index.html",
        "/static/studio.js",
        "/etc/passwd",
    ],
)
def test_no_path_leads_elsewhere(server, path):
    assert request(server, path=path) in (400, 404)


@pytest.mark.parametrize(
    "name",
    [
        "../outside/secret",
        "link",
        "linked_file",
        "/etc",
        "..",
        "",
        "mine/../link",
        None,
        3,
    ],
)
def test_only_runs_of_the_folder_are_read(server, name):
    body = json.dumps({"run": name}).encode()
    path = "/api/runs/details"
    assert request(server, "POST", path, body=body, Origin=own(server)) == 400
    listed = answer(
        server,
        f"GET /api/runs HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close"
        f"\r\nX-Nervure-Token: {server.access.token}\r\n\r\n".encode(),
    )
    assert b'"mine"' in listed and b"link" not in listed


@pytest.mark.parametrize("length", [MOST_BYTES + 1, 10**30, "-1", "1e3", "0x10"])
def test_announced_bodies_that_are_too_long_are_refused(server, length):
    found = request(
        server,
        "POST",
        "/api/runs/scalars",
        Origin=own(server),
        Content_Length=str(length),
    )
    assert found in (400, 413)


def test_long_chunked_bodies_are_refused(server):
    head = (
        f"POST /api/runs/scalars HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"X-Nervure-Token: {server.access.token}\r\nOrigin: {own(server)}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(head.encode())
        try:
            for _ in range(5):
                connection.sendall(chunk)
            found = connection.recv(100)
        except (BrokenPipeError, ConnectionResetError):
            return  # closed before all was sent
    assert status(found) == 413


def test_slow_bodies_are_refused(server):
    head = (
        f"POST /api/runs/scalars HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"X-Nervure-Token: {server.access.token}\r\nOrigin: {own(server)}\r\n"
        "Content-Length: 100\r\n\r\n{"
    )
    began = time.monotonic()
    assert status(answer(server, head.encode())) == 408
    assert time.monotonic() - began < 4


def test_headers_that_never_end_are_not_waited_for(server, monkeypatch):
    monkeypatch.setattr("nervure.studio.server._HEADER_SECONDS", 0.3)
    began = time.monotonic()
    assert answer(server, f"GET {API} HTTP/1.1\r\nHost: ".encode()) == b""
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"3"])
def test_bodies_that_are_no_objects_are_refused(server, body):
    path = "/api/runs/scalars"
    assert request(server, "POST", path, body=body, Origin=own(server)) == 400


def test_long_addresses_are_refused(server):
    assert request(server, path="/?" + "x" * 5000) == 414
    assert request(server, path="/" + "x" * 200_000) in (0, 400, 414, 431)


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": None},
        {"subprotocols": ["nervure", "wrong"]},
        {"subprotocols": ["nervure"]},
        {"subprotocols": None},
        {"additional_headers": {"Sec-Fetch-Site": "cross-site"}},
        {"path": "/api/other"},
    ],
)
def test_foreign_sockets_are_refused(server, change):
    options = {
        "origin": own(server),
        "subprotocols": ["nervure", server.access.token],
        **change,
    }
    path = options.pop("path", "/api/playground")
    with pytest.raises(InvalidStatus) as caught:
        connect(f"ws://127.0.0.1:{server.port}{path}", **options)
    assert caught.value.response.status_code in (403, 404)


def test_sockets_through_a_rebound_name_are_refused(server):
    text = (
        "GET /api/playground HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nOrigin: {own(server)}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Protocol: nervure, {server.access.token}\r\n\r\n"
    )
    assert status(answer(server, text.encode())) == 403


@pytest.mark.parametrize(
    "message",
    [
        "[]",
        "{",
        '{"type": "_run"}',
        '{"type": ["play"]}',
        '{"type": "play"}',
        '{"type": "configure", "choices": {"data": "../../etc/passwd"}}',
        '{"type": "configure", "choices": {"hidden": [1000000]}}',
        '{"type": "configure", "choices": {"rate": NaN}}',
        '{"type": "configure", "choices": {"batch": true}}',
        '{"type": "weight", "layer": 0, "source": 0, "target": 0, "value": 1e999}',
    ],
)
def test_messages_that_make_no_sense_are_answered_with_an_error(server, message):
    with connect(
        f"ws://127.0.0.1:{server.port}/api/playground",
        origin=own(server),
        subprotocols=["nervure", server.access.token],
    ) as one:
        assert json.loads(one.recv(5))["type"] == "hello"
        one.send(message)
        assert json.loads(one.recv(5))["type"] == "error"


def test_uploads_through_sockets_are_bounded(server):
    def opened():
        return connect(
            f"ws://127.0.0.1:{server.port}/api/playground",
            origin=own(server),
            subprotocols=["nervure", server.access.token],
        )

    with opened() as one:
        with contextlib.suppress(ConnectionClosed):
            one.send("x" * (MOST_BYTES + 1))
        with pytest.raises(ConnectionClosed) as caught:
            list(one)
    closed = caught.value.rcvd  # None if the end came while we still wrote
    assert closed is None or closed.code == 1009
    with opened() as one:
        table = "1,2,3\n" * 400_000
        message = {"type": "configure", "choices": {"data": "csv"}, "table": table}
        one.send(json.dumps(message))
        found = [json.loads(one.recv(20))]
        while found[-1]["type"] != "error" and len(found) < 50:
            found.append(json.loads(one.recv(20)))
    assert "2000000 is the most" in found[-1]["message"]


def test_answers_carry_a_strict_policy(server):
    text = answer(
        server,
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n"
        "".encode(),
    ).lower()
    for part in (
        b"default-src 'none'",
        b"script-src 'self';",
        b"frame-ancestors 'none'",
    ):
        assert part in text
    assert b"unsafe" not in text.partition(b"\r\n\r\n")[0]
    for header in (b"nosniff", b"no-referrer", b"same-origin"):
        assert header in text


def test_only_this_machine_is_listened_to(server):
    assert server._socket.getsockname()[0] == "127.0.0.1"
    assert len(server.access.token) >= 43  # 256 bits


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_listening_everywhere_is_refused(host):
    from nervure.errors import ArgumentError

    with pytest.raises(ArgumentError, match="needs a name"):
        Server(Subject(), host=host)


def test_another_address_is_listened_to_where_it_is_asked_for():
    """As docs/guides/security.md says."""
    asked = Server(Subject(), host="127.0.0.2").start()
    try:
        assert asked._socket.getsockname()[0] == "127.0.0.2"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", asked.port), 1)
    finally:
        asked.close()
