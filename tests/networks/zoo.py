"""The frozen list of networks (list.toml), and how each is built."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from pruning.models import initialise, torchvision_network
from pruning.models.library import timm_network
from pruning.testing import images, randomised
from pruning.testing.networks import with_fitting_norms

LIST = Path(__file__).with_name("list.toml")
CLASSES = 10
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """A network of the list; `shape`: of an input without its batch, or of each of several."""

    kind: str
    name: str
    shape: Shape | tuple[Shape, ...]

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def library(self) -> str:
        return self.kind.partition(":")[0]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return self.shape if isinstance(self.shape[0], tuple) else (self.shape,)  # type: ignore[return-value]

    def build(self) -> nn.Module:
        """With random norms whose statistics fit, so that images still matter after a hundred layers; float64, eval."""
        network = BUILDERS.get(self.kind, BUILDERS[self.library])(self.name)
        return with_fitting_norms(randomised(initialise(network, 0)), self.inputs(8, seed=1))

    def inputs(self, count: int, seed: int = 0) -> tuple[Tensor, ...]:
        return tuple(images(shape, count, seed + place) for place, shape in enumerate(self.shapes))


def entries() -> list[Entry]:
    """All of the list, in its order."""
    kinds = tomllib.loads(LIST.read_text())
    return [Entry(kind, name, as_shape(size)) for kind, sizes in kinds.items() for name, size in sizes.items()]


def as_shape(size: int | list[int] | list[list[int]]) -> Shape | tuple[Shape, ...]:
    """A number is the side of square images with three channels."""
    if isinstance(size, int):
        return (3, size, size)
    return tuple(tuple(part) if isinstance(part, list) else part for part in size)  # type: ignore[return-value]


def segmentation(name: str) -> nn.Module:
    from torchvision.models import get_model

    return get_model(name, weights=None, weights_backbone=None, num_classes=CLASSES)


def video(name: str) -> nn.Module:
    from torchvision.models import get_model

    return get_model(name, weights=None, num_classes=CLASSES)


def backbone(name: str) -> nn.Module:
    """A detector's, with its pyramid of features; frozen norms as detectors that are trained have them."""
    from torchvision.models import detection, get_model

    if name == "resnet_fpn_backbone":
        return detection.backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None)
    return get_model(name, weights=None, weights_backbone=None).backbone


def wiring(name: str) -> nn.Module:
    from tests.networks import wirings

    return wirings.build(name)


BUILDERS: dict[str, Callable[[str], nn.Module]] = {
    "torchvision: segmentation": segmentation,
    "torchvision: detection backbones": backbone,
    "torchvision: video": video,
    "torchvision": lambda name: torchvision_network(name, CLASSES, (3, 64, 64)),
    "timm": lambda name: timm_network(name, CLASSES, (3, 64, 64)),
    "wirings": wiring,
}
