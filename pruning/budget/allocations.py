"""Which layers give how much. An allocation puts a figure on every unit; over all layers the smallest go first.

It sets counts only: which units of a layer stay is the method's to say.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from pruning.arguments import did_you_mean, key
from pruning.budget.problem import BudgetProblem, Figures
from pruning.draws import random_scores
from pruning.graph.sites import match_patterns

TINY = torch.finfo(torch.float32).tiny


class Allocation(ABC):
    """Abstract; every concrete one is final. `name`: as the user knows it."""

    name: ClassVar[str] = "own of the user"

    @abstractmethod
    def prices(self, problem: BudgetProblem) -> Figures:
        """A figure for every unit of every site, in any order inside a site; the smallest anywhere goes first."""


@final
class Uniform(Allocation):
    """The same share of every layer, one unit at a time."""

    name = "uniform"

    def prices(self, problem: BudgetProblem) -> Figures:
        return even_prices(problem, dict.fromkeys(problem.widths, 1.0))


@final
class Own(Allocation):
    """The method's own scores, ranked over all layers.

    Scores that do not compare over layers are divided by the mean of their layer (Fang et al., "DepGraph", CVPR 2023;
    Torch-Pruning's `normalizer="mean"`).
    """

    name = "own"

    def prices(self, problem: BudgetProblem) -> Figures:
        if problem.comparable:
            return problem.scores
        return {name: scores / scores.abs().mean().clamp_min(TINY) for name, scores in problem.scores.items()}


@final
class MeanMagnitude(Allocation):
    """The mean |W| of every filter, ranked over all layers, whatever the method scores."""

    name = "l1"

    def prices(self, problem: BudgetProblem) -> Figures:
        return problem.weight_norms("mean")


@final
class Lamp(Allocation):
    """Layer-adaptive magnitude (Lee et al., ICLR 2021) of filters: the squares of a filter's weights over
    those of all filters of its layer that are not smaller. The last one of a layer has 1, so that no layer empties.
    """

    name = "lamp"

    def prices(self, problem: BudgetProblem) -> Figures:
        return {name: self.scores(squares) for name, squares in problem.weight_norms("squares").items()}

    def scores(self, squares: Float[Tensor, " units"]) -> Float[Tensor, " units"]:
        """Descending."""
        ranked = squares.double().sort(descending=True).values
        return ranked / ranked.cumsum(0).clamp_min(TINY)


@final
class ErdosRenyiKernel(Allocation):
    """The share that a layer keeps is proportional to (n_in + n_out + k_h + k_w) / (n_in n_out k_h k_w), and at most 1
    (Evci et al., "Rigging the Lottery", ICML 2020, section 3; there it is the share of single weights).
    """

    name = "erk"

    def prices(self, problem: BudgetProblem) -> Figures:
        """Minus the factor of proportion at which each unit goes: the layer's share is rounded to whole units."""
        density = {name: sum(map(sum, shapes)) / sum(map(math.prod, shapes)) for name, shapes in problem.shapes.items()}
        return {
            name: -(torch.arange(width, dtype=torch.float64) + 0.5) / width / density[name]
            for name, width in problem.widths.items()
        }


@final
class Isomorphic(Allocation):
    """The method's own scores, ranked inside groups of layers of one shape, where they compare; each group gives up the
    same share (Fang et al., "Isomorphic Pruning for Vision Models", ECCV 2024; there a group is a subgraph's topology).
    """

    name = "isomorphic"

    def prices(self, problem: BudgetProblem) -> Figures:
        """The place in the group, as a share of it, moved by the group's place among groups, as Uniform moves sites."""
        groups: dict[tuple[tuple[int, ...], ...], list[str]] = {}
        for name in problem.widths:
            groups.setdefault(tuple(sorted(map(tuple, problem.shapes[name]))), []).append(name)
        prices: dict[str, Tensor] = {}
        for number, names in enumerate(groups.values()):
            scores = torch.cat([problem.scores[name] for name in names])
            places = (scores.argsort(stable=True).argsort() + (number + 0.5) / len(groups)) / len(scores)
            prices |= dict(zip(names, places.split([problem.widths[name] for name in names]), strict=True))
        return prices


@final
class RandomWidths(Allocation):
    """The control: every layer gives up at a rate of its own, drawn from (0, 1] by (seed, name of the site)."""

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def prices(self, problem: BudgetProblem) -> Figures:
        return even_prices(problem, {name: self.rate(name) for name in problem.widths})

    def rate(self, site: str) -> float:
        return 1 - float(random_scores(self.seed, site, 1))


@final
class Rates(Allocation):
    """Each site gives up at its own rate: with {"layer1.*": 2} stage 1 gives twice the share of what no pattern fits.

    Args:
        rates: by pattern of names, the last one that fits; above 0, and 1 where none does.
    """

    name = "rates"

    def __init__(self, rates: Mapping[str, float | int] | None = None) -> None:
        for pattern, rate in (rates or {}).items():
            if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
                raise ValueError(
                    f"{key('rates')}[{pattern}] must be a number above 0, got {rate!r}: {key('exclude')} leaves layers "
                    "whole"
                )
        self.rates = dict(rates or {})

    def prices(self, problem: BudgetProblem) -> Figures:
        rates = dict.fromkeys(problem.widths, 1.0)
        for pattern, rate in self.rates.items():
            rates |= dict.fromkeys(match_patterns(list(rates), [pattern], "rates"), float(rate))
        return even_prices(problem, rates)


def even_prices(problem: BudgetProblem, rates: dict[str, float]) -> Figures:
    """By which each site gives up one unit after the other, at its rate; sites of one width take turns."""
    return {
        name: (torch.arange(width, dtype=torch.float64) + (site + 0.5) / len(problem.widths)) / width / rates[name]
        for site, (name, width) in enumerate(problem.widths.items())
    }


_KINDS: list[type[Allocation]] = [Uniform, Own, MeanMagnitude, Lamp, ErdosRenyiKernel, Isomorphic, RandomWidths]
ALLOCATIONS = {kind.name: kind for kind in _KINDS}
WITHOUT_SCORES = tuple(name for name in ALLOCATIONS if name != Own.name)  # what can do without the method's own


def as_allocation(allocation: Allocation | str) -> Allocation:
    """The one of this name, or the one that is given.

    Raises:
        ValueError: no allocation has that name.
    """
    if isinstance(allocation, Allocation):
        return allocation
    if not isinstance(allocation, str) or allocation not in ALLOCATIONS:
        raise ValueError(
            f"{key('allocation')} must be one of {', '.join(ALLOCATIONS)}, or an Allocation of your own, "
            f"got {allocation!r:.60}{did_you_mean(allocation, ALLOCATIONS)}"
        )
    return ALLOCATIONS[allocation]()
