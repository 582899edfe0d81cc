"""Small networks whose streams are tied together channel by channel: in parts, several times, or group by group."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def unit(wide_in: int, wide: int, kernel: int = 1, groups: int = 1, bias: bool = False) -> nn.Sequential:
    """Convolution, norm, activation."""
    conv = nn.Conv2d(wide_in, wide, kernel, padding=kernel // 2, groups=groups, bias=bias)
    return nn.Sequential(conv, nn.BatchNorm2d(wide), nn.LeakyReLU())


class Streams(nn.Module):
    """A stem, what a subclass does with its channels, and a classifier."""

    def __init__(self, wide: int, last: int | None = None) -> None:
        super().__init__()
        self.stem, self.head = unit(3, wide, 3), nn.Linear(last or wide, 5)

    def body(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class Res2Net(Streams):
    """Quarters of one convolution, each but the first and the last added to what is made of the one before."""

    def __init__(self) -> None:
        super().__init__(8)
        self.expand, self.project = unit(8, 16), unit(16, 8)
        self.convs = nn.ModuleList(unit(4, 4, 3) for _ in range(3))

    def body(self, x: Tensor) -> Tensor:
        pieces = self.expand(x).chunk(4, 1)
        made = [self.convs[0](pieces[0])]
        made += [self.convs[1](pieces[1] + made[0])]
        made += [self.convs[2](pieces[2] + made[1])]
        return x + self.project(torch.cat([*made, pieces[3]], 1))


class Ghost(Streams):
    """Half of the channels made from the other half, one by one, and all of them added to a stream."""

    def __init__(self) -> None:
        super().__init__(8)
        self.primary, self.cheap = unit(8, 4), unit(4, 4, 3, groups=4)

    def body(self, x: Tensor) -> Tensor:
        y = self.primary(x)
        return x + torch.cat([y, self.cheap(y)], 1)


class CrossStage(Streams):
    """One half of a convolution goes through a residual block, the other past it."""

    def __init__(self) -> None:
        super().__init__(8, 12)
        self.split, self.block, self.last = unit(8, 12), unit(6, 6, 3), unit(12, 12)

    def body(self, x: Tensor) -> Tensor:
        left, right = self.split(x).chunk(2, 1)
        return self.last(torch.cat([left, right + self.block(right)], 1))


class DualPath(Streams):
    """The first channels are added to a stream, the others hung on to it."""

    def __init__(self) -> None:
        super().__init__(8, 14)
        self.first, self.second = unit(8, 11), unit(11, 11)

    def body(self, x: Tensor) -> Tensor:
        y = self.first(x)
        x = torch.cat([x + y[:, :8], y[:, 8:]], 1)
        y = self.second(x)
        return torch.cat([x[:, :8] + y[:, :8], x[:, 8:], y[:, 8:]], 1)


class Mixed(Streams):
    """Two convolutions side by side, added to two others that part at another channel."""

    def __init__(self) -> None:
        super().__init__(4, 8)
        self.left = nn.ModuleList([unit(4, 4), unit(4, 4, 3)])
        self.right = nn.ModuleList([unit(4, 2), unit(4, 6, 3)])

    def body(self, x: Tensor) -> Tensor:
        return torch.cat([f(x) for f in self.left], 1) + torch.cat([f(x) for f in self.right], 1)


class Padded(Streams):
    """Streams that grow by zeros, as in option A and in RexNet, and a block that adds to the first channels only."""

    def __init__(self) -> None:
        super().__init__(6, 12)
        self.first, self.second, self.third = unit(6, 6, 3), unit(6, 12, 3), unit(12, 12, 3)

    def body(self, x: Tensor) -> Tensor:
        x = x + self.first(x)
        x = F.pad(x, (0, 0, 0, 0, 2, 4)) + self.second(x)
        return x + self.third(x)


class Excited(Streams):
    """Squeeze-and-excitation on what is added to a stream."""

    def __init__(self) -> None:
        super().__init__(8)
        self.block, self.reduce, self.excite = unit(8, 8, 3), nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)

    def body(self, x: Tensor) -> Tensor:
        y = self.block(x)
        return x + y * self.excite(F.relu(self.reduce(y.mean((2, 3), keepdim=True)))).sigmoid()


class Grouped(Streams):
    """A block of ResNeXt, its middle in `groups` groups."""

    def __init__(self, groups: int = 4) -> None:
        super().__init__(8)
        self.enter, self.middle, self.leave = unit(8, 16), unit(16, 16, 3, groups), unit(16, 8)

    def body(self, x: Tensor) -> Tensor:
        return x + self.leave(self.middle(self.enter(x)))


class Shuffled(Streams):
    """Grouped 1x1 convolutions with a shuffle between them, a depthwise one with two filters a channel, a stream."""

    def __init__(self) -> None:
        super().__init__(8)
        self.squeeze, self.each = unit(8, 8, groups=2), unit(8, 16, 3, groups=8)
        self.shuffle, self.leave = nn.ChannelShuffle(2), unit(16, 8, groups=4)

    def body(self, x: Tensor) -> Tensor:
        return x + self.leave(self.shuffle(self.each(self.squeeze(x))))


class Gathered(Streams):
    """A grouped convolution of what different convolutions make: no two groups of the same."""

    def __init__(self) -> None:
        super().__init__(4, 6)
        self.left, self.right, self.middle = unit(4, 5), unit(4, 7), unit(12, 6, 3, groups=3)

    def body(self, x: Tensor) -> Tensor:
        return self.middle(torch.cat([self.left(x), self.right(x)], 1))


NETWORKS = (Res2Net, Ghost, CrossStage, DualPath, Mixed, Padded, Excited, Grouped)
