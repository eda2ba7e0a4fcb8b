"""The inputs of benchmarks: parts of real clips, the paper profile at a size for a CPU, a process like a worker."""

import dataclasses
import os
import sys
from pathlib import Path

import av

from hfv_builder.frames.media import open_media
from hfv_builder.profiles.profile import SECTIONS, Profile, load_profile
from pipelines.workers.local import ENVIRONMENT

REAL_CLIPS = Path(__file__).resolve().parents[2] / "shared" / "clips"
KINDS = ("wan21", "videophy2", "hunyuanvideo", "cogvideo", "real", "anyv2v", "sfwan")


def cuts(folder: Path, into: Path, *, clips: int, frames: int) -> list[Path]:
    """Return files with the first frames of some clips, one of each kind in turn; none if the folder does not exist.

    Both sides of a comparison decode the same files.
    """
    kinds = [sorted((folder / kind).glob("*.mp4")) for kind in KINDS]
    turns = [found[turn] for turn in range(max(map(len, kinds), default=0)) for found in kinds if turn < len(found)]
    return [cut(path, into / f"{number:03d}.mp4", frames) for number, path in enumerate(turns[:clips])]


def cut(source: Path, target: Path, frames: int) -> Path:
    """Write the first frames of a clip, encoded again."""
    with open_media(source) as read, av.open(str(target), "w") as write:
        video = read.streams.video[0]
        stream = write.add_stream("libx264", rate=video.average_rate or 25, options={"crf": "12"})
        stream.width, stream.height = video.width // 2 * 2, video.height // 2 * 2
        stream.pix_fmt = "yuv420p"
        for _, frame in zip(range(frames), read.decode(video), strict=False):
            write.mux(stream.encode(frame.reformat(stream.width, stream.height, "yuv420p")))
        write.mux(stream.encode())
    return target


def paper(long_side: int, precision: str) -> Profile:
    """The paper profile, flow and depth at a size for a CPU, flow in this precision.

    Only flow gets this precision: it is nine tenths of the work. Depth and embeddings are compared from frame to frame,
    and where frames hardly differ the rounding of bf16 would change the score.
    """
    profile = load_profile("paper")
    settled = {name: dataclasses.replace(getattr(profile, name), precision="fp32") for name in SECTIONS}
    settled["flow"] = dataclasses.replace(settled["flow"], precision=precision, long_side=long_side)
    settled["depth"] = dataclasses.replace(settled["depth"], long_side=long_side)
    return dataclasses.replace(profile, **settled)


def as_a_worker() -> None:
    """Restart as a local worker: with its environment, which is set before the process starts, and one thread."""
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        os.environ.update(ENVIRONMENT)
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 (this command again)
    import torch

    torch.set_num_threads(1)
