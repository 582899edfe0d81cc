"""ResNets for small images (He et al. 2016, section 4.2): 6n + 2 layers, widths 16, 32, 64.

Names of parameters are those of akamaster/pytorch_resnet_cifar10, so that its checkpoints load as they are.
The activation inside a block is a module and the one after the addition a function, as in the FCF authors' code:
their operation counter sees modules only.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pruning.arguments import key
from pruning.models.init import initialise

WIDTHS = (16, 32, 64)
SHORTCUTS = ("A", "B")


class PaddedShortcut(nn.Module):
    """Option A: every second pixel, and zeros for the channels that are new. No parameters."""

    def __init__(self, new: int) -> None:
        super().__init__()
        self.pad = new // 2

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))


def shortcut(kind: str, wide_in: int, wide: int, stride: int) -> nn.Module:
    """What carries the stream past a block: itself, option A (zero-padded) or option B (1x1 projection)."""
    if stride == 1 and wide_in == wide:
        return nn.Identity()
    if kind == "A":
        return PaddedShortcut(wide - wide_in)
    return nn.Sequential(nn.Conv2d(wide_in, wide, 1, stride, bias=False), nn.BatchNorm2d(wide))


class Block(nn.Module):
    """relu(bn conv relu bn conv x + shortcut x)."""

    def __init__(self, wide_in: int, wide: int, stride: int, kind: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(wide_in, wide, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.shortcut = shortcut(kind, wide_in, wide, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """He's network for 32x32 images; `depth` = 6n + 2, `kind` of shortcut "A" or "B"."""

    def __init__(self, depth: int, classes: int, kind: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        blocks = (depth - 2) // 6
        self.layer1 = _stage(WIDTHS[0], WIDTHS[0], blocks, 1, kind)
        self.layer2 = _stage(WIDTHS[0], WIDTHS[1], blocks, 2, kind)
        self.layer3 = _stage(WIDTHS[1], WIDTHS[2], blocks, 2, kind)
        self.linear = nn.Linear(WIDTHS[2], classes)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes"]:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


def _stage(wide_in: int, wide: int, blocks: int, stride: int, kind: str) -> nn.Sequential:
    first = Block(wide_in, wide, stride, kind)
    return nn.Sequential(first, *(Block(wide, wide, 1, kind) for _ in range(blocks - 1)))


def resnet(depth: int, classes: int, image_shape: tuple[int, int, int], shortcut: str = "A", seed: int = 0) -> ResNet:
    """A CIFAR ResNet with He's initial weights.

    Raises:
        ValueError: a depth that is not 6n + 2, an unknown shortcut, or images too small for two halvings.
    """
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth of a CIFAR ResNet must be 6n + 2 (20, 32, 44, 56, 110), got {depth}")
    if shortcut not in SHORTCUTS:
        raise ValueError(f"{key('shortcut')} must be A (zero-padded) or B (1x1 projection), got {shortcut!r}")
    if min(image_shape[1:]) < 8:
        raise ValueError(f"a CIFAR ResNet needs images of 8x8 or more, got {image_shape}")
    return initialise(ResNet(depth, classes, shortcut), seed)
