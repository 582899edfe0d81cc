"""Torch-Pruning as an independent oracle: the same filters out, by its dependency graph and by our liveness."""

import copy

import pytest
import torch

from pruning.graph.graph import trace
from pruning.graph.groups import pruning_groups
from pruning.graph.sites import sites
from pruning.models import torchvision_network
from pruning.selection import Selection
from pruning.surgery import compact
from pruning.testing import images, randomised, relative

peer = pytest.importorskip("torch_pruning")
pytestmark = pytest.mark.networks
SHAPE = (3, 64, 64)
NETWORKS = ("vgg11_bn", "resnet18", "resnet50", "densenet121", "squeezenet1_0", "mobilenet_v2")


def lots(width: int, seed: int) -> torch.Tensor:
    """Which filters stay: about half, one at least."""
    kept = torch.rand(width, generator=torch.Generator().manual_seed(seed)) < 0.5
    kept[0] = True
    return kept


def by_peer(network: torch.nn.Module, rows: dict[str, torch.Tensor]) -> torch.nn.Module:
    """One convolution of each stream stands for all: the peer finds the others by itself."""
    network = copy.deepcopy(network)
    for name, kept in rows.items():
        graph = peer.DependencyGraph().build_dependency(network, example_inputs=images(SHAPE, 2))
        gone = (~kept).nonzero().flatten().tolist()
        graph.get_pruning_group(network.get_submodule(name), peer.prune_conv_out_channels, idxs=gone).prune()
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_filters_out_of_free_layers(name: str) -> None:
    network = randomised(torchvision_network(name, 10, SHAPE))
    graph = trace(network, SHAPE)
    found = sites(graph)
    free = [n for n, s in found.items() if not (s.joined or s.grouped or s.pinned)][:6]
    rows = {n: lots(found[n].filters, seed) for seed, n in enumerate(free)}
    small, other = compact(network, Selection.of_rows(network, rows), SHAPE, graph), by_peer(network, rows)
    with torch.no_grad():
        assert relative(other(images(SHAPE)), small(images(SHAPE))) < 1e-9


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_the_same_channels_out_of_a_stream(name: str) -> None:
    network = randomised(torchvision_network(name, 10, SHAPE))
    graph = trace(network, SHAPE)
    stream = next(m for m in reversed(pruning_groups(graph, "couple").members.values()) if len(m) > 1)
    kept = lots(sites(graph)[stream[0]].filters, 0)
    ours = Selection.of_rows(network, dict.fromkeys(stream, kept))
    small, other = compact(network, ours, SHAPE, graph), by_peer(network, {stream[0]: kept})
    with torch.no_grad():
        assert relative(other(images(SHAPE)), small(images(SHAPE))) < 1e-9
