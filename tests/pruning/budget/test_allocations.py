"""Each allocation against figures made by hand, and all of them against every target on real networks."""

import copy
import itertools
from typing import Any

import pytest
import torch
from torch import nn

import pruning
from pruning.budget import (
    ALLOCATIONS,
    BudgetProblem,
    Isomorphic,
    Lamp,
    Own,
    RandomWidths,
    Rates,
    Share,
    Uniform,
    order_removals,
)
from pruning.budget.allocations import ErdosRenyiKernel, as_allocation
from pruning.budget.removals import MEASURES
from pruning.graph.cost import Cost, count_macs
from pruning.methods.fcf import FCF
from pruning.methods.group2d import Group2D
from pruning.methods.l1 import L1
from pruning.methods.random import Random
from pruning.models import resnet, vgg16

SHAPE = (3, 32, 32)
NETWORKS = {
    "vgg16": lambda: vgg16(10, SHAPE),
    "resnet8": lambda: resnet(8, 10, SHAPE, "B"),
    "resnet14": lambda: resnet(14, 10, SHAPE, "A"),
}


def problem(comparable: bool = False, **scores: list[float]) -> BudgetProblem:
    """Two shapes: a and b have one, c has another; weights are the scores."""
    figures = {name: torch.tensor(values) for name, values in scores.items()}
    shapes = {name: [(len(values), 8 if name == "c" else 4, 3, 3)] for name, values in scores.items()}
    return BudgetProblem(
        {name: len(values) for name, values in scores.items()},
        lambda counts: Cost(sum(counts.values()), sum(counts.values())),
        figures,
        comparable,
        lambda norm: {name: values**2 if norm == "squares" else values for name, values in figures.items()},
        shapes,
    )


def order(allocation: str, given: BudgetProblem, **bounds: float) -> str:
    return "".join(order_removals(given, allocation, **bounds).sites)


def test_uniform_takes_turns_by_share() -> None:
    """By hand: of a 1/8, 3/8 (its third stays), of b (0 + 0.75) / 6, ...: one at a time, evenly."""
    assert order("uniform", problem(a=[1.0] * 2, b=[1.0] * 4)) == "abbb"


def test_rates_by_hand() -> None:
    """b gives twice as fast as a: a at 1/8 and 5/8; b at (0 + 0.75) / 4 / 2 = 3/32, 7/32, 11/32, its fourth stays."""
    given = problem(a=[1.0] * 2, b=[1.0] * 4)
    prices = Rates({"*": 5.0, "a": 1.0, "b": 2.0}).prices(given)
    expected = torch.tensor([3 / 32, 7 / 32, 11 / 32, 15 / 32], dtype=torch.float64)
    torch.testing.assert_close(prices["b"], expected)
    assert "".join(order_removals(given, Rates({"b": 2.0})).sites) == "babb"
    assert all(map(torch.equal, Rates().prices(given).values(), Uniform().prices(given).values()))


@pytest.mark.parametrize("rate", [0, -1.0, float("inf"), float("nan")])
def test_a_rate_is_above_0(rate: Any) -> None:
    with pytest.raises(ValueError, match=r"rates\[layer1\.\*\] must be a number above 0, got .*: exclude leaves"):
        Rates({"layer1.*": rate})


def test_a_rate_of_no_layer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rates: 'layr\*' fits no convolution"):
        Rates({"layr*": 2.0}).prices(problem(a=[1.0] * 2))


def test_a_network_gives_by_its_rates_and_meets_its_budget() -> None:
    network = resnet(8, 10, SHAPE, "A")
    made = pruning.prune(network, torch.randn(1, *SHAPE), "l1", macs=0.5, allocation=Rates({"layer3.*": 3.0}))
    two, three = (1 - made.selection.kept(f"layer{stage}.0.conv1") / 2 ** (3 + stage) for stage in (2, 3))
    assert three == pytest.approx(3 * two, abs=2 / 64)


def test_own_ranks_scores_that_compare_as_they_are() -> None:
    ranked = problem(comparable=True, a=[1.0, 2.0, 30.0], b=[10.0, 20.0, 30.0])
    assert order("own", ranked) == "aabb"


def test_own_divides_scores_that_do_not_compare_by_the_mean_of_their_layer() -> None:
    """By hand: [1 2 30] / 11; [1 5 6] / 4 = .25 1.25 1.5 against [2 3 4] / 3 = .67 1 1.33, ten times larger or not."""
    scores = Own().prices(problem(a=[1.0, 2.0, 30.0], b=[10.0, 20.0, 30.0]))
    torch.testing.assert_close(scores["a"], torch.tensor([1.0, 2.0, 30.0]) / 11)
    assert order("own", problem(a=[1.0, 5.0, 6.0], b=[20.0, 30.0, 40.0])) == "abba"
    assert order("own", problem(a=[1.0, 5.0, 6.0], b=[2.0, 3.0, 4.0])) == "abba"


def test_l1_ranks_mean_magnitudes_whatever_the_scores() -> None:
    assert order("l1", problem(a=[1.0, 2.0, 30.0], b=[10.0, 20.0, 30.0])) == "aabb"


def test_lamp_by_hand() -> None:
    """Squares 1 4 4 16: over those not smaller, 1/25, 4/24, 4/20, 16/16 (equation 2 of the paper)."""
    scores = Lamp().scores(torch.tensor([4.0, 1.0, 16.0, 4.0]))
    torch.testing.assert_close(scores, torch.tensor([1.0, 0.2, 4 / 24, 0.04], dtype=torch.float64))
    assert order("lamp", problem(a=[1.0, 2.0, 2.0, 4.0], b=[3.0, 3.0])) == "aaab"  # b: 1/2, 1


def test_lamp_of_a_network_is_the_same_by_a_loop() -> None:
    network = vgg16(10, SHAPE)
    method = L1(Share(0.5, "macs", allocation="lamp"))
    method.attach(network, SHAPE, 0)
    prices = Lamp().prices(method.budget_problem(network, method.scores(network)))
    for name in ("features.0", "features.7"):
        squares = sorted(network.get_submodule(name).weight.detach().double().square().sum((1, 2, 3)).tolist())
        expected = [square / sum(other for other in squares if other >= square) for square in squares]
        torch.testing.assert_close(prices[name].sort().values, torch.tensor(expected, dtype=torch.float64))


def test_erk_by_hand() -> None:
    """Densities 14/144 of a and 22/576 of c, 2.55 to 1; factor 1 is where c is whole. Its filters go at factors
    15/16, 13/16, ..., those of a at 7/8, 5/8 and 3/8 over 2.55: .34, .25, .15; c's last but one at 3/16 = .19."""
    given = problem(a=[1.0] * 4, c=[1.0] * 8)
    assert given.shapes == {"a": [(4, 4, 3, 3)], "c": [(8, 8, 3, 3)]}
    assert order("erk", given) == "cccccacaca"


def test_erk_keeps_shares_in_proportion_within_half_a_filter() -> None:
    network = vgg16(10, SHAPE)
    method = L1(Share(0.6, "params", allocation="erk"))
    method.attach(network, SHAPE, 0)
    shapes = {name: network.get_submodule(name).weight.shape for name in method.counts}
    ratios = {
        name: method.counts[name] / shape[0] / (sum(shape) / shape.numel())
        for name, shape in shapes.items()
        if 1 < method.counts[name] < shape[0]
    }
    widest = max(ratios.values())
    for name, shape in shapes.items():
        share = min(1, widest * sum(shape) / shape.numel())
        assert abs(method.counts[name] - max(1, share * shape[0])) <= 1, name


def test_isomorphic_ranks_inside_each_shape_and_takes_the_same_share_of_each() -> None:
    """a and b are of one shape: their scores compare; c, a thousand times larger, loses half with them all the same."""
    given = problem(a=[1.0, 2.0, 3.0, 4.0], b=[11.0, 12.0, 13.0, 14.0], c=[1000.0, 2000.0, 3000.0, 4000.0])
    assert order_removals(given, Isomorphic()).counts(0.5, "filters") == {"a": 1, "b": 3, "c": 2}
    assert order("isomorphic", given) == "aacacbbcb"


def test_random_widths_are_drawn_by_seed_and_name() -> None:
    given = problem(a=[1.0] * 9, b=[1.0] * 9, c=[1.0] * 9)
    orders = {seed: order_removals(given, RandomWidths(seed)).sites for seed in range(4)}
    assert orders[3] == order_removals(given, RandomWidths(3)).sites
    assert len(set(orders.values())) == 4
    assert RandomWidths(1).rate("a") == RandomWidths(1).rate("a") != RandomWidths(1).rate("b")


def test_a_floor_keeps_the_least_and_a_ceiling_goes_first() -> None:
    given = problem(a=[1.0, 2.0, 3.0, 4.0], b=[11.0, 12.0, 13.0, 14.0])
    assert order("l1", given, floor=0.5) == "aabb"
    removals = order_removals(given, "l1", floor=0.25, ceiling=0.75)
    assert ("".join(removals.sites), removals.forced) == ("abaabb", 2)
    assert removals.counts(0.25, "filters") == {"a": 3, "b": 3}
    with pytest.raises(ValueError, match=r"it must lie in \[0.25, 0.75\]"):
        removals.counts(0.1, "filters")
    assert removals.counts(0.0, "filters") == {"a": 4, "b": 4}


@pytest.mark.parametrize("allocation", ALLOCATIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_allocation_meets_every_target_within_one_unit_along_one_order(name: str, allocation: str) -> None:
    network = NETWORKS[name]()
    method = L1(Share(0.3, "macs", allocation=allocation), joined="expand")
    method.attach(network, SHAPE, 0)
    scores = method.scores(network)
    removals = order_removals(method.budget_problem(network, scores), allocation)
    assert removals.counts(0.3, "macs") == method.counts
    for of, ratio in itertools.product(MEASURES, (0.1, 0.5, 0.8)):
        counts = removals.counts(ratio, of)
        full, kept = (
            sum(each.values()) if of == "filters" else getattr(method.cost(scores, each), of)
            for each in (method.widths(), counts)
        )
        steps = sum(method.widths().values()) - sum(counts.values())
        before = removals.removed(steps - 1, of)
        assert before < ratio <= 1 - kept / full
        assert min(counts.values()) >= 1


def test_costs_are_asked_once_for_all_ratios() -> None:
    network = resnet(8, 10, SHAPE, "B")
    method = L1(Share(0.3, "macs"))
    method.attach(network, SHAPE, 0)
    given, asked = method.budget_problem(network, method.scores(network)), []

    def cost(counts: Any) -> Cost:
        asked.append(tuple(counts.values()))
        return method.cost(method.scores(network), counts)

    removals = order_removals(BudgetProblem(given.widths, cost))
    first = [removals.counts(ratio, "macs") for ratio in (0.3, 0.5, 0.7)]
    questions = len(asked)
    assert questions == len(set(asked)) <= 24
    assert [removals.counts(ratio, "macs") for ratio in (0.3, 0.5, 0.7)] == first
    assert len(asked) == questions


def test_own_follows_the_scores_of_the_method() -> None:
    """A control that scores by lot gives other counts than magnitudes do; another lot, others."""
    network = resnet(8, 10, SHAPE, "B")
    counts = []
    for method in (
        L1(Share(0.5, "macs", allocation="own")),
        *(Random(Share(0.5, "macs", allocation="own"), s) for s in (0, 1)),
    ):
        method.attach(network, SHAPE, 0)
        counts.append(tuple(method.counts.values()))
    assert len(set(counts)) == 3


def test_by_name_from_python() -> None:
    network, example = resnet(8, 10, SHAPE, "B").eval(), torch.randn(1, *SHAPE)
    even, ranked = (pruning.prune(network, example, "l1", macs=0.5, allocation=name) for name in ("uniform", "lamp"))
    assert even.selection != ranked.selection
    assert str(pruning.plan(network, example, "l1", macs=0.5, allocation=Lamp())) != str(
        pruning.plan(network, example, "l1", macs=0.5)
    )
    pruner = pruning.attach(copy.deepcopy(network), example, "l1", macs=0.5, allocation="lamp")
    assert pruner.finish().selection == ranked.selection
    assert pruning.PruningCallback("l1", macs=0.5, allocation="erk").method.budget.allocation.name == "erk"  # type: ignore[attr-defined]
    seeds = [pruning.prune(network, example, macs=0.5, allocation=RandomWidths(seed)).selection for seed in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2]


REFUSED = [
    (
        {"macs": 0.5, "allocation": "lmap"},
        r"allocation must be one of uniform, own, l1, .* got 'lmap'; did you mean lamp",
    ),
    ({"layer": 0.5, "allocation": "lamp"}, r"allocation=lamp orders .* a share of macs, params or filters"),
    ({"layer": {"*": 0.5}, "allocation": "own"}, r"allocation=own orders .* every layer has a share of its own"),
    ({"allocation": "lamp"}, r"give one of macs=, .* got none of them"),
    ({"budget": Share(0.5, "macs"), "allocation": "lamp"}, r"allocation='lamp' is not for budget="),
    ({"macs": 0.5, "allocatoin": "lamp"}, r"did you mean allocation\?"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED)
def test_what_cannot_be_is_refused_in_words(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pruning.plan(nn.Conv2d(3, 4, 1), torch.randn(1, 3, 8, 8), "l1", **arguments)


def test_a_method_that_needs_its_counts_before_its_scores_refuses_own() -> None:
    remedy = r"ranks by them: take allocation=uniform, l1, lamp, erk, isomorphic, random"
    with pytest.raises(ValueError, match=rf"FCF sets its counts before it learns .* {remedy}"):
        FCF(Share(0.5, "macs", allocation="own"))
    with pytest.raises(ValueError, match=rf"Group2D sets its counts .* {remedy}"):
        Group2D(Share(0.5, "macs", allocation="own"), levels=3)
    with pytest.raises(ValueError, match=r"allocation=.* is not for Dense, which has no budget"):
        pruning.plan(nn.Conv2d(3, 4, 1), torch.randn(1, 3, 8, 8), "dense", allocation="lamp")


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_group2d_takes_each(allocation: str) -> None:
    network = resnet(8, 10, SHAPE, "B")
    method = Group2D(Share(0.4, "macs", allocation=allocation), groups=2, score="l1", adapt=True)
    method.attach(network, SHAPE, 0)
    chosen = method.select(network)
    method.detach(network)
    macs = [count_macs(each, SHAPE) for each in (network, pruning.compact(network, chosen, SHAPE))]
    assert 0.4 <= 1 - macs[1] / macs[0] < 0.47


def test_an_allocation_of_the_users_own() -> None:
    class FirstLayersFirst(pruning.budget.Allocation):
        def prices(self, problem: BudgetProblem) -> dict[str, torch.Tensor]:
            return {name: torch.full((w,), float(i)) for i, (name, w) in enumerate(problem.widths.items())}

    given = problem(a=[1.0] * 3, b=[1.0] * 3)
    assert order_removals(given, FirstLayersFirst()).sites == ("a", "a", "b", "b")
    assert as_allocation("erk").__class__ is ErdosRenyiKernel
