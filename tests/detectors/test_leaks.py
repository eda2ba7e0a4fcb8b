"""Container facts that leak labels: the floor `metadata` finds them, but not in uniformly encoded clips."""

from pathlib import Path

import numpy as np
import pytest

from hfv_builder.detectors.base import Fitting
from hfv_builder.detectors.container_facts import NAMES, ContainerFacts
from hfv_builder.detectors.reader import read_release
from hfv_builder.evaluation.metrics import auc, once
from hfv_builder.records import Split
from hfv_builder.release.encoding import Uniform
from hfv_builder.release.outputs import Output, encode
from pipelines.detect.prepare import Workplace
from tests.conftest import write_clip
from tests.detectors.sample import frames_of, write_release
from tests.detectors.test_detectors import make_detector

PLAN = (("sora", "train", 12), ("kling", "test", 8))
UNIFORM = Uniform(short_side=32, aspect=(1, 1), fps=8, frames=3, quantiser=16, preset="ultrafast")


def write_leaking(path: Path, label: int, number: int) -> Path:
    """Write a clip whose frames do not depend on the label, but with an empty box in files of real clips."""
    write_clip(path, frames_of(0, number), fps=8)
    if label == 3:
        with path.open("ab") as file:
            file.write((6000).to_bytes(4, "big") + b"free" + bytes(5992))
    return path


def write_uniform(path: Path, label: int, number: int) -> Path:
    """Write the same clip, encoded as in a uniform release."""
    source = write_leaking(path.with_name(f"source-{path.name}"), label, number)
    encode(source, [Output(path=path, encoding=UNIFORM)], UNIFORM)
    source.unlink()
    return path


@pytest.mark.parametrize(("write", "low", "high"), [(write_leaking, 0.99, 1.0), (write_uniform, 0.3, 0.7)])
def test_the_size_of_files_leaks_the_label_unless_clips_are_uniform(
    write: object, low: float, high: float, tmp_path: Path
) -> None:
    release = read_release(write_release(tmp_path / "r", write=write, plan=PLAN))  # type: ignore[arg-type]
    workplace = Workplace(cache=tmp_path / "cache", device="cpu", threads=2)
    detector, _, train, test = make_detector("metadata", release, workplace, target="binary")
    detector.fit(train, test, Fitting(folder=tmp_path))
    p_real = detector.predict(test)[:, 1]
    assert low <= auc(test.classes == 1, p_real, once(len(p_real)))[0] <= high
    assert len(release.clips(Split.TEST)) == 32


def test_container_facts_of_a_file(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "c.mp4", frames_of(0, 0, count=5), fps=8)
    facts = dict(zip(NAMES, ContainerFacts().extract(path).tolist(), strict=True))
    assert (facts["width"], facts["height"], facts["fps"], facts["num_frames"], facts["audio"]) == (48, 32, 8, 5, 0)
    assert facts["bytes_per_frame"] == path.stat().st_size / 5
    assert (facts["codec=h264"], facts["codec=av1"], facts["pix_fmt=yuv420p"]) == (1, 0, 1)
    assert np.isfinite([*facts.values()]).all()
