"""Pictures and flow at another size."""

from torch import Tensor
from torch.nn.functional import interpolate

from hfv_builder.frames.size import shrunk_size


def shrunk(pictures: Tensor, long_side: int) -> Tensor:
    """The pictures, (n, C, H, W) float, with their long side at most `long_side`: bilinear, antialiased."""
    size = shrunk_size(pictures.shape[-2], pictures.shape[-1], long_side)
    return pictures if size == pictures.shape[-2:] else interpolate(pictures, size, mode="bilinear", antialias=True)


def enlarged(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """The flow at another size, (n, 2, h, w) to (n, 2, H, W), its vectors scaled along."""
    height, width = flow.shape[-2:]
    if (height, width) == size:
        return flow
    flow = interpolate(flow, size, mode="bilinear", align_corners=False)
    flow[:, 0] *= size[1] / width
    flow[:, 1] *= size[0] / height
    return flow
