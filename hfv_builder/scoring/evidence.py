"""Evidence: for each metric of a clip one small picture of its worst moment, for the people who review labels."""

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

Picture = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""

SIDE = 256
"""Pixels; the long side of each picture in a panel."""
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
    pictures = list(frames.cpu().numpy())
    if maps is not None:
        pictures += [_coloured(each, cv2.COLORMAP_VIRIDIS) for each in maps.float().cpu()]
        pictures.append(_errors(maps.unsqueeze(1).float(), flow))
    elif metric is Metric.MOTION:
        pictures.append(_errors(frames.permute(0, 3, 1, 2).float() / 255, flow))
    cells = _cells(pictures)
    return _webp(_side_by_side(cells), None if metric is Metric.APPEARANCE else described(cells[-1].shape[1]))


def _errors(frames: Tensor, flow: FlowModel | None) -> Picture:
    """Where a picture's successor, pulled back along the flow, differs from it, as greys."""
    if flow is None:
        raise ValueError("an error map needs a flow model")
    index = torch.arange(len(frames), dtype=torch.int32)
    matches = Matcher(flow, backward=False).add(frames, index, torch.full((len(frames),), Link.STEP))
    size = (frames.shape[-2], frames.shape[-1])
    error = (frames[:-1] - warp(frames[1:], matches.flow(size))).abs().mean(dim=1).amax(dim=0).cpu()
    return greys(error.numpy())


def _coloured(values: Tensor, colours: int) -> Picture:
    grey = (values.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return np.ascontiguousarray(cv2.applyColorMap(grey, colours)[..., ::-1]).astype(np.uint8)


def _cells(pictures: list[Picture]) -> list[Picture]:
    """The pictures, all of the first one's proportions."""
    height, width = pictures[0].shape[:2]
    factor = SIDE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return [
        np.asarray(
            cv2.resize(each, size, interpolation=cv2.INTER_AREA if each.shape[1] > size[0] else cv2.INTER_LINEAR),
            np.uint8,
        )
        for each in pictures
    ]


def _side_by_side(cells: list[Picture]) -> Picture:
    """The cells in a row with a gap between them."""
    gap = np.zeros((len(cells[0]), GAP, 3), np.uint8)
    return np.concatenate([part for cell in cells for part in (cell, gap)][:-1], axis=1).astype(np.uint8)


def _webp(picture: Picture, exif: bytes | None) -> bytes:
    """The picture as WebP in the best quality that fits."""
    for quality in QUALITIES:
        data = io.BytesIO()
        Image.fromarray(picture).save(data, "WEBP", quality=quality, method=1, exif=exif or b"")
        if data.tell() <= MOST_BYTES:
            break
    return data.getvalue()
