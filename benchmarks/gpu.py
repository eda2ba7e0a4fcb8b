"""What a GPU makes of the four models, with random weights of the true sizes: nothing is downloaded.

    python -m benchmarks.gpu            on a GPU, true sizes
    python -m benchmarks.gpu --small    anywhere, tiny models and small frames, to see that it runs

For each model: frames (RAFT: pairs, both directions) a second at the true input size, the share of the device's own
measured matrix speed that this is, and the peak memory. Then whole clips, from the file on, decoded ahead, and the
share of that time in which the GPU had nothing to do.
"""

import argparse
import dataclasses
import datetime
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from tabulate import tabulate
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hfv_builder.backends import registry
from hfv_builder.backends.registry import resolve
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames import video
from hfv_builder.frames.prefetch import looking_ahead
from hfv_builder.profiles.profile import Profile, for_device, load_profile
from hfv_builder.scoring.scorer import Scorer
from tests.checkpoints import make

RESULTS = Path(__file__).parent / "results"
MODELS = ("depth_pro", "raft_large", "clip", "dinov2")


def main() -> None:
    """Measure, print a table, write it down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="The four models on a GPU.")
    parser.add_argument("--small", action="store_true", help="tiny models, small frames: runs on a CPU")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    parser.add_argument("--clips", type=int, default=4)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not options.small:
        parser.error("there is no GPU here; --small runs on a CPU")
    height, width, frames = (96, 160, 6) if options.small else (720, 1280, 120)
    with tempfile.TemporaryDirectory(prefix="hfv-gpu-") as temporary:
        root = Path(temporary)
        store = make(root / "weights", dict.fromkeys(MODELS, "tiny" if options.small else "true"))
        profile = _profile(device, compiled=options.compile, small=options.small)
        peak = matrix_speed(device, 512 if options.small else 8192)
        rows = [bench(each, profile, device, store, peak, (height, width)) for each in MODELS]
        clips = [render(root / f"{number}.mp4", frames, height, width, number) for number in range(options.clips)]
        whole = end_to_end(clips, Scorer(resolve(profile, device=device, store=store), store=store), device)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, matrices at {peak / 1e12:.1f} TFLOP/s")
    print(tabulate([row.values() for row in rows], headers=list(rows[0]), floatfmt=".4g"))
    print(tabulate([whole.values()], headers=list(whole), floatfmt=".4g"))
    RESULTS.mkdir(exist_ok=True)
    written = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": name,
        "torch": torch.__version__,
        "matrix_tflops": peak / 1e12,
        "models": rows,
        "end_to_end": whole,
    }
    (RESULTS / "gpu.json").write_text(json.dumps(written, indent=1) + "\n")


def _profile(device: str, *, compiled: bool, small: bool) -> Profile:
    profile = for_device(load_profile("paper"), device)
    side = 128 if small else 768
    changes: dict[str, Any] = {
        "flow": {"long_side": side},
        "depth": {"long_side": side},
        "background": {},
        "subject": {},
    }
    settled = {
        name: dataclasses.replace(getattr(profile, name), compile=compiled, **change)
        for name, change in changes.items()
    }
    return dataclasses.replace(profile, **settled)


def matrix_speed(device: str, side: int) -> float:
    """FLOP/s of a large matrix product in the precision of the models: what the chip gives at best."""
    dtype = torch.float16 if device == "cuda" else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds(lambda: a @ b, device)


def seconds(run: Callable[[], Any], device: str, *, at_least: float = 2.0) -> float:
    """Seconds that a run takes, the mean over `at_least` seconds of them after a warm-up."""
    run()
    _wait(device)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < at_least:
        run()
        _wait(device)
        count += 1
    return (time.perf_counter() - start) / count


def bench(
    name: str, profile: Profile, device: str, store: WeightsDir, peak: float, size: tuple[int, int]
) -> dict[str, str | float]:
    """One model on frames that are on the device already."""
    section = next(
        section
        for section in (profile.flow, profile.depth, profile.background, profile.subject)
        if section.backend == name
    )
    model = registry.load(section, device, store)
    count = 4 if device == "cpu" else {"depth_pro": 16, "raft_large": 17}.get(name, 128)
    rgb = torch.randint(0, 256, (count, *size, 3), dtype=torch.uint8, device=device)

    @torch.inference_mode()
    def run() -> Tensor:
        if name == "raft_large":
            known = model.encode((rgb.permute(0, 3, 1, 2).float() / 255).contiguous())
            before, after = tuple(each[:-1] for each in known), tuple(each[1:] for each in known)
            return torch.cat([model.flow(before, after), model.flow(after, before)])
        found: Tensor = model.maps(rgb) if name == "depth_pro" else model.embed(rgb)
        return found

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with FlopCounterMode(display=False) as counter:
        run()
    torch._dynamo.reset()  # what has run under the counter would never be compiled
    spent = seconds(run, device)
    each = count - 1 if name == "raft_large" else count
    return {
        "model": name,
        "unit": "pairs, both ways" if name == "raft_large" else "frames",
        "per_s": each / spent,
        "gflop_each": counter.get_total_flops() / each / 1e9,
        "share_of_peak": counter.get_total_flops() / spent / peak,
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else float("nan"),
    }


def render(path: Path, frames: int, height: int, width: int, seed: int, rate: int = 24) -> Path:
    """A clip of a texture that glides by."""
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


def end_to_end(clips: list[Path], scorer: Scorer, device: str) -> dict[str, float]:
    """All clips from the file on, decoded ahead: clips a second, and the share of the time that the GPU idles."""
    scorer.score(video.decode(clips[0]))
    _wait(device)

    def run(some: list[Path]) -> float:
        start = time.perf_counter()
        with looking_ahead(some, video.decode, pin=device == "cuda") as ahead:
            for _, chunks in ahead:
                scorer.score(chunks)
        _wait(device)
        return time.perf_counter() - start

    spent, idle = run(clips), float("nan")
    if device == "cuda":
        # Apart and short: the profiler takes time itself, and has room for the kernels of a few clips only.
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
            watched = run(clips[:2])
        idle = 1 - _busy(profiler) / watched
    return {"clips_per_s": len(clips) / spent, "gpu_idle": idle}


def _busy(profiler: Any) -> float:
    """Seconds in which at least one kernel or copy ran."""
    ranges = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        if event.device_type.name == "CUDA"
    )
    total, end = 0.0, float("-inf")
    for start, stop in ranges:
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total / 1e6


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
