"""Slimming's penalty by hand, its scores, and what a real fit makes of the scales."""

import pytest
import torch
from torch import nn

from pruning.budget import PerLayer, Share
from pruning.methods.slimming import Slimming
from pruning.models import initialise
from pruning.testing.samples import Chain, Residual
from support.fitting import SHAPE, fit


def residual() -> nn.Module:
    return initialise(Residual(), 0)


def test_the_gradient_is_that_of_the_authors_loop() -> None:
    """`m.weight.grad.add_(s * sign(m.weight))`: 0 where a scale is 0; only at the norms of layers that may be cut."""
    network, method = residual(), Slimming(PerLayer(0.5), strength=0.01)
    with torch.no_grad():
        network.norms[0].weight[:3] = torch.tensor([-2.0, 0.0, 0.5])
    method.attach(network, SHAPE, 10)
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 0.25)
    method.steer(network)
    for name, parameter in network.named_parameters():
        behind_a_site = name in ("norms.4.weight", "norms.0.weight", "norms.2.weight")  # the stem's, the blocks' first
        added = 0.01 * torch.sign(parameter.detach()) if behind_a_site else torch.zeros_like(parameter)
        torch.testing.assert_close(parameter.grad, 0.25 + added, rtol=1e-6, atol=0, msg=name)
    assert network.norms[0].weight.grad[:3].tolist() == pytest.approx([0.24, 0.25, 0.26])


def test_the_filters_with_the_largest_scales_stay_whatever_their_sign() -> None:
    network, method = residual(), Slimming(PerLayer(0.5))
    method.attach(network, SHAPE, 10)
    with torch.no_grad():
        network.norms[0].weight.copy_(torch.tensor([-1.2, 0.1, 0.2, -0.3, 0.4, -0.5, 0.6, -0.7, 0.8, 0.0, -0.9, 1.0]))
    kept = method.select(network)["convs.0"].any(1)
    assert kept.nonzero().flatten().tolist() == [0, 6, 7, 8, 10, 11]


def test_over_all_layers_the_smallest_scales_go() -> None:
    """allocation=own budget=filters: the paper's global threshold; half of all 32 filters, and each layer keeps one."""
    network, method = residual(), Slimming(Share(0.5, of="filters", allocation="own"))
    with torch.no_grad():
        network.norms[4].weight.copy_(torch.linspace(0.01, 0.08, 8))
        network.norms[0].weight.copy_(torch.linspace(0.3, 0.2, 12))
        network.norms[2].weight.copy_(torch.tensor([0.09] * 8 + [0.31, 0.32, 0.33, 0.34]))
    method.attach(network, SHAPE, 10)
    kept = {name: method.select(network)[name].any(1).nonzero().flatten().tolist() for name in method.layers}
    assert kept == {"stem": [7], "convs.0": list(range(11)), "convs.2": [8, 9, 10, 11]}


def test_what_is_coupled_is_added_up() -> None:
    network, method = residual(), Slimming(PerLayer(0.5), joined="couple")
    method.attach(network, SHAPE, 10)
    with torch.no_grad():
        for number, low in ((1, 0.1), (3, -0.3), (5, 0.2)):  # norms of all that is added to the stream
            network.norms[number].weight.fill_(low)
    stream = next(unit for unit in method.groups.units.values() if len(unit.members) > 1)
    assert set(stream.members) == {"convs.1", "convs.3", "projection"}
    name = next(name for name, unit in method.groups.units.items() if unit is stream)
    torch.testing.assert_close(method.scores(network)[name], torch.full((12,), 0.6))


def test_a_real_fit_pulls_the_scales_down() -> None:
    means = []
    for strength in (0.0, 0.05):
        network, method = residual(), Slimming(PerLayer(0.5), strength=strength)
        fit(method, network, epochs=4)  # 32 steps at a rate of 0.05: at most 0.08 off each scale
        means.append(method.report(network)["mean_scale"])
    assert 0.04 < means[0] - means[1] < 0.09


def test_where_there_is_no_norm_to_train_it_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"Slimming needs a batch norm with a scale .* '0' has none"):
        Slimming(PerLayer(0.5)).attach(initialise(Chain(), 0), SHAPE, 10)
    network = residual()
    network.norms[0].weight.requires_grad_(False)
    with pytest.raises(ValueError, match=r"'norms.0.weight' is frozen .* leave its layer out by exclude="):
        Slimming(PerLayer(0.5)).attach(network, SHAPE, 10)
    with pytest.raises(ValueError, match="strength must be 0 or more, got -1"):
        Slimming(PerLayer(0.5), strength=-1.0)
