"""The clips that are measured: short cuts of real ones."""

from pathlib import Path

import av

REAL_CLIPS = Path(__file__).resolve().parents[2] / "shared" / "clips"
KINDS = ("wan21", "videophy2", "hunyuanvideo", "cogvideo", "real", "anyv2v", "sfwan")


def cuts(folder: Path, into: Path, *, clips: int, frames: int) -> list[Path]:
    """The first frames of some clips, one of each kind in turn, as files of their own; none if the folder is not there.

    Both sides of a comparison decode the very same files.
    """
    kinds = [sorted((folder / kind).glob("*.mp4")) for kind in KINDS]
    turns = [found[turn] for turn in range(max(map(len, kinds), default=0)) for found in kinds if turn < len(found)]
    return [cut(path, into / f"{number:03d}.mp4", frames) for number, path in enumerate(turns[:clips])]


def cut(source: Path, target: Path, frames: int) -> Path:
    """The first frames of a clip, encoded anew."""
    with av.open(str(source)) as read, av.open(str(target), "w") as write:
        video = read.streams.video[0]
        stream = write.add_stream("libx264", rate=video.average_rate or 25, options={"crf": "12"})
        stream.width, stream.height = video.width // 2 * 2, video.height // 2 * 2
        stream.pix_fmt = "yuv420p"
        for _, frame in zip(range(frames), read.decode(video), strict=False):
            write.mux(stream.encode(frame.reformat(stream.width, stream.height, "yuv420p")))
        write.mux(stream.encode())
    return target
