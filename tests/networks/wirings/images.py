"""Images to images: restoration, super-resolution, style, generators and critics."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.networks.wirings.layers import Residual, conv, conv_norm, unit


class ESPCN(nn.Module):
    """Shi et al. 2016."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 48, 5, 1, 2), nn.Conv2d(48, 32, 3, 1, 1)
        self.conv3, self.pixel_shuffle = nn.Conv2d(32, 3 * 9, 3, 1, 1), nn.PixelShuffle(3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.conv1(x))
        x = torch.tanh(self.conv2(x))
        return torch.sigmoid(self.pixel_shuffle(self.conv3(x)))


def espcn() -> nn.Module:
    return ESPCN()


class EDSR(nn.Module):
    """Lim et al. 2017: no norms, a constant in front of each addition, one long skip."""

    class Block(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(True), nn.Conv2d(width, width, 3, 1, 1))
            self.res_scale = 0.1

        def forward(self, x: Tensor) -> Tensor:
            res = self.body(x).mul(self.res_scale)
            res += x
            return res

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 32, 3, 1, 1)
        self.body = nn.Sequential(*(self.Block(32) for _ in range(3)), nn.Conv2d(32, 32, 3, 1, 1))
        self.tail = nn.Sequential(nn.Conv2d(32, 128, 3, 1, 1), nn.PixelShuffle(2), nn.Conv2d(32, 3, 3, 1, 1))
        self.register_buffer("mean", torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x - self.mean)
        res = self.body(x)
        res += x
        return self.tail(res) + self.mean


def edsr() -> nn.Module:
    return EDSR()


class ChannelAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv_du = nn.Sequential(
            nn.Conv2d(width, width // 4, 1), nn.ReLU(inplace=True), nn.Conv2d(width // 4, width, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv_du(self.avg_pool(x))


def rcan() -> nn.Module:
    """Zhang et al. 2018: residual groups of blocks with channel attention."""

    def block(width: int) -> nn.Module:
        body = (
            nn.Conv2d(width, width, 3, 1, 1),
            nn.ReLU(True),
            nn.Conv2d(width, width, 3, 1, 1),
            ChannelAttention(width),
        )
        return Residual(nn.Sequential(*body))

    groups = [Residual(nn.Sequential(block(24), block(24), nn.Conv2d(24, 24, 3, 1, 1))) for _ in range(2)]
    body = Residual(nn.Sequential(*groups, nn.Conv2d(24, 24, 3, 1, 1)))
    tail = (nn.Conv2d(24, 96, 3, 1, 1), nn.PixelShuffle(2), nn.Conv2d(24, 3, 3, 1, 1))
    return nn.Sequential(nn.Conv2d(3, 24, 3, 1, 1), body, *tail)


class DnCNN(nn.Module):
    """Zhang et al. 2017: what is learned is the noise."""

    def __init__(self) -> None:
        super().__init__()
        middle = [m for _ in range(4) for m in unit(32, 32)]
        self.dncnn = nn.Sequential(nn.Conv2d(3, 32, 3, 1, 1), nn.ReLU(), *middle, conv(32, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x - self.dncnn(x)


def dncnn() -> nn.Module:
    return DnCNN()


def cyclegan_generator() -> nn.Module:
    """Zhu et al. 2017: reflected borders, instance norms, transposed convolutions."""

    def block(width: int) -> nn.Module:
        half = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
        other = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
        return Residual(nn.Sequential(*half, nn.ReLU(True), *other))

    return nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, 16, 7), nn.InstanceNorm2d(16), nn.ReLU(True),
        nn.Conv2d(16, 32, 3, 2, 1), nn.InstanceNorm2d(32), nn.ReLU(True), block(32), block(32),
        nn.ConvTranspose2d(32, 16, 3, 2, 1, 1), nn.InstanceNorm2d(16), nn.ReLU(True),
        nn.ReflectionPad2d(3), nn.Conv2d(16, 3, 7), nn.Tanh(),
    )  # fmt: skip


def dcgan_generator() -> nn.Module:
    """Radford et al. 2016: from a vector of noise."""

    def up(inputs: int, outputs: int, stride: int, padding: int) -> list[nn.Module]:
        layer = nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False)
        return [layer, nn.BatchNorm2d(outputs), nn.ReLU(True)]

    last = nn.ConvTranspose2d(16, 3, 4, 2, 1, bias=False)
    return nn.Sequential(*up(16, 64, 1, 0), *up(64, 32, 2, 1), *up(32, 16, 2, 1), last, nn.Tanh())


def patchgan() -> nn.Module:
    """Isola et al. 2017: a critic of patches."""

    def down(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        layer = nn.Conv2d(inputs, outputs, 4, stride, 1, bias=False)
        return [layer, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, True)]

    return nn.Sequential(
        nn.Conv2d(3, 16, 4, 2, 1),
        nn.LeakyReLU(0.2, True),
        *down(16, 32, 2),
        *down(32, 64, 1),
        nn.Conv2d(64, 1, 4, 1, 1),
    )


class Autoencoder(nn.Module):
    """Through a vector and back."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*unit(3, 16, stride=2), *unit(16, 32, stride=2), *conv_norm(32, 48, 3, 2))
        self.code, self.decode = nn.Linear(48 * 16, 32), nn.Linear(32, 48 * 16)
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2), *unit(48, 32), nn.Upsample(scale_factor=2), *unit(32, 16),
            nn.ConvTranspose2d(16, 3, 2, stride=2), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.encoder(x))
        code = self.code(torch.flatten(x, 1))
        x = F.relu(self.decode(code)).view(-1, 48, 4, 4)
        return self.decoder(x)


def autoencoder() -> nn.Module:
    return Autoencoder()
