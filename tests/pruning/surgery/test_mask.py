import pytest
import torch
from torch import nn

from pruning.graph.graph import trace
from pruning.graph.liveness import analyse
from pruning.selection import Selection
from pruning.surgery import mask
from pruning.surgery.mask import silence

SHAPE = (2, 3, 3)
ROWS = torch.tensor([True, False, True])


def pruned(*behind: nn.Module, rows: torch.Tensor = ROWS) -> tuple[nn.Module, nn.Module]:
    network = nn.Sequential(nn.Conv2d(2, 3, 1), *behind, nn.Conv2d(3, 2, 1)).eval()
    for module in network.modules():
        for name in ("weight", "bias", "running_mean", "running_var"):
            value = getattr(module, name, None)
            if value is not None:
                value.data.fill_(0.5)
    return network, mask(network, Selection.of_rows(network, {"0": rows}), SHAPE)


def test_weights_and_bias_of_a_dead_filter_are_zero() -> None:
    network, masked = pruned()
    assert masked[0].weight.flatten(1).tolist() == [[0.5, 0.5], [0, 0], [0.5, 0.5]]
    assert masked[0].bias.tolist() == [0.5, 0, 0.5]
    assert masked[1].weight.equal(network[1].weight)
    assert network[0].bias.tolist() == [0.5] * 3  # the network itself is left alone


def test_a_dead_channel_leaves_every_norm_dead() -> None:
    norms = (nn.BatchNorm2d(3), nn.ReLU(), nn.BatchNorm2d(3), nn.InstanceNorm2d(3, affine=True))
    _, masked = pruned(*norms)
    for norm in (masked[1], masked[3], masked[4]):
        assert norm.weight.tolist() == norm.bias.tolist() == [0.5, 0, 0.5]
    made = masked[:5](torch.randn(4, *SHAPE))
    assert made[:, 1].abs().max() == 0
    assert made[:, 0].abs().max() > 0


def test_a_norm_without_scale_and_shift_gives_zero_too() -> None:
    _, masked = pruned(nn.BatchNorm2d(3, affine=False))
    assert masked[1].running_mean.tolist() == [0.5, 0, 0.5]
    assert masked[:2](torch.randn(4, *SHAPE))[:, 1].abs().max() == 0


def test_single_kernels_go_without_their_row() -> None:
    network = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1))
    masked = mask(network, Selection({"1": torch.tensor([[True, False], [True, True]])}), SHAPE)
    zero = (masked[1].weight == 0).flatten(1)
    assert zero.tolist() == [[False, True], [False, False]]
    assert masked[1].bias.equal(network[1].bias)


def test_a_filter_whose_inputs_are_all_dead_dies_with_its_bias() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 1))
    choice = Selection(
        {
            "0": torch.tensor([[False, False], [True, True], [True, True]]),
            "1": torch.tensor([[True, False, False], [True, True, True]]),
        }
    )
    masked = mask(network, choice, SHAPE)
    assert masked[1].bias.tolist()[0] == 0
    assert masked[1].weight[0].abs().max() == 0
    assert masked[1].weight[1, 0] != 0  # reads a dead channel: no matter


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(3), nn.BatchNorm2d(3, affine=False), nn.InstanceNorm2d(3)])
def test_silencing_again_after_a_step_keeps_what_is_dead_dead(norm: nn.Module) -> None:
    network, masked = pruned(norm)
    liveness = analyse(trace(network, SHAPE), Selection.of_rows(network, {"0": ROWS}))
    optimiser = torch.optim.SGD(masked.train().parameters(), lr=1.0)
    for _ in range(3):
        masked(torch.randn(8, *SHAPE)).square().sum().backward()
        optimiser.step()
        silence(masked, liveness)
        assert masked[0].bias[1] == 0
        assert masked.eval()[:2](torch.randn(4, *SHAPE))[:, 1].abs().max() == 0
        masked.train()


def test_a_frozen_network_is_masked_and_stays_frozen() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 1)).requires_grad_(False)
    masked = mask(network, Selection.of_rows(network, {"0": ROWS}), SHAPE)
    assert masked[0].bias[1] == 0
    assert not masked[0].weight.requires_grad
