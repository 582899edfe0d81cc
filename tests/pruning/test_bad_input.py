"""What a user may give by mistake: one line with the value, the rule and the remedy, and nothing done."""

import pytest
import torch
from torch import nn

import pruning

IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
GROUP2D = {"method": "group2d", "layer": 0.5, "groups": 2}


def network() -> nn.Module:
    body = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(8, 5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (GROUP2D | {"data": []}, "no batch"),  # scores of nothing would decide
        (GROUP2D | {"data": IMAGES}, r"got shape \(3, 8, 8\)"),
        (GROUP2D | {"data": [{"images": IMAGES}]}, "got a dict of images: shape"),
        ({"layer": {}}, "names no layer"),
        ({"layer": {0: 4}}, "got 0: write '0'"),
        ({"macs": 0.3, "data": [IMAGES[:1]]}, "give two or more"),
    ],
)
def test_wrong_arguments_of_prune_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        pruning.prune(network(), IMAGES, **arguments)


def test_steps_are_counted_from_zero():
    with pytest.raises(ValueError, match="steps must be a whole number, 0 or more, got -1"):
        pruning.attach(network(), IMAGES, "fcf", steps=-1, macs=0.3)
