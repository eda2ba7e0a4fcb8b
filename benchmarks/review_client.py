"""A review server in a separate process, and a reviewer on one connection to it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER = """
import sys
from pathlib import Path
from hfv_builder.storage.manifest import Manifests
from pipelines.review import review
settings = Path(sys.argv[3]) if len(sys.argv) > 3 else None
review(Manifests(Path(sys.argv[1])), port=int(sys.argv[2]), settings=settings)
"""


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int
    started_s: float

    def memory_mb(self) -> float:
        """Peak resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024

    def cpu_s(self) -> float:
        """Seconds of processor time so far."""
        times = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Stop the server, and wait for its end."""
        self.process.send_signal(how)
        self.process.wait()


def serve(root: Path, settings: Path | None = None) -> Server:
    """Start a server over these manifests and wait until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    arguments = [str(root), str(port), *([str(settings)] if settings else [])]
    process = subprocess.Popen([sys.executable, "-c", SERVER, *arguments], stderr=subprocess.DEVNULL)
    while time.perf_counter() - began < 60:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return Server(process, port, time.perf_counter() - began)
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise SystemExit("the server did not start")


@dataclass
class Client:
    """One reviewer on one connection, whose own computation adds as little time as possible."""

    port: int
    name: str
    cookie: str = ""
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of the response; raise on any status except success."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Length: {len(data)}\r\n"
        head += f"Content-Type: application/json\r\nCookie: {self.cookie}\r\n\r\n"
        writer.write(head.encode() + data)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in answer[1:] if ": " in line)
        text = await reader.readexactly(int(headers.get("content-length", 0)))
        if not answer[0].startswith("HTTP/1.1 2"):
            raise RuntimeError(f"{method} {path}: {answer[0]} {text[:200]!r}")
        for line in answer[1:]:
            if line.lower().startswith("set-cookie: "):
                self.cookie = line.split(": ", 1)[1].split(";")[0]
        return json.loads(text) if text else None

    async def leave(self) -> None:
        """Close the connection."""
        if self.streams is not None:
            self.streams[1].close()
            with contextlib.suppress(OSError):
                await self.streams[1].wait_closed()

    async def enter(self) -> None:
        """Sign in."""
        await self.call("POST", "/api/session", {"name": self.name})
