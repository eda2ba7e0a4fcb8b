"""Measure the grid over 100,000 clips, `python -m benchmarks.browse`: pages, filters, orders, and searches."""

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.review import make_manifests, percentiles
from benchmarks.review_client import Client, serve

BROWSED = {
    "first_page": "?count=48",
    "sorted": "?count=48&sort=motion&descending=true",
    "filtered": "?count=48&generator=generator03&label=motion&metric=spatial&score_from=0.5&sort=margin",
    "last_page": "?count=48&skip=99900",
    "name": "?count=48&text={digit}77.mp4",
    "id": "?count=48&text={digit:04x}00000000001",
}
"""The requests to the grid; `digit` differs from request to request."""


def measure_browse(root: Path, clips: int, rounds: int = 30) -> dict[str, Any]:
    """Measure the grid over many clips: the first request after a start, and the pages and searches after it."""
    make_manifests(root, clips)
    settings = root / "settings.toml"
    settings.write_text('browse = "open"\n', encoding="utf-8")
    server = serve(root, settings)

    async def ask() -> dict[str, Any]:
        client = Client(server.port, "reader")
        await client.enter()
        waits: dict[str, list[float]] = {}
        for number in range(rounds):
            for name, query in BROWSED.items():
                began = time.perf_counter()
                await client.call("GET", "/api/browse" + query.format(digit=number % 10))
                waits.setdefault(name if number else f"{name}, first", []).append(time.perf_counter() - began)
        await client.leave()
        return {name: percentiles(seconds) for name, seconds in waits.items()}

    try:
        return {"clips": clips, "ms": asyncio.run(ask()), "memory_mb": server.memory_mb()}
    finally:
        server.stop()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[1]))
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure_browse(Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 100_000), indent=2))
