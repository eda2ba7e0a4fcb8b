"""What variants do to frames, against plain OpenCV and Pillow."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from hfv_builder.frames.encode import RGB, even
from hfv_builder.frames.video import Frame, frames
from hfv_builder.records import UsageError
from hfv_builder.release.encoding import Encoding, with_defaults
from hfv_builder.release.operations import VARIANTS, Operation, apply_all, variants_of
from hfv_builder.release.outputs import Output, encode, write
from tests.conftest import moving_square, write_clip

SHARP = Encoding(**with_defaults({})["variants"])


def noisy(count: int = 3, *, width: int = 90, height: int = 62) -> RGB:
    """Frames with texture that blur, JPEG and resize all change."""
    noise = np.random.default_rng(0).integers(0, 30, (count, height, width, 3), np.uint8)
    return np.asarray(cv2.add(moving_square(count, width=width, height=height), noise), np.uint8)


def blurred(rgb: RGB) -> RGB:
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), 3), np.uint8)


def jpeg(rgb: RGB, quality: int) -> RGB:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format="JPEG", quality=quality)
    return np.asarray(Image.open(file))


def resized(rgb: RGB) -> RGB:
    height, width = rgb.shape[:2]
    size = (round(0.7 * width), round(0.7 * height))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)


PLAIN: dict[str, Callable[[RGB], RGB]] = {
    "control": lambda rgb: rgb,
    "blur3": blurred,
    "jpeg50": lambda rgb: jpeg(rgb, 50),
    "jpeg90": lambda rgb: jpeg(rgb, 90),
    "resize0.7": resized,
    "mixed": lambda rgb: resized(jpeg(blurred(rgb), 50)),
}


def test_all_variants_equal_the_plain_way_on_the_same_frames() -> None:
    assert VARIANTS.keys() == PLAIN.keys()
    for rgb in noisy():
        images = apply_all(rgb, VARIANTS.values())
        for name, plain in PLAIN.items():
            np.testing.assert_array_equal(images[VARIANTS[name]], plain(rgb), err_msg=name)
        assert images[VARIANTS["resize0.7"]].shape == (43, 63, 3)


def test_what_variants_have_in_common_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        calls = []
        patch.setattr(Operation, "__call__", lambda operation, rgb: calls.append(operation.kind) or rgb)  # type: ignore[func-returns-value]
        apply_all(noisy(1)[0], VARIANTS.values())
    assert sorted(calls) == ["blur", "jpeg", "jpeg", "jpeg", "resize", "resize"]


def planes(rgb: RGB) -> RGB:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8)


def stored(path: Path) -> list[RGB]:
    import av

    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(), np.uint8) for frame in container.decode(video=0)]


def test_one_decode_gives_every_variant_and_encoding_loses_next_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_clip(tmp_path / "clip.mp4", noisy(6, width=96, height=64))
    decoded = [frame.rgb for frame in frames(source)]
    opened = []

    def counted(path: Path) -> Iterator[Frame]:
        opened.append(path)
        return frames(path)

    monkeypatch.setattr("hfv_builder.release.outputs.frames", counted)
    paths = {name: tmp_path / f"{name}.mp4" for name in VARIANTS}
    encode(source, [Output(path=path, encoding=SHARP, operations=VARIANTS[name]) for name, path in paths.items()])
    assert opened == [source]
    for name, path in paths.items():
        made = stored(path)
        assert len(made) == 6
        for rgb, found in zip(decoded, made, strict=True):
            assert cv2.PSNR(planes(even(PLAIN[name](rgb))), found) >= 45, name


def test_even_noise_is_encoded_nearly_losslessly(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 64, 96, 3), np.uint8)
    path = tmp_path / "noise.mp4"
    write((Frame(rgb=rgb, index=index) for index, rgb in enumerate(noise)), [Output(path=path, encoding=SHARP)], fps=12)
    for rgb, found in zip(noise, stored(path), strict=True):
        assert cv2.PSNR(planes(rgb), found) >= 48


def test_outputs_appear_together_or_not_at_all(tmp_path: Path) -> None:
    def breaking_off() -> Iterator[Frame]:
        yield Frame(rgb=noisy(1)[0], index=0)
        raise OSError("the disk is gone")

    outputs = [Output(path=tmp_path / f"{name}.mp4", encoding=SHARP, operations=VARIANTS[name]) for name in VARIANTS]
    with pytest.raises(OSError, match="the disk is gone"):
        write(breaking_off(), outputs, fps=12)
    assert not list(tmp_path.iterdir())


def test_names() -> None:
    assert variants_of("mixed, control") == ("control", "mixed")
    assert variants_of("") == ()
    with pytest.raises(UsageError, match="there is no variant blur4: choose from control, blur3"):
        variants_of("blur4,control")
