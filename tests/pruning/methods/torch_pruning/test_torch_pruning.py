"""The peer keeps what the library itself keeps; what it would do wrongly is refused."""

import copy
import sys
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from pruning.budget import PerLayer
from pruning.methods.l1 import L1
from pruning.methods.torch_pruning import TorchPruning
from pruning.models import initialise, resnet
from pruning.selection import Selection
from pruning.surgery import compact
from pruning.testing import SAMPLES, images, randomised

peer = pytest.importorskip("torch_pruning")
SHAPE = (3, 8, 8)


def choice_of(method: Any, network: nn.Module) -> Selection:
    method.attach(network, SHAPE, 0)
    return method.select(network)


def pruned_by_the_library(network: nn.Module, importance: Any) -> nn.Module:
    small = copy.deepcopy(network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pruner = peer.pruner.BasePruner(
            small,
            torch.randn(2, *SHAPE, dtype=torch.double),
            importance,
            pruning_ratio=0.5,
            ignored_layers=[small.head],
        )
        pruner.step()
    return small


@pytest.mark.parametrize("values", [{}, {"p": 1, "group_reduction": "max", "normalizer": None}])
def test_it_keeps_what_the_librarys_own_pruner_keeps(values: dict[str, Any]) -> None:
    """Half of every group, streams included: the two small networks compute the same."""
    network = randomised(initialise(SAMPLES["residual"].build(), 0))
    theirs = pruned_by_the_library(network, peer.importance.GroupMagnitudeImportance(**values))
    choice = choice_of(TorchPruning(PerLayer(0.5), joined="couple", **values), network)
    ours = compact(network, choice, SHAPE)
    assert [tuple(p.shape) for p in ours.parameters()] == [tuple(p.shape) for p in theirs.parameters()]
    batch = images(SHAPE, 4)
    torch.testing.assert_close(ours(batch), theirs.eval()(batch), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sample", SAMPLES)
def test_its_first_layers_l1_norm_is_l1(sample: str) -> None:
    network = SAMPLES[sample].network()
    values = {"p": 1, "group_reduction": "first", "normalizer": None}
    assert choice_of(TorchPruning(PerLayer(0.5), **values), network) == choice_of(L1(PerLayer(0.5)), network)


def test_the_network_is_left_as_it_was() -> None:
    network = SAMPLES["residual"].network().train()
    network.stem.weight.requires_grad_(False)
    with torch.no_grad():
        choice_of(TorchPruning(PerLayer(0.5)), network)
    assert all(module.training for module in network.modules())
    assert [name for name, p in network.named_parameters() if not p.requires_grad] == ["stem.weight"]


def test_streams_that_it_ties_wrongly_are_refused() -> None:
    """Option A: strided slices and zeros for the channels that are missing."""
    network, method = resnet(20, 10, (3, 32, 32), "A"), TorchPruning(PerLayer(0.5), joined="couple")
    with pytest.raises(ValueError, match=r"ties other filters to those of 'conv1' than this network .* joined=keep"):
        method.attach(network, (3, 32, 32), 0)
    TorchPruning(PerLayer(0.5)).attach(network, (3, 32, 32), 0)


class Unreadable(nn.Sequential):
    """Without a gradient nothing can be followed back from the output."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).detach()


def test_what_it_cannot_see_is_refused_in_words() -> None:
    network = Unreadable(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 4))
    with pytest.raises(
        ValueError, match=r"Torch-Pruning (1\.\d.* cannot follow this network|does not see the layer '0')"
    ):
        TorchPruning(PerLayer(0.5)).attach(network, SHAPE, 0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"joined": "expand"}, "joined must be keep or couple, got expand"),
        ({"p": 0}, "p must be 1 or more, got 0"),
        ({"group_reduction": "median"}, "group_reduction must be one of mean, .* got 'median'"),
        ({"normalizer": "none"}, "normalizer must be one of mean, .* None, got 'none'"),
    ],
)
def test_bad_values_are_refused_with_the_rule(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TorchPruning(PerLayer(0.5), **values)


def test_without_the_extra_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(ValueError, match=r"not installed: pip install 'cnn-pruning\[torch-pruning\]'"):
        TorchPruning(PerLayer(0.5))
