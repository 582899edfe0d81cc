"""What group-wise pruning learns from: scores, the ladder, the lasso."""

import pytest
import torch

from pruning.methods.group2d.gate import gate_on, ungated_weight
from pruning.methods.group2d.lasso import END, START, scheduled_zeros, shrink
from pruning.methods.group2d.scores import block_norms, kernel_scores
from support.grouped_chain import SHAPE, attached, chain, method, step


def test_taylor_score_is_the_mean_over_steps_of_weight_times_gradient():
    made = method(score="taylor")
    network = attached(chain(), made, steps=2)
    wanted = torch.zeros(8, 8)
    for seed in range(2):
        torch.manual_seed(seed)
        network.zero_grad()
        network(torch.randn(4, *SHAPE)).square().sum().backward()
        weight = ungated_weight(network, "3")
        wanted += (weight * weight.grad).sum((2, 3)).abs().detach() / 2
        made.steer(network)
    torch.testing.assert_close(kernel_scores("taylor", ungated_weight(network, "3"), gate_on(network, "3")), wanted)


def test_activation_score_is_mean_input_times_weight():
    made = method(score="activation")
    network = attached(chain(), made, steps=1).train()
    x = torch.randn(4, *SHAPE)
    network(x)
    made.steer(network)
    reads = network[:3](x).abs().mean((0, 2, 3))
    wanted = ungated_weight(network, "3").detach().abs().sum((2, 3)) * reads
    torch.testing.assert_close(kernel_scores("activation", ungated_weight(network, "3"), gate_on(network, "3")), wanted)


def test_ladder_tightens_within_the_earlier_pattern():
    made = method(0.75, score="taylor", levels=3)
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
    norms = block_norms(ungated_weight(network, "3"), gate.group, 2)
    assert (norms == 0).sum(1).tolist() == [4, 4]
    kept = made.select(network)["3"]
    assert torch.equal(kept, norms[gate.group] > 0)


def test_lasso_schedule_by_hand():
    assert [scheduled_zeros(10, 4, p) for p in (0.0, START, (START + END) / 2, END, 1.0)] == [0, 0, 3, 6, 6]


def test_proximal_step_by_hand():
    made = method(0.5, learn="lasso")
    network = attached(chain(), made, steps=10)
    gate, weight = gate_on(network, "3"), ungated_weight(network, "3")
    gate.group, gate.strength = torch.arange(8) // 4, torch.tensor([0.01, 100.0])
    before, norms = weight.detach().clone(), block_norms(weight, gate.group, 2)
    shrink(weight, gate, keep=4, progress=1.0)
    doomed = norms <= norms.sort(dim=1).values[:, 3:4]  # the four smallest of each group
    factor = (1 - torch.tensor([[0.01], [100.0]]) * norms.mean(1, keepdim=True) * doomed / norms).clamp(min=0)
    torch.testing.assert_close(weight.detach(), before * factor[gate.group][:, :, None, None])
    assert (block_norms(weight, gate.group, 2)[1] == 0).sum() == 4
    torch.testing.assert_close(gate.strength, torch.tensor([0.011, 100.0]))


def test_state_in_the_middle_of_a_ladder_goes_on_from_a_file():
    made = method(0.75, score="taylor", levels=3)
    network = attached(chain(), made, steps=12)
    for seed in range(6):
        step(network, made, seed)
    again = method(0.75, score="taylor", levels=3)
    resumed = attached(chain(), again, steps=12)
    resumed.load_state_dict(network.state_dict())
    assert again.select(resumed) == made.select(network)
    for seed in range(6, 12):
        step(network, made, seed)
        step(resumed, again, seed)
    assert again.select(resumed) == made.select(network)


@pytest.mark.parametrize("asked", [{"score": "taylor"}, {"score": "activation", "learn": "lasso"}])
def test_a_frozen_weight_that_would_give_no_evidence_is_refused_by_name(asked: dict[str, str]) -> None:
    frozen = chain()
    frozen[6].weight.requires_grad_(False)
    with pytest.raises(ValueError, match=r"learns from the gradients of weights, and '6' is frozen"):
        attached(frozen, method(**asked), steps=9)
    assert list(frozen.state_dict()) == list(chain().state_dict())
    attached(frozen, method(score="activation"), steps=9)
