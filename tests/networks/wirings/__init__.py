"""Forms of the popular collections' wirings, written anew and small: each function makes one network of list.toml."""

from torch import nn

from tests.networks.wirings import (
    attention,
    branches,
    detection,
    images,
    mobile,
    plain,
    residual,
    segmentation,
    sequences,
    several,
    volumes,
)

MODULES = (
    attention,
    branches,
    detection,
    images,
    mobile,
    plain,
    residual,
    segmentation,
    sequences,
    several,
    volumes,
)


def build(name: str) -> nn.Module:
    return next(vars(module)[name] for module in MODULES if name in vars(module))()
