"""VGG-16 with batch norm: the form of the L1 paper for small images, torchvision's for large ones."""

from jaxtyping import Float
from torch import Tensor, nn

from pruning.models.init import initialise

VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
SMALL = 64  # images below this side get the CIFAR form


class VGG(nn.Module):
    """Thirteen 3x3 convolutions with batch norm, one hidden layer of 512 (Li et al. 2017, section 4.1)."""

    def __init__(self, classes: int, side: int) -> None:
        super().__init__()
        self.features = _features()
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(512 * (side // 32) ** 2, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(True),
            nn.Linear(512, classes),
        )

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes"]:
        return self.classifier(self.features(x))


def _features() -> nn.Sequential:
    layers: list[nn.Module] = []
    wide = 3
    for step in VGG16:
        if isinstance(step, int):
            layers += [nn.Conv2d(wide, step, 3, padding=1), nn.BatchNorm2d(step), nn.ReLU(inplace=True)]
            wide = step
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def vgg16(classes: int, image_shape: tuple[int, int, int], seed: int = 0) -> nn.Module:
    """VGG-16 with batch norm; from 64 pixels a side on, torchvision's `vgg16_bn`.

    Raises:
        ValueError: images under 32x32, which five halvings leave with nothing, or small ones that are not square.
    """
    _, height, width = image_shape
    if min(height, width) >= SMALL:
        from pruning.models.library import torchvision_network  # seconds of import that small images do without

        return torchvision_network("vgg16_bn", classes, image_shape, seed=seed)
    if height != width or height < 32:
        raise ValueError(f"vgg16 needs square images of 32x32 or more, got {image_shape}")
    return initialise(VGG(classes, height), seed)
