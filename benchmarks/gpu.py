"""Speed of the four models on a GPU, with random weights of the true sizes: nothing is downloaded.

    python -m benchmarks.gpu            on a GPU, true sizes
    python -m benchmarks.gpu --small    anywhere, tiny models and small frames, to see that it runs

For each model: frames (RAFT: pairs in both directions) per second at the true input size, the speed-up over the plain
calls, the roofline, and the operations that take the most time. Then whole clips, decoding included: clips per second,
the share of the time in which the GPU was idle, the speed-up over the plain implementation, and the cost of thousands
of clips.
"""

import argparse
import dataclasses
import datetime
import functools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from tabulate import tabulate

from benchmarks.gpu_models import MODELS, measure, ways
from benchmarks.roofline import busy_seconds, measure_device, wait
from hfv_builder.backends.precision import forbid_rounding
from hfv_builder.backends.registry import resolve
from hfv_builder.backends.weights import PINS, WeightsDir
from hfv_builder.frames import video
from hfv_builder.frames.prefetch import looking_ahead
from hfv_builder.profiles.profile import Profile, for_device, load_profile
from hfv_builder.scoring.scorer import Scorer
from tests.checkpoints import make, repinned
from tests.reference import Reference

RESULTS = Path(__file__).parent / "results"
PLAIN_FRAMES = 12
"""Frames of the clip that both implementations score; the plain one takes seconds per frame."""
HFV, MANY = 7300, 1_000_000
"""Numbers of clips whose cost is printed: that of the paper's data set, and a million."""


def main() -> None:
    """Measure, print tables, and write them to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="The four models on a GPU.")
    parser.add_argument("--small", action="store_true", help="tiny models, small frames: runs on a CPU")
    parser.add_argument("--compile", action="store_true", help="flow and depth with torch.compile")
    parser.add_argument("--models", nargs="*", choices=MODELS, default=MODELS, help="those to measure on their own")
    parser.add_argument("--clips", type=int, default=4, help="whole clips to score; 0 for none")
    parser.add_argument("--weights", type=Path, help="where to keep the random weights for the next run")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not options.small:
        parser.error("there is no GPU here; --small runs on a CPU")
    if device == "cuda":
        forbid_rounding()  # for the plain calls too
    height, width, frames = (96, 160, 6) if options.small else (720, 1280, 120)
    with tempfile.TemporaryDirectory(prefix="hfv-gpu-") as temporary:
        root = Path(temporary)
        store = weights(options.weights or root / "weights", "tiny" if options.small else "true")
        profiles = {
            name: _profile(name, device, compiled=options.compile, small=options.small)
            for name in ("paper", "paper-fast")
        }
        ceilings = measure_device(device, 512 if options.small else 8192)
        print(
            f"{ceilings.name}, torch {torch.__version__}: matrices at {ceilings.flops / 1e12:.1f} TFLOP/s, "
            f"copies at {ceilings.bandwidth / 1e9:.0f} GB/s",
            flush=True,
        )
        paper = profiles["paper"]
        reference = Reference(paper, store, device)
        rows = [
            measure(name, ways(name, paper, reference, store, device, (height, width)), ceilings, device)
            for name in options.models
        ]
        if rows:
            print(table(rows), flush=True)
        clips = [render(root / f"{number}.mp4", frames, height, width, number) for number in range(options.clips)]
        short = render(root / "short.mp4", min(frames, PLAIN_FRAMES), height, width, 0)
        whole = []
        for name, profile in profiles.items() if clips else ():
            scorer = Scorer(resolve(profile, device=device, store=store), store=store)
            whole.append({"profile": name, **end_to_end(clips, short, scorer, device)})
            print(tabulate([whole[-1]], headers="keys", floatfmt=".4g"), flush=True)
            if name == "paper":
                whole[-1]["times_plain"] = against_plain(short, scorer, reference, device)
                print(f"{whole[-1]['times_plain']:.3g} times as fast as the plain way", flush=True)
    RESULTS.mkdir(exist_ok=True)
    written = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": dataclasses.asdict(ceilings),
        "torch": torch.__version__,
        "compiled": options.compile,
        "models": rows,
        "end_to_end": whole,
    }
    (RESULTS / "gpu.json").write_text(json.dumps(written, indent=1) + "\n")


def weights(root: Path, size: str) -> WeightsDir:
    """Return random weights; those that are missing are made, on the GPU if there is one, which takes seconds."""
    if all((root / name).is_dir() for name in MODELS):
        return WeightsDir(root=root, pins={**PINS, **{name: repinned(root / name, name) for name in MODELS}})
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        return make(root, dict.fromkeys(MODELS, size))


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table, and below it the operations that take the most time."""
    cells = [[value for key, value in row.items() if key != "time"] for row in rows]
    headers = [key for key in rows[0] if key != "time"]
    lines = [tabulate(cells, headers=headers, floatfmt=".4g"), *(f"{row['model']}: {row['time']}" for row in rows)]
    return "\n".join(lines)


def _profile(name: str, device: str, *, compiled: bool, small: bool) -> Profile:
    profile = for_device(load_profile(name), device)
    sides: dict[str, Any] = {"long_side": 128} if small else {}
    return dataclasses.replace(
        profile,
        flow=dataclasses.replace(profile.flow, compile=compiled, **sides),
        depth=dataclasses.replace(profile.depth, compile=compiled, **sides),
    )


def render(path: Path, frames: int, height: int, width: int, seed: int, rate: int = 24) -> Path:
    """Write a clip of a moving texture."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, height // 8, width // 8), np.float32))
    ground = torch.nn.functional.interpolate(coarse, (height, width + 2 * frames), mode="bicubic").clamp(0, 1)[0]
    picture = (ground * 255).to(torch.uint8).permute(1, 2, 0).numpy()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            part = np.ascontiguousarray(picture[:, 2 * number : 2 * number + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(part, format="rgb24")))
        container.mux(stream.encode())
    return path


def end_to_end(clips: list[Path], short: Path, scorer: Scorer, device: str) -> dict[str, float]:
    """Score clips, decoding included: speed, idle share of the GPU, and the cost of thousands of clips.

    The idle share is the time per frame minus the GPU's busy time per frame of the short clip, as a share of the
    former.
    """
    decode = functools.partial(video.decode, pairs=scorer.profile.pairs)
    scorer.score(decode(clips[0]))
    wait(device)

    def run(some: list[Path]) -> float:
        start = time.perf_counter()
        with looking_ahead(some, decode, pin=device == "cuda") as ahead:
            for _, chunks in ahead:
                scorer.score(chunks)
        wait(device)
        return time.perf_counter() - start

    spent, idle = run(clips), float("nan")
    if device == "cuda":
        # Measured separately, since the profiler takes time, and on a short clip, since it stores every kernel.
        run([short])
        activities = [torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
            run([short])
        scored, profiled = (sum(len(chunk.rgb) for path in some for chunk in decode(path)) for some in (clips, [short]))
        idle = 1 - busy_seconds(profiler) / profiled * scored / spent
    a_clip = spent / len(clips)
    return {
        "clips_per_s": 1 / a_clip,
        "gpu_idle": idle,
        f"hours_for_{HFV}": HFV * a_clip / 3600,
        f"hours_for_{MANY}": MANY * a_clip / 3600,
    }


def against_plain(clip: Path, scorer: Scorer, reference: Reference, device: str) -> float:
    """Return the speed-up over the plain implementation on a short clip, decoding included."""
    scorer.score(video.decode(clip))
    wait(device)
    start = time.perf_counter()
    scorer.score(video.decode(clip))
    wait(device)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    reference.score(clip)
    return (time.perf_counter() - start) / ours


if __name__ == "__main__":
    main()
