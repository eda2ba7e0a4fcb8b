"""Decoding gives every frame once, upright and in order, or an error that says why not."""

import sys
from importlib import metadata
from pathlib import Path

import av
import numpy as np
import pytest

from hfv_builder.frames import video
from hfv_builder.frames.facts import probe, read_timeline
from hfv_builder.frames.video import Decoder, decode, decoder_version
from hfv_builder.records import ClipError, UsageError
from tests.conftest import Frames, moving_square, write_clip

DECODERS: list[Decoder] = ["pyav", "decord"]


def read(path: Path, decoder: Decoder = "pyav", pairs: int = 0) -> tuple[Frames, list[int]]:
    if decoder == "decord":
        pytest.importorskip("decord")
    chunks = list(decode(path, decoder=decoder, pairs=pairs))
    return (
        np.concatenate([chunk.rgb for chunk in chunks]),
        [int(index) for chunk in chunks for index in chunk.index],
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("video") / "clip.mp4", moving_square(20))


@pytest.mark.parametrize("decoder", DECODERS)
def test_all_frames_in_order(clip: Path, decoder: Decoder) -> None:
    rgb, index = read(clip, decoder)
    assert rgb.shape == (20, 64, 96, 3)
    assert rgb.dtype == np.uint8
    assert index == list(range(20))
    assert np.abs(rgb.astype(int) - moving_square(20)).mean() < 6


def test_single_frames_equal_those_of_chunks_and_have_times(clip: Path) -> None:
    single_frames = list(video.frames(clip))
    assert [frame.index for frame in single_frames] == list(range(20))
    assert [frame.time_s for frame in single_frames] == pytest.approx([i / 12 for i in range(20)], abs=1e-3)
    assert np.array_equal([frame.rgb for frame in single_frames], read(clip)[0])
    (tenth,) = video.frames(clip, only=[9])
    assert (tenth.index, tenth.time_s) == (9, single_frames[9].time_s)


def test_a_decoder_that_is_not_installed_is_a_usage_error(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setitem(sys.modules, "decord", None)
    monkeypatch.setattr(metadata, "version", not_installed)
    for call in (lambda: list(decode(clip, decoder="decord")), lambda: decoder_version("decord")):
        with pytest.raises(UsageError, match=r'decord is not installed here: use decoder = "pyav", or .*x86-64'):
            call()


def test_decoders_agree_on_plain_h264(clip: Path) -> None:
    assert np.array_equal(read(clip, "pyav")[0], read(clip, "decord")[0])


@pytest.mark.parametrize("decoder", DECODERS)
def test_frames_of_pairs_equal_those_of_the_whole_clip(clip: Path, decoder: Decoder) -> None:
    all_frames, _ = read(clip, decoder)
    pairs_of_frames, index = read(clip, decoder, pairs=3)
    assert index == [0, 1, 9, 10, 18, 19]
    assert np.array_equal(pairs_of_frames, all_frames[index])


def test_chunks_are_bounded_and_complete(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hfv_builder.frames.video.CHUNK_BYTES", 4 * 64 * 96 * 3)
    chunks = list(decode(clip))
    assert [len(chunk.index) for chunk in chunks] == [4] * 5
    assert [int(i) for chunk in chunks for i in chunk.index] == list(range(20))


def test_probe_returns_the_facts_of_a_clip(clip: Path) -> None:
    facts = probe(clip)
    assert (facts.width, facts.height, facts.num_frames, facts.codec, facts.pix_fmt) == (96, 64, 20, "h264", "yuv420p")
    assert facts.fps == pytest.approx(12)
    assert facts.duration_s == pytest.approx(20 / 12, abs=1e-3)
    assert len(read_timeline(clip)) == 20


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (270, 3)])
def test_rotation_is_applied(tmp_path: Path, clip: Path, degrees: int, turns: int) -> None:
    turned = tmp_path / "turned.mp4"
    _with_display_rotation(clip, turned, degrees)
    unrotated, _ = read(clip)
    rgb, _ = read(turned)
    facts = probe(turned)
    assert facts.rotation == degrees
    assert (facts.height, facts.width) == rgb.shape[1:3]
    assert np.array_equal(rgb, np.rot90(unrotated, turns, axes=(1, 2)))


def _with_display_rotation(source: Path, target: Path, degrees: int) -> None:
    """Copy an MP4 and write the rotation, counter-clockwise, into the matrix of its track header."""
    data = bytearray(source.read_bytes())
    matrix = {90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}[degrees]
    start = data.index(b"tkhd") + 4
    offset = start + (36 if data[start] == 0 else 48) + 4
    for position, value in zip((0, 4, 12, 16), matrix, strict=True):
        data[offset + position : offset + position + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    target.write_bytes(data)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"no video at all", "FFmpeg cannot read it"), (None, "does not exist")],
)
@pytest.mark.parametrize("decoder", DECODERS)
def test_files_that_are_no_videos_fail(tmp_path: Path, decoder: Decoder, content: bytes | None, reason: str) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClipError, match=reason):
        list(decode(path, decoder=decoder))
    with pytest.raises(ClipError, match=reason):
        probe(path)


def test_a_file_with_audio_alone_fails(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 44100
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    with pytest.raises(ClipError, match="no video stream"):
        probe(path)


def test_a_truncated_clip_gives_its_frames_or_fails(tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    written = write_clip(tmp_path / "whole.mkv", moving_square(40, seed=3), codec="mpeg4")
    data = written.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    try:
        frames = len(read(path)[0])
    except ClipError as error:
        assert "of 40 frames can be decoded" in str(error)  # noqa: PT017
    else:
        assert 0 < frames < 40


# Numbers of frames of real media that PyAV and decord decode, or the reason why they fail.
ODD: dict[str, tuple[int | str, int | str]] = {
    "made__av1_libsvtav1.mp4": (89, "decord cannot"),
    "made__gif_256.gif": (30, "decord cannot"),
    "made__h264_high10.mp4": (89, 89),
    "made__odd_dims_637x479_444.mp4": (89, 89),
    "made__vfr_irregular.mp4": (89, 89),
    "made__vp9.webm": (89, 89),
    "made__no_extension": (89, 89),
    "made__spaces and ünïcødé 人.mp4": (89, 89),
    "made__one_frame.mp4": (1, 1),
    "made__audio_only.mp4": ("no video stream", "no video stream"),
    "made__broken_bitflips.mp4": (61, "decord cannot"),
    "made__broken_truncated_faststart.mp4": ("32 of 64 frames can be decoded; .* 90 %", "decord cannot"),
    "decord__tests__test_data__corrupted__5e5bec.mp4": (49, "decord cannot"),
    "made__broken_truncated_no_moov.mp4": ("cannot read", "cannot read"),
    "made__broken_zero_bytes.mp4": ("empty", "empty"),
    "made__resolution_change.ts": ("frame 89 is 320x240", 147),
}


@pytest.mark.parametrize("name", ODD)
def test_frames_of_odd_media(real_clips: Path, name: str) -> None:
    for decoder, expected in zip(DECODERS, ODD[name], strict=True):
        if isinstance(expected, int):
            assert len(read(real_clips / "odd" / name, decoder)[1]) == expected
        else:
            with pytest.raises(ClipError, match=expected):
                read(real_clips / "odd" / name, decoder)
