"""How much goes. Every budget answers with exact counts, or refuses before anything is trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import nn

from pruning.arguments import key
from pruning.budget.allocations import Allocation, Uniform, as_allocation
from pruning.budget.problem import (
    BudgetProblem,
    Counts,
    check_bounds,
    check_multiple,
    check_ratio,
    count_kept,
    round_down,
)
from pruning.budget.removals import MEASURES, UnmetError, order_removals
from pruning.graph.inputs import Shapes
from pruning.graph.sites import match_patterns


def check_entry(entry: float | int, name: str) -> float | int:
    """An entry of a table: a ratio, or a whole number from 1 on, the filters that stay; else ValueError."""
    return entry if type(entry) is int and entry >= 1 else check_ratio(entry, name)


def round_to_multiples(counts: Mapping[str, int], of: int) -> Counts:
    """Widths that the hardware likes: down to a multiple, so that no less is cut than asked; one below it stays."""
    return {name: count - count % of if count >= of else count for name, count in counts.items()}


def emptied_layer_message(name: str, width: int, ratio: float) -> str:
    """In words, with a ratio that this layer can bear."""
    bound = round_down(1 - 1 / width)
    own = f"a ratio of its own, {key('table')}={{{name}: {bound:g}}}"
    remedy = f"use {bound} or less, or give this layer {own}" if bound > 0 else f"give it {own}, and it stays whole"
    return f"{key('layer')}={ratio} would empty layer {name!r} of {width}: at least one must stay; {remedy}"


class Budget(ABC):
    """A share to remove, and the rule that spreads it over the sites."""

    allocation: Allocation = Uniform()

    @abstractmethod
    def counts(self, problem: BudgetProblem) -> Counts:
        """Units to keep at each site, at least 1.

        Raises:
            ValueError: a site would be emptied, or the target cannot be met.
        """

    def describe_result(self, dense: nn.Module, small: nn.Module, image_shape: Shapes) -> tuple[str, ...]:
        """What only measuring the network that came out can say; nothing of a budget that counts."""
        return ()


class PerLayer(Budget):
    """The same share at every site, but for the sites that `table` names.

    `table` maps shell-style patterns of names to ratios, or to whole numbers of filters (or kernels) that stay; the
    last one that fits counts: {"layer1.*": 0.6, "layer1.0.conv1": 12}. The allocation is uniform.
    """

    def __init__(
        self,
        ratio: float,
        table: Mapping[str, float | int] | None = None,
        round_to: int = 1,
        allocation: Allocation | str = "uniform",
    ) -> None:
        _refuse_order(as_allocation(allocation))
        self.ratio, self.round_to = check_ratio(ratio, key("layer")), check_multiple(round_to)
        self.table = {pattern: check_entry(r, f"{key('table')}[{pattern}]") for pattern, r in (table or {}).items()}

    def counts(self, problem: BudgetProblem) -> Counts:
        entries: dict[str, float | int] = dict.fromkeys(problem.widths, self.ratio)
        for pattern, entry in self.table.items():
            entries |= dict.fromkeys(match_patterns(list(entries), [pattern], "table"), entry)
        exact = {name: int(entry) for name, entry in entries.items() if entry >= 1}
        shared = {n: self._count(problem, n, entries[n]) for n in problem.widths if n not in exact}
        uncut = {name: count for name, count in shared.items() if count == problem.widths[name]}
        _refuse_wider(exact, problem.widths)
        counts = round_to_multiples(shared, self.round_to) | uncut | exact
        return {name: counts[name] for name in problem.widths}

    def _count(self, problem: BudgetProblem, name: str, ratio: float) -> int:
        """At least 1, also of a part, where the share of all of its layer is then met within one."""
        count = count_kept(problem.widths[name], ratio)
        if count < 1 and name not in problem.parts:
            raise ValueError(emptied_layer_message(name, problem.widths[name], ratio))
        return max(1, count)


def _refuse_order(allocation: Allocation) -> None:
    if not isinstance(allocation, Uniform):
        raise ValueError(
            f"{key('allocation')}={allocation.name} orders what goes until a share of the whole network has gone, and "
            "here every layer has a share of its own: ask for a share of macs, params or filters, or take "
            f"{key('allocation')}=uniform"
        )


def _refuse_wider(exact: Counts, widths: Mapping[str, int]) -> None:
    for name, count in exact.items():
        if count > widths[name]:
            raise ValueError(f"{key('table')}[{name}] must be {widths[name]} or less, the layer's width, got {count}")


class Share(Budget):
    """A share of the whole network's MACs or parameters, counted after liveness, or of the sites' filters, met within
    one unit at one site.

    Args:
        ratio: the share, in [0, 1).
        of: "macs", "params" or "filters".
        floor, ceiling: the least and the most that each layer keeps, in [0, 1]; one unit stays in any case. (Li et al.
            2019, section 4, rank with 0.1 and 0.9; they clip after ranking and so miss the ratio.)
        round_to: with 8, a layer gives up 8 at once, and the cut is met within one such step at one site.
        allocation: which layers give how much, by name or as an Allocation.
    """

    def __init__(
        self,
        ratio: float,
        of: str,
        floor: float = 0.0,
        ceiling: float = 1.0,
        round_to: int = 1,
        allocation: Allocation | str = "uniform",
    ) -> None:
        if of not in MEASURES:
            raise ValueError(f"{key('of')} must be one of {', '.join(MEASURES)}, got {of!r}")
        self.floor, self.ceiling = check_bounds(floor, ceiling)
        self.ratio, self.round_to = check_ratio(ratio, key(of)), check_multiple(round_to)
        self.of, self.allocation = of, as_allocation(allocation)

    def counts(self, problem: BudgetProblem) -> Counts:
        order = order_removals(problem, self.allocation, self.floor, self.ceiling, self.round_to)
        try:
            return order.counts(self.ratio, self.of)
        except UnmetError as unmet:
            raise ValueError(self._unmet_message(unmet, sum(problem.widths.values()))) from None

    def _unmet_message(self, unmet: UnmetError, units: int) -> str:
        """In words, with bounds that are met themselves, however little lies between them."""
        digits = max(4, len(str(units)))
        high = round_down(unmet.high, digits)
        low = min(1 - round_down(1 - unmet.low, digits), high)
        bounds = f" with {key('floor')}={self.floor:g} and {key('ceiling')}={self.ceiling:g}"
        return (
            f"{key(self.of)}={self.ratio}{bounds if (self.floor, self.ceiling) != (0, 1) else ''} cannot be met at "
            f"these sites: of the {self.of} it must lie in [{low:.{digits}f}, {high:.{digits}f}]; or prune more of "
            f"them ({key('joined')}=expand)"
        )
