"""Networks of one dimension: ECG, sound, time series."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def unit_1d(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm1d(outputs), nn.ReLU(inplace=True))


class ECGBlock(nn.Module):
    """Ribeiro et al. 2020: the shortcut pools and projects."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(inputs, outputs, 17, padding=8, bias=False), nn.BatchNorm1d(outputs)
        self.conv2, self.bn2 = nn.Conv1d(outputs, outputs, 17, stride=4, padding=7, bias=False), nn.BatchNorm1d(outputs)
        self.relu, self.dropout = nn.ReLU(), nn.Dropout(0.2)
        self.skip = nn.Sequential(nn.MaxPool1d(4, 4), nn.Conv1d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        y = self.skip(y)
        x = self.dropout(self.relu(self.bn1(self.conv1(x))))
        x = self.conv2(x)
        x = x + y
        y = x
        return self.dropout(self.relu(self.bn2(x))), y


class ECGResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = unit_1d(12, 24, 17)
        self.blocks = nn.ModuleList([ECGBlock(24, 32), ECGBlock(32, 48)])
        self.lin = nn.Linear(48 * 8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = x
        for block in self.blocks:
            x, y = block(x, y)
        return self.lin(x.view(x.size(0), -1))


def ecg_resnet() -> nn.Module:
    return ECGResNet()


class Chomp(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.chomp_size = size

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, : -self.chomp_size].contiguous()


class TemporalBlock(nn.Module):
    """Bai et al. 2018."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        padding = 2 * dilation
        conv1 = nn.Conv1d(inputs, outputs, 3, padding=padding, dilation=dilation)
        conv2 = nn.Conv1d(outputs, outputs, 3, padding=padding, dilation=dilation)
        self.net = nn.Sequential(
            conv1, Chomp(padding), nn.ReLU(), nn.Dropout(0.2), conv2, Chomp(padding), nn.ReLU(), nn.Dropout(0.2)
        )
        self.downsample = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        res = x if self.downsample is None else self.downsample(x)
        return self.relu(self.net(x) + res)


class TCN(nn.Module):
    """The last moment decides."""

    def __init__(self) -> None:
        super().__init__()
        self.tcn = nn.Sequential(TemporalBlock(4, 24, 1), TemporalBlock(24, 24, 2), TemporalBlock(24, 32, 4))
        self.linear = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.tcn(x)[:, :, -1])


def tcn() -> nn.Module:
    return TCN()


class GatedBlock(nn.Module):
    """WaveNet's (van den Oord et al. 2016): tanh times sigmoid of a convolution's halves, and a skip."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.pad, self.conv = 2 * dilation, nn.Conv1d(width, 2 * width, 3, dilation=dilation)
        self.out, self.skip = nn.Conv1d(width, width, 1), nn.Conv1d(width, 32, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        value, gate = self.conv(F.pad(x, (self.pad, 0))).chunk(2, dim=1)
        z = torch.tanh(value) * torch.sigmoid(gate)
        return x + self.out(z), self.skip(z)


class WaveNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.front, self.blocks = nn.Conv1d(4, 24, 1), nn.ModuleList(GatedBlock(24, 2**k) for k in range(4))
        self.end1, self.end2 = nn.Conv1d(32, 32, 1), nn.Conv1d(32, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, total = self.front(x), 0
        for block in self.blocks:
            x, skip = block(x)
            total = total + skip
        return self.end2(F.relu(self.end1(F.relu(total))))


def gated_wavenet() -> nn.Module:
    return WaveNet()


class M5(nn.Module):
    """Dai et al. 2017, as in PyTorch's tutorial on sound."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.pool1 = nn.Conv1d(1, 32, 80, stride=4), nn.BatchNorm1d(32), nn.MaxPool1d(2)
        self.conv2, self.bn2, self.pool2 = nn.Conv1d(32, 32, 3), nn.BatchNorm1d(32), nn.MaxPool1d(2)
        self.conv3, self.bn3, self.pool3 = nn.Conv1d(32, 64, 3), nn.BatchNorm1d(64), nn.MaxPool1d(2)
        self.fc1 = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(F.relu(self.bn1(self.conv1(x))))
        x = self.pool2(F.relu(self.bn2(self.conv2(x))))
        x = self.pool3(F.relu(self.bn3(self.conv3(x))))
        x = F.avg_pool1d(x, x.shape[-1])
        x = self.fc1(x.permute(0, 2, 1))
        return F.log_softmax(x, dim=2)


def m5_audio() -> nn.Module:
    return M5()
