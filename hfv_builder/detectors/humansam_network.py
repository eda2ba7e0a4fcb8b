"""The network of `humansam`: a video backbone, its fusion with the depth vector, and a linear head (eq. 3 to 5)."""

import torch
from torch import Tensor, nn

from hfv_builder.detectors.backbones import Backbone
from hfv_builder.detectors.schedule import Tuning


class HumanSamNetwork(nn.Module):
    """A network with two branches; the vector of the depth branch is computed beforehand."""

    def __init__(self, backbone: Backbone, classes: int, *, cat: bool, depth_width: int) -> None:
        """Make a network whose head is random.

        Args:
            backbone: the video branch.
            classes: their number.
            cat: concatenate the averages with the pooled vector.
            depth_width: width of the depth vector; 0 leaves the depth branch out.
        """
        super().__init__()
        self.backbone, self.cat = backbone, cat
        width = backbone.pooled + (backbone.averages * backbone.width if cat else 0)
        self.norm = nn.BatchNorm1d(backbone.width, eps=1e-6, affine=False) if cat else None
        self.align = nn.Linear(width, depth_width) if depth_width else None
        self.alpha = nn.Parameter(torch.tensor(0.5)) if depth_width else None
        self.head = nn.Linear(depth_width or width, classes)
        for layer in (self.align, self.head):
            if layer is not None:
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def features(self, video: Tensor) -> Tensor:
        """Return the feature of the video branch (eq. 3), (n, width): normalised averages, and the pooled vector."""
        own: tuple[Tensor, Tensor] = self.backbone(video)
        averages, pooled = own
        if self.norm is None:
            return pooled
        averages = self.norm(averages.transpose(1, 2)).transpose(1, 2)
        return torch.cat([averages.flatten(1), pooled], dim=1)

    def share(self) -> Tensor:
        """Return α of eq. 5, a scalar, clipped to [0, 1] after a step moved it outside."""
        if self.alpha is None:
            return torch.ones(())
        with torch.no_grad():
            self.alpha.clamp_(0, 1)
        return self.alpha

    def forward(self, video: Tensor, depth: Tensor | None) -> Tensor:
        """Return logits, (n, classes).

        Args:
            video: (n, 3, T, side, side) float, normalised.
            depth: (n, depth_width) float, or (1, depth_width) for views of one clip; None without the depth branch.
        """
        feature = self.features(video)
        if self.align is not None and depth is not None:
            alpha = self.share()
            feature = alpha * self.align(feature) + (1 - alpha) * depth
        logits: Tensor = self.head(feature)
        return logits


def tuning(
    network: HumanSamNetwork,
    name: str,
    parameter: nn.Parameter,
    *,
    layer_decay: float,
    alpha: float,
    decay_embeddings: bool,
) -> Tuning:
    """Return the tuning of a parameter: `layer_decay` reduces the rate of each lower layer; vectors have no weight
    decay.

    Args:
        network: the network.
        name: of the parameter in it.
        parameter: it.
        layer_decay: factor of the learning rate from a layer to the one below; 1 for none.
        alpha: learning rate of α as a share of that of the head.
        decay_embeddings: whether weight decay applies to the class token and the positions.
    """
    if name == "alpha":
        return Tuning(scale=alpha, decays=False)
    own = name.removeprefix("backbone.")
    embeds = own.rpartition(".")[2] in ("cls_token", "pos_embed")
    decays = parameter.ndim > 1 and (decay_embeddings or not embeds)
    below = network.backbone.depth + 1 - network.backbone.layer(own) if own != name else 0
    return Tuning(scale=layer_decay**below, decays=decays)
