"""Means with their intervals, fronts and areas. Pure: numbers in, numbers out."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, inf, sqrt
from statistics import fmean
from typing import TypeVar

from scipy.special import stdtrit

COVERED = 0.95
Key = TypeVar("Key", bound=Hashable)
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

    @property
    def excludes_zero(self) -> bool:
        return self.half is not None and (self.low > 0 or self.high < 0)


def estimate(values: Sequence[float]) -> Estimate:
    n, mean = len(values), fmean(values)
    if n == 1:
        return Estimate(mean, None, None, 1)
    std = sqrt(fsum((value - mean) ** 2 for value in values) / (n - 1))
    return Estimate(mean, std, float(stdtrit(n - 1, (1 + COVERED) / 2)) * std / sqrt(n), n)


def difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Estimate | None:
    """Ours minus theirs, paired by seed: runs of one seed share their dense network. None without a common seed."""
    seeds = sorted(ours.keys() & theirs.keys())
    return estimate([ours[seed] - theirs[seed] for seed in seeds]) if seeds else None


def front(points: Mapping[Key, Point]) -> list[Key]:
    """The keys of the points that no other point beats: more is better in both. By falling first coordinate."""
    found: list[Key] = []
    best, at = -inf, inf
    for key, (x, y) in sorted(points.items(), key=lambda item: (-item[1][0], -item[1][1])):
        if y > best or (y == best and x == at):  # equal points stand on the front together
            found.append(key)
            best, at = y, x
    return found


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The area between the reference and the front: what the points dominate."""
    area, ceiling = 0.0, reference[1]
    for x, y in sorted(points, key=lambda point: (-point[0], -point[1])):
        if x > reference[0] and y > ceiling:
            area += (x - reference[0]) * (y - ceiling)
            ceiling = y
    return area
