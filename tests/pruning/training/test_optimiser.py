"""The product's SGD against torch's plain one: the same steps, also where gradients come late or never."""

import copy
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from pruning.training.optimiser import Rates, ZeroMomentumSGD, make_optimiser

LATE, NEVER = 2, 99  # the step from which on a branch takes part


class Branches(nn.Module):
    """A trunk that always works and two branches that join later or never."""

    def __init__(self) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(0)
        self.trunk, self.late, self.never = (
            nn.Parameter(torch.randn(5, 3, generator=draws, dtype=torch.double)) for _ in range(3)
        )

    def forward(self, x: torch.Tensor, step: int) -> torch.Tensor:
        y = x @ self.trunk
        return y + (x @ self.late if step >= LATE else 0) + (x @ self.never if step >= NEVER else 0)


def groups(network: Branches) -> list[dict[str, Any]]:
    return [{"params": list(network.parameters()), "momentum": 0.9, "weight_decay": 1e-2}]


def train(network: Branches, optimiser: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        optimiser.zero_grad()
        x = torch.randn(7, 5, generator=torch.Generator().manual_seed(step), dtype=torch.double)
        network(x, step).square().sum().mul(0.01).backward()
        optimiser.step()


def test_a_gradient_that_comes_late_is_stepped_as_plain_sgd_steps() -> None:
    ours, plain = Branches(), Branches()
    train(ours, ZeroMomentumSGD(groups(ours), lr=0.1), range(6))
    train(plain, torch.optim.SGD(groups(plain), lr=0.1, fused=False, foreach=False), range(6))
    for wanted, got in zip(plain.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)
    assert not torch.equal(ours.late, Branches().late)


def test_a_parameter_that_never_gets_a_gradient_stays_as_it_is() -> None:
    network = Branches()
    train(network, ZeroMomentumSGD(groups(network), lr=0.1), range(4))
    assert torch.equal(network.never, Branches().never)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_where_all_gradients_come_at_once_the_numbers_are_those_of_torch_to_the_bit(dtype: torch.dtype) -> None:
    ours = nn.Linear(9, 7, dtype=dtype)
    theirs = copy.deepcopy(ours)
    group = {"momentum": 0.9, "weight_decay": 1e-3}
    first = ZeroMomentumSGD([{"params": list(ours.parameters()), **group}], lr=0.1)
    second = torch.optim.SGD([{"params": list(theirs.parameters()), **group}], lr=0.1, fused=True)
    for _ in range(5):
        x = torch.randn(4, 9, dtype=dtype)
        for network, optimiser in ((ours, first), (theirs, second)):
            optimiser.zero_grad()
            network(x).square().sum().backward()
            optimiser.step()
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


def test_a_state_saved_before_the_late_gradient_goes_on_to_the_bit() -> None:
    whole, resumed = Branches(), Branches()
    train(whole, ZeroMomentumSGD(groups(whole), lr=0.1), range(5))
    first = ZeroMomentumSGD(groups(resumed), lr=0.1)
    train(resumed, first, range(1))
    second = ZeroMomentumSGD(groups(resumed), lr=0.1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(resumed, second, range(1, 5))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_a_step_that_is_not_sound_changes_nothing() -> None:
    network = Branches()
    optimiser = ZeroMomentumSGD(groups(network), lr=0.1)
    optimiser.found_inf = torch.ones(())  # type: ignore[attr-defined] # as the task sets it, one step late
    train(network, optimiser, range(1))
    assert torch.equal(network.trunk, Branches().trunk)
    assert not optimiser.state[network.trunk]["momentum_buffer"].any()


class Of(NamedTuple):
    lr: float
    momentum: float
    weight_decay: float


def test_adamw_is_torchs_with_the_momentum_as_beta1() -> None:
    rates: Rates = Of(0.01, 0.8, 0.1)
    ours, theirs = (torch.nn.Linear(3, 2) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    reference = torch.optim.AdamW(theirs.parameters(), lr=0.01, betas=(0.8, 0.999), weight_decay=0.1)
    optimiser = make_optimiser("adamw", ours.parameters(), rates)
    for network, each in ((ours, optimiser), (theirs, reference)):
        for step in range(3):
            each.zero_grad()
            network(torch.full((4, 3), step + 1.0)).square().mean().backward()
            each.step()
    torch.testing.assert_close(ours.weight, theirs.weight)
    assert isinstance(make_optimiser("sgd", ours.parameters(), rates), ZeroMomentumSGD)
