"""Repair from Python: what `pruning.prune(..., repair=)` gives, says and refuses."""

from pathlib import Path

import pytest
import torch
from torch import nn

import pruning
from pruning.repair.names import REPAIRS, repair_names
from pruning.testing import images
from pruning.testing.samples import SAMPLES

SHAPE = (3, 8, 8)
BATCHES = [images(SHAPE, 30, seed).float() for seed in range(2)]


@pytest.mark.parametrize("repair", ["bn", "ls", "merge", "merge,bn", ["merge", "ls"], "ls,bn"])
def test_a_repaired_network_is_saved_as_it_is_and_says_what_was_mended(repair: str | list[str], tmp_path: Path) -> None:
    network = SAMPLES["residual"].network()
    raw = pruning.prune(network, BATCHES[0], "l1", layer=0.5, data=BATCHES)
    small = pruning.prune(network, BATCHES[0], "l1", layer=0.5, data=BATCHES, repair=repair)
    assert small.selection == raw.selection
    assert small.report is not None
    assert raw.report is not None
    assert small.report.certificate == raw.report.certificate
    assert tuple(done.name for done in small.report.repairs) == repair_names(repair)
    assert all(str(done) in str(small) for done in small.report.repairs)
    assert not small.network.training
    with torch.no_grad():
        assert not torch.equal(small.network(BATCHES[0]), raw.network(BATCHES[0]))
    pruning.save(small, tmp_path)
    loaded = pruning.load(tmp_path)
    assert loaded.report == small.report
    with torch.no_grad():
        assert torch.equal(loaded.network(BATCHES[0]), small.network(BATCHES[0]))


@pytest.mark.parametrize("repair", ["bn", "ls", "merge", "merge,ls,bn"])
def test_where_nothing_goes_nothing_is_mended(repair: str) -> None:
    network = SAMPLES["residual"].network()
    small = pruning.prune(network, BATCHES[0], "l1", layer=0.0, data=BATCHES, repair=repair)
    before, after = network.state_dict(), small.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_small_network_of_a_loop_is_repaired_too() -> None:
    pruner = pruning.attach(SAMPLES["chain"].network(), BATCHES[0], "l1", layer=0.5)
    report = pruner.finish(repair="ls", data=BATCHES).report
    assert report is not None
    assert [str(done) for done in report.repairs] == ["ls: 4 layers on 60 images without labels"]


def test_merging_needs_no_images() -> None:
    small = pruning.prune(SAMPLES["chain"].network(), BATCHES[0], "l1", layer=0.5, repair="merge")
    assert small.report is not None
    assert small.report.repairs[0].layers == 3


def test_layers_that_cannot_be_mended_are_named() -> None:
    network = nn.Sequential(nn.Conv2d(3, 6, 1), nn.Sigmoid(), nn.Conv2d(6, 4, 1))
    small = pruning.prune(network, BATCHES[0], "l1", layer=0.5, exclude="2", repair="merge")
    assert small.report is not None
    assert str(small.report.repairs[0]) == "merge: 0 layers, 1 left as they were (0)"


@pytest.mark.parametrize(
    ("repair", "message"),
    [
        ("lsq", f"repair must be of {', '.join(REPAIRS)}, got 'lsq'; did you mean ls?"),
        ("bn,merge", "merge looks at the network as it was, so it comes first: merge,bn"),
        ("ls,ls", "each repair once"),
        ("none,ls", "none alone"),
        ("ls", "looks at images: give prune"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(repair: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace("?", r"\?")):
        pruning.prune(SAMPLES["chain"].network(), BATCHES[0], "l1", layer=0.5, repair=repair)
