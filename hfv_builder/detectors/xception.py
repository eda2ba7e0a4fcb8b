"""Xception (Chollet, CVPR 2017), with the parameter names of the weights that timm publishes."""

from torch import Tensor, nn

MIDDLE = 8
"""Blocks of the middle flow."""
FULL = 728
"""Channels of the middle flow."""


class Separable(nn.Module):
    """A convolution of each channel, then one over channels."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, before, 3, padding=1, groups=before, bias=False)
        self.pointwise = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, after, H, W)."""
        out: Tensor = self.pointwise(self.conv1(x))
        return out


class Block(nn.Module):
    """Separable convolutions beside a shortcut; with `down` both halve the size."""

    def __init__(
        self, before: int, after: int, count: int, *, down: bool = False, begins: bool = False, late: bool = False
    ) -> None:
        """Make the block.

        Args:
            before: channels.
            after: channels.
            count: separable convolutions.
            down: whether the size is halved.
            begins: whether it starts without a ReLU.
            late: whether the last convolution changes the number of channels, else the first.
        """
        super().__init__()
        widths = [before] * count + [after] if late else [before] + [after] * count
        layers: list[nn.Module] = []
        for place in range(count):
            layers += [nn.ReLU(), Separable(widths[place], widths[place + 1]), nn.BatchNorm2d(widths[place + 1])]
        self.rep = nn.Sequential(*layers[begins:], *([nn.MaxPool2d(3, 2, 1)] if down else []))
        self.skip = nn.Conv2d(before, after, 1, stride=2, bias=False) if down else None
        if down:
            self.skipbn = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, after, H, W), or half of the size."""
        out: Tensor = self.rep(x) + (x if self.skip is None else self.skipbn(self.skip(x)))
        return out


class Xception(nn.Module):
    """From images to features, (n, `features`): the network without its classifier."""

    def __init__(self, channels: int = 3, *, width: int = FULL, middle: int = MIDDLE) -> None:
        """Make the network.

        Args:
            channels: of the images.
            width: channels of the middle flow; the others are in proportion.
            middle: blocks of the middle flow.
        """
        super().__init__()
        w32, w64, w128, w256, w1024, w1536, w2048 = (
            max(1, own * width // FULL) for own in (32, 64, 128, 256, 1024, 1536, 2048)
        )
        self.features = w2048
        self.conv1, self.bn1 = nn.Conv2d(channels, w32, 3, stride=2, bias=False), nn.BatchNorm2d(w32)
        self.conv2, self.bn2 = nn.Conv2d(w32, w64, 3, bias=False), nn.BatchNorm2d(w64)
        self.relu = nn.ReLU()
        blocks = [
            Block(w64, w128, 2, down=True, begins=True),
            Block(w128, w256, 2, down=True),
            Block(w256, width, 2, down=True),
            *(Block(width, width, 3) for _ in range(middle)),
            Block(width, w1024, 2, down=True, late=True),
        ]
        self.blocks = len(blocks)
        for number, block in enumerate(blocks, 1):
            self.add_module(f"block{number}", block)
        self.conv3, self.bn3 = Separable(w1024, w1536), nn.BatchNorm2d(w1536)
        self.conv4, self.bn4 = Separable(w1536, w2048), nn.BatchNorm2d(w2048)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of images, (n, channels, H, W), H and W at least 12."""
        x = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        for number in range(1, self.blocks + 1):
            x = self.get_submodule(f"block{number}")(x)
        x = self.relu(self.bn4(self.conv4(self.relu(self.bn3(self.conv3(x))))))
        return x.mean(dim=(2, 3))
