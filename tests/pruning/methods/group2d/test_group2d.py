"""Group-wise pruning: what it keeps, its limiting cases, its ladder and its lasso."""

import copy

import pytest
import torch
from torch import nn

from pruning.budget import PerLayer, Share
from pruning.cost import count_macs
from pruning.methods.group2d import Group2D
from pruning.methods.group2d.evidence import blocks, score
from pruning.methods.group2d.gate import gate_on, weight_under
from pruning.methods.group2d.lasso import END, START, shrink, wanted_zeros
from pruning.models import resnet
from pruning.selection import Selection
from pruning.surgery import compact, mask

SHAPE = (3, 16, 16)


def chain() -> nn.Sequential:
    """Three convolutions, the second and third of them sites."""
    torch.manual_seed(0)
    convs = [nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)]
    layers = [layer for conv in convs for layer in (conv, nn.BatchNorm2d(8), nn.ReLU())]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()


def method(ratio: float = 0.5, **asked: object) -> Group2D:
    defaults = {"groups": 2, "score": "l1", "learn": "score", "steps": 1, "kernels": "kxk", "adapt": False}
    return Group2D(PerLayer(ratio), **({"form": "split"} | defaults | asked))  # type: ignore[arg-type]


def attached(network: nn.Module, made: Group2D, steps: int = 0) -> nn.Module:
    network = copy.deepcopy(network)
    made.attach(network, SHAPE, steps)
    return network


def step(network: nn.Module, made: Group2D, seed: int) -> None:
    """One training step, as the Trainer would make it."""
    torch.manual_seed(seed)
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    optimiser.zero_grad()
    nn.functional.cross_entropy(network(torch.randn(8, *SHAPE)), torch.arange(8) % 4).backward()
    made.steer(network)
    optimiser.step()
    made.settle(network)


def test_every_group_keeps_the_same_number_and_no_filter_goes():
    made = method(0.75)
    choice = made.select(attached(chain(), made))
    assert choice["0"].all()
    for kept in (choice["3"], choice["6"]):
        assert kept.sum(1).tolist() == [2] * 8
        assert len(kept.unique(dim=0)) <= 2


def test_one_group_is_input_channel_pruning():
    """The layer before loses exactly the filters that the pattern leaves unread."""
    network, made = chain(), method(0.5, groups=1, only=["3"])
    choice = made.select(attached(network, made))
    columns = choice["3"][0]
    rows = Selection.of_rows(network, {"0": columns})
    x = torch.randn(2, *SHAPE)
    small, other = compact(network, choice, SHAPE), compact(network, rows, SHAPE)
    torch.testing.assert_close(small(x), other(x))
    assert count_macs(small, SHAPE) == count_macs(other, SHAPE)


def test_as_many_groups_as_filters_is_free_kernel_pruning():
    network, made = chain(), method(0.5, groups=8, only=["3"])
    choice = made.select(attached(network, made))
    sums = network[3].weight.detach().abs().sum((2, 3))
    for row, kept in zip(sums, choice["3"], strict=True):
        assert set(kept.nonzero().flatten().tolist()) == set(row.topk(4).indices.tolist())
    x = torch.randn(2, *SHAPE)
    assert not torch.equal(mask(network, choice, SHAPE)(x), network(x))


def test_macs_budget_counts_what_nobody_reads():
    network = resnet(20, 10, (3, 32, 32)).eval()
    made = Group2D(Share(0.75, "macs"), 4, "l1", "score", 1, "kxk", False, "split")
    made.attach(fresh := copy.deepcopy(network), (3, 32, 32), 0)
    small = compact(network, made.select(fresh), (3, 32, 32))
    cut = 1 - count_macs(small, (3, 32, 32)) / count_macs(network, (3, 32, 32))
    assert 0.75 <= cut < 0.753


def test_taylor_score_is_the_mean_over_steps_of_weight_times_gradient():
    made = method(score="taylor")
    network = attached(chain(), made, steps=2)
    wanted = torch.zeros(8, 8)
    for seed in range(2):
        torch.manual_seed(seed)
        network.zero_grad()
        network(torch.randn(4, *SHAPE)).square().sum().backward()
        weight = weight_under(network, "3")
        wanted += (weight * weight.grad).sum((2, 3)).abs().detach() / 2
        made.steer(network)
    torch.testing.assert_close(score("taylor", weight_under(network, "3"), gate_on(network, "3")), wanted)


def test_activation_score_is_mean_input_times_weight():
    made = method(score="activation")
    network = attached(chain(), made, steps=1).train()
    x = torch.randn(4, *SHAPE)
    network(x)
    made.steer(network)
    reads = network[:3](x).abs().mean((0, 2, 3))
    wanted = weight_under(network, "3").detach().abs().sum((2, 3)) * reads
    torch.testing.assert_close(score("activation", weight_under(network, "3"), gate_on(network, "3")), wanted)


def test_ladder_tightens_within_the_earlier_pattern():
    made = method(0.75, score="taylor", steps=3)
    network, kept = attached(chain(), made, steps=12), []
    for seed in range(12):
        step(network, made, seed)
        kept.append(int(gate_on(network, "3").mask[0].sum()))
    assert kept == [8, 8, 8, 4, 4, 4, 4, 3, 3, 3, 3, 3]  # 8 / 2 and 8 / 3, rounded up
    choice = made.select(network)["3"]
    assert choice.sum(1).tolist() == [2] * 8
    assert not (choice & ~gate_on(network, "3").mask[:, :, 0, 0].bool()).any()


def test_lasso_trains_blocks_to_exactly_zero():
    made = method(0.5, learn="lasso")
    network = attached(chain(), made, steps=120)
    for seed in range(120):
        step(network, made, seed)
    gate = gate_on(network, "3")
    norms = blocks(weight_under(network, "3"), gate.group, 2)
    assert (norms == 0).sum(1).tolist() == [4, 4]
    kept = made.select(network)["3"]
    assert torch.equal(kept, norms[gate.group] > 0)


def test_lasso_schedule_by_hand():
    assert [wanted_zeros(10, 4, p) for p in (0.0, START, (START + END) / 2, END, 1.0)] == [0, 0, 3, 6, 6]


def test_proximal_step_by_hand():
    made = method(0.5, learn="lasso")
    network = attached(chain(), made, steps=10)
    gate, weight = gate_on(network, "3"), weight_under(network, "3")
    gate.group, gate.strength = torch.arange(8) // 4, torch.tensor([0.01, 100.0])
    before, norms = weight.detach().clone(), blocks(weight, gate.group, 2)
    shrink(weight, gate, keep=4, progress=1.0)
    doomed = norms <= norms.sort(dim=1).values[:, 3:4]  # the four smallest of each group
    factor = (1 - torch.tensor([[0.01], [100.0]]) * norms.mean(1, keepdim=True) * doomed / norms).clamp(min=0)
    torch.testing.assert_close(weight.detach(), before * factor[gate.group][:, :, None, None])
    assert (blocks(weight, gate.group, 2)[1] == 0).sum() == 4
    torch.testing.assert_close(gate.strength, torch.tensor([0.011, 100.0]))


def test_state_in_the_middle_of_a_ladder_goes_on_from_a_file():
    made = method(0.75, score="taylor", steps=3)
    network = attached(chain(), made, steps=12)
    for seed in range(6):
        step(network, made, seed)
    again = method(0.75, score="taylor", steps=3)
    resumed = attached(chain(), again, steps=12)
    resumed.load_state_dict(network.state_dict())
    assert again.select(resumed) == made.select(network)
    for seed in range(6, 12):
        step(network, made, seed)
        step(resumed, again, seed)
    assert again.select(resumed) == made.select(network)


def test_groups_that_do_not_divide_a_layer():
    with pytest.raises(
        ValueError, match=r"method.groups=3 does not divide the 8 filters of '3'; the nearest that does is 2"
    ):
        attached(chain(), method(groups=3))
    made = method(groups=3, adapt=True)
    assert len(made.select(attached(chain(), made))["3"].unique(dim=0)) <= 2


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"groups": 0}, "method.groups and method.steps must be 1 or more"),
        ({"score": "magic"}, "method.score must be one of taylor, activation, l1, got 'magic'"),
        ({"form": "padded"}, "method.form must be one of split, grouped, auto, got 'padded'"),
        ({"learn": "lasso", "steps": 2}, "method.steps must be 1, got 2"),
    ],
)
def test_refusals(asked, words):
    with pytest.raises(ValueError, match=words):
        method(**asked)


def test_a_score_from_data_needs_steps():
    with pytest.raises(ValueError, match=r"learns from training steps, and its stage has 0"):
        attached(chain(), method(score="taylor"), steps=0)


def test_a_ratio_that_leaves_no_channel():
    with pytest.raises(ValueError, match=r"ratio 0.9 would empty layer '3' of 8"):
        attached(chain(), method(0.9))


def test_unread_filters_go_too():
    network, made = chain(), method(0.75)
    choice = made.select(attached(network, made))
    union = choice["3"].any(0)
    small = compact(network, choice, SHAPE)
    assert small.get_submodule("0").out_channels == int(union.sum())
