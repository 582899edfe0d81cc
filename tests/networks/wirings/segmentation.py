"""A class for each place: U-Nets, hourglasses, pyramids, high-resolution streams."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.networks.wirings.layers import conv, conv_norm, unit
from tests.networks.wirings.residual import BasicBlock, PreactBottleneck


def double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*unit(inputs, outputs), *unit(outputs, outputs))


class Up(nn.Module):
    """milesial's: the skip's size decides the padding."""

    def __init__(self, inputs: int, outputs: int, bilinear: bool) -> None:
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        else:
            self.up = nn.ConvTranspose2d(inputs, inputs // 2, kernel_size=2, stride=2)
        self.conv = double(inputs + outputs if bilinear else inputs // 2 + outputs, outputs)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        x1 = self.up(x1)
        dy, dx = x2.size()[2] - x1.size()[2], x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class UNet(nn.Module):
    def __init__(self, bilinear: bool) -> None:
        super().__init__()
        self.inc, self.down1, self.down2 = double(3, 16), double(16, 32), double(32, 48)
        self.up1, self.up2 = Up(48, 32, bilinear), Up(32, 16, bilinear)
        self.outc = nn.Conv2d(16, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.inc(x)
        x2 = self.down1(F.max_pool2d(x1, 2))
        x3 = self.down2(F.max_pool2d(x2, 2))
        return self.outc(self.up2(self.up1(x3, x2), x1))


def unet_transposed() -> nn.Module:
    return UNet(bilinear=False)


def unet_bilinear() -> nn.Module:
    return UNet(bilinear=True)


class SegNet(nn.Module):
    """Badrinarayanan et al. 2017: maxima go back to where they came from."""

    def __init__(self) -> None:
        super().__init__()
        self.encode1, self.encode2 = double(3, 16), double(16, 32)
        self.decode2, self.decode1 = (
            nn.Sequential(*unit(32, 32), *unit(32, 16)),
            nn.Sequential(*unit(16, 16), conv(16, 10)),
        )
        self.pool, self.unpool = nn.MaxPool2d(2, 2, return_indices=True), nn.MaxUnpool2d(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x, places1 = self.pool(self.encode1(x))
        x, places2 = self.pool(self.encode2(x))
        x = self.decode2(self.unpool(x, places2))
        return self.decode1(self.unpool(x, places1))


def segnet() -> nn.Module:
    return SegNet()


class Hourglass(nn.Module):
    """Newell et al. 2016: itself inside itself."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.up1, self.low1 = PreactBottleneck(width, width // 4), PreactBottleneck(width, width // 4)
        self.low2 = Hourglass(depth - 1, width) if depth > 1 else PreactBottleneck(width, width // 4)
        self.low3 = PreactBottleneck(width, width // 4)

    def forward(self, x: Tensor) -> Tensor:
        low = self.low3(self.low2(self.low1(F.max_pool2d(x, 2, stride=2))))
        return self.up1(x) + F.interpolate(low, scale_factor=2)


class StackedHourglass(nn.Module):
    """Two, each with heat maps of its own, which go into the next."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 32, 7, 2)
        self.hourglasses = nn.ModuleList(Hourglass(2, 32) for _ in range(2))
        self.features = nn.ModuleList(unit(32, 32, 1) for _ in range(2))
        self.heads = nn.ModuleList(nn.Conv2d(32, 10, 1) for _ in range(2))
        self.merge_features, self.merge_heads = nn.Conv2d(32, 32, 1), nn.Conv2d(10, 32, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        x, out = self.stem(x), []
        for i in range(2):
            y = self.features[i](self.hourglasses[i](x))
            out.append(self.heads[i](y))
            if i < 1:
                x = x + self.merge_features(y) + self.merge_heads(out[-1])
        return out


def hourglass() -> nn.Module:
    return StackedHourglass()


class ASPP(nn.Module):
    """Chen et al. 2017: dilated branches, and the mean of the image stretched over it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()

        def dilated(d: int) -> nn.Module:
            layer = nn.Conv2d(inputs, outputs, 3, padding=d, dilation=d, bias=False)
            return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())

        self.branches = nn.ModuleList([unit(inputs, outputs, 1), dilated(2), dilated(4)])
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, outputs, 1), nn.ReLU())
        self.project = unit(4 * outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        parts = [branch(x) for branch in self.branches]
        parts.append(F.interpolate(self.pool(x), size=x.shape[-2:], mode="bilinear", align_corners=False))
        return self.project(torch.cat(parts, dim=1))


class DeepLab(nn.Module):
    def __init__(self, context: nn.Module) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*unit(3, 16, stride=2), BasicBlock(16, 32, 2), BasicBlock(32, 48))
        self.context, self.head = context, nn.Conv2d(32, 10, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        input_shape = x.shape[-2:]
        x = self.head(self.context(self.backbone(x)))
        return {"out": F.interpolate(x, size=input_shape, mode="bilinear", align_corners=False)}


def aspp() -> nn.Module:
    return DeepLab(ASPP(48, 32))


class PyramidPooling(nn.Module):
    """Zhao et al. 2017: means over parts of the image, stretched back."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), *unit(inputs, outputs // 4, 1)) for size in (1, 2, 4)
        )
        self.bottleneck = unit(inputs + 3 * (outputs // 4), outputs)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.size(2), x.size(3)
        priors = [F.interpolate(stage(x), size=(h, w), mode="bilinear") for stage in self.stages] + [x]
        return self.bottleneck(torch.cat(priors, 1))


def pyramid_pooling() -> nn.Module:
    return DeepLab(PyramidPooling(48, 32))


class HRModule(nn.Module):
    """Wang et al. 2019: two resolutions that are summed into each other."""

    def __init__(self, widths: tuple[int, int]) -> None:
        super().__init__()
        high, low = widths
        self.branches = nn.ModuleList([BasicBlock(high, high), BasicBlock(low, low)])
        self.up, self.down = conv_norm(low, high, 1), conv_norm(high, low, 3, 2)

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        high, low = self.branches[0](x[0]), self.branches[1](x[1])
        up = F.interpolate(self.up(low), size=high.shape[-2:], mode="nearest")
        return [F.relu(high + up), F.relu(low + self.down(high))]


class HRNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 24)
        self.transition = nn.ModuleList([unit(24, 16), unit(24, 32, stride=2)])
        self.stages = nn.Sequential(HRModule((16, 32)), HRModule((16, 32)))
        self.head = nn.Conv2d(48, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        high, low = self.stages([layer(x) for layer in self.transition])
        low = F.interpolate(low, size=high.shape[-2:], mode="bilinear", align_corners=True)
        return self.head(torch.cat([high, low], 1))


def hrnet() -> nn.Module:
    return HRNet()
