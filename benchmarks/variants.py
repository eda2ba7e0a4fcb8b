"""Time of all variants from one decode, and of encoding against a plain loop: `python -m benchmarks.variants`.

Real clips, one thread, processor seconds. The six variants of a clip are made together and one by one, of whole clips
and of clips made uniform; `control` alone is compared with a loop that decodes, converts and encodes with PyAV.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import av
import cv2
from av.video.reformatter import VideoReformatter
from tabulate import tabulate

from benchmarks.material import REAL_CLIPS, as_a_worker, cuts
from hfv_builder.frames.media import open_media
from hfv_builder.release.encoding import Encoding, Uniform, with_defaults
from hfv_builder.release.operations import VARIANTS
from hfv_builder.release.outputs import Output, encode

RESULTS = Path(__file__).parent / "results"
TABLES = with_defaults({})
SHARP = Encoding(**TABLES["variants"])
UNIFORM = Uniform(**TABLES["uniform"] | {"aspect": tuple(TABLES["uniform"]["aspect"])})


def main() -> None:
    """Make all variants of some clips both ways and print the times."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.variants", description="One decode against six.")
    parser.add_argument("--folder", type=Path, default=REAL_CLIPS, help="real clips (default ../shared/clips)")
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--frames", type=int, default=49, help="of each clip")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    as_a_worker()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="hfv-variants-") as temporary:
        folder = Path(temporary)
        clips = cuts(options.folder, folder, clips=options.clips, frames=options.frames)
        if not clips:
            parser.error(f"there are no real clips in {options.folder}")
        rows = [row for number in range(options.rounds) for row in _round(clips, folder, number)]
    names = [*dict.fromkeys(row["what"] for row in rows)]
    table = []
    for name in names:
        own = [row for row in rows if row["what"] == name]
        ratios = sorted(row["ratio"] for row in own)
        table.append({"what": name, "ratio": median(ratios), "least": ratios[0], "most": ratios[-1]})
    print(tabulate(table, headers="keys", floatfmt=".2f"))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "variants.json").write_text(json.dumps({"rounds": rows, "table": table}, indent=2))


def _round(clips: Sequence[Path], folder: Path, number: int) -> list[dict[str, Any]]:
    """Return the seconds of every way, and their ratios; the order changes from round to round."""
    outputs = [Output(path=folder / f"{name}.mp4", encoding=SHARP, operations=VARIANTS[name]) for name in VARIANTS]
    long_enough = [clip for clip in clips if _is_long(clip, folder)]

    def together(some: Sequence[Path], uniform: Uniform | None) -> None:
        for clip in some:
            encode(clip, outputs, uniform)

    def apart(some: Sequence[Path], uniform: Uniform | None) -> None:
        for clip in some:
            for output in outputs:
                encode(clip, [output], uniform)

    def plain(some: Sequence[Path]) -> None:
        for clip in some:
            _plain(clip, folder / "plain.mp4")

    def ours(some: Sequence[Path]) -> None:
        for clip in some:
            encode(clip, outputs[:1])

    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "six variants of whole clips, together / one by one": (
            lambda: together(clips, None),
            lambda: apart(clips, None),
        ),
        "six variants of uniform clips, together / one by one": (
            lambda: together(long_enough, UNIFORM),
            lambda: apart(long_enough, UNIFORM),
        ),
        "control, plain loop / ours": (
            lambda: plain(clips),
            lambda: ours(clips),
        ),
    }
    rows = []
    for what, ways in pairs.items():
        order = ways if number % 2 else ways[::-1]
        spent = [_seconds(way) for way in order]
        first, second = spent if number % 2 else spent[::-1]
        rows.append({"what": what, "first_s": first, "second_s": second, "ratio": first / second})
    return rows


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _is_long(clip: Path, folder: Path) -> bool:
    from hfv_builder.records import ClipError

    try:
        encode(clip, [Output(path=folder / "long.mp4", encoding=SHARP)], UNIFORM)
    except ClipError:
        return False
    return True


def _plain(source: Path, target: Path) -> None:
    """Decode a clip to RGB and encode it with the same parameters, by PyAV alone."""
    options = {"qp": str(SHARP.quantiser), "preset": SHARP.preset, "x264-params": "threads=1:lookahead_threads=1"}
    into, back = VideoReformatter(), VideoReformatter()
    with open_media(source) as read, av.open(str(target), "w", options={"movflags": "+faststart"}) as write:
        video = read.streams.video[0]
        video.codec_context.thread_count = 1
        stream: Any = None
        for frame in read.decode(video):
            rgb = into.reformat(frame, format="rgb24", threads=1).to_ndarray()
            if stream is None:
                stream = write.add_stream("libx264", rate=video.average_rate, options=options)
                stream.height, stream.width, stream.pix_fmt = rgb.shape[0], rgb.shape[1], "yuv420p"
            image = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            write.mux(stream.encode(back.reformat(image, format="yuv420p", threads=1)))
        write.mux(stream.encode())


if __name__ == "__main__":
    main()
