"""A budget met in rounds, on a problem whose costs are done by hand."""

from collections.abc import Mapping

import pytest
import torch

from pruning.budget import BudgetProblem, PerLayer, Share
from pruning.budget.rounds import PartOfTheWay, step_towards
from pruning.graph.cost import Cost

WIDTHS = {"a": 16, "b": 32}


def problem(widths: Mapping[str, int], scores: Mapping[str, torch.Tensor] | None = None) -> BudgetProblem:
    """A chain of two 1x1 convolutions behind 3 channels: 3 a + a b MACs."""

    def cost(counts: Mapping[str, int]) -> Cost:
        assert all(counts[name] <= widths[name] for name in widths), "never asked for what is not there"
        return Cost(3 * counts["a"] + counts["a"] * counts["b"], counts["a"] + counts["b"])

    given = scores or {name: torch.arange(1.0, width + 1) for name, width in widths.items()}
    return BudgetProblem(widths, cost, given, comparable=True, weight_norms=lambda norm: given)


@pytest.mark.parametrize(
    "budget",
    [
        PerLayer(0.5),
        PerLayer(0.5, {"a": 12, "b": 0.25}),
        Share(0.6, "macs"),
        Share(0.5, "params", allocation="own"),
        Share(0.5, "filters", allocation="l1"),
        Share(0.6, "macs", allocation="lamp"),
    ],
)
def test_the_last_round_keeps_what_one_round_would(budget: PerLayer | Share) -> None:
    """The scores of what is left stay as they were, so that no order changes."""
    once = budget.counts(problem(WIDTHS))
    counts: Mapping[str, int] = WIDTHS
    whole = None
    for left in (3, 2, 1):
        scores = {name: torch.arange(1.0, WIDTHS[name] + 1)[WIDTHS[name] - counts[name] :] for name in WIDTHS}
        part = PartOfTheWay(budget, left, whole)
        fewer = part.counts(problem(counts, scores))
        assert all(once[name] <= fewer[name] <= counts[name] for name in WIDTHS)
        counts, whole = fewer, part.whole
    assert counts == once


def test_widths_fall_by_one_factor() -> None:
    """16 to 2 in three rounds: halves."""
    widths = [16]
    for left in (3, 2, 1):
        widths.append(step_towards(2, widths[-1], left))
    assert widths == [16, 8, 4, 2]
    assert step_towards(9, 8, 1) == 8, "nothing comes back"


def test_a_share_is_of_the_whole_network() -> None:
    """Half is left already: of 16 and 32 a budget of 40 % of the MACs takes nothing more."""
    part = PartOfTheWay(Share(0.4, "macs"), 1, problem(WIDTHS))
    half = {"a": 8, "b": 16}
    assert part.counts(problem(half)) == half
    assert PartOfTheWay(Share(0.4, "macs"), 1).counts(problem(half)) != half


def test_a_site_that_has_gone_is_named() -> None:
    with pytest.raises(ValueError, match="'b' is no layer to prune any more"):
        PartOfTheWay(PerLayer(0.5), 1, problem(WIDTHS)).counts(BudgetProblem({"a": 8}, lambda counts: Cost(1, 1)))
