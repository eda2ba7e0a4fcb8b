"""Optical flow by RAFT (Teed and Deng, ECCV 2020), the implementation in torchvision, without repeated computation.

torchvision's `RAFT.forward` takes a pair: for a clip in both directions it would encode every frame four times, and it
upsamples the flow after every update. This module calls the parts of the model instead. Both encoders run once per
frame, and so does the context's share of the GRU convolutions, which is constant over all updates. The mask and the
upsampling run once after the last update. The flow is equal up to rounding.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad
from torchvision.models.optical_flow import raft_large, raft_small
from torchvision.models.optical_flow._utils import make_coords_grid, upsample_flow

from hfv_builder.backends.base import Features
from hfv_builder.backends.batches import Batches
from hfv_builder.backends.checkpoint import load_pth
from hfv_builder.backends.precision import LOWER, autocast, compile_in_place, compiled
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames.resize import shrunk
from hfv_builder.profiles.profile import Flow

SMALLEST = 128
"""Pixels; on smaller sides the coarsest level of the correlation pyramid has a single value and the flow is NaN."""
STRIDE = 8
MODELS = {"raft_large": raft_large, "raft_small": raft_small}
MOST_PAIRS = {"cpu": 2, "cuda": 20}
MOST_FRAMES = {"cpu": 2, "cuda": 20}
"""On CUDA at least the 18 frames of 720p that the scorer passes at once, so that they make a single batch."""


class Gate:
    """One ConvGRU whose weights are split by input channels: hidden state and motion, or context."""

    def __init__(self, gru: Any, context: int, layout: torch.memory_format) -> None:
        hidden = gru.convz.out_channels
        recurrent = list(range(hidden)) + list(range(hidden + context, gru.convz.in_channels))
        constant = slice(hidden, hidden + context)
        convs = (gru.convz, gru.convr, gru.convq)
        self.padding = gru.convz.padding
        self.update_reset = torch.cat([conv.weight[:, recurrent] for conv in convs[:2]]).contiguous(
            memory_format=layout
        )
        self.candidate = gru.convq.weight[:, recurrent].contiguous(memory_format=layout)
        self.context = torch.cat([conv.weight[:, constant] for conv in convs]).contiguous(memory_format=layout)
        self.bias = torch.cat([conv.bias for conv in convs])

    def of_context(self, context: Tensor) -> Tensor:
        """Return the contribution of the context to all three gates: (n, 3 · hidden, h, w)."""
        return conv2d(context, self.context, self.bias, padding=self.padding)

    def __call__(self, hidden: Tensor, motion: Tensor, from_context: Tensor) -> Tensor:
        """Return the next hidden state, (n, hidden, h, w)."""
        channels = hidden.shape[1]
        inputs = torch.cat([hidden, motion], 1)
        # In place where possible: after the convolutions, memory traffic takes most of the time.
        both = _plus(conv2d(inputs, self.update_reset, padding=self.padding), from_context[:, : 2 * channels])
        update, reset = both.sigmoid_().chunk(2, 1)
        inputs[:, :channels] *= reset
        candidate = _plus(conv2d(inputs, self.candidate, padding=self.padding), from_context[:, 2 * channels :])
        return torch.lerp(hidden, candidate.tanh_(), update)


class Raft:
    """Flow model: RAFT large or small. Not thread-safe."""

    def __init__(self, model: Any, config: Flow, device: str) -> None:
        # Half-precision convolutions are faster with the channels last, on CPUs and GPUs; in fp32 there is no gain.
        self._layout = torch.channels_last if config.precision in LOWER else torch.contiguous_format
        self._model = model.eval().requires_grad_(False).to(device, memory_format=self._layout)
        self._config, self._device = config, device
        update = self._model.update_block
        self._hidden = update.hidden_state_size
        context = self._model.context_encoder.output_dim - self._hidden
        grus = (update.recurrent_block.convgru1, update.recurrent_block.convgru2)
        self._gates = [Gate(gru, context, self._layout) for gru in grus if hasattr(gru, "convz")]
        radius = self._model.corr_block.radius
        steps = torch.arange(-radius, radius + 1, dtype=torch.float32, device=device)
        # The order of the channels in torchvision: the outer axis of the window is horizontal.
        self._window = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)
        self._update: Callable[..., tuple[Tensor, Tensor]] = self._once
        if config.compile:
            self._update = compiled(self._once)
            compile_in_place([self._model.feature_encoder, self._model.context_encoder])
        kind = torch.device(device).type
        self._frames = Batches(device=device, most=MOST_FRAMES.get(kind, 2))
        self._pairs = Batches(device=device, most=MOST_PAIRS.get(kind, 2))

    def encode(self, frames: Tensor) -> Features:
        """Return correlation features, hidden state, context and (height, width) without padding, for each frame.

        Args:
            frames: (n, C, H, W) float32 in [0, 1], C = 1 or 3.
        """
        images = shrunk(frames.to(self._device), self._config.long_side)
        height, width = images.shape[-2:]
        padding = (0, _padded(width) - width, 0, _padded(height) - height)
        images = pad(images * 2 - 1, padding, mode="replicate")
        parts = self._frames.run(self._encode, images.expand(-1, 3, -1, -1))
        size = torch.tensor([height, width]).expand(len(frames), 2)
        widths = [self._model.feature_encoder.output_dim, self._hidden]
        return (*torch.split(parts, [*widths, parts.shape[1] - sum(widths)], dim=1), size)

    def _encode(self, images: Tensor) -> Tensor:
        with autocast(self._config.precision, self._device):
            images = images.contiguous(memory_format=self._layout)
            features, context = self._model.feature_encoder(images), self._model.context_encoder(images)
            hidden, context = context[:, : self._hidden], context[:, self._hidden :]
            parts = [gate.of_context(torch.relu(context)) for gate in self._gates]
        return torch.cat([features.float(), torch.tanh(hidden.float()), *(part.float() for part in parts)], dim=1)

    def flow(self, first: Features, second: Features) -> Tensor:
        """Return the flow from each first frame to the second, (n, 2, h, w) float32, at the size of the estimation."""
        height, width = first[-1][0].tolist()
        flow = self._pairs.run(self._flow, first[0], second[0], first[1], first[2])
        return flow[..., :height, :width]

    def _flow(self, first: Tensor, second: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        pyramid = self._pyramid(first, second)
        parts = context.chunk(len(self._gates), dim=1)
        start = make_coords_grid(len(first), *first.shape[-2:], device=self._device)
        coords = start
        for _ in range(self._config.updates):
            correlation = self._correlation(pyramid, coords)
            with autocast(self._config.precision, self._device):
                hidden, change = self._update(hidden, coords - start, correlation, parts)
            coords = coords + change.float()
        mask = None
        if self._model.mask_predictor is not None:
            with autocast(self._config.precision, self._device):
                mask = self._model.mask_predictor(hidden).float()
        flow: Tensor = upsample_flow(coords - start, mask)
        return flow

    def _once(
        self, hidden: Tensor, flow: Tensor, correlation: Tensor, parts: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """Run one update and return the next hidden state and the change of the flow."""
        update = self._model.update_block
        motion = update.motion_encoder(flow, correlation)
        for gate, from_context in zip(self._gates, parts, strict=True):
            hidden = gate(hidden, motion, from_context)
        return hidden, update.flow_head(hidden)

    def _pyramid(self, first: Tensor, second: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the correlation of every position of the first with all positions of the second, at several scales.

        Always in fp32: the sub-pixel part of the flow depends on sums of 256 products, for which fp16 is too coarse.

        Returns:
            For each level the correlations, (n · h · w, 1, h', w'), and the size of one of its pixels in the
            coordinates of `grid_sample`, (2,).
        """
        n, channels, height, width = first.shape
        # Scaling one of the factors is the same, and far smaller than the product.
        volume = torch.matmul(first.flatten(2).transpose(1, 2) / channels**0.5, second.flatten(2))
        levels = [volume.reshape(n * height * width, 1, height, width)]
        for _ in range(self._model.corr_block.num_levels - 1):
            levels.append(avg_pool2d(levels[-1], 2, 2))
        sizes = torch.tensor([[level.shape[-1], level.shape[-2]] for level in levels], device=first.device)
        return list(zip(levels, 2 / (sizes - 1), strict=True))

    def _correlation(self, pyramid: list[tuple[Tensor, Tensor]], coords: Tensor) -> Tensor:
        """Return the correlation in a window around the current match of each position: (n, levels · window², h, w)."""
        n, _, height, width = coords.shape
        centre = coords.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
        windows = []
        for level, pixel in pyramid:
            grid = (centre * pixel - 1) + self._window * pixel
            # The kernel behind `grid_sample(level, grid, align_corners=True)`. On CUDA, `grid_sample` itself calls
            # cuDNN, which rejects a batch as large as the number of positions in a batch of pairs.
            sampled = torch.ops.aten.grid_sampler_2d(level, grid, 0, 0, True)
            windows.append(sampled.reshape(n, height, width, -1))
            centre = centre / 2
        return torch.cat(windows, dim=-1).permute(0, 3, 1, 2).contiguous(memory_format=self._layout)


def _plus(product: Tensor, exact: Tensor) -> Tensor:
    """Return the sum in the higher precision of the two; in place in `product` if both have the same dtype."""
    return product.add_(exact) if product.dtype == exact.dtype else product + exact


def _padded(side: int) -> int:
    return max(SMALLEST, -(-side // STRIDE) * STRIDE)


def load(config: Flow, device: str, store: WeightsDir) -> Raft:
    """Return the model that the profile describes.

    Raises:
        UsageError: its weights are missing, damaged or do not fit.
    """
    (file,) = store.pins[config.backend].files
    model = MODELS[config.backend](weights=None)
    load_pth(model, store.open(config.backend) / file.name)
    return Raft(model, config, device)
