"""Networks of other libraries: nearest names, no auxiliary heads, their own weights without a pickle's code."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from pruning.graph.graph import trace
from pruning.models import timm_network, torchvision_network

SHAPE = (3, 64, 64)


def test_the_nearest_names_are_offered() -> None:
    with pytest.raises(ValueError, match=r"got 'resnet51'; near: .*resnet50"):
        torchvision_network("resnet51", 10, SHAPE)


def test_detection_networks_are_none_of_ours() -> None:
    with pytest.raises(ValueError, match="classification networks"):
        torchvision_network("fasterrcnn_resnet50_fpn", 10, SHAPE)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_no_auxiliary_heads(name: str) -> None:
    with torch.device("meta"):
        network = torchvision_network(name, 10, (3, 299, 299))
    assert not [key for key in network.state_dict() if "aux" in key.lower()]


def test_one_seed_one_network() -> None:
    states = [torchvision_network("squeezenet1_1", 3, SHAPE, seed=seed).state_dict() for seed in (1, 1, 2)]
    key = "features.0.weight"
    assert torch.equal(states[0][key], states[1][key])
    assert not torch.equal(states[0][key], states[2][key])


def fetched(folder: Path, network: nn.Module, weights: models.WeightsEnum, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lays weights where torchvision keeps what it has downloaded."""
    place = folder / "hub" / "checkpoints"
    place.mkdir(parents=True)
    torch.save(network.state_dict(), place / Path(weights.url).name)
    monkeypatch.setenv("TORCH_HOME", str(folder))


@pytest.mark.parametrize("classes", [1000, 10])
def test_torchvisions_weights_but_for_other_classes(
    classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = models.squeezenet1_1()
    fetched(tmp_path, theirs, models.SqueezeNet1_1_Weights.DEFAULT, monkeypatch)
    ours = torchvision_network("squeezenet1_1", classes, SHAPE, weights="DEFAULT").state_dict()
    same = {key for key, value in theirs.state_dict().items() if torch.equal(value, ours[key][: len(value)])}
    head = {"classifier.1.weight", "classifier.1.bias"}
    assert theirs.state_dict().keys() - same == (set() if classes == 1000 else head)


def test_auxiliary_heads_of_their_weights_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = models.googlenet(aux_logits=True, init_weights=False)
    fetched(tmp_path, theirs, models.GoogLeNet_Weights.DEFAULT, monkeypatch)
    ours = torchvision_network("googlenet", 1000, SHAPE, weights="IMAGENET1K_V1").state_dict()
    assert all(torch.equal(value, theirs.state_dict()[key]) for key, value in ours.items())


def test_unknown_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be one of IMAGENET1K_V1, IMAGENET1K_V2, DEFAULT, got 'best'"):
        torchvision_network("resnet50", 10, SHAPE, weights="best")


def test_a_pickle_with_code_in_torchvisions_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Harm:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "harm",)

    fetched(tmp_path, nn.Identity(), models.SqueezeNet1_1_Weights.DEFAULT, monkeypatch)
    torch.save({"a": Harm()}, next((tmp_path / "hub" / "checkpoints").iterdir()))
    with pytest.raises(ValueError, match="squeezenet1_1 cannot be read as plain weights"):
        torchvision_network("squeezenet1_1", 10, SHAPE, weights="DEFAULT")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["resnet18", "resnet50d"])
def test_timms_networks_can_be_traced(name: str) -> None:
    pytest.importorskip("timm")
    graph = trace(timm_network(name, 10, SHAPE), SHAPE)
    assert graph.uncuttable() == {}


@pytest.mark.parametrize("name", ["hf-hub:someone/something", "local-dir:/tmp", "resnet51"])
def test_timm_is_asked_for_its_own_names_only(name: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match="one of timm's networks"):
        timm_network(name, 10, SHAPE)


def test_timm_offers_its_tags() -> None:
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match=r"timm's resnet18 must be one of .*a1_in1k.*got 'best'"):
        timm_network("resnet18", 10, SHAPE, weights="best")


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"pip install 'cnn-pruning\[timm\]'"):
        timm_network("resnet18", 10, SHAPE)
