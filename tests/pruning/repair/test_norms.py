import copy

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from pruning.repair.norms import estimate_norms
from pruning.testing import images
from pruning.testing.samples import SAMPLES


def test_statistics_are_those_of_torchs_own_update_and_nothing_else_moves() -> None:
    network = SAMPLES["residual"].network()
    network.norms[0].train()
    oracle, batches = copy.deepcopy(network).train(), [images((3, 8, 8), 6, seed).float() for seed in range(3)]
    weights, modes = copy.deepcopy(dict(network.named_parameters())), [m.training for m in network.modules()]
    assert len(estimate_norms(network, batches)) == 6
    update_bn(batches, oracle)
    ours, theirs = dict(network.named_buffers()), dict(oracle.named_buffers())
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert all(torch.equal(weights[name], value) for name, value in network.named_parameters())
    assert [m.training for m in network.modules()] == modes
    assert {m.momentum for m in network.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}


def test_a_network_without_norms_is_not_run() -> None:
    assert estimate_norms(nn.Conv2d(3, 4, 3), [torch.zeros(1, 99)]) == []
