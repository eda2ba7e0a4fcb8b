"""A plain implementation of the scores, as evaluation code is usually written: oracle of tests, baseline of benchmarks.

It is written from the formulas and shares only the checkpoints with the fast code. Every metric decodes the clip again,
every loop is over frames or pairs, RAFT is torchvision's own `forward` on each pair in each direction, features are
computed frame by frame, and warping, occlusion and errors are numpy. It is not slow on purpose: models are loaded once,
and numpy works on whole frames.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames.media import open_media
from hfv_builder.profiles.profile import Profile

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A clip's score on one metric, and the values it is the mean of."""

    score: float
    trace: list[float]


class Reference:
    """Compute the three scores one after another with four models that are loaded once."""

    def __init__(self, profile: Profile, store: WeightsDir, device: str = "cpu") -> None:
        self.profile, self.device = profile, device
        self.flow_model = load_raft(profile.flow.backend, store).to(device)
        model, self.clip_input = load_clip(store)
        self.clip_model = model.to(device)
        self.dino_model = load_dinov2(store).to(device)
        self.depth_model = load_depth_pro(store).to(device)

    def score(self, path: Path) -> dict[str, Result]:
        """Return the three scores of a clip, which is decoded again for each."""
        return {
            "spatial": self.spatial(decode(path)),
            "appearance": self.appearance(decode(path)),
            "motion": self.motion(decode(path)),
        }

    def motion(self, frames: Array) -> Result:
        """Return the warp error of the frames along their own flow."""
        images = [frame.astype(np.float32) / 255 for frame in frames]
        return self._warp_errors(images, images)

    def spatial(self, frames: Array) -> Result:
        """Return the warp error of the depth maps along their own flow, or along that of the frames."""
        maps = np.stack([self.depth(frame) for frame in frames])
        if self.profile.depth.scale == "percentile":
            low, high = np.percentile(maps.astype(np.float64), [2, 98])
            maps = np.clip((maps - np.float32(low)) / np.float32(high - low), 0, 1)
        planes = [depth_map[:, :, None] for depth_map in maps]
        images = planes
        if self.profile.depth.flow_on == "rgb":
            images = [frame.astype(np.float32) / 255 for frame in frames]
        return self._warp_errors(planes, images, align=self.profile.depth.align == "scale")

    def appearance(self, frames: Array) -> Result:
        """Return 1 − ½ (C_clip + C_dino), the inconsistency of the frames."""
        background = [self.clip_feature(frame) for frame in frames]
        subject = [self.dino_feature(frame) for frame in frames]
        trace = [1 - 0.5 * (a + b) for a, b in zip(consistency(background), consistency(subject), strict=True)]
        return Result(score=float(np.mean(trace)), trace=trace)

    def _warp_errors(self, planes: list[Array], images: list[Array], *, align: bool = False) -> Result:
        trace = []
        size = planes[0].shape[:2]
        for t in range(len(planes) - 1):
            forward = self.flow(images[t], images[t + 1], size)
            backward = self.flow(images[t + 1], images[t], size)
            trace.append(warp_error(planes[t], planes[t + 1], forward, not_occluded(forward, backward), align=align))
        valid = [value for value in trace if not np.isnan(value)]
        return Result(score=float(np.mean(valid)) if valid else float("nan"), trace=trace)

    @torch.inference_mode()
    def flow(self, first: Array, second: Array, size: tuple[int, int]) -> Array:
        """Return the flow from first to second, both (H, W, C) in [0, 1], as (h, w, 2) in pixels of `size`."""
        pair = [torch.from_numpy(image).permute(2, 0, 1)[None].to(self.device) for image in (first, second)]
        height, width = pair[0].shape[-2:]
        factor = min(1.0, self.profile.flow.long_side / max(height, width))
        small = (max(1, round(height * factor)), max(1, round(width * factor)))
        if small != (height, width):
            pair = [F.interpolate(image, small, mode="bilinear", antialias=True) for image in pair]
        bottom = max(128, (small[0] + 7) // 8 * 8) - small[0]
        right = max(128, (small[1] + 7) // 8 * 8) - small[1]
        first_input, second_input = (
            F.pad(image.expand(-1, 3, -1, -1) * 2 - 1, (0, right, 0, bottom), mode="replicate") for image in pair
        )
        result = self.flow_model(first_input, second_input, num_flow_updates=self.profile.flow.updates)[-1]
        result = result[:, :, : small[0], : small[1]]
        if small != size:
            result = F.interpolate(result, size, mode="bilinear", align_corners=False)
            result[:, 0] *= size[1] / small[1]
            result[:, 1] *= size[0] / small[0]
        flow: Array = result[0].permute(1, 2, 0).cpu().numpy()
        return flow

    @torch.inference_mode()
    def depth(self, frame: Array) -> Array:
        """Return the canonical inverse depth of a frame, (h, w)."""
        side = 4 * self.depth_model.config.patch_size
        image = torch.from_numpy(frame).permute(2, 0, 1)[None].to(self.device).float() / 127.5 - 1
        image = F.interpolate(image, (side, side), mode="bilinear", align_corners=False)
        inverse = self.depth_model(image).predicted_depth[:, None]
        height, width = frame.shape[:2]
        factor = min(1.0, self.profile.depth.long_side / max(height, width))
        size = (max(1, round(height * factor)), max(1, round(width * factor)))
        resized: Array = F.interpolate(inverse, size, mode="bilinear", antialias=True)[0, 0].cpu().numpy()
        return resized

    @torch.inference_mode()
    def clip_feature(self, frame: Array) -> Array:
        """Return CLIP's image feature of a frame, of length one."""
        from torchvision.transforms.v2 import functional as tv

        side, mean, std = self.clip_input
        image = torch.from_numpy(frame).permute(2, 0, 1)[None]
        image = tv.resize(image, [side], interpolation=tv.InterpolationMode.BICUBIC, antialias=True)
        image = tv.normalize(tv.center_crop(image, [side, side]).float() / 255, mean, std)
        feature = self.clip_model.encode_image(image.to(self.device))[0]
        unit: Array = (feature / feature.norm()).cpu().numpy()
        return unit

    @torch.inference_mode()
    def dino_feature(self, frame: Array) -> Array:
        """Return DINOv2's class token of a whole frame, of length one."""
        from torchvision.transforms.v2 import functional as tv

        height, width = frame.shape[:2]
        patch = self.dino_model.config.patch_size
        size = [round(224 * min(side / min(height, width), 4) / patch) * patch for side in (height, width)]
        image = torch.from_numpy(frame).permute(2, 0, 1)[None]
        image = tv.resize(image, size, interpolation=tv.InterpolationMode.BICUBIC, antialias=True)
        image = tv.normalize(image.float() / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        feature = self.dino_model(image.to(self.device)).pooler_output[0]
        unit: Array = (feature / feature.norm()).cpu().numpy()
        return unit


def decode(path: Path) -> Array:
    """Return all frames of the clip, (T, H, W, 3) uint8."""
    with open_media(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def consistency(features: list[Array]) -> list[float]:
    """Return for each frame but the first the mean of its similarities to the frame before and the first (VBench)."""
    values = []
    for t in range(1, len(features)):
        before = max(0.0, cosine(features[t], features[t - 1]))
        start = max(0.0, cosine(features[t], features[0]))
        values.append((before + start) / 2)
    return values


def cosine(a: Array, b: Array) -> float:
    """Return the cosine of the angle between two vectors."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def warp(image: Array, flow: Array) -> Array:
    """Sample the image at x + F(x), bilinear with repeated border: (H, W, C) and (H, W, 2) to (H, W, C)."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = np.clip(x + flow[..., 0], 0, width - 1), np.clip(y + flow[..., 1], 0, height - 1)
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    u, v = (x - x0)[..., None], (y - y0)[..., None]
    top = (1 - u) * image[y0, x0] + u * image[y0, x1]
    bottom = (1 - u) * image[y1, x0] + u * image[y1, x1]
    warped: Array = (1 - v) * top + v * bottom
    return warped


def not_occluded(forward: Array, backward: Array) -> Array:
    """Return the mask M of the warp error after Sundaram et al.: two flows of (H, W, 2) to (H, W) bool."""
    height, width = forward.shape[:2]
    returned = warp(backward, forward)
    length, length_back = (forward**2).sum(-1), (returned**2).sum(-1)
    agree = ((forward + returned) ** 2).sum(-1) <= 0.01 * (length + length_back) + 0.5
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + forward[..., 0], y + forward[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    # Forward differences; zero in the last column and row.
    across = np.diff(forward, axis=1, append=forward[:, -1:])
    down = np.diff(forward, axis=0, append=forward[-1:])
    smooth = (across**2).sum(-1) + (down**2).sum(-1) <= 0.01 * length + 0.002
    mask: Array = agree & inside & smooth
    return mask


def warp_error(first: Array, second: Array, flow: Array, mask: Array, *, align: bool = False) -> float:
    """Return E_t, the mean over pixels in the mask and channels; NaN if the mask holds under 1 % of the pixels."""
    if mask.mean() < 0.01:
        return float("nan")
    a, b = first[mask].astype(np.float64), warp(second, flow)[mask].astype(np.float64)
    if align and (b**2).sum() > 0:
        b = b * (a * b).sum() / (b**2).sum()
    return float(((a - b) ** 2).mean())


def load_raft(name: str, store: WeightsDir) -> Any:
    """Load torchvision's RAFT."""
    from torchvision.models import optical_flow

    model = getattr(optical_flow, name)(weights=None)
    model.load_state_dict(torch.load(store.folder(name) / store.pins[name].files[0].name, weights_only=True))
    return model.eval()


def load_clip(store: WeightsDir) -> tuple[Any, tuple[int, list[float], list[float]]]:
    """Load open_clip's model; return it with side, mean and standard deviation of its input images."""
    import open_clip

    model = open_clip.create_model(f"local-dir:{store.folder('clip')}")
    preprocessing = open_clip.get_model_preprocess_cfg(model)
    return model.eval(), (preprocessing["size"][0], list(preprocessing["mean"]), list(preprocessing["std"]))


def load_dinov2(store: WeightsDir) -> Any:
    """Load the DINOv2 of transformers."""
    from transformers import Dinov2Model

    model: Any = Dinov2Model.from_pretrained(store.folder("dinov2"), dtype=torch.float32)
    return model.eval()


def load_depth_pro(store: WeightsDir) -> Any:
    """Load the Depth Pro of transformers without the network for the field of view."""
    from transformers import DepthProForDepthEstimation

    folder = store.folder("depth_pro")
    model: Any = DepthProForDepthEstimation.from_pretrained(folder, dtype=torch.float32, use_fov_model=False)
    return model.eval()
