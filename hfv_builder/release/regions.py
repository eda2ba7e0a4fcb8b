"""The reviewers' marks in space and time after frames are cropped and scaled and clips are cut."""

from dataclasses import dataclass

Box = dict[str, int]
"""x, y, w and h in pixels."""
Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A part of a frame, in pixels from its left and top edge."""

    left: float
    top: float
    width: float
    height: float

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.left + self.width, self.top + self.height


def crop_of(frame: Size, aspect: tuple[float, float]) -> Crop:
    """Return the largest part of a frame, around its centre, with this proportion of width to height."""
    scale = min(frame[0] / aspect[0], frame[1] / aspect[1])
    width, height = aspect[0] * scale, aspect[1] * scale
    return Crop(left=(frame[0] - width) / 2, top=(frame[1] - height) / 2, width=width, height=height)


def moved_box(box: Box | None, crop: Crop, size: Size) -> Box | None:
    """Return where a box is after the crop was scaled to `size`; None if nothing of it is left."""
    if box is None:
        return None
    x, right = _moved(box["x"], box["w"], crop.left, size[0] / crop.width, size[0])
    y, bottom = _moved(box["y"], box["h"], crop.top, size[1] / crop.height, size[1])
    return {"x": x, "y": y, "w": right - x, "h": bottom - y} if right > x and bottom > y else None


def cut_span(start: float, end: float, seconds: float) -> tuple[float | None, float | None]:
    """Return the part of a span of time inside the first `seconds`; nulls if there is none, or no span."""
    return (start, min(end, seconds)) if start < seconds and end >= start else (None, None)


def _moved(at: int, length: int, origin: float, scale: float, limit: int) -> tuple[int, int]:
    first, last = (min(max(0, round((edge - origin) * scale)), limit) for edge in (at, at + length))
    return first, last
