"""Where a rising curve reaches what is wanted, in few evaluations. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

NOTHING: Mapping[int, float] = MappingProxyType({})


def fewest_steps(
    removed: Callable[[int], float], wanted: float, most: int, known: Mapping[int, float] = NOTHING
) -> int:
    """The first number of steps that removes what is wanted, as bisection finds it; `most` if none does.

    Widths enter a cost twice, so the root of what remains falls nearly straight: a guess on that line, moved on by 0,
    1, 3, 7, ... steps while guesses fall on the same side, takes half of the evaluations. ValueError of `removed` is a
    network cut to pieces, which has reached anything. `known`: what some numbers of steps remove, from earlier targets.
    """
    lows, highs = [(-1, 1.0)], [(most, 0.0)]  # steps that are too few, and enough, with the root of what remains
    lows += [(steps, _left(known[steps])) for steps in sorted(known) if known[steps] < wanted][-1:]
    highs += [(steps, _left(known[steps])) for steps in sorted(known) if known[steps] >= wanted][:1]
    in_a_row = 0  # guesses on the same side; below zero on that of enough
    while (width := highs[-1][0] - lows[-1][0]) > 1:
        (a, left_a), (b, left_b) = lows[-2:] if len(lows) > 1 == len(highs) else (lows[-1], highs[-1])
        at_target = a + (b - a) * (math.sqrt(1 - wanted) - left_a) / (left_b - left_a) if left_a != left_b else b
        overshoot = math.copysign(2 ** abs(in_a_row) - 1, in_a_row)
        steps = lows[-1][0] + min(max(round(at_target + overshoot) - lows[-1][0], 1), width - 1)
        try:
            amount = removed(steps)
        except ValueError:
            amount = 1.0
        (highs if amount >= wanted else lows).append((steps, _left(amount)))
        in_a_row = min(in_a_row, 0) - 1 if amount >= wanted else max(in_a_row, 0) + 1
    return highs[-1][0]


def _left(amount: float) -> float:
    """The root of what remains."""
    return math.sqrt(max(0.0, 1 - amount))
