"""Where gates are put, what they mean, and the values it takes."""

import pytest
import torch
from torch import nn

from pruning.models import initialise, resnet
from pruning.surgery import mask
from pruning.testing import images
from pruning.testing.samples import Residual
from support.rows import fcf

SHAPE = (3, 8, 8)


def test_growth_reaches_the_end_of_the_penalty_within_half_of_the_steps() -> None:
    schedule = fcf(0.5).schedule
    assert schedule.growth(10_000) == 1.01
    assert 0.01 * schedule.growth(200) ** 100 == pytest.approx(6.0)
    assert schedule.growth(200) == pytest.approx(600**0.01)


def test_an_unstable_step_is_told_before_it_diverges() -> None:
    """lr * alpha * 2 rho_max: 1.188 as published, 1.25 warned of."""
    fcf(0.5)
    with pytest.warns(UserWarning, match=r"= 1.250; from 1.333 on it diverges .* lower lr or rho_max"):
        fcf(0.5, alpha=0.5, lr=0.5, rho_max=2.5)
    with pytest.warns(UserWarning, match=r"= 1.980;"):
        fcf(0.5, lr=1.0, rho_max=1.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gate": "both"}, r"gate must be filter \(the paper\) or norm, got 'both'"),
        ({"start": "two"}, r"start must be one \(the paper\), l1 or random, got 'two'"),
        ({"alpha": 1.0}, r"alpha must lie in \[0, 1\), got 1.0"),
        ({"alpha": -0.1}, r"alpha .* got -0.1"),
        ({"rho": 7.0}, r"0 < rho <= rho_max .* got 7.0, 6.0 and 1.01"),
        ({"rho": 0.0}, "rho"),
        ({"mu": 0.99}, "got 0.01, 6.0 and 0.99"),
        ({"joined": "keep"}, "cross=true needs joined=expand, got joined=keep"),
    ],
)
def test_bad_values_are_refused_with_the_rule(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fcf(0.5, **changes)


def test_what_it_prunes_on_a_resnet() -> None:
    """Both convolutions of every block, and the drop across joins: by hand at a quarter."""
    network, method = resnet(20, 10, (3, 32, 32), "B"), fcf(0.25)
    method.attach(network, (3, 32, 32), 1000)
    choice = method.select(network)
    whole = {name for name, kernels in choice.items() if kernels.all()}
    assert whole == {"conv1", "layer2.0.shortcut.0", "layer3.0.shortcut.0"}
    first, later = choice["layer1.0.conv1"], choice["layer1.1.conv1"]
    assert (first.any(1).sum(), first.any(0).sum()) == (12, 16)
    assert (later.any(1).sum(), later.any(0).sum()) == (12, 12)
    assert later.any(0).equal(choice["layer1.0.conv2"].any(1))


def test_gates_stand_behind_the_norm_or_on_the_filter_itself() -> None:
    network, method = initialise(Residual(), 0), fcf(0.5, gate="norm")
    method.attach(network, SHAPE, 1000)
    assert all(place[0].startswith("norms.") for place in method.targets.values())
    chain, bare = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten()), fcf(0.5, gate="norm")
    bare.attach(chain, SHAPE, 1000)
    assert {place[0] for place in bare.targets.values()} == {"0"}


@pytest.mark.parametrize("start", ["one", "l1"])
def test_gates_at_zero_silence_what_selection_removes(start: str) -> None:
    """With binary gates behind the norm, the network with its gates computes what the masked one does."""
    network, method = initialise(Residual(), 0).eval(), fcf(0.5, gate="norm", cross=False, start=start)
    method.attach(network, SHAPE, 1000)
    with torch.no_grad():
        for place, gate in enumerate(method.gates(network)):
            gate.copy_((torch.randperm(len(gate), generator=torch.Generator().manual_seed(place)) % 2 == 0).float())
    batch = images(SHAPE).float()
    with_gates, choice = network(batch), method.select(network)
    method.detach(network)
    assert torch.allclose(mask(network, choice, SHAPE)(batch), with_gates, atol=1e-5)
