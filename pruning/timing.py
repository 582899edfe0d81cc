"""How long pieces of work take: by turns in one process, so that what else the machine does meets all of them alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

Name = TypeVar("Name", bound=Hashable)
Work = Callable[[], object]
Clock = Callable[[], float]
NORMAL_95 = 1.96
LONGEST_STEP = 1e-3  # seconds, of a clock to time by
STEPS = 20  # of the clock that a round lasts at least: a time is known to a twentieth
TOLERANCE = 0.03  # of a target: what counts as met
MOST_HALF_WIDTH = 0.05  # of the ratio of two times: above it the machine is too busy to say anything


class Ratio(NamedTuple):
    """Of two times, and the half width of its 95 % interval."""

    value: float
    half_width: float


class Round(NamedTuple):
    seconds: float  # of all calls
    calls: int


@dataclass(frozen=True)
class Times:
    """Seconds of one piece of work, above 0, one for each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def half_width(self) -> float:
        """Of the median's 95 % interval."""
        return median_with_interval(self.seconds).half_width

    def over(self, other: Times) -> Ratio:
        """The median of the rounds' own ratios: both were timed one after the other in each."""
        return median_with_interval([mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=True)])


def median_with_interval(figures: Sequence[float]) -> Ratio:
    """By order statistics, whatever the distribution: between those whose ranks are 0.98 sqrt(n) from the middle; with
    five figures or fewer the whole range, which holds the median less surely than that."""
    ranked, count = sorted(figures), len(figures)
    low = max(0, math.floor(count / 2 - NORMAL_95 * math.sqrt(count) / 2))
    return Ratio(statistics.median(ranked), (ranked[count - 1 - low] - ranked[low]) / 2)


def time_by_turns(
    works: Mapping[Name, Work],
    rounds: int = 7,
    warm: int = 1,
    seconds: float = 0.0,
    lasting: float = 0.0,
    clock: Clock = time.perf_counter,
) -> dict[Name, Times]:
    """Seconds of one call: at least `rounds` rounds after `warm` that do not count, and `seconds` in all for each work.

    A round calls a work again until it has taken `lasting` seconds, and STEPS of the clock. With `time.process_time`
    as the clock other work on the machine hardly counts, and waiting not at all.
    """
    spent: dict[Name, list[Round]] = {name: [] for name in works}
    least = max(lasting, STEPS * step_of(clock))
    for work in [work for _ in range(warm) for work in works.values()]:
        work()
    while any(len(made) < rounds or sum(each.seconds for each in made) < seconds for made in spent.values()):
        for name, work in works.items():
            spent[name].append(time_round(work, least, clock))
    return {name: Times(tuple(each.seconds / each.calls for each in made)) for name, made in spent.items()}


def time_round(work: Work, least: float, clock: Clock) -> Round:
    start, calls, spent = clock(), 0, 0.0
    while calls == 0 or spent < least:
        work()
        calls, spent = calls + 1, clock() - start
    return Round(spent, calls)


def processor_clock(clock: Clock = time.process_time) -> Clock:
    """It, or the wall clock where it moves in steps too long to time by, as in some sandboxes."""
    return clock if step_of(clock) <= LONGEST_STEP else time.perf_counter


def step_of(clock: Clock) -> float:
    """Seconds from one tick to the next: microseconds, but ten milliseconds where a sandbox counts processor time."""
    start = now = clock()
    while now == start:
        now = clock()
    return now - start
