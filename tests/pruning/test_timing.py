"""Times by turns, and how surely they are known: by hand."""

import time

import pytest

from pruning.timing import Times, Work, median_with_interval, processor_clock, time_by_turns


class Clock:
    """Moves when work is done, and by a tick whenever it is asked."""

    def __init__(self, tick: float = 1e-9) -> None:
        self.now, self.tick = 0.0, tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now

    def work(self, *seconds: float) -> Work:
        """Takes so long at its calls, one after the other."""
        left = iter(seconds)

        def work() -> None:
            self.now += next(left)

        return work


def test_work_takes_turns_and_warm_rounds_do_not_count() -> None:
    calls: list[str] = []
    works = {name: lambda name=name: calls.append(name) for name in "ab"}
    ticks = map(float, [0, 0.01, 0, 1, 0, 4, 0, 2, 0, 5])
    times = time_by_turns(works, rounds=2, warm=1, clock=lambda: next(ticks))
    assert calls == ["a", "b"] * 3
    assert (times["a"].seconds, times["b"].seconds) == ((1.0, 2.0), (4.0, 5.0))


def test_there_are_rounds_until_each_has_had_its_seconds() -> None:
    clock = Clock()
    works = {"a": clock.work(1, 1, 1), "b": clock.work(10, 10, 10)}
    times = time_by_turns(works, rounds=1, warm=0, seconds=3.0, clock=clock)
    assert [len(each.seconds) for each in times.values()] == [3, 3]


def test_short_work_is_called_again_until_a_clock_of_long_ticks_can_tell() -> None:
    """A clock that stands still for 10 ms, as processor time does in some sandboxes: work of 1 ms is never 0."""
    exact = Clock(tick=1e-4)
    works = {"a": exact.work(*[1e-3] * 1000), "b": exact.work(*[2e-3] * 1000)}
    times = time_by_turns(works, rounds=3, warm=0, clock=lambda: exact() // 1e-2 * 1e-2)
    assert times["a"].seconds == pytest.approx([1e-3] * 3, rel=0.2)
    assert times["a"].over(times["b"]).value == pytest.approx(0.5, rel=0.1)


def test_a_processor_clock_of_long_steps_is_none() -> None:
    exact, still = Clock(tick=1e-6), Clock(tick=1e-4)
    assert processor_clock(exact) is exact
    assert processor_clock(lambda: still() // 1e-2 * 1e-2) is time.perf_counter


def test_a_round_lasts_and_its_time_is_of_one_call() -> None:
    clock = Clock()
    (times,) = time_by_turns({"a": clock.work(*[0.1] * 8)}, rounds=2, warm=1, lasting=0.25, clock=clock).values()
    assert times.seconds == pytest.approx((0.1, 0.1))


def test_the_interval_of_a_median_lies_between_order_statistics() -> None:
    """n = 16: ranks 8 -+ 0.98 x 4, so the fifth from below and from above: 5 and 12, if counted from 1."""
    assert median_with_interval([float(n) for n in range(16, 0, -1)]) == (8.5, (12 - 5) / 2)
    assert median_with_interval([1.0, 4.0, 2.0]) == (2.0, 1.5)


def test_a_ratio_is_taken_round_by_round() -> None:
    """The machine slows down tenfold on the way, and the ratio stays."""
    dense, small = Times((1.0, 2.0, 10.0)), Times((0.5, 1.0, 5.0))
    assert small.over(dense) == (pytest.approx(0.5), pytest.approx(0))
