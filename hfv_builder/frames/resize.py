"""Resize images and flow."""

from torch import Tensor
from torch.nn.functional import interpolate

from hfv_builder.frames.size import shrunk_size


def shrunk(images: Tensor, long_side: int) -> Tensor:
    """Return images, (n, C, H, W) float, resized to a long side of at most `long_side`: bilinear, antialiased."""
    size = shrunk_size(images.shape[-2], images.shape[-1], long_side)
    return images if size == images.shape[-2:] else interpolate(images, size, mode="bilinear", antialias=True)


def enlarged(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Return flow resized from (n, 2, h, w) to (n, 2, H, W), with its vectors scaled by the same factors."""
    height, width = flow.shape[-2:]
    if (height, width) == size:
        return flow
    flow = interpolate(flow, size, mode="bilinear", align_corners=False)
    flow[:, 0] *= size[1] / width
    flow[:, 1] *= size[0] / height
    return flow
