"""Small == masked whatever filters go, for every operation of a network; and what can be narrow is."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruning.graph.graph import trace
from pruning.models import initialise
from pruning.selection import Selection
from pruning.testing import assert_small_is_masked, random_rows, randomised
from support.around import Around
from support.middles import MIDDLES, Middle


@pytest.mark.parametrize("name", MIDDLES)
def test_small_is_masked(name: str) -> None:
    network = randomised(initialise(Around(MIDDLES[name]), 0))
    graph = trace(network, (3, 6, 6))
    for seed, ratio in enumerate((0.3, 0.6, 0.8)):
        kernels = random_rows(graph, ratio, seed).to_arrays()
        kernels["before"][2] = True  # maps are made of channel 2
        assert_small_is_masked(network, Selection.from_arrays(kernels), (3, 6, 6), graph=graph)


def test_a_map_that_is_silent_has_the_size_of_the_tensor_that_it_is_a_piece_of() -> None:
    """Sigmoid of nothing is a map of 1/2; attention's softmax of nothing is 1/n."""
    rows = {"before": torch.arange(8) != 2}
    for middle in (lambda x: x * x[:, 2:3].sigmoid(), lambda x: x * x[:, 2:3].softmax(3)):
        network = randomised(initialise(Around(middle), 0))
        assert_small_is_masked(network, Selection.of_rows(network, rows), (3, 6, 6))


def test_a_map_that_is_silent_but_read_is_refused() -> None:
    """Sigmoid of nothing is a map of 1/2, but no channel is left to take its size from."""
    network = randomised(initialise(Around(lambda x: x * x[:, 2:3].relu().sigmoid()), 0))
    rows = torch.arange(8) != 2
    with pytest.raises(
        ValueError, match="nothing is left of relu, but sigmoid makes something out of its zeros; keep more"
    ):
        assert_small_is_masked(network, Selection.of_rows(network, {"before": rows}), (3, 6, 6))


FIVE = torch.tensor([True, False, True, True, False, True, False, True])


def small_widths(middle: Middle | nn.Module) -> tuple[int, int]:
    """Filters of the first convolution and input channels of the second, when rows 1, 4 and 6 of the first go."""
    network = randomised(initialise(Around(middle), 0))
    small = assert_small_is_masked(network, Selection.of_rows(network, {"before": FIVE}), (3, 6, 6))
    return small.before.out_channels, small.after.in_channels


@pytest.mark.parametrize(
    ("name", "filters", "columns"),
    [
        ("relu", 5, 5),
        ("two norms", 5, 5),
        ("shuffle", 5, 5),
        ("shuffle layer", 5, 5),
        ("chunk", 5, 8),  # pieces handed on together, unseen: a barrier
        ("split", 5, 5),
        ("channels last", 5, 5),
        ("flattened and viewed", 5, 5),
        ("pad of channels", 4, 4),  # channel 7 is cut off
        ("times own mean", 5, 5),
        ("half and half", 5, 5),  # sums 0123 (x.xx + .x.x) all live but 0; products: 3 alone
        ("plus itself", 5, 5),
        ("list of channels", 3, 4),  # 0 0 . . 7 . 5 . reads channel 0 twice
        ("sigmoid", 5, 8),
        ("group norm", 5, 5),
        ("plus a number", 5, 8),
    ],
)
def test_what_can_be_narrow_is(name: str, filters: int, columns: int) -> None:
    assert small_widths(MIDDLES[name]) == (filters, columns)


def test_flattening_to_a_linear_layer_drops_whole_maps() -> None:
    network = randomised(initialise(Around(F.relu), 0))
    rows = torch.tensor([True, False, False, True, False])
    small = assert_small_is_masked(network, Selection.of_rows(network, {"after": rows}), (3, 6, 6))
    assert (small.after.out_channels, small.head.in_features) == (2, 72)


def hidden() -> nn.Module:
    """A classifier of three linear layers, as of AlexNet."""
    head = nn.Linear(4 * 36, 12), nn.GELU(), nn.BatchNorm1d(12), nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 4)
    return randomised(initialise(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), *head), 0))


def test_rows_and_columns_of_linear_layers() -> None:
    kept = {"0": torch.arange(4) > 1, "3": torch.arange(12) % 2 == 0, "6": torch.arange(10) < 7}
    small = assert_small_is_masked(hidden(), Selection.of_rows(hidden(), kept), (3, 6, 6))
    shapes = [tuple(small.get_submodule(name).weight.shape) for name in ("3", "6", "8")]
    assert shapes == [(6, 72), (7, 6), (4, 7)]


def test_groups_of_rows_of_a_linear_layer_have_columns_of_their_own() -> None:
    kernels = torch.arange(10)[:, None] // 5 == torch.arange(12) % 2
    small = assert_small_is_masked(hidden(), Selection({"6": kernels}), (3, 6, 6))
    assert [layer.weight.shape for layer in small.get_submodule("6").convs] == [(5, 6), (5, 6)]


class TwoHeads(nn.Module):
    """One convolution read by several: its channels go only when none of them reads."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.left(x).mean((2, 3)) + self.right(x).amax((2, 3))


def test_a_channel_stays_while_one_reader_wants_it() -> None:
    network = randomised(TwoHeads())
    left = torch.tensor([[True, True, False, False]] * 2)
    right = torch.tensor([[False, True, True, False]] * 2)
    small = assert_small_is_masked(network, Selection({"left": left, "right": right}), (3, 4, 4))
    assert [layer.weight.shape[:2] for layer in (small.stem, small.left, small.right)] == [(3, 3), (2, 2), (2, 2)]


class Tied(nn.Module):
    """Two convolutions with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.two.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x).relu()).mean((2, 3))


def test_a_tied_weight_may_not_be_cut() -> None:
    network = randomised(Tied())
    with pytest.raises(ValueError, match="cannot be cut"):
        assert_small_is_masked(
            network, Selection.of_rows(network, {"one": torch.tensor([True, False, True])}), (3, 4, 4)
        )
    assert_small_is_masked(network, Selection.full(network), (3, 4, 4))


class Scaled(nn.Module):
    """Parameters that face the channels from every side, as ConvNeXt's layer scale."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 5, 1)
        self.one, self.two, self.three = (nn.Parameter(torch.rand(8, 1, 1) + place) for place in (0, 1, 2))
        self.last, self.whole = nn.Parameter(torch.rand(8)), nn.Parameter(torch.rand(()))

    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        y = y * self.one + self.two * y
        y = (y.permute(0, 2, 3, 1) * self.last).permute(0, 3, 1, 2)
        return self.after((y + self.three) * self.whole + self.three).mean((2, 3))


def test_parameters_that_scale_and_shift() -> None:
    network = randomised(Scaled())
    graph = trace(network, (3, 4, 4))
    for seed in range(3):
        assert_small_is_masked(network, random_rows(graph, 0.5, seed), (3, 4, 4), graph=graph)
