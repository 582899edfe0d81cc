import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pruning.graph.cost import count_params
from pruning.graph.graph import trace
from pruning.models import resnet, vgg16
from pruning.selection import Selection
from pruning.surgery import compact, mask
from pruning.surgery.align import AddAt, ColumnGroups, Spread
from pruning.testing import assert_small_is_masked, images, random_rows, randomised, relative

SHAPE = (3, 32, 32)


def network(name: str) -> nn.Module:
    return randomised(vgg16(10, SHAPE) if name == "vgg16" else resnet(20, 10, SHAPE, name))


@pytest.mark.parametrize("name", ["A", "B", "vgg16"])
def test_everything_selected_is_the_identity_bit_for_bit(name: str) -> None:
    whole = network(name).float()
    same = compact(whole, Selection.full(whole), SHAPE)
    batch = images(SHAPE).float()
    assert torch.equal(whole(batch), same(batch))
    ours, theirs = whole.state_dict(), same.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("name", ["A", "B", "vgg16"])
@pytest.mark.parametrize(("ratio", "seed"), [(0.3, 0), (0.6, 1), (0.9, 2)])
def test_small_is_masked(name: str, ratio: float, seed: int) -> None:
    whole = network(name)
    graph = trace(whole, SHAPE)
    small = assert_small_is_masked(whole, random_rows(graph, ratio, seed), SHAPE, graph=graph)
    assert small.state_dict().keys() <= whole.state_dict().keys()
    assert count_params(small) < count_params(whole) * (1 - ratio)


def test_by_hand() -> None:
    """Filters 1 and 2 of 0, 1, 2 stay, and so do columns 1 and 2 of what reads them."""
    whole = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 1), nn.Flatten())
    small = compact(whole, Selection.of_rows(whole, {"0": torch.tensor([False, True, True])}), (3, 2, 2))
    ours, theirs = whole.state_dict(), small.state_dict()
    assert torch.equal(theirs["0.weight"], ours["0.weight"][1:])
    assert torch.equal(theirs["0.bias"], ours["0.bias"][1:])
    for key in ("1.weight", "1.bias", "1.running_mean", "1.running_var"):
        assert torch.equal(theirs[key], ours[key][1:])
    assert torch.equal(theirs["3.weight"], ours["3.weight"][:, 1:])
    assert torch.equal(theirs["3.bias"], ours["3.bias"])


@pytest.fixture
def cut() -> tuple[nn.Module, nn.Module]:
    whole = resnet(8, 10, SHAPE, "B")
    whole.train()
    whole.layer2.eval()
    whole.layer1.requires_grad_(False)
    whole.to(torch.bfloat16)
    whole.linear.float()
    return whole, compact(whole, random_rows(trace(whole, SHAPE), 0.5, 0), SHAPE)


def test_modes_grads_and_types_are_kept(cut: tuple[nn.Module, nn.Module]) -> None:
    whole, small = cut
    theirs = dict(small.named_modules())
    shared = [(name, module) for name, module in whole.named_modules() if name in theirs]
    assert len(shared) > 20
    assert all(theirs[name].training == module.training for name, module in shared)
    parameters = dict(whole.named_parameters())
    for name, parameter in small.named_parameters():
        assert parameter.requires_grad == parameters[name].requires_grad, name
        assert parameter.dtype == parameters[name].dtype, name


def test_the_network_itself_is_left_alone(cut: tuple[nn.Module, nn.Module]) -> None:
    whole, small = cut
    before = {key: value.clone() for key, value in whole.state_dict().items()}
    with torch.no_grad():
        for value in small.state_dict().values():
            value.zero_()
    assert all(torch.equal(value, before[key]) for key, value in whole.state_dict().items())


@pytest.mark.parametrize("name", ["A", "B"])
def test_it_trains(name: str) -> None:
    whole = resnet(20, 10, SHAPE, name)
    small = compact(whole, random_rows(trace(whole, SHAPE), 0.5, 0), SHAPE).train()
    optimiser = torch.optim.SGD(small.parameters(), lr=0.01, momentum=0.9)
    batch, labels, losses = images(SHAPE, 16).float(), torch.arange(16) % 10, []
    for _ in range(8):
        loss = nn.functional.cross_entropy(small(batch), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert all(parameter.grad is not None for parameter in small.parameters())
    assert losses[-1] < losses[0]


def test_a_training_step_of_the_small_is_one_of_the_masked_network() -> None:
    """Batch norms in train mode: statistics of a channel do not depend on its neighbours."""
    whole = network("B").train()
    choice = random_rows(trace(whole, SHAPE), 0.5, 0)
    masked, small = mask(whole, choice, SHAPE).train(), compact(whole, choice, SHAPE)
    wanted, got = masked(images(SHAPE)), small(images(SHAPE))
    assert relative(wanted, got) < 1e-9
    wanted.square().sum().backward()
    got.square().sum().backward()
    stem = choice["conv1"].any(1)
    assert relative(masked.linear.bias.grad, small.linear.bias.grad) < 1e-9
    assert relative(masked.conv1.weight.grad[stem], small.conv1.weight.grad) < 1e-9


def test_copies_and_pickles_with_its_weights() -> None:
    whole = network("A")
    small = compact(whole, random_rows(trace(whole, SHAPE), 0.5, 0), SHAPE)
    twin = copy.deepcopy(small)
    assert torch.equal(twin(images(SHAPE)), small(images(SHAPE)))
    twin.load_state_dict(small.state_dict())
    with torch.no_grad():
        twin.linear.weight.zero_()
    assert small.linear.weight.abs().max() > 0


def test_cutting_twice_is_cutting_once_more() -> None:
    whole = network("B")
    once = compact(whole, random_rows(trace(whole, SHAPE), 0.3, 0), SHAPE)
    again = random_rows(trace(once, SHAPE), 0.3, 1)
    batch = images(SHAPE)
    assert relative(mask(once, again, SHAPE)(batch), compact(once, again, SHAPE)(batch)) < 1e-9


def columns(filters: int, width: int, groups: int, share: float, seed: int = 0) -> torch.Tensor:
    """Filters in `groups` interleaved groups, each group with its own random input channels."""
    draws = torch.Generator().manual_seed(seed)
    patterns = torch.rand(groups, width, generator=draws).argsort(1) < width * share
    return patterns[torch.arange(filters) % groups]


def test_groups_of_rows_with_columns_of_their_own() -> None:
    whole = network("A")
    choice = Selection({"layer2.1.conv1": columns(32, 32, 4, 0.25), "layer3.1.conv2": columns(64, 64, 2, 0.5)})
    small = assert_small_is_masked(whole, choice, SHAPE)
    groups = small.get_submodule("layer2.1.conv1")
    assert isinstance(groups, ColumnGroups)
    assert [tuple(conv.weight.shape[:2]) for conv in groups.convs] == [(8, 8)] * 4
    twin = copy.deepcopy(small)
    assert torch.equal(twin(images(SHAPE)), small(images(SHAPE)))


def test_groups_on_every_layer_with_rows_gone_too() -> None:
    whole = network("vgg16")
    kernels = random_rows(trace(whole, SHAPE), 0.3, 0).to_arrays()
    for rows in kernels.values():
        if rows.shape[1] > 3:
            rows &= columns(*rows.shape, 4, 0.5).numpy()
    small = assert_small_is_masked(whole, Selection.from_arrays(kernels), SHAPE)
    assert sum(isinstance(module, ColumnGroups) for module in small.modules()) == 12


def test_an_irregular_pattern_is_refused_with_the_layers_name() -> None:
    whole = network("A")
    free = torch.rand(64, 64, generator=torch.Generator().manual_seed(0)) > 0.5
    with pytest.raises(ValueError, match=r"layer 'layer3.1.conv1' has an irregular pattern .*64 different patterns"):
        compact(whole, Selection({"layer3.1.conv1": free}), SHAPE)


def test_other_input_sizes_still_work() -> None:
    """Nothing about the size of the traced images is written into the small network."""
    whole = network("A")
    choice = random_rows(trace(whole, SHAPE), 0.5, 0)
    larger = images((3, 48, 40), 3)
    assert relative(mask(whole, choice, SHAPE)(larger), compact(whole, choice, SHAPE)(larger)) < 1e-9


@pytest.mark.parametrize("name", ["A", "B"])
def test_a_narrow_branch_is_added_at_its_channels_without_a_copy_of_the_stream(name: str) -> None:
    """Two channels of five, by hand; where every block ends narrow, nothing is filled up with zeros."""
    wide, narrow = torch.arange(5.0).view(1, 5, 1), torch.tensor([10.0, 20.0]).view(1, 2, 1)
    assert AddAt(torch.tensor([3, 1]), 1)(wide, narrow).flatten().tolist() == [0.0, 21.0, 2.0, 13.0, 4.0]
    assert Spread(torch.tensor([3, 1]), 5, 1)(narrow).flatten().tolist() == [0.0, 20.0, 0.0, 10.0, 0.0]
    whole = network(name)
    rows = {f"layer{s}.{b}.conv2": torch.arange(16 * 2 ** (s - 1)) % 3 != b for s in (1, 2, 3) for b in range(3)}
    small = compact(whole, Selection.of_rows(whole, rows), SHAPE)
    kinds = [type(layer) for layer in small.modules()]
    assert kinds.count(AddAt) == 9
    assert kinds.count(Spread) == (0 if name == "B" else 4)  # blocks 0 and 1 behind a padded shortcut


class Halved(nn.Module):
    def __init__(self, halve: Callable[[Tensor], tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.conv, self.halve = nn.Conv2d(3, 8, 1), halve

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = self.halve(self.conv(x))
        return first, second


@pytest.mark.parametrize(
    "halve",
    [lambda x: x.chunk(2, 1), lambda x: torch.split(x, [4, 4], 1), lambda x: (x[:, :4], x.narrow(1, 4, 4))],
)
def test_pieces_stay_views_so_that_who_reads_them_sums_in_the_same_order(
    halve: Callable[[Tensor], tuple[Tensor, Tensor]],
) -> None:
    network, shape = randomised(Halved(halve)), (3, 4, 4)
    same, batch = compact(network, Selection.full(network), shape), images(shape)
    assert [piece.stride() for piece in same(batch)] == [piece.stride() for piece in network(batch)]
    rows = {"conv": torch.tensor([True, False, True, True, True, True, False, True])}
    assert_small_is_masked(network, Selection.of_rows(network, rows), shape)
