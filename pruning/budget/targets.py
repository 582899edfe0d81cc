"""How many filters go where. Every budget answers with exact counts, or refuses before anything is trained.

keep = floor(C - C ratio): never int(C * (1 - ratio)), which loses a filter to rounding (0.9 * 10).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from pruning.arguments import key
from pruning.budget.search import fewest_steps
from pruning.graph.cost import Cost
from pruning.graph.sites import match_patterns

Counts = dict[str, int]
MEASURES = ("macs", "params", "filters")  # that a share of the whole network can be of
ROUNDING = 1e-12  # 1 - 9 / 10 is less than 0.1
Magnitudes = Mapping[str, Float[Tensor, " units"]]


def count_kept(units: int, ratio: float) -> int:
    """Units that stay of `units` when the share `ratio` goes."""
    return math.floor(units - units * ratio + 1e-9)


def check_ratio(ratio: float | int, name: str = "ratio") -> float | int:
    """The ratio, or ValueError when it is not in [0, 1)."""
    if not isinstance(ratio, (int, float)) or isinstance(ratio, bool) or not 0 <= ratio < 1:
        raise ValueError(f"{name} must lie in [0, 1), got {ratio!r}: it is the share that is removed")
    return ratio


def check_entry(entry: float | int, name: str) -> float | int:
    """An entry of a table: a ratio, or a whole number from 1 on, the filters that stay; else ValueError."""
    return entry if type(entry) is int and entry >= 1 else check_ratio(entry, name)


@dataclass(frozen=True)
class BudgetProblem:
    """What a method lays before a budget.

    `widths`: units (filters, or kernels of a pattern) at each site, by name. `magnitudes`: one figure for each unit,
    comparable over layers. `cost`: what the whole network would cost with given counts, by the method's own choice.
    `parts`: sites that are parts of layers, none of which would be empty without them.
    """

    widths: Mapping[str, int]
    magnitudes: Magnitudes
    cost: Callable[[Mapping[str, int]], Cost]
    parts: Collection[str] = ()


def round_to_multiples(counts: Mapping[str, int], of: int) -> Counts:
    """Widths that the hardware likes: down to a multiple, so that no less is cut than asked; one below it stays."""
    return {name: count - count % of if count >= of else count for name, count in counts.items()}


def round_down(share: float, digits: int = 4) -> float:
    """For the most that may be asked: rounded up, two thirds would empty a layer of 3."""
    return math.floor(share * 10**digits) / 10**digits


def emptied_layer_message(name: str, width: int, ratio: float) -> str:
    """In words, with a ratio that this layer can bear."""
    bound = round_down(1 - 1 / width)
    own = f"a ratio of its own, {key('table')}={{{name}: {bound:g}}}"
    remedy = f"use {bound} or less, or give this layer {own}" if bound > 0 else f"give it {own}, and it stays whole"
    return f"{key('layer')}={ratio} would empty layer {name!r} of {width}: at least one must stay; {remedy}"


def check_multiple(round_to: int) -> int:
    if round_to < 1:
        raise ValueError(f"{key('round_to')} must be 1 or more, got {round_to}: 8 makes widths multiples of 8")
    return round_to


class Budget(ABC):
    """A share to remove, and the rule that spreads it over the sites."""

    @abstractmethod
    def counts(self, problem: BudgetProblem) -> Counts:
        """Units to keep at each site, at least 1.

        Raises:
            ValueError: a site would be emptied, or the target cannot be met.
        """


class PerLayer(Budget):
    """The same share at every site, but for the sites that `table` names.

    `table` maps shell-style patterns of names to ratios, or to whole numbers of filters (or kernels) that stay; the
    last one that fits counts: {"layer1.*": 0.6, "layer1.0.conv1": 12}.
    """

    def __init__(self, ratio: float, table: Mapping[str, float | int] | None = None, round_to: int = 1) -> None:
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


def _refuse_wider(exact: Counts, widths: Mapping[str, int]) -> None:
    for name, count in exact.items():
        if count > widths[name]:
            raise ValueError(f"{key('table')}[{name}] must be {widths[name]} or less, the layer's width, got {count}")


class Global(Budget):
    """Rank all units of the network by magnitude; the smallest go, but each layer keeps a share in [floor, ceiling].

    Li et al. 2019, section 4: 0.1 and 0.9. They clip after ranking and so miss the ratio; here the ranking is of what
    floor and ceiling leave open, and the ratio is met. This sets the counts only, not which units stay.
    """

    def __init__(self, ratio: float, floor: float = 0.1, ceiling: float = 0.9, round_to: int = 1) -> None:
        self.ratio, self.round_to = check_ratio(ratio, key("filters")), check_multiple(round_to)
        if not 0 <= floor <= ceiling <= 1:
            raise ValueError(
                f"{key('floor')} and {key('ceiling')} must lie in [0, 1] in this order, got {floor} and {ceiling}"
            )
        self.floor, self.ceiling = floor, ceiling

    def counts(self, problem: BudgetProblem) -> Counts:
        if self.ratio == 0:
            return dict(problem.widths)
        least, most = self._bounds(problem.widths)
        free_units = count_kept(sum(problem.widths.values()), self.ratio) - sum(least.values())
        contested = {
            name: values.sort(descending=True).values[least[name] : most[name]]
            for name, values in problem.magnitudes.items()
        }
        if not 0 <= free_units <= sum(len(values) for values in contested.values()):
            raise ValueError(self._unmet_message(sum(least.values()), sum(most.values()), sum(problem.widths.values())))
        owners = torch.cat([torch.full((len(values),), site) for site, values in enumerate(contested.values())])
        winners = owners[torch.cat(list(contested.values())).sort(descending=True, stable=True).indices[:free_units]]
        won = winners.bincount(minlength=len(contested)).tolist()
        kept = {name: least[name] + extra for name, extra in zip(contested, won, strict=True)}
        return round_to_multiples(kept, self.round_to)

    def _unmet_message(self, least: int, most: int, total: int) -> str:
        """In words, with bounds that are met themselves, however little lies between them."""
        digits = max(4, len(str(total)))
        high = round_down(1 - least / total, digits)
        low = min(1 - round_down(most / total, digits), high)
        return (
            f"{key('filters')}={self.ratio} with {key('floor')}={self.floor} and {key('ceiling')}={self.ceiling} "
            f"cannot be met: it must lie in [{low:.{digits}f}, {high:.{digits}f}]"
        )

    def _bounds(self, widths: Mapping[str, int]) -> tuple[Counts, Counts]:
        """The fewest and the most that each layer keeps."""
        least = {name: max(1, math.ceil(self.floor * width - 1e-9)) for name, width in widths.items()}
        most = {name: max(1, math.floor(self.ceiling * width + 1e-9)) for name, width in widths.items()}
        return least, {name: max(most[name], least[name]) for name in widths}


class Share(Budget):
    """A share of the whole network's MACs or parameters, counted after liveness, or of the sites' filters, met within
    one unit at one site.

    Units go one at a time, evenly over the sites, until the cut is reached; with `round_to`, a layer gives up so many
    at once, and the cut is met within one such step at one site.
    """

    def __init__(self, ratio: float, of: str, floor: float = 0.0, round_to: int = 1) -> None:
        if of not in MEASURES:
            raise ValueError(f"{key('of')} must be one of {', '.join(MEASURES)}, got {of!r}")
        self.ratio, self.round_to = check_ratio(ratio, key(of)), check_multiple(round_to)
        self.floor, self.of = check_ratio(floor, key("floor")), of

    def counts(self, problem: BudgetProblem) -> Counts:
        removals = self._removal_order(problem.widths)
        full = self._measure(problem, problem.widths)

        @cache
        def removed(steps: int) -> float:
            counts = self._counts_after(problem.widths, removals[:steps])
            return 1 - self._measure(problem, counts) / full

        steps = fewest_steps(removed, self.ratio - ROUNDING, len(removals))
        if removed(steps) < self.ratio - ROUNDING:
            raise ValueError(
                f"{key(self.of)}={self.ratio} cannot be met at these sites: keeping the least of each cuts "
                f"{round_down(removed(steps))} of the {self.of}; lower it, or prune more ({key('joined')}=expand)"
            )
        return self._counts_after(problem.widths, removals[:steps])

    def _measure(self, problem: BudgetProblem, counts: Mapping[str, int]) -> int:
        return sum(counts.values()) if self.of == "filters" else getattr(problem.cost(counts), self.of)

    def _removal_order(self, widths: Mapping[str, int]) -> list[str]:
        """The sites in the order in which each gives up one unit, evenly by share."""
        least = {name: max(1, math.ceil(self.floor * width - 1e-9)) for name, width in widths.items()}
        events = [
            ((gone + (site + 0.5) / len(widths)) / width, name)
            for site, (name, width) in enumerate(widths.items())
            for gone in range(width - least[name])
        ]
        return [name for _, name in sorted(events)]

    def _counts_after(self, widths: Mapping[str, int], removals: list[str]) -> Counts:
        """Removals show once they make a whole step."""
        counts = dict(widths)
        for name in removals:
            counts[name] -= 1
        return {name: min(widths[name], -(-count // self.round_to) * self.round_to) for name, count in counts.items()}
