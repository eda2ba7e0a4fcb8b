"""Evidence: for each metric of a clip one small image of its worst moment, for the people who review labels."""

import io

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from hfv_builder.backends.base import FlowModel
from hfv_builder.frames.steps import Link
from hfv_builder.metrics.warping import warp
from hfv_builder.records import Metric
from hfv_builder.scoring.flow_pairs import Matcher
from hfv_builder.scoring.heat import described, greys

RGB = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""

SIDE = 256
"""Pixels; the long side of each image in a panel."""
GAP = 4
MOST_BYTES = 60_000
QUALITIES = (80, 60, 40, 20, 5)


def panel(metric: Metric, frames: Tensor, maps: Tensor | None, flow: FlowModel | None) -> bytes:
    """The worst moment as a WebP of at most 60 kB. Its error map is in greys; see `heat`.

    Args:
        frames: (n, h, w, 3) uint8 RGB, the frames of the worst step: a pair, or three for flow acceleration; for
            appearance the clip's first frame, then the pair.
        maps: (2, h, w) float32 in [0, 1], the depth maps of the pair; None unless the metric is spatial.
        flow: what finds the flow for the error map; appearance has none and needs none.
    """
    images = list(frames.cpu().numpy())
    if maps is not None:
        images += [_coloured(each, cv2.COLORMAP_VIRIDIS) for each in maps.float().cpu()]
        images.append(_errors(maps.unsqueeze(1).float(), flow))
    elif metric is Metric.MOTION:
        images.append(_errors(frames.permute(0, 3, 1, 2).float() / 255, flow))
    cells = _cells(images)
    return _webp(_side_by_side(cells), None if metric is Metric.APPEARANCE else described(cells[-1].shape[1]))


def _errors(frames: Tensor, flow: FlowModel | None) -> RGB:
    """Where a image's successor, pulled back along the flow, differs from it, as greys."""
    if flow is None:
        raise ValueError("an error map needs a flow model")
    frame_indices = torch.arange(len(frames), dtype=torch.int32)
    matches = Matcher(flow, backward=False).match(frames, frame_indices, torch.full((len(frames),), Link.STEP))
    size = (frames.shape[-2], frames.shape[-1])
    error = (frames[:-1] - warp(frames[1:], matches.flow(size))).abs().mean(dim=1).amax(dim=0).cpu()
    return greys(error.numpy())


def _coloured(values: Tensor, colours: int) -> RGB:
    grey = (values.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return np.ascontiguousarray(cv2.applyColorMap(grey, colours)[..., ::-1]).astype(np.uint8)


def _cells(images: list[RGB]) -> list[RGB]:
    """The images, all of the first one's proportions."""
    height, width = images[0].shape[:2]
    factor = SIDE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return [
        np.asarray(
            cv2.resize(each, size, interpolation=cv2.INTER_AREA if each.shape[1] > size[0] else cv2.INTER_LINEAR),
            np.uint8,
        )
        for each in images
    ]


def _side_by_side(cells: list[RGB]) -> RGB:
    """The cells in a row with a gap between them."""
    gap = np.zeros((len(cells[0]), GAP, 3), np.uint8)
    return np.concatenate([part for cell in cells for part in (cell, gap)][:-1], axis=1).astype(np.uint8)


def _webp(image: RGB, exif: bytes | None) -> bytes:
    """The image as WebP in the best quality that fits."""
    for quality in QUALITIES:
        data = io.BytesIO()
        Image.fromarray(image).save(data, "WEBP", quality=quality, method=1, exif=exif or b"")
        if data.tell() <= MOST_BYTES:
            break
    return data.getvalue()
