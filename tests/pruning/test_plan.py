"""What a plan says before anything is trained, on networks small enough to count by hand."""

import torch
from torch import nn

from pruning.budget.targets import PerLayer
from pruning.graph.cost import Cost, count_macs, count_params
from pruning.methods.dense import Dense
from pruning.methods.l1 import L1
from pruning.models import resnet
from pruning.planning import make_plan
from pruning.surgery import compact

SHAPE = (3, 8, 8)


def chain() -> nn.Sequential:
    convs = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(4, 8, 1)
    return nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))


def test_rows_and_totals_by_hand():
    made = make_plan(chain(), L1(PerLayer(0.5)), SHAPE, 0)
    first, second = made.rows
    assert (first.rows, first.columns, first.readers) == ((2, 4), (3, 3), ("2",))
    assert (second.rows, second.columns, second.readers) == ((4, 8), (2, 4), ("5",))
    assert (first.before, first.after) == (Cost(108 * 64, 108), Cost(54 * 64, 54))
    assert (second.before, second.after) == (Cost(32 * 64, 40), Cost(8 * 64, 12))
    assert made.before == Cost(140 * 64 + 16, 148 + 18)
    assert made.after == Cost(62 * 64 + 8, 66 + 10)
    assert made.least == Cost(28 * 64 + 2, 29 + 4)
    assert {row.verdict for row in made.rows} == {"cut"}


def test_the_plan_is_what_compaction_builds():
    network, method = resnet(20, 10, (3, 32, 32)), L1(PerLayer(0.3))
    made = make_plan(network, method, (3, 32, 32), 0)
    small = compact(network, method.select(network), (3, 32, 32))
    assert made.after == Cost(count_macs(small, (3, 32, 32)), count_params(small))
    kept = {row.name: row.rows[0] for row in made.rows}
    assert all(small.get_submodule(name).out_channels == rows for name, rows in kept.items())


def test_why_not():
    verdicts = {
        row.name: row.verdict for row in make_plan(resnet(20, 10, (3, 32, 32)), L1(PerLayer(0.3)), (3, 32, 32), 0).rows
    }
    assert verdicts["layer1.0.conv1"] == "cut"
    assert verdicts["layer1.0.conv2"].startswith("joined: ")
    assert verdicts["conv1"].startswith("joined: ")


def test_the_null_method_cuts_nothing():
    made = make_plan(chain(), Dense(), SHAPE, 0)
    assert made.before == made.after == made.least
    assert {row.verdict for row in made.rows} == {"whole: the method leaves it so"}


def test_shared_layers_and_barriers_are_named():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.again = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.norm, self.head = nn.GroupNorm(2, 4, affine=False), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.norm(self.again(self.again(self.stem(x)))).mean((2, 3)))

    made = make_plan(Twice(), L1(PerLayer(0.5)), SHAPE, 0)
    assert {row.name: row.verdict for row in made.rows}["again"] == "shared: called 2 times with one weight"
    assert "norm" in made.barriers


def test_the_least_leaves_something_for_layers_that_read_a_part_of_others() -> None:
    """Quarters of one convolution: of its only filter left, three layers would read nothing."""

    class Quarters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Conv2d(3, 8, 1), nn.Linear(8, 2)
            self.quarters = nn.ModuleList(nn.Conv2d(2, 2, 1) for _ in range(4))
            self.first.weight.data[::2] = 1

        def forward(self, x):  # type: ignore[no-untyped-def]
            pieces = self.first(x).chunk(4, 1)
            return self.head(torch.cat([f(pieces[k]) for k, f in enumerate(self.quarters)], 1).mean((2, 3)))

    plan = make_plan(Quarters(), L1(PerLayer(0.1)), (3, 8, 8), 0)
    assert plan.least.macs == 64 * (4 * 3 + 4 * 1 * 2) + 8 * 2
