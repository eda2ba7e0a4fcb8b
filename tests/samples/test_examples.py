"""The example clips in the guide of the review."""

from importlib import resources

import av
import numpy as np
import pytest

from hfv_builder.samples.anomalies import FAMILIES
from hfv_builder.samples.examples import EXAMPLES, FPS, FRAMES, example_frames

MOST_BYTES = 80_000
FOLDER = resources.files("review_ui") / "guide"


def test_the_package_has_two_small_examples_of_each_anomaly() -> None:
    assert sorted(spec.family for spec in EXAMPLES.values()) == sorted([*FAMILIES] * 2)
    assert len({(spec.family, spec.kind) for spec in EXAMPLES.values()}) == len(EXAMPLES)
    assert {file.name for file in FOLDER.iterdir()} == {*EXAMPLES, "guide.md"}
    assert all(len((FOLDER / name).read_bytes()) < MOST_BYTES for name in EXAMPLES)
    text = (FOLDER / "guide.md").read_text("utf-8")
    assert all(f"(guide/{name})" in text for name in EXAMPLES)


@pytest.mark.parametrize("name", ["spatial-1.mp4", "motion-2.mp4"])
def test_examples_show_what_is_rendered_now(name: str) -> None:
    rendered = example_frames(EXAMPLES[name]).astype(np.float64)
    with resources.as_file(FOLDER / name) as path, av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == FPS
        decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]).astype(np.float64)
    assert decoded.shape == rendered.shape
    assert len(decoded) == FRAMES
    error = np.square(decoded - rendered).mean(axis=(1, 2, 3))
    assert (10 * np.log10(255**2 / error)).min() > 24  # dB, after coarse quantisation
