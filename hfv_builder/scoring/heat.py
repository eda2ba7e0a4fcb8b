"""Error maps of evidence images: stored as grey values, coloured on a scale that all images of a generator share.

The map is the last cell of an image, with grey values 255 √error for errors in [0, 1]. The EXIF description of the
image holds the width of the cell; an image without it has no map.
"""

import io
from collections.abc import Iterable
from contextlib import suppress

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from hfv_builder.records import Metric

Errors = npt.NDArray[np.float32]
Rgb = npt.NDArray[np.uint8]

DESCRIPTION = 0x010E
"""The EXIF tag that holds the width of the map."""
PREFIX = "error map, columns: "
WHITE = 99.0
"""Percentile of a generator's errors that is mapped to white."""
LEAST = 1e-4
"""Smallest error that is mapped to white, 1/40 of a grey level: smaller differences are not highlighted."""
UNITS = {Metric.SPATIAL: "of the depth range", Metric.MOTION: "of full brightness"}
LEGEND = 22
"""Pixels; height of the legend."""
NARROWEST = 560
"""Pixels; smallest width of an image with a legend."""
TEXT, FRAME = (225, 225, 225), (110, 110, 110)


def greys(errors: Errors) -> Rgb:
    """Return the errors, (h, w) in [0, 1], as a grey image, (h, w, 3) uint8."""
    grey = np.rint(255 * np.sqrt(np.clip(errors, 0, 1))).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def described(columns: int) -> bytes:
    """Return the EXIF data of an image whose last columns are an error map."""
    exif = Image.Exif()
    exif[DESCRIPTION] = f"{PREFIX}{columns}"
    return exif.tobytes()


def errors_of(data: bytes) -> Errors | None:
    """Return the error map of an image, (h, w) float32 in [0, 1]; None if it has none or cannot be read."""
    with suppress(OSError, UnidentifiedImageError, ValueError):
        return _split(data)[1]
    return None


def scale_of(images: Iterable[bytes]) -> float:
    """Return the error to map to white: the 99th percentile of all errors in the maps of these images."""
    counts = np.zeros(256, np.int64)
    for data in images:
        errors = errors_of(data)
        if errors is not None:
            counts += np.bincount(np.rint(255 * np.sqrt(errors)).astype(np.int64).ravel(), minlength=256)
    if not counts.any():
        return LEAST
    grey = np.searchsorted(counts.cumsum(), WHITE / 100 * counts.sum())
    return max(LEAST, float((grey / 255) ** 2))


def coloured(data: bytes, metric: Metric, scale: float) -> bytes:
    """Return the image as WebP with its error map in colours from 0 to `scale` and a legend below.

    An image without a map is returned unchanged.
    """
    errors = errors_of(data)
    if errors is None:
        return data
    image = _split(data)[0]
    height, width = errors.shape
    image[:, -width:] = _inferno(errors / scale)
    canvas = np.zeros((height + LEGEND, max(NARROWEST, image.shape[1]), 3), np.uint8)
    canvas[:height, -image.shape[1] :] = image
    ramp = np.tile(np.linspace(0, 1, width, dtype=np.float32), (LEGEND - 8, 1))
    canvas[height + 4 : -4, -width:] = _inferno(ramp)
    drawn = Image.fromarray(canvas)
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(12)
    left, middle = canvas.shape[1] - width, height + LEGEND / 2
    pen.rectangle((left, height + 4, canvas.shape[1] - 1, height + LEGEND - 5), outline=FRAME)
    legend = f"error: black 0, white {percent(scale)} {UNITS[metric]} and more (99th percentile of this generator)"
    pen.text((left - 8, middle), legend, fill=TEXT, font=font, anchor="rm")
    out = io.BytesIO()
    drawn.save(out, "WEBP", quality=85, method=1)
    return out.getvalue()


def percent(share: float) -> str:
    """Return a share as a percentage with two significant digits.

    >>> percent(0.0834), percent(0.00012)
    ('8.3 %', '0.012 %')
    """
    return f"{float(f'{100 * share:.2g}'):g} %"


def _split(data: bytes) -> tuple[Rgb, Errors | None]:
    """Return the image, (H, W, 3), and its error map; None if it has none."""
    with Image.open(io.BytesIO(data)) as image:
        description = str(image.getexif().get(DESCRIPTION, ""))
        rgb = np.array(image.convert("RGB"))
    if not description.startswith(PREFIX):
        return rgb, None
    columns = int(description.removeprefix(PREFIX))
    grey = rgb[:, -columns:].mean(axis=2, dtype=np.float32)
    return rgb, np.square(grey / 255)


def _inferno(values: Errors) -> Rgb:
    grey = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)[..., ::-1], np.uint8)
