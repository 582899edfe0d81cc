"""Least squares on whole networks: nearer to the dense one, exact where it can be, nothing where nothing went."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from pruning.graph.graph import trace
from pruning.graph.liveness import analyse
from pruning.models import resnet
from pruning.repair import walk
from pruning.repair.fitting import fit_layers
from pruning.repair.least_squares import RIDGES
from pruning.repair.pairs import Pair, make_pair
from pruning.selection import Selection
from pruning.surgery.align import ColumnGroups
from pruning.testing import images, random_rows, relative
from pruning.testing.samples import SAMPLES, Sample
from tests.pruning.repair.test_least_squares import ridge_by_lstsq

SHAPE = (3, 8, 8)


@pytest.fixture(autouse=True)
def same_weights() -> None:
    torch.manual_seed(0)


def pair_of(network: nn.Module, choice: Mapping[str, Tensor] | Selection, shape: tuple[int, int, int] = SHAPE) -> Pair:
    graph = trace(network, shape)
    selection = choice if isinstance(choice, Selection) else Selection.of_rows(network, choice)
    return make_pair(network, network, analyse(graph, selection))


def halved(sample: Sample) -> tuple[nn.Module, Selection]:
    network = sample.network().double()
    return network, random_rows(trace(network, sample.image_shape), 0.5, seed=1)


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def distance(pair: Pair, batch: Tensor) -> float:
    """Of their answers, as a share of what the dense network's answers vary by."""
    with torch.no_grad():
        wanted, got = pair.dense(batch), pair.small(batch)
    return ((wanted - got).norm() / (wanted - wanted.mean(0)).norm()).item()


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_whole_stays_bit_for_bit(name: str) -> None:
    network = SAMPLES[name].network()
    pair = pair_of(network, Selection({}))
    fit_layers(pair, images(SHAPE, 8).float())
    before, after = network.state_dict(), pair.small.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", SAMPLES)
def test_it_comes_nearer_to_the_dense_network_on_other_images(name: str) -> None:
    pair = pair_of(*halved(SAMPLES[name]))
    before = distance(pair, images(SHAPE, 400, seed=1))
    fit_layers(pair, images(SHAPE, 400))
    assert distance(pair, images(SHAPE, 400, seed=1)) < 0.7 * before
    assert pair.left == ()


def test_one_layer_is_what_lstsq_gives_on_explicit_patches() -> None:
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1, stride=2)).double()
    pair = pair_of(network, {"0": torch.arange(6) < 4})
    batch = images(SHAPE, 8)
    fit_layers(pair, batch)
    with torch.no_grad():
        inputs = network[1](network[0](batch))
        patches = nn.functional.unfold(inputs[:, :4], 3, padding=1, stride=2).transpose(1, 2).flatten(0, 1)
        missing = network(batch) - nn.functional.conv2d(inputs[:, :4], network[2].weight[:, :4], network[2].bias, 2, 1)
    last, fitting = pair.small.get_submodule("2"), []
    for ridge in RIDGES:
        change = ridge_by_lstsq(patches, missing.movedim(1, -1).flatten(0, -2), ridge, bias=True)
        distances = (
            relative(network[2].weight[:, :4] + change[:, :-1].view(4, 4, 3, 3), last.weight),
            relative(network[2].bias + change[:, -1], last.bias),
        )
        fitting += [ridge] if max(distances) < 1e-10 else []
    assert len(fitting) == 1


def test_the_same_images_give_the_same_network_however_little_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    def fitted() -> dict[str, Tensor]:
        pair = pair_of(*halved(SAMPLES["residual"]))
        fit_layers(pair, images(SHAPE, 40))
        return weights(pair.small)

    generous = fitted()
    monkeypatch.setattr(walk, "MEMORY", 0)
    frugal = fitted()
    assert all(torch.equal(generous[key], frugal[key]) for key in generous)


def test_images_and_full_size_network_stay_as_they_are() -> None:
    network, choice = halved(SAMPLES["chain"])  # its activations work in place
    batch, before = images(SHAPE, 8), weights(network)
    pair = pair_of(network, choice)
    fit_layers(pair, batch)
    assert torch.equal(batch, images(SHAPE, 8))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_groups_with_columns_of_their_own_are_fitted_each() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 1)).double()
    kernels = torch.zeros(6, 8, dtype=torch.bool)
    kernels[::2, :4], kernels[1::2, 4:] = True, True
    pair = pair_of(network, Selection({"2": kernels}))
    assert isinstance(pair.small.get_submodule("2"), ColumnGroups)
    before = distance(pair, images(SHAPE, 32, seed=1))
    fit_layers(pair, images(SHAPE, 32))
    assert distance(pair, images(SHAPE, 32, seed=1)) < 0.9 * before


def test_filters_that_fill_up_their_group_stay_zero() -> None:
    network = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)).double().eval()
    rows = torch.tensor([1, 1, 1, 0, 1, 0, 0, 0]).bool()
    pair = pair_of(network, {"0": rows}, (4, 8, 8))
    fit_layers(pair, images((4, 8, 8), 16))
    first = pair.small.get_submodule("0")
    assert [bool(row.any()) for row in first.weight] == [True, True, True, True, False, False]
    with torch.no_grad():  # all that stays is what it was, but the last layer makes up for it
        assert relative(network[0].weight[:3], first.weight[:3]) < 1e-12


def test_a_layer_with_more_inputs_than_images_is_fitted() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)).double()
    pair = pair_of(network, {"0": torch.arange(8) < 4})
    batch, others = images(SHAPE, 8), images(SHAPE, 64, seed=1)
    before = distance(pair, batch), distance(pair, others)
    fit_layers(pair, batch)
    assert distance(pair, batch) < 0.5 * before[0]
    assert distance(pair, others) < before[1]


@pytest.mark.parametrize("count", [2, 4, 32])
def test_few_images_of_noise_make_no_network_worse(count: int) -> None:
    """An untrained ResNet-20, whose layers have nothing to be learned from noise: with one eps of 0.01 the part of the
    answers that depends on the image was 1.4 to 2 times as far off as without repair."""
    network = resnet(classes=10, image_shape=SHAPE, seed=0, depth=20, shortcut="A").eval()
    graph = trace(network, SHAPE)
    pair = make_pair(network, network, analyse(graph, random_rows(graph, 0.5, seed=1)))
    others = images(SHAPE, 256, seed=1).float()
    before = distance(pair, others)
    fit_layers(pair, images(SHAPE, count).float())
    assert distance(pair, others) < before


class Joined(nn.Module):
    """Its stem loses filters, and the block behind it can make up for them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(6), nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.norm(self.block(x)) + x)


def test_the_end_of_a_block_makes_up_for_what_its_other_side_lacks() -> None:
    """What the stem's missing filters added, a linear map of the others, is made by the block, norm and all."""
    network = Joined().double().eval()
    with torch.no_grad():
        network.stem.weight[3:] = network.stem.weight[:3] * 2
        network.stem.bias[3:] = network.stem.bias[:3] * 2
        network.norm.weight.uniform_(0.5, 1.5)
        network.norm.running_var.uniform_(0.5, 1.5)
    pair = pair_of(network, {"stem": torch.arange(6) < 3})
    assert [layer.join is not None for layer in pair.layers] == [False, True, False]
    before = distance(pair, images(SHAPE, 16, seed=1))
    fit_layers(pair, images(SHAPE, 16))
    assert distance(pair, images(SHAPE, 16, seed=1)) < 0.05 * before


def test_a_layer_that_is_called_twice_is_left_and_named() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.again = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.again(self.again(self.first(x)).relu())

    pair = pair_of(Twice().double(), {"first": torch.arange(6) < 3})
    assert pair.left == ("again",)
