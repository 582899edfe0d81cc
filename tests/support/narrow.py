"""VGG-16 for tests that need its layers and not their width: planned, cut and run in a tenth of the time."""

from torch import nn

from pruning.models.vgg import VGG16


def narrow_vgg(classes: int, channels: int = 3) -> nn.Sequential:
    """Thirteen convolutions with norms and a hidden layer with one, at a quarter of their widths; images of 32x32."""
    layers: list[nn.Module] = []
    for step in VGG16:
        if isinstance(step, str):
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, step // 4, 3, padding=1), nn.BatchNorm2d(step // 4), nn.ReLU(inplace=True)]
            channels = step // 4
    hidden = nn.Linear(channels, channels), nn.BatchNorm1d(channels), nn.ReLU(inplace=True)
    return nn.Sequential(*layers, nn.Flatten(), *hidden, nn.Linear(channels, classes))
