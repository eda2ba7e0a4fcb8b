"""Evidence for reviewers: one small image of the worst moment of a clip for each metric."""

import io

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from hfv_builder.backends.base import FlowModel
from hfv_builder.frames.display import display_size
from hfv_builder.frames.resize import shrunk
from hfv_builder.frames.steps import Link
from hfv_builder.metrics.warping import warp
from hfv_builder.records import Metric
from hfv_builder.scoring.flow_pairs import Matcher
from hfv_builder.scoring.heat import described, greys

RGB = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""

SIDE = 256
"""Pixels; the long side of the cells of a panel."""
GAP = 4
"""Pixels between two cells."""
MOST_BYTES = 60_000
QUALITIES = (80, 60, 40, 20, 5)
"""WebP qualities to try until the panel is small enough."""


def panel(metric: Metric, frames: Tensor, maps: Tensor | None, flow: FlowModel | None, *, shape: float = 1.0) -> bytes:
    """Return a row of images of the worst moment as a WebP of at most 60 kB. The error map is in greys; see `heat`.

    Args:
        frames: (n, h, w, 3) uint8 RGB, the frames of the worst step: two frames, or three for flow acceleration; for
            appearance the first frame of the clip and the two frames.
        maps: (2, h, w) float32 in [0, 1], the depth maps of the two frames; None unless the metric is spatial.
        flow: the model that estimates the flow for the error map; not used for appearance.
        shape: width of the clip's pixels over their height; the panel shows them square.
    """
    images = list(frames.cpu().numpy())
    if maps is not None:
        small = shrunk(maps.unsqueeze(1).float(), SIDE)  # a ninth of the time of the flow at the size of the maps
        images += [_coloured(depth_map, cv2.COLORMAP_VIRIDIS) for depth_map in small[:, 0].cpu()]
        images.append(_errors(small, flow))
    elif metric is Metric.MOTION:
        images.append(_errors(frames.permute(0, 3, 1, 2).float() / 255, flow))
    cells = _cells(images, shape)
    return _webp(_side_by_side(cells), None if metric is Metric.APPEARANCE else described(cells[-1].shape[1]))


def _errors(frames: Tensor, flow: FlowModel | None) -> RGB:
    """Return |A_t(x) − A_{t+1}(x + F_t(x))|, averaged over channels and maximised over steps, as a grey image."""
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


def _cells(images: list[RGB], shape: float) -> list[RGB]:
    """Return the images resized to a long side of `SIDE`, all to the proportions of the first one on display."""
    height, width = display_size(images[0].shape[0], images[0].shape[1], shape)
    factor = SIDE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return [
        np.asarray(
            cv2.resize(image, size, interpolation=cv2.INTER_AREA if image.shape[1] > size[0] else cv2.INTER_LINEAR),
            np.uint8,
        )
        for image in images
    ]


def _side_by_side(cells: list[RGB]) -> RGB:
    """Return one image of all cells in a row, with a gap between neighbours."""
    gap = np.zeros((len(cells[0]), GAP, 3), np.uint8)
    return np.concatenate([part for cell in cells for part in (cell, gap)][:-1], axis=1).astype(np.uint8)


def _webp(image: RGB, exif: bytes | None) -> bytes:
    """Return the image as WebP of the best quality that fits into `MOST_BYTES`, else of the lowest quality."""
    for quality in QUALITIES:
        data = io.BytesIO()
        Image.fromarray(image).save(data, "WEBP", quality=quality, method=1, exif=exif or b"")
        if data.tell() <= MOST_BYTES:
            break
    return data.getvalue()
