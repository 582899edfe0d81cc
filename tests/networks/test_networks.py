"""A part of the list, proved: every wiring, of the libraries one of each kind (all: `python -m tests.networks`)."""

import pytest
import torch

from pruning.graph.graph import Graph, trace
from pruning.models import initialise, torchvision_network
from pruning.selection import Selection
from pruning.surgery import compact
from pruning.testing import assert_small_is_masked, images, random_rows, randomised
from pruning.testing.networks import with_fitting_norms
from tests.networks.prove import prove
from tests.networks.zoo import Entry, entries

pytestmark = pytest.mark.networks

PART = {
    *("alexnet", "squeezenet1_1", "resnet18", "resnext50_32x4d", "densenet121", "mobilenet_v3_small", "mnasnet0_5"),
    *("shufflenet_v2_x0_5", "regnet_y_400mf", "lraspp_mobilenet_v3_large", "ssdlite320_mobilenet_v3_large", "mc3_18"),
    *("resnet_fpn_backbone", "convnext_atto", "cspresnet50", "dla34", "dpn48b", "fasternet_t0"),
    *("ghostnet_050", "hrnet_w18_small", "mixnet_s", "mobileone_s0", "mobilevit_xxs", "nf_resnet26", "regnetx_002"),
    *(
        "repghostnet_050",
        "repvit_m0_9",
        "res2net50_14w_8s",
        "resnest14d",
        "resnetv2_50x1_bit",
        "rexnet_100",
        "selecsls42",
    ),
    *("skresnet18", "starnet_s050", "tf_efficientnet_b0", "tf_mobilenetv3_small_075", "xception41p"),
}
# What no graph can hold, or no selection can say, and why
REFUSED = {
    "efficientnet": "forward does something else in training than in eval",
    "shake_shake": "forward does something else in training than in eval",
    "stochastic_depth": "draws random numbers in forward",
    "autoencoder": "a name that torch.fx keeps for itself",
    "siamese": "shared: called 2 times with one weight",
}
SHAPE = (3, 64, 64)


def chosen() -> list[Entry]:
    return [entry for entry in entries() if entry.library == "wirings" or entry.name in PART]


@pytest.mark.parametrize("entry", chosen(), ids=lambda entry: entry.name)
@pytest.mark.filterwarnings("ignore")  # of libraries, about themselves
def test_small_is_masked(entry: Entry) -> None:
    row = prove(entry)
    if entry.name in REFUSED:
        assert REFUSED[entry.name] in row["words"]
    else:
        assert row["stage"] == "done", f"{row['stage']}: {row.get('words')}"


def library_network(name: str) -> tuple[torch.nn.Module, Graph]:
    network = randomised(initialise(torchvision_network(name, 10, SHAPE), 0))
    return with_fitting_norms(network, images(SHAPE, 8, seed=1)), trace(network, SHAPE)


def random_columns(graph: Graph, share: float, seed: int) -> Selection:
    """Four interleaved groups of filters, each with its own input channels, wherever a convolution is wide enough."""
    draws, kernels = torch.Generator().manual_seed(seed), Selection.full(graph.trace.module).to_arrays()
    for name, conv in graph.convolutions().items():
        rows, columns = conv.layer.weight.shape[:2]
        if conv.layer.groups == 1 and columns >= 8 and rows >= 8:
            patterns = torch.rand(4, columns, generator=draws).argsort(1) < columns * share
            kernels[name] = patterns[torch.arange(rows) % 4].numpy()
    return Selection.from_arrays(kernels)


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet50", "densenet121", "shufflenet_v2_x1_0", "efficientnet_b0"])
def test_random_groups_of_columns(name: str) -> None:
    network, graph = library_network(name)
    assert_small_is_masked(network, random_columns(graph, 0.5, 0), SHAPE, 1e-12, graph)


@pytest.mark.parametrize("name", ["efficientnet_b0", "convnext_tiny"])
def test_stochastic_depth_stays_random_in_training_only(name: str) -> None:
    network, graph = library_network(name)
    small, batch = compact(network, random_rows(graph, 0.3, 0), SHAPE, graph), images(SHAPE, 2)
    with torch.no_grad():
        assert torch.equal(small(batch), small(batch))
        small.train()
        torch.manual_seed(0)
        assert not torch.equal(small(batch), small(batch))
