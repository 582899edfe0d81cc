"""An optimiser made while gates are on has the plain network's order: a state is restored by place."""

import torch
from torch import nn

import pruning
from pruning.lightning.param_groups import restore_order


def test_gates_leave_the_order_of_an_optimisers_parameters() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 5))
    plain, head = list(network.parameters()), nn.Linear(5, 2)
    pruning.attach(network, torch.randn(2, 3, 8, 8), "fcf", steps=160, macs=0.3)
    gated = [parameter for parameter in network.parameters() if parameter in set(plain)]
    assert [id(parameter) for parameter in gated] != [id(parameter) for parameter in plain]
    optimizers = [torch.optim.SGD([*gated, *head.parameters()]), torch.optim.SGD(plain[::-1])]
    restore_order(optimizers, list(network.parameters()), plain)
    groups = [[id(parameter) for parameter in optimizer.param_groups[0]["params"]] for optimizer in optimizers]
    assert groups == [[id(p) for p in (*plain, *head.parameters())], [id(p) for p in plain[::-1]]]
