"""What a method lays before a budget, and the numbers that both count in."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from pruning.arguments import key
from pruning.graph.cost import Cost
from pruning.graph.graph import Graph
from pruning.selection import Selection

Counts = dict[str, int]
Figures = Mapping[str, Float[Tensor, " units"]]  # one for every unit of every site, by the site's name


def count_kept(units: int, ratio: float) -> int:
    """Units that stay of `units` when the share `ratio` goes: never int(units * (1 - ratio)), which loses one to
    rounding (0.9 * 10).
    """
    return math.floor(units - units * ratio + 1e-9)


def check_ratio(ratio: float | int, name: str = "ratio") -> float | int:
    """The ratio, or ValueError when it is not in [0, 1)."""
    if not isinstance(ratio, (int, float)) or isinstance(ratio, bool) or not 0 <= ratio < 1:
        raise ValueError(f"{name} must lie in [0, 1), got {ratio!r}: it is the share that is removed")
    return ratio


def check_bounds(floor: float, ceiling: float) -> tuple[float, float]:
    """The least and the most that a layer keeps, or ValueError."""
    if not 0 <= floor <= ceiling <= 1:
        raise ValueError(
            f"{key('floor')} and {key('ceiling')} must lie in [0, 1] in this order, got {floor} and {ceiling}"
        )
    return floor, ceiling


def check_multiple(round_to: int) -> int:
    if round_to < 1:
        raise ValueError(f"{key('round_to')} must be 1 or more, got {round_to}: 8 makes widths multiples of 8")
    return round_to


def round_down(share: float, digits: int = 4) -> float:
    """For the most that may be asked: rounded up, two thirds would empty a layer of 3."""
    return math.floor(share * 10**digits) / 10**digits


def no_norms(norm: str) -> Figures:
    raise ValueError(f"this method gives its budget no weights, and the allocation ranks by their {norm}")


@dataclass(frozen=True)
class BudgetProblem:
    """The sites of one network, and what their units are worth.

    Args:
        widths: units (filters, or kernels of a pattern) at each site, by name.
        cost: what the whole network would cost with given counts, by the method's own choice, after liveness.
        scores: what the method chooses by; inside a site the largest stay.
        comparable: whether these scores compare over layers as they are.
        weight_norms: the size of every unit's weights by the name of a norm: "mean" |W|, or "squares", the sum of W^2.
        shapes: of the weights that lose filters at a site together.
        parts: sites that are parts of layers, none of which would be empty without them.
        graph, choose: the traced network, and the choice that keeps given counts, for budgets that build what is left;
            None of a method that cannot say so.
    """

    widths: Mapping[str, int]
    cost: Callable[[Mapping[str, int]], Cost]
    scores: Figures = field(default_factory=dict)
    comparable: bool = False
    weight_norms: Callable[[str], Figures] = no_norms
    shapes: Mapping[str, Sequence[tuple[int, ...]]] = field(default_factory=dict)
    parts: Collection[str] = ()
    graph: Graph | None = None
    choose: Callable[[Mapping[str, int]], Selection] | None = None
