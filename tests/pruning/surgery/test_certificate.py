import pytest
import torch
from torch import nn

from pruning.graph.graph import trace
from pruning.models import resnet
from pruning.surgery import certify, compact, mask
from pruning.testing import images, random_rows, randomised

SHAPE = (3, 16, 16)


@pytest.fixture
def pair() -> tuple[nn.Module, nn.Module]:
    network = randomised(resnet(8, 10, SHAPE)).float()
    choice = random_rows(trace(network, SHAPE), 0.4, seed=0)
    return mask(network, choice, SHAPE), compact(network, choice, SHAPE)


def test_equal_functions_get_a_small_number(pair: tuple[nn.Module, nn.Module]) -> None:
    masked, small = pair
    assert 0 <= certify(masked, small.train(), images(SHAPE).float()) < 1e-5
    assert small.training
    assert not masked.training


def logits(*images: list[float]) -> torch.Tensor:
    """Images that are their own logits, once flattened."""
    return torch.tensor(images)[:, :, None, None]


def test_is_the_largest_difference_relative_to_the_largest_logit() -> None:
    one, other = nn.Flatten(), nn.Sequential(nn.Flatten(), nn.Hardtanh(-4.9998, 9))
    batch = logits([1.0, -5.0, 0.0], [2.0, 3.0, 0.0])
    assert certify(one, other, batch) == pytest.approx(0.0002 / 5, rel=1e-2)


def test_a_small_network_that_computes_something_else_is_refused(pair: tuple[nn.Module, nn.Module]) -> None:
    masked, small = pair
    with torch.no_grad():
        small.layer2.get_submodule("0").bn2.bias[0] += 1e-2
    with pytest.raises(ValueError, match=r"differ by \S+ of the logits' scale, more than 1e-04, most on image \d"):
        certify(masked, small, images(SHAPE).float())


def test_one_wrong_image_is_named() -> None:
    batch = logits([1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [9.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="most on image 2 of the batch"):
        certify(nn.Flatten(), nn.Sequential(nn.Flatten(), nn.Hardtanh(0, 4)), batch)


@pytest.mark.parametrize("bias", [0.0, 3.0])
def test_logits_that_do_not_vary_prove_nothing(bias: float) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, 2)).requires_grad_(False)
    network[1].weight.zero_()
    network[1].bias.fill_(bias)
    with pytest.raises(ValueError, match=r"same logits for all 5 images .*lower it"):
        certify(network, network, torch.randn(5, 3, 1, 1))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_refused(wrong: float) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, 2)).requires_grad_(False)
    broken = nn.Sequential(nn.Flatten(), nn.Linear(3, 2)).requires_grad_(False)
    broken[1].bias[0] = wrong
    batch = torch.randn(5, 3, 1, 1)
    for masked, small in ((network, broken), (broken, network), (broken, broken)):
        with pytest.raises(ValueError, match="no certificate"):
            certify(masked, small, batch)
