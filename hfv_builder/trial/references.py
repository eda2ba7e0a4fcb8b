"""The same results by the library's own call, which checks how our code prepares frames and loads weights.

Independent of the backends: Pillow or the library's own processor prepares the frames, and the models are built as
their libraries document.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import Depth, Embedding, Flow
from hfv_builder.trial.check import Check
from hfv_builder.trial.depth import compute_map, still_scene
from hfv_builder.trial.embedding import HEIGHT, WIDTH, embed
from hfv_builder.trial.flow import both_flows
from hfv_builder.trial.moving import PLANES
from hfv_builder.trial.views import SCENES

Reference = Callable[[Sequence[npt.NDArray[np.uint8]]], Tensor]
"""Maps frames of one size, (H, W, 3) uint8, to vectors, (n, D)."""
RGB = npt.NDArray[np.uint8]
FLOW_SIZE = 128, 192
"""Height and width of the frames for RAFT, which are compared if the profile does not shrink them."""
EXACT = {"fp32": 1e-4, "fp16": 0.01, "bf16": 0.05}
"""Largest difference of a result by precision, as a share of its size, where no frame is resized."""
RESIZED = {"fp32": 0.05, "fp16": 0.06, "bf16": 0.1}
"""The same where frames are resized: Pillow and our code differ by at most one grey level."""
SHORT_SIDE = 224
"""Pixels; of frames for DINOv2."""
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ADVICE = "our code prepares the frames or loads the weights otherwise than the library does; please report it"


def check_references(
    model: Any, config: Flow | Depth | Embedding, device: str, store: WeightsDir, *, depth_map: Tensor | None = None
) -> Iterator[Check]:
    """Yield the comparisons of a learnt model with the library's own call, computed in fp32 on the same device.

    Args:
        model: the loaded model.
        config: its section of the profile.
        device: `cpu` or `cuda`.
        store: the directory of the weights.
        depth_map: a depth model's map of the first frame of the still scene; None computes it.
    """
    folder = store.open(config.backend)
    match config:
        case Flow():
            shrunk = config.long_side < max(FLOW_SIZE)
            path = folder / store.pins[config.backend].files[0].name
            results = [] if shrunk else [("torchvision", EXACT, _flow_difference(model, config, device, path))]
        case Depth():
            found = compute_map(model, 0) if depth_map is None else depth_map
            results = [("transformers", EXACT, _depth_difference(found, device, folder))]
        case Embedding():
            library, side, reference = EMBEDDINGS[config.backend](folder, device)
            results = [
                (library, EXACT, _embedding_difference(model, reference, side, side)),
                (f"{library}, frames resized", RESIZED, _embedding_difference(model, reference, HEIGHT, WIDTH)),
            ]
    for name, limits, difference in results:
        yield Check(
            model=config.backend,
            name=f"difference to the call of {name}",
            value=difference,
            limit=limits[config.precision],
            advice=ADVICE,
        )


def _flow_difference(model: Any, config: Flow, device: str, file: Path) -> float:
    """Return the median difference of the flow, as a share of its median length."""
    from torchvision.models import optical_flow

    own = getattr(optical_flow, config.backend)(weights=None).eval()
    own.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    images = torch.from_numpy(PLANES[0].frames(*FLOW_SIZE)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    expected = own.to(device)(images[:1], images[1:], num_flow_updates=config.updates)[-1][0].cpu().double().numpy()
    there, _ = both_flows(model, PLANES[0], *FLOW_SIZE)
    return float(np.median(np.hypot(*(there - expected))) / np.median(np.hypot(*expected)))


def _depth_difference(found: Tensor, device: str, folder: Path) -> float:
    """Return the median difference of the map, as a share of its range from the 2nd to the 98th percentile."""
    from transformers import DepthProForDepthEstimation, DepthProImageProcessor

    own: Any = DepthProForDepthEstimation.from_pretrained(folder, local_files_only=True, use_fov_model=False)
    side = 4 * own.config.patch_size
    prepare = DepthProImageProcessor(size={"height": side, "width": side})
    pixels = prepare(images=[Image.fromarray(still_scene()[0])], return_tensors="pt").pixel_values
    expected = own.float().eval().to(device)(pixels.to(device)).predicted_depth
    expected = interpolate(expected[:, None], found.shape, mode="bilinear", antialias=True)[0, 0].cpu()
    low, high = np.percentile(expected.numpy(), [2, 98])
    return float((found - expected).abs().median() / (high - low)) if high > low else float("nan")


def _embedding_difference(model: Any, reference: Reference, height: int, width: int) -> float:
    """Return the largest distance between the two unit vectors of a frame."""
    frames = [scene.render(height, width).rgb for scene in SCENES]
    expected = normalize(reference(frames).cpu().double(), dim=1)
    return float((embed(model, frames) - expected).norm(dim=1).max())


def _clip(folder: Path, device: str) -> tuple[str, int, Reference]:
    """Return the library, the side of a square frame that it does not resize, and its call."""
    import open_clip

    own, prepare = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    own = own.eval().to(device)

    def vectors(frames: Sequence[RGB]) -> Tensor:
        result: Tensor = own.encode_image(torch.stack([prepare(Image.fromarray(frame)) for frame in frames]).to(device))
        return result

    return "open_clip", own.visual.image_size[0], vectors


def _dinov2(folder: Path, device: str) -> tuple[str, int, Reference]:
    """Return the library, the side of a square frame that is not resized, and its call."""
    from transformers import Dinov2Model

    own: Any = Dinov2Model.from_pretrained(folder, local_files_only=True)
    own = own.float().eval().to(device)
    patch = own.config.patch_size
    mean, deviation = (torch.tensor(values)[:, None, None] for values in IMAGENET)

    def vectors(frames: Sequence[RGB]) -> Tensor:
        height, width = frames[0].shape[:2]
        factor = SHORT_SIDE / min(height, width)
        size = round(width * factor / patch) * patch, round(height * factor / patch) * patch
        small = [np.array(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)) for frame in frames]
        images = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 255
        result: Tensor = own(((images - mean) / deviation).to(device)).last_hidden_state[:, 0]
        return result

    return "transformers", SHORT_SIDE, vectors


EMBEDDINGS = {"clip": _clip, "dinov2": _dinov2}
"""The reference of each learnt embedding."""
