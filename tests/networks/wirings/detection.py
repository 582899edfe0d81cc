"""Backbones, necks and heads of detectors: YOLO's parts, pyramids of features, boxes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.networks.wirings.layers import Residual, unit
from tests.networks.wirings.residual import BasicBlock


def silu(inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    return unit(inputs, outputs, kernel, stride, act=nn.SiLU)


class C2f(nn.Module):
    """YOLOv8's: a list that grows by its own last entry."""

    def __init__(self, inputs: int, outputs: int, count: int) -> None:
        super().__init__()
        self.c = outputs // 2
        self.cv1, self.cv2 = silu(inputs, 2 * self.c), silu((2 + count) * self.c, outputs)
        self.m = nn.ModuleList(
            Residual(nn.Sequential(*silu(self.c, self.c, 3), *silu(self.c, self.c, 3))) for _ in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = list(self.cv1(x).chunk(2, 1))
        y.extend(m(y[-1]) for m in self.m)
        return self.cv2(torch.cat(y, 1))


class SPPF(nn.Module):
    """YOLOv5's: one pooling after another."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = silu(inputs, inputs // 2), silu(2 * inputs, outputs)
        self.m = nn.MaxPool2d(kernel_size=5, stride=1, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cv1(x)
        y1 = self.m(x)
        y2 = self.m(y1)
        return self.cv2(torch.cat((x, y1, y2, self.m(y2)), 1))


class YOLOHead(nn.Module):
    """Boxes and classes of two levels, flattened and put together."""

    def __init__(self, widths: tuple[int, int]) -> None:
        super().__init__()
        self.no = 14
        self.cv2 = nn.ModuleList(nn.Sequential(*silu(w, 16, 3), nn.Conv2d(16, 4, 1)) for w in widths)
        self.cv3 = nn.ModuleList(nn.Sequential(*silu(w, 24, 3), nn.Conv2d(24, 10, 1)) for w in widths)

    def forward(self, x: list[Tensor]) -> Tensor:
        for i in range(2):
            x[i] = torch.cat((self.cv2[i](x[i]), self.cv3[i](x[i])), 1)
        shape = x[0].shape
        return torch.cat([xi.view(shape[0], self.no, -1) for xi in x], 2)


class YOLO(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.c2f1 = silu(3, 16, 3, 2), C2f(16, 32, 1)
        self.down, self.c2f2 = silu(32, 48, 3, 2), C2f(48, 48, 2)
        self.upsample, self.c2f3 = nn.Upsample(None, 2, "nearest"), C2f(80, 32, 1)
        self.down2, self.c2f4 = silu(32, 32, 3, 2), C2f(80, 48, 1)
        self.head = YOLOHead((32, 48))

    def forward(self, x: Tensor) -> Tensor:
        p3 = self.c2f1(self.stem(x))
        p4 = self.c2f2(self.down(p3))
        p3 = self.c2f3(torch.cat([self.upsample(p4), p3], 1))
        p4 = self.c2f4(torch.cat([self.down2(p3), p4], 1))
        return self.head([p3, p4])


def yolo_c2f() -> nn.Module:
    return YOLO()


class Focus(nn.Module):
    """YOLOv5's: every second row and column, side by side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = silu(4 * inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        parts = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
        return self.conv(torch.cat(parts, 1))


class C3(nn.Module):
    def __init__(self, inputs: int, outputs: int, count: int = 1, act=silu) -> None:
        super().__init__()
        half = outputs // 2
        self.cv1, self.cv2, self.cv3 = act(inputs, half), act(inputs, half), act(2 * half, outputs)
        self.m = nn.Sequential(*(Residual(nn.Sequential(*act(half, half), *act(half, half, 3))) for _ in range(count)))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), dim=1))


class Detect(nn.Module):
    """YOLOv5's in training: (batch, anchors, rows, columns, numbers)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.m = nn.Conv2d(width, 3 * 15, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.m(x)
        bs, _, ny, nx = x.shape
        return x.view(bs, 3, 15, ny, nx).permute(0, 1, 3, 4, 2).contiguous()


def yolo_focus_sppf() -> nn.Module:
    return nn.Sequential(
        Focus(3, 16), silu(16, 32, 3, 2), C3(32, 32, 2), silu(32, 48, 3, 2), SPPF(48, 48), C3(48, 48), Detect(48)
    )


def csp_darknet() -> nn.Module:
    def leaky(inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
        layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1, inplace=True))

    return nn.Sequential(
        *leaky(3, 16, 3), *leaky(16, 32, 3, 2), C3(32, 32, 1, leaky), *leaky(32, 48, 3, 2), C3(48, 48, 2, leaky),
        *leaky(48, 64, 3, 2), nn.Conv2d(64, 45, 1),
    )  # fmt: skip


class ELAN(nn.Module):
    """YOLOv7's: every second state of a chain goes out."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = silu(inputs, hidden), silu(inputs, hidden)
        self.chain = nn.ModuleList(silu(hidden, hidden, 3) for _ in range(4))
        self.last = silu(4 * hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        states = [self.cv1(x), self.cv2(x)]
        for layer in self.chain:
            states.append(layer(states[-1]))
        return self.last(torch.cat([states[-1], states[-3], states[1], states[0]], 1))


class MaxPoolDown(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mp, self.cv1 = nn.MaxPool2d(2, 2), silu(width, width // 2)
        self.cv2, self.cv3 = silu(width, width // 2), silu(width // 2, width // 2, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.cv3(self.cv2(x)), self.cv1(self.mp(x))], 1)


def elan() -> nn.Module:
    return nn.Sequential(*silu(3, 24, 3, 2), ELAN(24, 16, 48), MaxPoolDown(48), ELAN(48, 24, 64), nn.Conv2d(64, 45, 1))


class Backbone(nn.Module):
    """Three levels of features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 16, stride=2)
        self.layers = nn.ModuleList([BasicBlock(16, 24), BasicBlock(24, 32, 2), BasicBlock(32, 48, 2)])

    def forward(self, x: Tensor) -> list[Tensor]:
        x, features = self.stem(x), []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return features


class FPN(nn.Module):
    """kuangliu's: laterals, and an upsampled addition."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.laterals = nn.ModuleList(nn.Conv2d(width, 32, 1) for width in (24, 32, 48))
        self.smooth = nn.ModuleList(nn.Conv2d(32, 32, 3, padding=1) for _ in range(3))

    @staticmethod
    def _upsample_add(x: Tensor, y: Tensor) -> Tensor:
        _, _, h, w = y.size()
        return F.interpolate(x, size=(h, w), mode="bilinear", align_corners=False) + y

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        c3, c4, c5 = self.backbone(x)
        p5 = self.laterals[2](c5)
        p4 = self._upsample_add(p5, self.laterals[1](c4))
        p3 = self._upsample_add(p4, self.laterals[0](c3))
        return self.smooth[0](p3), self.smooth[1](p4), self.smooth[2](p5)


def fpn() -> nn.Module:
    return FPN()


class BiFPN(nn.Module):
    """Tan et al. 2020: two ways through the levels, additions weighted by learned numbers that add up to one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.p4_up, self.p3_out, self.p4_out, self.p5_out = (self.separable(width) for _ in range(4))
        self.w_up, self.w_out, self.w_down = (nn.Parameter(torch.ones(n)) for n in (2, 3, 2))
        self.relu, self.swish, self.epsilon = nn.ReLU(), nn.SiLU(), 1e-4

    @staticmethod
    def separable(width: int) -> nn.Module:
        depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        return nn.Sequential(depthwise, nn.Conv2d(width, width, 1), nn.BatchNorm2d(width))

    def share(self, weights: Tensor) -> Tensor:
        weights = self.relu(weights)
        return weights / (torch.sum(weights, dim=0) + self.epsilon)

    def forward(self, p3: Tensor, p4: Tensor, p5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        w = self.share(self.w_up)
        up = self.p4_up(self.swish(w[0] * p4 + w[1] * F.interpolate(p5, scale_factor=2, mode="nearest")))
        out3 = self.p3_out(self.swish(p3 + F.interpolate(up, scale_factor=2, mode="nearest")))
        w = self.share(self.w_out)
        out4 = self.p4_out(self.swish(w[0] * p4 + w[1] * up + w[2] * F.max_pool2d(out3, 2)))
        w = self.share(self.w_down)
        return out3, out4, self.p5_out(self.swish(w[0] * p5 + w[1] * F.max_pool2d(out4, 2)))


class EfficientDet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.laterals = nn.ModuleList(nn.Sequential(nn.Conv2d(w, 32, 1), nn.BatchNorm2d(32)) for w in (24, 32, 48))
        self.neck = nn.ModuleList(BiFPN(32) for _ in range(2))
        self.head = nn.Conv2d(32, 10, 3, padding=1)

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = [lateral(level) for lateral, level in zip(self.laterals, self.backbone(x), strict=True)]
        for neck in self.neck:
            levels = neck(*levels)
        return [self.head(level) for level in levels]


def bifpn() -> nn.Module:
    return EfficientDet()


class SSD(nn.Module):
    """Liu et al. 2016: boxes from several levels, the first of them normalised and scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.extra = Backbone(), unit(48, 48, stride=2)
        self.scale = nn.Parameter(torch.full((24,), 20.0))
        self.loc = nn.ModuleList(nn.Conv2d(w, 4 * 4, 3, padding=1) for w in (24, 32, 48, 48))
        self.conf = nn.ModuleList(nn.Conv2d(w, 4 * 10, 3, padding=1) for w in (24, 32, 48, 48))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        levels = self.backbone(x)
        levels.append(self.extra(levels[-1]))
        levels[0] = self.scale.view(1, -1, 1, 1) * F.normalize(levels[0])
        loc = [layer(f).permute(0, 2, 3, 1).contiguous() for layer, f in zip(self.loc, levels, strict=True)]
        conf = [layer(f).permute(0, 2, 3, 1).contiguous() for layer, f in zip(self.conf, levels, strict=True)]
        return {
            "boxes": torch.cat([o.view(o.size(0), -1, 4) for o in loc], 1),
            "scores": torch.cat([o.view(o.size(0), -1, 10) for o in conf], 1),
        }


def ssd_heads() -> nn.Module:
    return SSD()
