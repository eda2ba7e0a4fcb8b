"""Animated WebP, which Pillow decodes, is a clip like other formats."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hfv_builder.frames import webp
from hfv_builder.frames.facts import probe, read_timeline
from hfv_builder.frames.video import decode, frames
from hfv_builder.records import ClipError
from review_ui.proxies import make_proxy, make_strip
from tests.conftest import Frames, moving_square


def write_webp(path: Path, rgb: Frames, durations: list[int], **options: object) -> Path:
    images = [Image.fromarray(frame) for frame in rgb]
    save = {"save_all": True, "append_images": images[1:], "duration": durations, "lossless": True}
    images[0].save(path, **(save | options))  # type: ignore[arg-type]
    return path


def test_frames_and_times_are_exact(tmp_path: Path) -> None:
    rgb = moving_square(7, width=97, height=63)  # odd sizes too
    path = write_webp(tmp_path / "a.webp", rgb, [40, 50, 60, 40, 50, 60, 100])
    decoded_frames = list(frames(path))
    assert np.array_equal([frame.rgb for frame in decoded_frames], rgb)
    assert [round(frame.time_s, 3) for frame in decoded_frames] == [0, 0.04, 0.09, 0.15, 0.19, 0.24, 0.3]
    facts = probe(path)
    assert (facts.width, facts.height, facts.num_frames, facts.codec) == (97, 63, 7, "webp")
    assert np.array_equal(np.concatenate([chunk.rgb for chunk in decode(path)]), rgb)


def test_transparent_frames_are_decoded_as_opaque(tmp_path: Path) -> None:
    rgb = moving_square(3)
    transparent = [Image.fromarray(np.dstack([frame, np.full(frame.shape[:2], 128, np.uint8)])) for frame in rgb]
    transparent[0].save(tmp_path / "a.webp", save_all=True, append_images=transparent[1:], duration=40, lossless=True)
    assert np.array_equal([frame.rgb for frame in frames(tmp_path / "a.webp")], rgb)


def test_a_webp_has_proxy_and_strip(tmp_path: Path) -> None:
    path = write_webp(tmp_path / "a.webp", moving_square(6), [50] * 6)
    make_proxy(path, tmp_path / "proxy.mp4")
    make_strip(path, tmp_path / "strip.webp")
    assert np.allclose(read_timeline(tmp_path / "proxy.mp4").times, np.arange(6) * 0.05, atol=1e-3)


def test_a_webp_that_cannot_be_read_fails_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_webp(tmp_path / "a.webp", moving_square(6), [50] * 6)
    still = tmp_path / "still.webp"
    Image.fromarray(moving_square(1)[0]).save(still)
    with pytest.raises(ClipError, match="it is a still image"):
        probe(still)
    (tmp_path / "cut.webp").write_bytes(path.read_bytes()[:200])
    with pytest.raises(ClipError, match="Pillow cannot read it"):
        probe(tmp_path / "cut.webp")
    with pytest.raises(ClipError, match="decord cannot decode it"):
        list(decode(path, decoder="decord"))
    monkeypatch.setattr(webp, "MAX_PIXELS", 1000)
    with pytest.raises(ClipError, match="its 6 frames of 96x64 are too many for a WebP"):
        probe(path)


def test_a_full_disk_is_not_the_clips_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    path = write_webp(tmp_path / "a.webp", moving_square(6), [50] * 6)
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda *_, **__: Full())
    with pytest.raises(OSError, match="No space left"):
        probe(path)
