import torch

from pruning.graph.graph import trace
from pruning.graph.streams import ChannelUnionFind, connect
from support.streams import Ghost, Padded


def test_numbers_are_connected_through_any_chain_of_edges() -> None:
    edges = torch.tensor([[7, 3, 5, 9, 8, 2], [3, 5, 1, 8, 6, 2]])
    assert connect(11, edges).tolist() == [0, 1, 2, 1, 4, 1, 6, 1, 6, 6, 10]
    ring = torch.randperm(500, generator=torch.Generator().manual_seed(0))
    assert connect(500, torch.stack([ring, ring.roll(1)])).unique().tolist() == [0]
    assert connect(3, torch.empty(2, 0, dtype=torch.long)).tolist() == [0, 1, 2]


def test_channels_that_are_zero_tie_nothing() -> None:
    channels = ChannelUnionFind(trace(Padded(), (3, 8, 8)))
    second = channels.component[channels.own["second.0"]]
    stem = channels.component[channels.own["stem.0"]]
    assert torch.equal(second[2:8], stem)
    assert set(second[[0, 1, 8, 9, 10, 11]].tolist()) <= set(channels.own["second.0"].tolist())


def test_a_depthwise_convolution_goes_with_what_it_reads() -> None:
    channels = ChannelUnionFind(trace(Ghost(), (3, 8, 8)))
    primary, cheap = (channels.component[channels.own[name]] for name in ("primary.0", "cheap.0"))
    assert torch.equal(primary, cheap)
    assert channels.joined() == {"stem.0", "primary.0", "cheap.0"}
