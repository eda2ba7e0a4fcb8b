"""Measure the review app: `python -m benchmarks.review crowd|kill|browser|touch`.

crowd: 100,000 clips, 50 reviewers at once, 20,000 decisions: start, memory, time to the next clip.
kill: kill -9 under load, round after round: every decision that was answered 200 must be there, none twice.
browser: from a key press to the first frame of the next clip, in Chromium, on the project's own or any other clips.
touch: a session by touch on a small screen: every decision must be kept for its clip, in order.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.review_client import Client, Server, serve
from hfv_builder.records import METRICS
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS, SCORES, SPLITS
from review_ui.store import DecisionLog

ANSWERS = ("spatial", "appearance", "motion", "none")
THINK_S = 1.0
"""Seconds that a simulated reviewer takes for a clip: an eighth of the time of a good human reviewer."""


def make_manifests(root: Path, clips: int, generators: int = 10, steps: int = 16) -> None:
    """Make manifests of clips whose files do not exist."""
    manifests = Manifests(root)
    rng = np.random.default_rng(0)
    for number in range(generators):
        name = f"generator{number:02}"
        n = clips // generators
        ids = [f"{number:04x}{i:012x}" for i in range(n)]
        common = {"clip_id": ids, "generator": [name] * n}
        ranks = {f"rank_{metric}": rng.permutation(n) + 1 for metric in METRICS}
        stacked = np.sort(np.stack(list(ranks.values()), axis=1), axis=1)
        auto = np.stack(list(ranks.values()), axis=1).argmin(axis=1)
        told = {"is_real": [False] * n, "path": [f"/nowhere/{i}.mp4" for i in ids], "status": ["ok"] * n}
        shape = {"width": [1280] * n, "height": [720] * n, "fps": [24.0] * n, "num_frames": [120] * n}
        media = {"bytes": [1] * n, "codec": ["h264"] * n, "pix_fmt": ["yuv420p"] * n, "rotation": [0] * n}
        prompt = {"prompt": [f"A person does something with the thing number {i}, in a street at night." for i in ids]}
        manifests.replace(CLIPS, [_table(CLIPS.schema, common | told | shape | media | prompt)], generator=name)
        scored = {metric.value: rng.random(n) for metric in METRICS}
        group = {
            "auto_label": auto,
            "margin": stacked[:, 1] - stacked[:, 0],
            "group_size": [n] * n,
            "tied": [False] * n,
        }
        manifests.replace(LABELS, [_table(LABELS.schema, common | ranks | scored | group)], generator=name)
        split = np.where(rng.random(n) < 0.2, "val", "train")
        manifests.replace(SPLITS, [_table(SPLITS.schema, common | {"label": auto, "split": split})], generator=name)
        for metric in METRICS:
            traces = pa.array(list(rng.random((n, steps), np.float32)), SCORES.schema.field("trace").type)
            rows = common | {"metric": [metric.value] * n, "score": scored[metric], "trace": traces}
            frames = {"frames": [list(range(steps))] * n, "status": ["ok"] * n}
            manifests.replace(
                SCORES, [_table(SCORES.schema, rows | frames)], profile="lite", metric=metric.value, generator=name
            )


def _table(schema: pa.Schema, columns: dict[str, Any]) -> pa.Table:
    n = len(columns["clip_id"])
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(n, f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


@dataclass
class Crowd:
    """The measurements of all simulated reviewers."""

    left: int
    think_s: float
    waits: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    whose: dict[str, set[str]] = field(default_factory=dict)

    async def review(self, client: Client) -> None:
        """Answer clips until there are enough answers, or no clip is left."""
        rng = random.Random(client.name)  # noqa: S311 - a habit, not a secret
        try:
            await client.enter()
            await asyncio.sleep(rng.random() * self.think_s)
            while self.left > 0:
                began = time.perf_counter()
                hand = await client.call("POST", "/api/queues/labels/hand", {"count": 4})
                self.waits.append(time.perf_counter() - began)
                self.left -= 1
                if self.think_s:
                    await asyncio.sleep(self.think_s * (0.5 + rng.random()))
                if not hand["items"]:
                    break
                item = hand["items"][0]
                decision = {"decision_id": secrets.token_hex(16), "clip_id": item["clip_id"], "seconds": 1.0}
                began = time.perf_counter()
                await client.call("POST", "/api/decisions", decision | {"answer": rng.choice(ANSWERS)})
                self.kept.append(time.perf_counter() - began)
                self.given.append(f"{decision['decision_id']} {item['clip_id']}")
                self.whose.setdefault(item["clip_id"], set()).add(client.name)
        except (RuntimeError, OSError, asyncio.IncompleteReadError) as error:
            self.errors.append(repr(error))
        finally:
            await client.leave()


async def crowd(port: int, reviewers: int, decisions: int, think_s: float) -> Crowd:
    """Run reviewers concurrently until the number of decisions is reached."""
    together = Crowd(decisions, think_s)
    await asyncio.gather(*(together.review(Client(port, f"reviewer{i}")) for i in range(reviewers)))
    return together


def measure_crowd(root: Path, clips: int, decisions: int, reviewers: int) -> dict[str, Any]:
    """Measure start, memory and waiting times, with `THINK_S` per clip and then without pauses."""
    make_manifests(root, clips)
    first = serve(root)  # compiles every module that it imports, as after an installation
    first.stop()
    server = serve(root)
    found: dict[str, Any] = {"clips": clips, "first_start_s": first.started_s, "start_s": server.started_s}
    found["memory_after_start_mb"] = server.memory_mb()
    try:
        for name, share, think_s in (("paced", 1.0, THINK_S), ("flat_out", 0.25, 0.0)):
            began, busy = time.perf_counter(), server.cpu_s()
            done = asyncio.run(crowd(server.port, reviewers, int(decisions * share), think_s))
            found[name] = {
                "decisions": len(done.kept),
                "per_second": len(done.kept) / (time.perf_counter() - began),
                "server_cpu_ms_per_decision": round((server.cpu_s() - busy) / len(done.kept) * 1000, 2),
                "next_clip_ms": percentiles(done.waits),
                "decision_ms": percentiles(done.kept),
                "errors": len(done.errors),
                "clips_given_to_two": sum(len(names) > 1 for names in done.whose.values()),
            }
        found["memory_mb"] = server.memory_mb()
    finally:
        server.stop()
    return found


def measure_kill(root: Path, rounds: int, clips: int = 5000) -> dict[str, Any]:
    """Kill the server under load, check the decisions that it stored, and start it again."""
    make_manifests(root, clips, generators=2)
    answered: list[str] = []
    for number in range(rounds):
        server = serve(root)

        async def under_load(running: Server, number: int = number) -> Crowd:
            together = Crowd(10**9, 0.0)
            names = [Client(running.port, f"round{number} reviewer{i}") for i in range(8)]
            work = asyncio.gather(*(together.review(client) for client in names))
            while not together.given and not work.done():  # a busy machine may take a while
                await asyncio.sleep(0.01)
            await asyncio.sleep(random.Random(number).random() * 0.6)  # noqa: S311 - when to kill
            running.process.kill()
            await work
            return together

        answered += asyncio.run(under_load(server)).given
        server.process.wait()
    store = DecisionLog(root / "review" / "decisions.sqlite")
    kept = [f"{decision.decision_id} {decision.clip_id}" for decision in store.decisions()]
    store.close()
    return {
        "rounds": rounds,
        "answered": len(answered),
        "kept": len(kept),
        "lost": len(set(answered) - set(kept)),
        "twice": len(kept) - len(set(kept)),
    }


def measure_browser(manifests: Path, presses: int) -> dict[str, Any]:
    """Measure the time from a key press that ends a clip to the first frame of the next, when it takes answers."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("there is no chromium here")
    server = serve(manifests)
    times: list[float] = []
    asked: list[float] = []
    began = 0.0
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1366, "height": 768})
            page.goto(f"http://127.0.0.1:{server.port}/enter")
            page.fill("#name", "bench")
            page.keyboard.press("Enter")
            page.wait_for_selector(".queue")
            page.goto(f"http://127.0.0.1:{server.port}/review?queue=labels")
            page.wait_for_selector("#screen[data-swap]")
            for _ in range(presses):
                page.wait_for_selector("body[data-open=true]")
                began = began or time.perf_counter()
                before = page.get_attribute("#screen", "data-swap")
                page.keyboard.press("4")
                page.keyboard.press("Enter")
                if page.get_attribute("body", "data-phase") == "saving":
                    sent = time.perf_counter()
                    page.wait_for_selector("body[data-phase=revealed]")
                    asked.append(time.perf_counter() - sent)
                if page.get_attribute("body", "data-phase") == "revealed":
                    page.wait_for_selector("body[data-open=true]")
                    page.keyboard.press("Enter")
                page.wait_for_selector(f'#screen:not([data-swap="{before}"])')
                times.append(float((page.get_attribute("#screen", "data-swap") or "0 0").split()[1]))
            page.wait_for_selector("body[data-open=true]")
            each = (time.perf_counter() - began) / presses
            browser.close()
    finally:
        server.stop()
    return {
        "presses": len(times),
        "first_frame_ms": percentiles([ms / 1000 for ms in times]),
        "suggestion_ms": percentiles(asked),
        "clips_an_hour_without_looking": round(3600 / each),
        "clips_an_hour_looking_5_s": round(3600 / (5 + each)),
    }


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return percentiles in milliseconds."""
    if not seconds:
        return {}
    return {f"p{p}": round(float(np.percentile(seconds, p)) * 1000, 1) for p in (50, 95, 99, 100)}


@contextlib.contextmanager
def _folder(given: str | None) -> Iterator[Path]:
    if given:
        yield Path(given)
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def main() -> None:
    """Run one measurement and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("crowd", "kill", "browser", "touch"))
    parser.add_argument("--manifests", help="for browser: manifests of real clips")
    parser.add_argument("--clips", type=int, help="100,000 for crowd, 50 for touch")
    parser.add_argument("--decisions", type=int, default=20_000)
    parser.add_argument("--reviewers", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--presses", type=int, default=30)
    parser.add_argument("--screen", default="390x844", help="for touch: width and height in CSS pixels")
    args = parser.parse_args()
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[1]))
    if args.what == "browser" and not args.manifests:
        parser.error("browser needs --manifests DIR, manifests of clips that are there")
    with _folder(args.manifests) as root, tempfile.TemporaryDirectory() as bytecode:
        os.environ["PYTHONPYCACHEPREFIX"] = bytecode
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        if args.what == "crowd":
            found = measure_crowd(root, args.clips or 100_000, args.decisions, args.reviewers)
        elif args.what == "kill":
            found = measure_kill(root, args.rounds)
        elif args.what == "touch":
            from benchmarks.touch import measure_touch

            width, height = map(int, args.screen.split("x"))
            found = measure_touch(root, args.clips or 50, (width, height))
        else:
            found = measure_browser(root, args.presses)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
