"""HTTP connections with deadlines: for a request to arrive, and for a client to read the response."""

import asyncio
import resource
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

ARRIVAL_S = 20.0
"""Seconds within which a request must arrive completely, counted from the connection or from its first byte."""
STALL_S = 300.0
"""Seconds for which a client may read nothing of a response. Browsers pause a long video for minutes."""
MOST = 512
"""Largest number of open connections. Another one closes the one whose deadline, without a request or without anything
being read, is next."""


class Connection(H11Protocol):
    """uvicorn's connection with deadlines. h11 limits the headers of a request to 64 KiB, httptools does not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make a connection without a deadline; uvicorn gives the arguments."""
        super().__init__(*args, **kwargs)
        self._arrival: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first request; close another connection if there are too many."""
        super().connection_made(transport)
        self._arrival = self.loop.call_later(ARRIVAL_S, transport.abort)
        if len(self.connections) > most_connections():
            others = [one for one in self.connections if isinstance(one, Connection) and one is not self]
            if waiting := [one for one in others if one.idle] or [one for one in others if one._stall is not None]:
                min(waiting, key=Connection.deadline).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadlines."""
        for timer in (self._arrival, self._stall):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handle what has arrived; start a deadline for the rest of a request, cancel it once that is complete."""
        super().handle_events()
        if self._complete():
            if self._arrival is not None:
                self._arrival.cancel()
            self._arrival = None
        elif self._arrival is None and not self.transport.is_closing():
            self._arrival = self.loop.call_later(ARRIVAL_S, self.transport.abort)

    def pause_writing(self) -> None:
        """Start the deadline for the client to read on."""
        super().pause_writing()
        self._stall = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Cancel that deadline."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
        self._stall = None

    @property
    def idle(self) -> bool:
        """Whether no response is being made."""
        return self.cycle is None or self.cycle.response_complete

    def deadline(self) -> float:
        """Return when the connection is closed if nothing arrives or is read, in seconds of the event loop."""
        timers = (self._arrival, self._stall, self.timeout_keep_alive_task)
        return min((timer.when() for timer in timers if timer is not None), default=0.0)

    def _complete(self) -> bool:
        """Return whether the server has the whole request that it answers."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body


def most_connections() -> int:
    """Return the largest number of open connections: `MOST`, or half of the files that the process may open."""
    return min(MOST, max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))


def server_config(app: Any, *, host: str, port: int, log_level: str = "warning", stop_s: int = 5) -> uvicorn.Config:
    """Return the configuration of the server of an app.

    Args:
        app: the ASGI app.
        host: the address to listen on.
        port: the port to listen on.
        log_level: uvicorn's; `info` logs requests.
        stop_s: seconds for running requests when the server stops.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Connection,
        ws="none",
        h11_max_incomplete_event_size=64 * 1024,
        # Connections above the limit that are all busy: more are answered with 503.
        limit_concurrency=most_connections() + 64,
        log_level=log_level,
        server_header=False,
        timeout_graceful_shutdown=stop_s,
    )
