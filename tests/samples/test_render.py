"""Rendering of sample clips: effects of seed and anomaly, and the file that is written."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from hfv_builder.samples import SampleSpec, render_frames, render_sample
from hfv_builder.samples.actions import ACTIONS
from hfv_builder.samples.anomalies import CLEAN, FAMILIES, kinds_of, make_timeline

KINDS = [(family, kind) for family in (CLEAN, *FAMILIES) for kind in kinds_of(family)]

TINY = SampleSpec(
    generator="demo-a", file="clip_0000.mp4", family="clean", kind="none", action="walk", severity=0.0,
    seed=11, width=64, height=48, fps=12, num_frames=8,
)  # fmt: skip


def decoded(path: Path) -> list[npt.NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]


def test_the_same_spec_gives_the_same_bytes(tmp_path: Path) -> None:
    spec = replace(TINY, family="motion", kind="jitter", severity=0.8)
    first = render_sample(spec, tmp_path / "first").read_bytes()
    assert render_sample(spec, tmp_path / "second").read_bytes() == first
    assert render_sample(replace(spec, seed=12), tmp_path / "third").read_bytes() != first


def test_rendering_writes_the_clip_and_no_other_file(tmp_path: Path) -> None:
    path = render_sample(TINY, tmp_path)
    assert path == tmp_path / "demo-a" / "clip_0000.mp4"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("size", [(64, 48), (96, 54)])
def test_the_file_has_the_format_of_the_spec(tmp_path: Path, size: tuple[int, int]) -> None:
    spec = replace(TINY, width=size[0], height=size[1], fps=10, num_frames=9)
    path = render_sample(spec, tmp_path)
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert video.average_rate == 10
        assert video.frames == 9
    frames = decoded(path)
    assert {frame.shape for frame in frames} == {(size[1], size[0], 3)}
    assert len(frames) == 9
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_file_shows_the_rendered_frames(tmp_path: Path) -> None:
    frames = render_frames(TINY).astype(float)
    difference = np.stack(decoded(render_sample(TINY, tmp_path))).astype(float) - frames
    assert np.abs(difference).mean() < 8
    # A wrong matrix or range shifts the colours as a whole.
    assert np.abs(difference.mean(axis=(0, 1, 2))).max() < 2


@pytest.mark.parametrize(("family", "kind"), KINDS)
@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_renders_with_every_kind(action: str, family: str, kind: str) -> None:
    spec = replace(TINY, action=action, family=family, kind=kind, severity=0.9, num_frames=6)
    frames = render_frames(spec)
    assert frames.shape == (6, 48, 64, 3)
    assert frames.dtype == np.uint8
    assert frames.std() > 10


@pytest.mark.parametrize("family", FAMILIES)
def test_an_anomaly_changes_exactly_its_frames(family: str) -> None:
    kind, field = {
        "spatial": ("object_scale", "object_scale"),
        "appearance": ("identity", "body"),
        "motion": ("spin", "turn"),
    }[family]
    spec = replace(TINY, num_frames=24, family=family, kind=kind, severity=1.0)
    timeline = make_timeline(family, kind, seed=spec.seed, num_frames=24, severity=1.0)
    group = {"spatial": "geometry", "appearance": "identity", "motion": "kinematics"}[family]
    track = getattr(getattr(timeline, group), field)
    normal = 1.0 if family == "spatial" else 0.0
    touched = np.abs(track - normal) > 1e-3
    untouched = track == normal
    clean = render_frames(replace(spec, family="clean", kind="none", severity=0.0))
    same = (render_frames(spec) == clean).all(axis=(1, 2, 3))
    assert same[untouched].all()
    if family == "motion":  # whole turns look like no turn
        touched &= np.abs(track % (2 * np.pi)) > 0.1
    assert not same[touched].any()


def test_the_figure_moves_and_the_background_does_not() -> None:
    frames = render_frames(replace(TINY, action="jump", num_frames=16, width=160, height=120))
    deviation = frames.astype(float).std(axis=(0, 3))
    assert deviation[30:90, 60:100].mean() > 1.3 * deviation[:, :30].mean()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"family": "odd"}, "family 'odd'"),
        ({"family": "spatial", "kind": "spin"}, "kind 'spin' is none of spatial"),
        ({"action": "swim"}, "action 'swim'"),
        ({"severity": 1.5}, "severity 1.5"),
        ({"width": 65}, "size 65x48"),
        ({"num_frames": 2}, "2 frames"),
    ],
)
def test_a_spec_that_cannot_be_rendered_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(TINY, **change)  # type: ignore[arg-type]
