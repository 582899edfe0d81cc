"""A budget met in several rounds: what comes out of one is pruned again, and the last meets what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from pruning.budget.problem import BudgetProblem, Counts, Figures
from pruning.budget.targets import Budget
from pruning.graph.cost import Cost


@final
class PartOfTheWay(Budget):
    """One round towards a budget of the full-size network: each site keeps the same factor of its width in each round
    that is left, and the last one's counts are the budget's own.

    Args:
        budget: what is asked of the full-size network.
        left: rounds from this one on, this one included; 1 goes all of the way.
        whole: what the full-size network laid before the first round; None where this is the first.
    """

    def __init__(self, budget: Budget, left: int, whole: BudgetProblem | None = None) -> None:
        self.budget, self.left, self.whole = budget, left, whole
        self.allocation = budget.allocation

    def counts(self, problem: BudgetProblem) -> Counts:
        if self.whole is None:
            self.whole = problem
        target = self.budget.counts(enlarge(problem, self.whole))
        return {name: step_towards(target[name], width, self.left) for name, width in problem.widths.items()}


def step_towards(target: int, width: int, left: int) -> int:
    """The next of `left` widths that fall by one factor from `width` to `target`; nothing comes back."""
    return width if target >= width else max(target, round(width * (target / width) ** (1 / left)))


def enlarge(problem: BudgetProblem, whole: BudgetProblem) -> BudgetProblem:
    """What is left of a network as the whole of it: units that have gone are worth nothing, so that they go first.

    Raises:
        ValueError: a site of the whole is not there any more.
    """
    if gone := sorted(whole.widths.keys() - problem.widths.keys()):
        raise ValueError(f"{gone[0]!r} is no layer to prune any more after an earlier round: leave it out, or rounds=1")

    def cost(counts: Mapping[str, int]) -> Cost:
        if dict(counts) == dict(whole.widths):
            return whole.cost(counts)
        return problem.cost({name: min(counts[name], width) for name, width in problem.widths.items()})

    def norms(norm: str) -> Figures:
        return pad(problem.weight_norms(norm), whole.widths)

    return replace(whole, cost=cost, scores=pad(problem.scores, whole.widths), weight_norms=norms)


def pad(figures: Figures, widths: Mapping[str, int]) -> Mapping[str, Float[Tensor, " width"]]:
    return {name: pad_site(values, widths[name]) for name, values in figures.items()}


def pad_site(values: Float[Tensor, " left"], width: int) -> Float[Tensor, " width"]:
    """No unit that has gone is worth more than one that is left, or than nothing."""
    least = min(0.0, values.min().item())
    return torch.cat([values, values.new_full((width - len(values),), least)])
