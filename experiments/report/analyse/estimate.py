"""Means with their intervals, and areas. Pure: numbers in, numbers out."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from statistics import fmean

from scipy.special import stdtrit

COVERED = 0.95
Point = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A mean over n repetitions. One repetition has no spread, and says nothing about the next."""

    mean: float
    std: float | None  # of one repetition, n - 1 in the denominator
    half: float | None  # the mean's 95 % interval is mean +- half (Student's t)
    n: int

    @property
    def low(self) -> float:
        return self.mean - (self.half or 0.0)

    @property
    def high(self) -> float:
        return self.mean + (self.half or 0.0)


def estimate(values: Sequence[float]) -> Estimate:
    n, mean = len(values), fmean(values)
    if n == 1:
        return Estimate(mean, None, None, 1)
    std = sqrt(fsum((value - mean) ** 2 for value in values) / (n - 1))
    return Estimate(mean, std, float(stdtrit(n - 1, (1 + COVERED) / 2)) * std / sqrt(n), n)


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The area between the reference and the front: what the points dominate."""
    area, ceiling = 0.0, reference[1]
    for x, y in sorted(points, key=lambda point: (-point[0], -point[1])):
        if x > reference[0] and y > ceiling:
            area += (x - reference[0]) * (y - ceiling)
            ceiling = y
    return area
