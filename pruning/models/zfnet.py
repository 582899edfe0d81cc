"""The network of Zeiler and Fergus (2013, Figure 3): AlexNet with a smaller and denser first layer, no batch norm."""

from jaxtyping import Float
from torch import Tensor, nn

from pruning.models.init import initialise

MIN_SIDE = 64  # pixels a side; below, nothing is left after the last pooling
HIDDEN = 4096


class ZFNet(nn.Module):
    """Five convolutions, three poolings of 3x3 by 2, three linear layers with dropout; 13x13 maps at 224 pixels.

    The paper's contrast normalisation "across feature maps", after the first two poolings, is AlexNet's local response
    norm. It mixes channels, so the layers before it can lose filters but those behind it still read every channel.
    """

    def __init__(self, classes: int, height: int, width: int, normalise: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(nn.Conv2d(3, 96, 7, stride=2, padding=1), pool=True, normalise=normalise),
            *_block(nn.Conv2d(96, 256, 5, stride=2), pool=True, normalise=normalise),
            *_block(nn.Conv2d(256, 384, 3, padding=1)),
            *_block(nn.Conv2d(384, 384, 3, padding=1)),
            *_block(nn.Conv2d(384, 256, 3, padding=1), pool=True),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            *(nn.Linear(256 * _final_side(height) * _final_side(width), HIDDEN), nn.ReLU(inplace=True), nn.Dropout()),
            *(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(inplace=True), nn.Dropout()),
            nn.Linear(HIDDEN, classes),
        )

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes"]:
        return self.classifier(self.features(x))


def _block(conv: nn.Conv2d, pool: bool = False, normalise: bool = False) -> list[nn.Module]:
    layers: list[nn.Module] = [conv, nn.ReLU(inplace=True)]
    if pool:
        layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
    if normalise:
        layers.append(nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2))
    return layers


def _final_side(side: int) -> int:
    """Pixels of a side after all convolutions and poolings: 224 -> 110 -> 55 -> 26 -> 13 -> 6."""
    side = (side + 2 - 7) // 2 + 1
    side = _pooled_side(side)
    side = (side - 5) // 2 + 1
    return _pooled_side(_pooled_side(side))


def _pooled_side(side: int) -> int:
    return -(-(side - 3) // 2) + 1


def zfnet(classes: int, image_shape: tuple[int, int, int], normalise: bool = True, seed: int = 0) -> ZFNet:
    """ZFNet; `normalise=False` leaves out the local response norms, so that a cut goes on through them.

    Raises:
        ValueError: images under 64x64.
    """
    _, height, width = image_shape
    if min(height, width) < MIN_SIDE:
        raise ValueError(
            f"zfnet needs images of {MIN_SIDE}x{MIN_SIDE} or more, got {image_shape}; vgg16 takes small ones"
        )
    return initialise(ZFNet(classes, height, width, normalise), seed)
