"""FCF's own promises: binary gates through a real fit, exact resumes, early refusals."""

import pytest
import torch
from torch import nn

from pruning.budget import PerLayer
from pruning.methods.gates.gate import Gate
from pruning.methods.random import Random
from pruning.models import initialise, resnet
from pruning.testing import images
from pruning.testing.samples import Chain, Residual
from support.fitting import SHAPE, fit
from support.rows import fcf


@pytest.mark.parametrize(("gate", "ratio"), [("filter", 0.5), ("norm", 0.25)])
def test_gates_become_binary_through_a_real_fit(gate: str, ratio: float) -> None:
    """Where the loss can feel the gate: on filters without a norm behind them, or behind the norm."""
    network = initialise(Chain() if gate == "filter" else Residual(), 0)
    method = fcf(ratio, cross=False, gate=gate)
    before = next(network.parameters()).detach().clone()
    trainer = fit(method, network, epochs=28)  # 224 steps
    figures = method.report(network)
    assert figures["gap"] < 0.01
    assert figures["over_threshold"] == sum(method.counts.values())
    assert figures["rho"] == pytest.approx(6.0, rel=0.03)
    assert figures["primal_box"] < 0.1
    assert figures["primal_sphere"] < 0.1
    assert trainer.callback_metrics["gap"] < 0.01
    choice = method.select(network)
    for name, gates in method.scores(network).items():
        kept = choice[name].any(1)
        assert kept.sum() == method.counts[name]
        assert gates[kept].min() > gates[~kept].max()
    method.detach(network)  # without a warning
    assert not torch.equal(next(network.parameters()), before), "the weights are trained beside the gates"
    assert not [module for module in network.modules() if isinstance(module, Gate)]


def test_gates_that_are_not_binary_at_the_end_are_told() -> None:
    network, method = initialise(Residual(), 0), fcf(0.5)
    method.attach(network, SHAPE, 1000)
    with torch.no_grad():
        method.gates(network)[0].fill_(0.5)
    with pytest.warns(UserWarning, match=r"gates are not binary .* mean distance 0.1\d\d .* train them longer"):
        method.detach(network)


def test_gates_that_were_never_trained_are_not_complained_of() -> None:
    network, method = initialise(Residual(), 0), fcf(0.5, gate="norm", start="l1")
    method.attach(network, SHAPE, 1000)
    assert method.report(network)["gap"] > 0.1
    method.detach(network)  # warnings are errors here


def steps(method: nn.Module, network: nn.Module, first: int, last: int) -> None:
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    for seed in range(first, last):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images(SHAPE, 8, seed).float()), torch.arange(8) % 4).backward()
        method.steer(network)
        optimiser.step()
        method.settle(network)


def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit() -> None:
    """Duals, penalty, gates and weights are all in the state dict; without the duals the end is another."""
    through, method = initialise(Residual(), 0), fcf(0.5, gate="norm")
    method.attach(through, SHAPE, 200)
    steps(method, through, 0, 20)
    saved = {name: value.clone() for name, value in through.state_dict().items()}
    duals = [name for name in saved if name.endswith("box.y")]
    assert duals
    steps(method, through, 20, 40)

    def resumed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        network, fresh = initialise(Residual(), 1), fcf(0.5, gate="norm")
        fresh.attach(network, SHAPE, 200)
        network.load_state_dict(state)
        steps(fresh, network, 20, 40)
        return network.state_dict()

    end = through.state_dict()
    assert all(torch.equal(end[name], value) for name, value in resumed(saved).items())
    blank = saved | {name: torch.zeros_like(saved[name]) for name in duals}
    gates = [name for name in end if name.endswith(".v")]
    assert any(not torch.equal(end[name], value) for name, value in resumed(blank).items() if name in gates)


@pytest.mark.parametrize(("gate", "felt"), [("filter", False), ("norm", True)])
def test_before_a_norm_the_loss_cannot_feel_the_gate(gate: str, felt: bool) -> None:
    """METHODS section 1: the norm divides the scale out."""
    network, method = initialise(Residual(), 0).train(), fcf(0.5, gate=gate, joined="keep", cross=False)
    method.attach(network, SHAPE, 200)
    steps(method, network, 0, 1)
    figures = method.report(network)
    share = figures["gate_pull"] / figures["weight_force"]
    assert figures["weight_force"] > 0
    assert share > 1e-2 if felt else share < 2e-3


def test_from_a_lot_exactly_its_filters_stay_through_a_real_fit() -> None:
    """Those that `method=random` keeps with the same seed."""
    network, drawn = initialise(Residual(), 0), Random(PerLayer(0.5), 3, joined="expand")
    drawn.attach(network, SHAPE, 0)
    wanted, method = drawn.select(network), fcf(0.5, cross=False, start="random", seed=3)
    fit(method, network, epochs=28)  # 224 steps
    assert method.report(network)["gap"] < 0.01
    assert method.select(network) == wanted


def test_another_seed_draws_others() -> None:
    starts = []
    for seed in (0, 1):
        network, method = initialise(Residual(), 0), fcf(0.5, start="random", seed=seed)
        method.attach(network, SHAPE, 200)
        starts.append(method.scores(network))
        assert {gates.min().item() for gates in starts[-1].values()} == {0.5}
    assert all((starts[0][name] != starts[1][name]).any() for name in starts[0])


@pytest.mark.parametrize(("start", "least", "most"), [("l1", 0.95, 1.0), ("one", 0.4, 0.6)])
def test_when_the_loss_is_silent_the_start_decides(start: str, least: float, most: float) -> None:
    """From the order of the L1 norms their choice comes out; from equal gates and rounding noise, chance."""
    network, method = resnet(20, 10, (3, 32, 32)), fcf(0.5, start=start)
    method.attach(network, (3, 32, 32), 300)
    ranked = fcf(0.5, start="l1")
    ranked.attach(by_norm := resnet(20, 10, (3, 32, 32)), (3, 32, 32), 300)
    noise = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for _ in range(300):
        for gate in method.gates(network):
            gate.grad = 1e-6 * torch.randn(gate.shape, generator=noise)
        method.steer(network)
    made, l1 = method.select(network), ranked.select(by_norm)
    both = [(made[name].any(1), l1[name].any(1)) for name in method.targets]
    assert least <= sum(int((a & b).sum()) for a, b in both) / sum(int(b.sum()) for _, b in both) <= most


def test_a_stage_that_is_too_short_is_refused_with_the_remedy() -> None:
    network = initialise(Residual(), 0)
    with pytest.raises(ValueError, match=r"needs 150 steps or more .*, got 149; raise steps or take smaller batches"):
        fcf(0.5).attach(network, SHAPE, 149)
    with pytest.raises(ValueError, match="got 24"):
        fit(fcf(0.5), network, epochs=3)
    assert list(network.state_dict()) == list(Residual().state_dict())
    fcf(0.5).attach(network, SHAPE, 150)
