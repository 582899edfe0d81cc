"""The order in which a network gives up its units: made once, stopped at any target."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from pruning.budget.allocations import Allocation, as_allocation
from pruning.budget.problem import BudgetProblem, Counts, check_multiple
from pruning.budget.search import fewest_steps
from pruning.graph.cost import Cost

MEASURES = ("macs", "params", "filters")  # that a share of the whole network can be of
ROUNDING = 1e-12  # 1 - 9 / 10 is less than 0.1


class UnmetError(ValueError):
    """No prefix of an order removes this share; it must lie in [low, high]."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__(f"it must lie in [{low}, {high}]")
        self.low, self.high = low, high


@dataclass(frozen=True)
class RemovalOrder:
    """Which site gives up a unit next; any number of shares are met along it, and what the network costs on the way is
    computed once.

    `sites`: one for each unit, in the order of their going; the first `forced` go at every ratio above 0. With
    `round_to`, a site gives up so many at once: removals show once they make a whole step.
    """

    problem: BudgetProblem
    sites: tuple[str, ...]
    forced: int = 0
    round_to: int = 1

    def counts(self, ratio: float, of: str) -> Counts:
        """Units to keep at each site so that the share `ratio` in [0, 1) of the MACs, parameters or filters goes, and
        no more than one unit (or step) beyond.

        Raises:
            UnmetError: by what floor and ceiling leave open, no prefix of the order comes to that share.
        """
        if ratio == 0:
            return dict(self.problem.widths)
        wanted = ratio - ROUNDING
        known = {steps: self.removed(steps, of) for steps in self._measured}
        steps = fewest_steps(lambda steps: self.removed(steps, of), wanted, len(self.sites), known)
        low, got = self.removed(self.forced, of), self.removed(steps, of)
        if got < wanted or (steps < self.forced and got < low):
            raise UnmetError(low, self.removed(len(self.sites), of))
        return self.counts_after(max(steps, self.forced))

    def counts_after(self, steps: int) -> Counts:
        gone, widths, by = Counter(self.sites[:steps]), self.problem.widths, self.round_to
        return {name: min(width, -(-(width - gone[name]) // by) * by) for name, width in widths.items()}

    def removed(self, steps: int, of: str) -> float:
        """The share that has gone after so many units.

        Raises:
            ValueError: the network is cut to pieces.
        """
        return 1 - self._measure(steps, of) / self._measure(0, of)

    def _measure(self, steps: int, of: str) -> int:
        counts = self.counts_after(steps)
        if of == "filters":
            return sum(counts.values())
        measured = tuple(counts.values())
        if measured not in self._costs:
            self._costs[measured] = self.problem.cost(counts)
        self._measured.add(steps)
        return int(getattr(self._costs[measured], of))

    @cached_property
    def _measured(self) -> set[int]:
        return set()

    @cached_property
    def _costs(self) -> dict[tuple[int, ...], Cost]:
        return {}


def order_removals(
    problem: BudgetProblem,
    allocation: Allocation | str = "uniform",
    floor: float = 0.0,
    ceiling: float = 1.0,
    round_to: int = 1,
) -> RemovalOrder:
    """The order of an allocation, with which each site keeps a share in [floor, ceiling], and one unit at least.

    What lies above the ceiling goes first; what stays under the floor is not in it.

    Raises:
        ValueError: floor and ceiling are not in [0, 1] in this order; an unknown allocation.
    """
    least, most = _bounds(problem, floor, ceiling)
    widths, prices = problem.widths, as_allocation(allocation).prices(problem)
    forced = [name for name, width in widths.items() for _ in range(width - most[name])]
    contested = [
        (price, name)
        for name, width in widths.items()
        for price in prices[name].sort().values[width - most[name] : width - least[name]].tolist()
    ]
    return RemovalOrder(
        problem, (*forced, *(name for _, name in sorted(contested))), len(forced), check_multiple(round_to)
    )


def _bounds(problem: BudgetProblem, floor: float, ceiling: float) -> tuple[Counts, Counts]:
    """The fewest and the most that each site keeps."""
    least = {name: max(1, math.ceil(floor * width - 1e-9)) for name, width in problem.widths.items()}
    most = {name: math.floor(ceiling * width + 1e-9) for name, width in problem.widths.items()}
    return least, {name: max(most[name], least[name]) for name in problem.widths}
