"""Which method is best at equal time, not at equal MACs. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from experiments.report.analyse.configurations import Configuration
from experiments.report.load.runs import Figure

SHARES = (0.75, 0.5, 0.25)  # of the dense network's time


class AtTime(NamedTuple):
    curve: str
    accuracy: float
    between: tuple[Configuration, Configuration]  # the rows on both sides


def rank_at_time(rows: Sequence[Configuration], axis: Figure, accuracy: Figure, share: float) -> list[AtTime]:
    """Each curve's accuracy where it takes this share of the dense network's time, on the line between its two nearest
    rows, the best first; a curve that was not measured on both sides is left out."""
    curves = dict.fromkeys(row.curve for row in rows if not row.scratch)
    found = (at_cut([row for row in rows if row.curve == curve], axis, accuracy, 1 - share) for curve in curves)
    return sorted((at for at in found if at is not None), key=lambda at: -at.accuracy)


def at_cut(rows: Sequence[Configuration], axis: Figure, accuracy: Figure, cut: float) -> AtTime | None:
    """`rows`: of one curve."""
    measured = [(row.estimate(axis), row.estimate(accuracy), row) for row in rows if not row.scratch]
    points = [(time.mean, share.mean, row) for time, share, row in measured if time is not None and share is not None]
    for (low, left, before), (high, right, after) in pairwise(sorted(points, key=lambda point: point[0])):
        if low <= cut <= high:
            weight = (cut - low) / (high - low) if high > low else 0.0
            return AtTime(before.curve, (1 - weight) * left + weight * right, (before, after))
    return None
