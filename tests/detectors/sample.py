"""A small release in which every label has its own colour."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from hfv_builder.records import METRICS
from hfv_builder.release.checksums import checksums_text
from hfv_builder.release.layout import file_name, folder_of
from hfv_builder.release.metadata import SCHEMA, metadata_table
from hfv_builder.storage.checksum import file_sha256
from tests.conftest import Frames, write_clip

COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200), (120, 120, 120))
PLAN = (("sora", "train", 4), ("sora", "val", 1), ("kling", "test", 2), ("pika", "test", 2))
"""Generator, split, and clips of each anomaly; every part has as many real clips as of one anomaly."""
Write = Callable[[Path, int, int], Path]


def write_coloured(path: Path, label: int, number: int) -> Path:
    """Write a clip in the colour of its label with noise of its number, and return its path."""
    return write_clip(path, frames_of(label, number))


def frames_of(label: int, number: int, *, count: int = 5) -> Frames:
    """Return frames in the colour of the label, (count, 32, 48, 3) uint8."""
    rng = np.random.default_rng([label, number])
    texture = np.clip(np.array(COLOURS[label]) + rng.normal(0, 30, (6, 8, 3)), 0, 255).astype(np.uint8)
    image = cv2.resize(texture, (48, 32))
    return np.stack([np.roll(image, 2 * step, axis=1) for step in range(count)])


def write_release(
    folder: Path, *, write: Write = write_coloured, variant: str = "", plan: tuple[tuple[str, str, int], ...] = PLAN
) -> Path:
    """Write the release and return its folder.

    Args:
        folder: the folder to write.
        write: writes one clip, given its path, label and number.
        variant: also copy the test clips under this name.
        plan: see `PLAN`.
    """
    rows = pd.DataFrame(_rows(folder, write, plan, variant))
    for name, rows_of_folder in rows.groupby("folder"):
        pq.write_table(metadata_table(rows_of_folder), folder / str(name) / "metadata.parquet")
    sums = {path.relative_to(folder).as_posix(): file_sha256(path) for path in folder.rglob("*") if path.is_file()}
    (folder / "SHA256SUMS").write_text(checksums_text(sums))
    return folder


def _rows(
    release: Path, write: Write, plan: tuple[tuple[str, str, int], ...], variant: str
) -> Iterator[dict[str, object]]:
    number = 0
    rng = np.random.default_rng(0)
    for generator, split, count in plan:
        for label in range(4):
            source = "film" if label == 3 else generator
            for _ in range(count):
                number += 1
                clip_id = f"{number:016x}"
                scores = {
                    metric.value: rng.random() + (2 if label == position else 0)
                    for position, metric in enumerate(METRICS)
                }
                relative = file_name(split, source, clip_id)
                clip = write(release / folder_of(split, source) / relative, label, number)
                for name in ("", variant) if variant and split == "test" else ("",):
                    folder = folder_of(split, source, name)
                    if name:
                        (release / folder / relative).parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy(clip, release / folder / relative)
                    yield (
                        dict.fromkeys(SCHEMA.names)
                        | scores
                        | {
                            "file_name": relative,
                            "folder": folder,
                            "clip_id": clip_id,
                            "label": label,
                            "generator": source,
                            "is_real": label == 3,
                            "num_frames": 5,
                            "profile": "lite",
                            "label_source": "auto",
                            "r_hat": 0.0 if label == 3 else (1 + number % 7) / 7,
                        }
                    )
