import math
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch

from pruning.budget.problem import BudgetProblem, check_ratio, count_kept
from pruning.budget.removals import ROUNDING, order_removals
from pruning.budget.search import fewest_steps
from pruning.budget.targets import PerLayer, Share
from pruning.graph.cost import Cost, predict
from pruning.graph.liveness import analyse
from pruning.methods.l1 import L1
from pruning.models import resnet, vgg16
from pruning.selection import Selection

SHAPE = (3, 32, 32)


def demand(**magnitudes: list[float]) -> BudgetProblem:
    """Each unit costs 10 MACs and 1 parameter; 40 MACs and no parameter are fixed."""
    figures = {name: torch.tensor(values) for name, values in magnitudes.items()}
    widths = {name: len(values) for name, values in magnitudes.items()}
    return BudgetProblem(
        widths,
        lambda counts: Cost(40 + 10 * sum(counts.values()), sum(counts.values())),
        weight_norms=lambda norm: figures,
    )


def ranked_share(ratio: float, floor: float = 0.1, ceiling: float = 0.9, round_to: int = 1) -> Share:
    """All filters of the network ranked by mean |W|, each layer held between two bounds."""
    return Share(ratio, "filters", floor, ceiling, round_to, "l1")


FLAT = demand(a=[1.0] * 10, b=[1.0] * 4)


@pytest.mark.parametrize(
    ("units", "ratio", "kept"),
    [(10, 0.9, 1), (10, 0.1, 9), (10, 0.7, 3), (16, 0.25, 12), (64, 0.3, 44), (3, 0.5, 1), (7, 0.0, 7), (1, 0.99, 0)],
)
def test_keep_rounds_down_without_losing_one_to_the_computer(units: int, ratio: float, kept: int) -> None:
    assert count_kept(units, ratio) == kept


def test_keep_is_exact_for_every_hundredth() -> None:
    for units in range(1, 130):
        for percent in range(100):
            assert count_kept(units, percent / 100) == units * (100 - percent) // 100


@pytest.mark.parametrize("ratio", [1.0, 1.5, -0.1, float("nan"), float("inf")])
def test_a_ratio_outside_is_refused_with_its_value(ratio: float) -> None:
    with pytest.raises(ValueError, match=rf"ratio must lie in \[0, 1\), got {ratio}"):
        check_ratio(ratio)
    for build in (PerLayer, ranked_share, lambda value: Share(value, "macs")):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
            build(ratio)


def test_per_layer() -> None:
    assert PerLayer(0.5).counts(FLAT) == {"a": 5, "b": 2}
    assert PerLayer(0.0).counts(FLAT) == {"a": 10, "b": 4}


def test_per_layer_with_a_table_in_which_the_last_word_counts() -> None:
    assert PerLayer(0.5, {"b": 0.25}).counts(FLAT) == {"a": 5, "b": 3}
    assert PerLayer(0.5, {"*": 0.0, "a": 0.9}).counts(FLAT) == {"a": 1, "b": 4}
    assert PerLayer(0.5, {"a": 0.9, "*": 0.0}).counts(FLAT) == {"a": 10, "b": 4}


def test_per_layer_refuses_with_value_and_remedy() -> None:
    with pytest.raises(ValueError, match=r"0.8 would empty layer 'b' of 4: .* use 0.75 or less, .* layer=\{b: 0.75\}"):
        PerLayer(0.8).counts(FLAT)
    assert PerLayer(0.75).counts(FLAT) == {"a": 2, "b": 1}
    with pytest.raises(ValueError, match=r"'c\*' fits no convolution .* a, b"):
        PerLayer(0.5, {"c*": 0.1}).counts(FLAT)
    with pytest.raises(ValueError, match=r"layer\[a\] must lie in \[0, 1\), got 1.0"):
        PerLayer(0.5, {"a": 1.0})


def test_a_table_takes_exact_counts() -> None:
    assert PerLayer(0.5, {"a": 7}).counts(FLAT) == {"a": 7, "b": 2}
    assert PerLayer(0.5, {"*": 1, "b": 0.5}, round_to=2).counts(FLAT) == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match=r"layer\[a\] must be 10 or less, the layer's width, got 11"):
        PerLayer(0.5, {"a": 11}).counts(FLAT)


def test_a_share_of_the_filters_is_met_to_the_filter() -> None:
    """By hand: of 14, 7 go, evenly over the layers, 1.4 are 2 whole ones; of 10, 0.1 is 1 and no more."""
    assert Share(0.5, "filters").counts(FLAT) == {"a": 5, "b": 2}
    assert sum(Share(0.1, "filters").counts(FLAT).values()) == 12
    assert Share(0.1, "filters").counts(demand(a=[1.0] * 10)) == {"a": 9}


@pytest.mark.parametrize("width", range(2, 70))
def test_the_advised_ratio_is_taken(width: int) -> None:
    widths = demand(a=[1.0] * width)
    with pytest.raises(ValueError, match="would empty") as refused:
        PerLayer(0.99).counts(widths)
    advised = float(str(refused.value).split("use ")[1].split()[0])
    assert PerLayer(advised).counts(widths) == {"a": 1}


def test_a_layer_of_one_is_not_told_to_use_0_or_less() -> None:
    with pytest.raises(ValueError, match=r"layer=\{a: 0\}, and it stays whole$"):
        PerLayer(0.5).counts(demand(a=[1.0]))


def test_a_ranked_share_ranks_what_floor_and_ceiling_leave_open() -> None:
    """Of 10, 5 stay: 1 of a and 4 of b at most by [0.2, 0.8]; a keeps one at least where that leaves b all."""
    ranked = demand(a=[0.1, 0.2, 0.3, 0.4, 0.5], b=[1.0, 2.0, 3.0, 4.0, 5.0])
    assert ranked_share(0.5, floor=0.2, ceiling=0.8).counts(ranked) == {"a": 1, "b": 4}
    assert ranked_share(0.4, floor=0.2, ceiling=0.8).counts(ranked) == {"a": 2, "b": 4}
    assert ranked_share(0.4, floor=0.0, ceiling=1.0).counts(ranked) == {"a": 1, "b": 5}
    assert ranked_share(0.3, floor=0.0, ceiling=1.0).counts(ranked) == {"a": 2, "b": 5}
    assert ranked_share(0.0).counts(ranked) == {"a": 5, "b": 5}


def rank_globally(problem: BudgetProblem, ratio: float, floor: float, ceiling: float) -> dict[str, int]:
    """The former `Global` budget: what floor and ceiling leave open, largest mean |W| first, until enough are kept."""
    widths, magnitudes = problem.widths, problem.weight_norms("mean")
    kept = {name: max(1, math.ceil(floor * width - 1e-9)) for name, width in widths.items()}
    most = {name: max(kept[name], math.floor(ceiling * width + 1e-9)) for name, width in widths.items()}
    free = count_kept(sum(widths.values()), ratio) - sum(kept.values())
    ranked = sorted((-float(value), name) for name, values in magnitudes.items() for value in values)
    tops = {name: (sorted(values.tolist(), reverse=True)) for name, values in magnitudes.items()}
    contested = {name: tops[name][kept[name] : most[name]] for name in widths}
    for value, name in ranked:
        if free and -value in contested[name]:
            contested[name].remove(-value)
            kept[name], free = kept[name] + 1, free - 1
    return kept


@pytest.mark.parametrize("ratio", [0.2, 0.405, 0.5, 0.7])
@pytest.mark.parametrize("joined", ["keep", "expand"])
def test_a_ranked_share_cuts_what_the_global_budget_cut(ratio: float, joined: str) -> None:
    """Experiments that were published with budget=global keep their cuts."""
    network, method = resnet(20, 10, SHAPE, "B"), L1(ranked_share(ratio), joined=joined)
    method.attach(network, SHAPE, 0)
    problem = method.budget_problem(network, method.scores(network))
    assert method.counts == rank_globally(problem, ratio, 0.1, 0.9)


@pytest.mark.parametrize("ratio", [0.1, 0.35, 0.5, 0.8, 0.9])
def test_a_ranked_share_meets_the_ratio_or_refuses(ratio: float) -> None:
    draws = torch.Generator().manual_seed(0)
    ranked = demand(**{name: torch.rand(40, generator=draws).tolist() for name in "abcde"})
    assert sum(ranked_share(ratio).counts(ranked).values()) == count_kept(200, ratio)


def test_a_ranked_share_never_empties_a_layer() -> None:
    counts = ranked_share(0.8, floor=0.0).counts(demand(a=[1e-6] * 8, b=[1.0] * 8))
    assert counts == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match=r"filters=0.99 .* cannot be met .* it must lie in \[0.1250, 0.8750\]"):
        ranked_share(0.99, floor=0.0).counts(demand(a=[1e-6] * 8, b=[1.0] * 8))


BOUNDS = [(0.1, 0.9), (0.3, 0.9), (0.5, 0.5), (0.0, 1.0), (0.33, 0.66)]


@pytest.mark.parametrize(("floor", "ceiling"), BOUNDS)
@pytest.mark.parametrize("widths", [(7,), (3, 13), (64, 128, 7), (6000, 7001)])
def test_the_bounds_that_a_refusal_names_are_met(floor: float, ceiling: float, widths: tuple[int, ...]) -> None:
    ranked = demand(**{f"layer{place}": [1.0] * width for place, width in enumerate(widths)})
    with pytest.raises(ValueError, match="it must lie in") as refused:
        ranked_share(0.99999, floor, ceiling).counts(ranked)
    for bound in re.findall(r"[\d.]+(?=[,\]])", str(refused.value).partition("lie in")[2]):
        kept = ranked_share(float(bound), floor, ceiling).counts(ranked)
        assert sum(kept.values()) == count_kept(sum(widths), float(bound))


def test_the_share_that_is_named_is_met() -> None:
    with pytest.raises(ValueError, match="it must lie in") as refused:
        Share(0.7, "macs").counts(FLAT)
    named = float(str(refused.value).split(", ")[-1].split("]")[0])
    assert Share(named, "macs").counts(FLAT) == {"a": 1, "b": 1}


def test_a_ranked_share_refuses_shares_out_of_order() -> None:
    with pytest.raises(ValueError, match=r"floor and ceiling must lie in \[0, 1\] in this order, got 0.9 and 0.1"):
        ranked_share(0.5, floor=0.9, ceiling=0.1)


def test_share_is_met_and_not_by_more_than_one_unit() -> None:
    """180 MACs in all, 10 for each unit: 5 units make 27.8 %, 6 make 33.3 %."""
    counts = Share(0.3, "macs").counts(FLAT)
    assert sum(counts.values()) == 14 - 6
    assert counts == {"a": 5, "b": 3}  # 6 of 14, one at a time


def test_share_of_parameters_and_of_nothing() -> None:
    assert sum(Share(0.5, "params").counts(FLAT).values()) == 7
    assert Share(0.0, "macs").counts(FLAT) == {"a": 10, "b": 4}


def test_share_keeps_a_floor_and_one_of_each() -> None:
    assert Share(0.65, "macs").counts(FLAT) == {"a": 1, "b": 1}
    assert min(Share(0.25, "macs", floor=0.6).counts(FLAT).values()) >= 3


def test_share_refuses_what_cannot_be_met() -> None:
    with pytest.raises(
        ValueError, match=r"macs=0.7 cannot be met .* of the macs it must lie in \[0.0000, 0.6666\]; or"
    ):
        Share(0.7, "macs").counts(FLAT)
    with pytest.raises(ValueError, match=r"of must be one of macs, params, filters, got 'flops'"):
        Share(0.5, "flops")
    with pytest.raises(ValueError, match=r"floor and ceiling must lie in \[0, 1\] in this order, got 1.5 and 1.0"):
        Share(0.5, "macs", floor=1.5)


class Watched(Share):
    """Keeps the problem, and counts how often the whole network's cost is asked."""

    def counts(self, problem: BudgetProblem) -> dict[str, int]:
        self.asked = 0

        def cost(counts: Mapping[str, int]) -> Cost:
            self.asked += 1
            return problem.cost(counts)

        self.problem = replace(problem, cost=cost)
        return super().counts(self.problem)


@pytest.mark.parametrize("of", ["macs", "params"])
@pytest.mark.parametrize("joined", ["keep", "expand", "couple"])
@pytest.mark.parametrize(("name", "round_to"), [("vgg16", 1), ("resnet8", 1), ("resnet8", 8)])
def test_a_share_is_what_plain_bisection_finds_with_half_the_questions(
    name: str, joined: str, of: str, round_to: int
) -> None:
    network = vgg16(10, SHAPE) if name == "vgg16" else resnet(8, 10, SHAPE, "B")
    budget = Watched(0.3, of, round_to=round_to)
    method = L1(budget, joined=joined)
    method.attach(network, SHAPE, 0)
    asked, problem = budget.asked, budget.problem
    order, whole = order_removals(problem, round_to=round_to), getattr(problem.cost(problem.widths), of)

    def remaining(steps: int) -> float:
        return getattr(problem.cost(order.counts_after(steps)), of) / whole

    steps = bisect_left(range(len(order.sites)), True, key=lambda steps: 1 - remaining(steps) >= 0.3 - ROUNDING)
    assert method.counts == order.counts_after(steps)
    assert asked <= 10 if round_to == 1 else asked <= 14


CURVES: dict[str, Callable[[float], float]] = {
    "line": lambda share: 0.8 * share,
    "square": lambda share: 1 - (1 - 0.9 * share) ** 2,
    "steps": lambda share: 1 - (1 - 0.7 * int(40 * share) / 40) ** 2,
    "jump": lambda share: 0.9 * (share > 0.7),
    "flat": lambda share: 0.05,
}


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("most", [1, 2, 3, 10, 5000])
@pytest.mark.parametrize("wanted", [0.0, 0.05, 0.3, 0.75, 0.99])
def test_guesses_end_where_bisection_does_on_any_rising_curve(curve: str, most: int, wanted: float) -> None:
    def removed(steps: int) -> float:
        return CURVES[curve](steps / most)

    found = bisect_left(range(most), True, key=lambda steps: removed(steps) >= wanted)
    assert fewest_steps(removed, wanted, most) == found
    known = {steps: removed(steps) for steps in range(0, most, max(1, most // 5))}
    assert fewest_steps(removed, wanted, most, known) == found


def test_what_is_known_of_a_curve_is_not_asked_again() -> None:
    asked: list[int] = []

    def removed(steps: int) -> float:
        asked.append(steps)
        return 1 - (1 - 0.9 * steps / 5000) ** 2

    known = {steps: removed(steps) for steps in (1000, 2000, 2001)}
    questions = len(asked)
    assert fewest_steps(removed, known[2001], 5000, known) == 2001
    assert len(asked) == questions


def test_a_network_cut_to_pieces_has_reached_anything() -> None:
    def removed(steps: int) -> float:
        if steps > 60:
            raise ValueError("nothing is left")
        return steps / 1000

    assert fewest_steps(removed, 0.5, 100) == 61


@pytest.mark.parametrize(
    ("name", "ratio", "of"),
    [("vgg16", 0.5, "macs"), ("resnet20", 0.2, "macs"), ("resnet20", 0.5, "params"), ("resnet20", 0.75, "macs")],
)
def test_share_on_real_networks(name: str, ratio: float, of: str) -> None:
    network = vgg16(10, SHAPE) if name == "vgg16" else resnet(20, 10, SHAPE, "B")
    method = L1(Share(ratio, of), joined="keep" if name == "vgg16" else "expand")
    method.attach(network, SHAPE, 0)
    whole = getattr(predict(analyse(method.graph, Selection({}))), of)
    asked, got = ratio * whole, whole - getattr(predict(analyse(method.graph, method.select(network))), of)
    assert got >= asked
    below = [
        whole - getattr(method.cost(method.scores(network), method.counts | {name: count + 1}), of)
        for name, count in method.counts.items()
    ]
    assert min(below) < asked, "one filter more at some layer and the cut would not be reached"


def test_widths_are_rounded_to_a_multiple_and_no_less_is_cut() -> None:
    """By hand: 30 of 40 go to 24, 15 of 20 to 8, 4 of 6 stay 4; what stays whole is left alone."""
    wide = demand(a=[1.0] * 40, b=[1.0] * 20, c=[1.0] * 6)
    assert PerLayer(0.25, round_to=8).counts(wide) == {"a": 24, "b": 8, "c": 4}
    assert PerLayer(0.25, {"b": 0.0}, round_to=8).counts(wide) == {"a": 24, "b": 20, "c": 4}
    assert PerLayer(0.0, round_to=8).counts(wide) == {"a": 40, "b": 20, "c": 6}
    kept = ranked_share(0.5, floor=0.1, ceiling=1.0, round_to=8).counts(wide)
    assert sum(kept.values()) <= 33
    assert all(count % 8 == 0 or count < 8 for count in kept.values())
    with pytest.raises(ValueError, match=r"round_to must be 1 or more, got 0"):
        PerLayer(0.5, round_to=0)


@pytest.mark.parametrize("ratio", [0.25, 0.5])
def test_a_share_of_macs_in_multiples_is_met_within_one_step(ratio: float) -> None:
    """On a ResNet, liveness counted: met, and with one step of 8 given back at the dearest site no more."""
    network, method = resnet(20, 10, SHAPE, "B"), L1(Share(ratio, "macs", round_to=8))
    method.attach(network, SHAPE, 0)
    whole = method.cost(method.scores(network), method.widths()).macs
    cost = method.cost(method.scores(network), method.counts).macs
    assert all(count % 8 == 0 for count in method.counts.values())
    assert 1 - cost / whole >= ratio
    back = [{**method.counts, name: min(n + 8, method.widths()[name])} for name, n in method.counts.items()]
    assert any(1 - method.cost(method.scores(network), counts).macs / whole < ratio for counts in back)


def test_a_part_of_a_layer_keeps_one_where_a_whole_layer_would_be_emptied() -> None:
    problem = BudgetProblem({"whole": 10, "part": 2}, lambda counts: Cost(1, 1), parts={"part"})
    assert PerLayer(0.6).counts(problem) == {"whole": 4, "part": 1}
    with pytest.raises(ValueError, match=r"layer=0.95 would empty layer 'whole' of 10"):
        PerLayer(0.95).counts(problem)
