"""Networks whose branches are concatenated: DenseNet, DPN, DLA, Inception and the searched cells."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.networks.wirings.layers import Residual, classifier, conv, conv_norm, shortcut, unit
from tests.networks.wirings.residual import BasicBlock


class DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, 4 * growth, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(4 * growth), conv(4 * growth, growth)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(F.relu(self.bn1(x)))
        out = self.conv2(F.relu(self.bn2(out)))
        return torch.cat([out, x], 1)


class Transition(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.bn, self.conv = nn.BatchNorm2d(inputs), conv(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv(F.relu(self.bn(x))), 2)


def densenet() -> nn.Module:
    growth, width, layers = 8, 16, [conv(3, 16)]
    for stage in range(3):
        layers += [DenseLayer(width + growth * k, growth) for k in range(4)]
        width += 4 * growth
        if stage < 2:
            layers += [Transition(width, width // 2)]
            width //= 2
    return nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU(), classifier(width))


class DualPath(nn.Module):
    """kuangliu's DPN: the first channels are added, the last concatenated."""

    def __init__(self, last: int, inputs: int, planes: int, dense: int, stride: int, first: bool) -> None:
        super().__init__()
        self.planes, self.dense = planes, dense
        self.conv1, self.bn1 = conv(last, inputs, 1), nn.BatchNorm2d(inputs)
        self.conv2, self.bn2 = conv(inputs, inputs, 3, stride, groups=4), nn.BatchNorm2d(inputs)
        self.conv3, self.bn3 = conv(inputs, planes + dense, 1), nn.BatchNorm2d(planes + dense)
        self.shortcut = nn.Sequential()
        if first:
            self.shortcut = conv_norm(last, planes + dense, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        x = self.shortcut(x)
        d = self.planes
        out = torch.cat([x[:, :d, :, :] + out[:, :d, :, :], x[:, d:, :, :], out[:, d:, :, :]], 1)
        return F.relu(out)


def dpn() -> nn.Module:
    layers, last = [*unit(3, 16)], 16
    for inputs, planes, dense, stride in ((16, 32, 8, 1), (24, 48, 8, 2)):
        for k in range(2):
            layers += [DualPath(last, inputs, planes, dense, stride if k == 0 else 1, k == 0)]
            last = planes + (2 + k) * dense
    return nn.Sequential(*layers, classifier(last))


class Root(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.bn = conv(inputs, outputs, 1), nn.BatchNorm2d(outputs)

    def forward(self, xs: list[Tensor]) -> Tensor:
        x = torch.cat(xs, 1)
        return F.relu(self.bn(self.conv(x)))


class SimpleTree(nn.Module):
    def __init__(self, inputs: int, outputs: int, level: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.root = Root(2 * outputs, outputs)
        if level == 1:
            self.left_tree, self.right_tree = BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1)
        else:
            self.left_tree = SimpleTree(inputs, outputs, level - 1, stride)
            self.right_tree = SimpleTree(outputs, outputs, level - 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        out1 = self.left_tree(x)
        out2 = self.right_tree(out1)
        return self.root([out1, out2])


def simple_dla() -> nn.Module:
    return nn.Sequential(
        *unit(3, 16), SimpleTree(16, 24, 1), SimpleTree(24, 32, 2, 2), SimpleTree(32, 48, 1, 2), classifier(48)
    )


class Tree(nn.Module):
    """kuangliu's DLA: levels are made and called by their names."""

    def __init__(self, inputs: int, outputs: int, level: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.level = level
        if level == 1:
            self.root = Root(2 * outputs, outputs)
            self.left_node, self.right_node = BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1)
        else:
            self.root = Root((level + 2) * outputs, outputs)
            for i in reversed(range(1, level)):
                self.__setattr__(f"level_{i}", Tree(inputs, outputs, i, stride))
                inputs, stride = outputs, 1
            self.prev_root = BasicBlock(inputs, outputs, 1)
            self.left_node, self.right_node = BasicBlock(outputs, outputs, 1), BasicBlock(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        xs = []
        for i in reversed(range(1, self.level)):
            x = self.__getattr__(f"level_{i}")(x)
            xs.append(x)
        if self.level > 1:
            xs.append(self.prev_root(x))
        xs.append(self.left_node(x))
        xs.append(self.right_node(xs[-1]))
        return self.root(xs)


def dla() -> nn.Module:
    return nn.Sequential(*unit(3, 16), Tree(16, 24, 1), Tree(24, 32, 2, 2), Tree(32, 48, 1, 2), classifier(48))


class Inception(nn.Module):
    """GoogLeNet's, as kuangliu writes it."""

    def __init__(self, inputs: int, one: int, red3: int, three: int, red5: int, five: int, pool: int) -> None:
        super().__init__()
        self.b1 = unit(inputs, one, 1)
        self.b2 = nn.Sequential(*unit(inputs, red3, 1), *unit(red3, three))
        self.b3 = nn.Sequential(*unit(inputs, red5, 1), *unit(red5, five), *unit(five, five))
        self.b4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), *unit(inputs, pool, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.b1(x), self.b2(x), self.b3(x), self.b4(x)], 1)


def googlenet() -> nn.Module:
    return nn.Sequential(
        *unit(3, 24), Inception(24, 8, 8, 16, 4, 8, 8), Inception(40, 16, 16, 24, 4, 8, 8), nn.MaxPool2d(3, 2, 1),
        Inception(56, 16, 16, 24, 4, 8, 8), classifier(56),
    )  # fmt: skip


class Parallel(nn.Module):
    """Branches of one input, concatenated."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def bn_conv(inputs: int, outputs: int, size: tuple[int, int], stride: int = 1) -> nn.Sequential:
    padding = (size[0] // 2, size[1] // 2)
    layer = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class SplitEnd(nn.Module):
    """1x3 and 3x1 side by side (inception E and C)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = bn_conv(inputs, outputs, (1, 1))
        self.a, self.b = bn_conv(outputs, outputs, (1, 3)), bn_conv(outputs, outputs, (3, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return torch.cat([self.a(x), self.b(x)], 1)


def average(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.AvgPool2d(3, 1, 1), *bn_conv(inputs, outputs, (1, 1)))


def inception_v3_blocks() -> nn.Module:
    a = Parallel(
        bn_conv(24, 16, (1, 1)), nn.Sequential(*bn_conv(24, 12, (1, 1)), *bn_conv(12, 16, (5, 5))), average(24, 8)
    )
    b = Parallel(bn_conv(40, 24, (3, 3), 2), nn.MaxPool2d(3, 2, 1))
    c = Parallel(
        bn_conv(64, 16, (1, 1)),
        nn.Sequential(*bn_conv(64, 12, (1, 1)), *bn_conv(12, 12, (7, 1)), *bn_conv(12, 16, (1, 7))),
        average(64, 16),
    )
    e = Parallel(bn_conv(48, 16, (1, 1)), SplitEnd(48, 16), average(48, 16))
    return nn.Sequential(*bn_conv(3, 24, (3, 3)), a, b, c, e, nn.Dropout2d(), classifier(64))


def inception_v4_blocks() -> nn.Module:
    stem = Parallel(nn.MaxPool2d(3, 2, 1), bn_conv(16, 16, (3, 3), 2))
    a = Parallel(
        average(32, 12), bn_conv(32, 12, (1, 1)), nn.Sequential(*bn_conv(32, 8, (1, 1)), *bn_conv(8, 12, (3, 3)))
    )
    reduction = Parallel(
        nn.MaxPool2d(3, 2, 1), bn_conv(36, 16, (3, 3), 2),
        nn.Sequential(*bn_conv(36, 12, (1, 1)), *bn_conv(12, 12, (3, 3)), *bn_conv(12, 16, (3, 3), 2)),
    )  # fmt: skip
    c = Parallel(average(68, 16), SplitEnd(68, 16), nn.Sequential(*bn_conv(68, 12, (1, 1)), SplitEnd(12, 16)))
    return nn.Sequential(*bn_conv(3, 16, (3, 3)), stem, a, reduction, c, classifier(80))


class ScaledResidual(nn.Module):
    """Inception-ResNet: branches, a linear 1x1 and a small weight."""

    def __init__(self, width: int, branches: nn.Module, merged: int) -> None:
        super().__init__()
        self.branches, self.linear = branches, nn.Conv2d(merged, width, 1)
        self.bn, self.scale = nn.BatchNorm2d(width), 0.17

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(x + self.scale * self.linear(self.branches(x))))


def inception_resnet() -> nn.Module:
    def block(width: int) -> nn.Module:
        three = nn.Sequential(*bn_conv(width, 8, (1, 1)), *bn_conv(8, 8, (3, 3)))
        return ScaledResidual(width, Parallel(bn_conv(width, 8, (1, 1)), three), 16)

    reduction = Parallel(nn.MaxPool2d(3, 2, 1), bn_conv(32, 32, (3, 3), 2))
    return nn.Sequential(*bn_conv(3, 32, (3, 3), 2), block(32), block(32), reduction, block(64), classifier(64))


class Separable(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, kernel, stride, kernel // 2, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip


class PNASCell(nn.Module):
    """kuangliu's PNASNet cell B."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.sep_conv1, self.sep_conv2 = Separable(inputs, outputs, 7, stride), Separable(inputs, outputs, 3, stride)
        self.sep_conv3 = Separable(inputs, outputs, 5, stride)
        if stride == 2:
            self.conv1, self.bn1 = conv(inputs, outputs, 1), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(2 * outputs, outputs, 1), nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y1, y2 = self.sep_conv1(x), self.sep_conv2(x)
        y3 = F.max_pool2d(x, kernel_size=3, stride=self.stride, padding=1)
        if self.stride == 2:
            y3 = self.bn1(self.conv1(y3))
        y4 = self.sep_conv3(x)
        b1, b2 = F.relu(y1 + y2), F.relu(y3 + y4)
        return F.relu(self.bn2(self.conv2(torch.cat([b1, b2], 1))))


def pnasnet() -> nn.Module:
    cells = (PNASCell(24, 24, 1), PNASCell(24, 48, 2), PNASCell(48, 48, 1))
    return nn.Sequential(*unit(3, 24), *cells, classifier(48))


class NASCell(nn.Module):
    """A cell with two inputs, the states of the two cells before it."""

    def __init__(self, inputs: int, before: int, width: int) -> None:
        super().__init__()
        self.fit, self.adjust = unit(before, width, 1), unit(inputs, width, 1)
        self.left = nn.ModuleList([Separable(width, width, 3), Separable(width, width, 5)])
        self.right = nn.ModuleList([Separable(width, width, 5), Separable(width, width, 3)])

    def forward(self, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, before = state
        fitted, adjusted = self.fit(before), self.adjust(x)
        one = self.left[0](adjusted) + fitted
        two = self.left[1](fitted) + self.right[1](adjusted)
        three = F.avg_pool2d(adjusted, 3, 1, 1, count_include_pad=False) + fitted
        four = F.avg_pool2d(fitted, 3, 1, 1) + F.avg_pool2d(fitted, 3, 1, 1)
        five = self.right[0](fitted) + one
        return torch.cat([fitted, one, two, three, four, five], dim=1), x


class NASNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 16, stride=2)
        self.cell1, self.cell2 = NASCell(16, 16, 12), NASCell(72, 16, 12)
        self.head = nn.Sequential(nn.ReLU(), classifier(72))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x, before = self.cell1((x, x))
        x, before = self.cell2((x, before))
        return self.head(x)


def nasnet_cell() -> nn.Module:
    return NASNet()


class HarmonicBlock(nn.Module):
    """HarDNet (Chao et al. 2019): layer k reads layers k - 2^n; only odd layers go out."""

    def __init__(self, inputs: int, growth: int, layers: int = 4) -> None:
        super().__init__()
        self.links = [[k - 2**n for n in range(4) if k % 2**n == 0 and k - 2**n >= 0] for k in range(1, layers + 1)]
        widths = [inputs]
        self.layers = nn.ModuleList()
        for link in self.links:
            self.layers.append(unit(sum(widths[i] for i in link), growth * len(link)))
            widths.append(growth * len(link))
        self.width = sum(w for k, w in enumerate(widths) if k % 2 == 1 or k == layers)

    def forward(self, x: Tensor) -> Tensor:
        states = [x]
        for link, layer in zip(self.links, self.layers, strict=True):
            tensors = [states[i] for i in link]
            states.append(layer(torch.cat(tensors, 1) if len(tensors) > 1 else tensors[0]))
        last = len(states) - 1
        return torch.cat([s for k, s in enumerate(states) if k % 2 == 1 or k == last], 1)


def hardnet() -> nn.Module:
    one, two = HarmonicBlock(24, 12), HarmonicBlock(48, 16)
    return nn.Sequential(
        *unit(3, 24), one, *unit(one.width, 48, 1), nn.MaxPool2d(2), two, *unit(two.width, 64, 1), classifier(64)
    )


class HierarchicalConv(nn.Module):
    """Res2Net (Gao et al. 2019): parts of the channels pass through convolutions one after another."""

    def __init__(self, width: int, scale: int = 4) -> None:
        super().__init__()
        self.part = width // scale
        self.convs = nn.ModuleList(unit(self.part, self.part) for _ in range(scale - 1))

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.split(x, self.part, 1)
        done = []
        for i, layer in enumerate(self.convs):
            done.append(layer(parts[i] if i == 0 else done[-1] + parts[i]))
        return torch.cat([*done, parts[-1]], 1)


def res2net() -> nn.Module:
    def block(inputs: int, width: int, planes: int) -> nn.Module:
        body = nn.Sequential(*unit(inputs, width, 1), HierarchicalConv(width), *conv_norm(width, planes, 1))
        return Residual(body, shortcut(inputs, planes, 1), nn.ReLU(inplace=True))

    return nn.Sequential(
        *unit(3, 24), block(24, 32, 48), block(48, 32, 48), nn.MaxPool2d(2), block(48, 48, 64), classifier(64)
    )
