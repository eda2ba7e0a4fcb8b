"""Connections that send half a request, too much of one, or read nothing: others are served all the same."""

import asyncio
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from hfv_builder.storage.manifest import Manifests
from review_ui import connections
from review_ui.connections import Connection, server_config
from tests.review_ui.browser import Served

GET = b"GET /enter HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
POST = b"POST /api/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n"


@pytest.fixture(scope="module")
def served(sample: Manifests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose deadlines are short."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "ARRIVAL_S", 0.5)
        patch.setattr(connections, "STALL_S", 0.5)
        patch.setattr(connections, "MOST", 40)
        served = Served(sample, export_on_exit=False, db=tmp_path_factory.mktemp("db") / "d.sqlite")
        yield served
        served.end()


def dial(served: Served, sent: bytes = b"") -> socket.socket:
    """Open a connection and send this."""
    line = socket.create_connection(("127.0.0.1", served.port), timeout=10)
    line.sendall(sent)
    return line


def answered(line: socket.socket) -> bytes:
    """What comes until the server closes the connection or pauses."""
    line.settimeout(10)
    try:
        return line.recv(65536)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("half", [b"", GET[:-2], GET[:5], POST, POST + b"{", b"\r\n", GET + POST])
def test_half_a_request_does_not_keep_its_connection(served: Served, half: bytes) -> None:
    with dial(served, half) as line:
        began = time.monotonic()
        while answered(line):
            assert time.monotonic() - began < 5
        assert time.monotonic() - began < 3


def test_a_request_sent_byte_by_byte_has_no_more_time(served: Served) -> None:
    with dial(served) as line, pytest.raises(OSError):  # noqa: PT011, PT012 - reset, or a broken pipe
        for byte in GET * 4:
            line.sendall(bytes([byte]))
            time.sleep(0.03)


async def much(scope: Any, receive: Any, send: Any) -> None:
    """Send 650 MB."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(10_000):  # more than all buffers hold
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})


async def crowd(lines: int, limit: int) -> tuple[bytes, int]:
    """Open connections that read nothing of a long response, then another; its answer, and the connections at last."""
    config = server_config(much, host="127.0.0.1", port=0, log_level="critical", stop_s=1)
    config.limit_concurrency = limit
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    opened = []
    for _ in range(lines + 1):
        opened.append(await asyncio.open_connection("127.0.0.1", port, limit=1024))
        opened[-1][1].write(GET)
        await asyncio.sleep(0.2 / lines)
    status = await opened[-1][0].readline()
    open_for = time.monotonic()
    while server.server_state.connections and time.monotonic() < open_for + 1:
        await asyncio.sleep(0.02)
    left = len(server.server_state.connections)
    for _, writer in opened:
        writer.close()
    server.should_exit = True
    await running
    return status, left


def test_who_reads_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STALL_S", 0.3)
    assert asyncio.run(crowd(1, 9)) == (b"HTTP/1.1 200 OK\r\n", 0)


def test_many_who_read_nothing_leave_room_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    assert asyncio.run(crowd(4, 5))[0] == b"HTTP/1.1 200 OK\r\n"


def test_headers_without_end_are_refused_early(served: Served) -> None:
    with dial(served, GET[:-2]) as line:
        sent = 0
        with pytest.raises(OSError):  # noqa: PT011, PT012
            for number in range(20_000):
                line.sendall(b"x-%d: %s\r\n" % (number, b"y" * 100))
                sent += 110
        assert sent < 2_000_000  # what fits into the buffers of both sockets


def test_many_waiting_connections_leave_room_for_another(served: Served) -> None:
    lines = [dial(served, GET[:10]) for _ in range(60)]
    with dial(served, GET) as line:
        assert answered(line).startswith(b"HTTP/1.1 200")
    for each in lines:
        each.close()


def test_files_that_a_process_may_open_bound_its_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 512)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    assert connections.most_connections() == 128
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 20, 1 << 20))
    assert connections.most_connections() == 512


def test_the_command_serves_through_these_connections(
    monkeypatch: pytest.MonkeyPatch, manifests: Manifests, tmp_path: Path
) -> None:
    from pipelines.review import review

    configs: list[Any] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server: configs.append(server.config))
    review(manifests, db=tmp_path / "d.sqlite", port=1)
    assert configs[0].http is Connection
