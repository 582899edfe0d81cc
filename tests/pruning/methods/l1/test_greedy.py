"""The greedy ranking, by hand on a chain; and where it is the independent one."""

import pytest
import torch
from torch import nn

from pruning.budget import PerLayer
from pruning.methods.l1 import L1
from pruning.testing import SAMPLES
from support.rows import network


def chain() -> nn.Module:
    """The first loses its last filter; of the second, filter 0 owes its size to the map that is gone."""
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU(), nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([3.0, -2, 1]).view(3, 1, 1, 1))
        model[2].weight.copy_(torch.tensor([[1.0, 1, 9], [-2, 2, 1]]).view(2, 3, 1, 1))
    return model


def rows(model: nn.Module, variant: str, table: dict[str, int], shape: tuple[int, int, int]) -> dict[str, list[int]]:
    method = L1(PerLayer(0.0, table), variant=variant)
    method.attach(model, shape, 0)
    choice = method.select(model)
    return {name: choice[name].any(1).nonzero().flatten().tolist() for name in table}


def test_kernels_of_maps_that_are_gone_do_not_count() -> None:
    table = {"0": 2, "2": 1}
    assert rows(chain(), "independent", table, (1, 4, 4)) == {"0": [0, 1], "2": [0]}
    assert rows(chain(), "greedy", table, (1, 4, 4)) == {"0": [0, 1], "2": [1]}
    assert rows(chain(), "greedy", {"0": 3, "2": 1}, (1, 4, 4)) == {"0": [0, 1, 2], "2": [0]}


def test_a_chain_by_slices_of_the_weights() -> None:
    """Layer by layer on what the layers before have kept."""
    model, kept = SAMPLES["chain"].network(), torch.arange(3)
    table = {"0": 4, "2": 5, "4": 3}
    wanted = {}
    for name, count in table.items():
        norms = model.get_submodule(name).weight.detach()[:, kept].abs().sum((1, 2, 3))
        kept = norms.topk(count).indices.sort().values
        wanted[name] = kept.tolist()
    assert rows(model, "greedy", table, (3, 8, 8)) == wanted


def test_where_only_first_convolutions_go_it_is_the_independent_one() -> None:
    model = network("resnet20")
    one, other = (L1(PerLayer(0.5), variant=variant) for variant in ("independent", "greedy"))
    for method in (one, other):
        method.attach(model, (3, 32, 32), 0)
    assert one.select(model) == other.select(model)


def test_streams_are_ranked_independently_and_the_budget_is_met() -> None:
    model = SAMPLES["residual"].network()
    one, other = (L1(PerLayer(0.5), joined="couple", variant=variant) for variant in ("independent", "greedy"))
    for method in (one, other):
        method.attach(model, (3, 8, 8), 0)
    ours, theirs = one.select(model), other.select(model)
    assert torch.equal(ours["projection"], theirs["projection"])
    assert [theirs.kept(name) for name in theirs] == [ours.kept(name) for name in ours]


def test_another_variant_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^variant must be one of independent, greedy, got 'lazy'$"):
        L1(PerLayer(0.5), variant="lazy")
