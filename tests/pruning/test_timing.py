"""Times by turns, and how surely they are known: by hand."""

import pytest

from pruning.timing import Times, median_with_interval, time_by_turns


def test_work_takes_turns_and_warm_rounds_do_not_count() -> None:
    calls: list[str] = []
    works = {name: lambda name=name: calls.append(name) for name in "ab"}
    clock = map(float, [0, 1, 0, 4, 0, 2, 0, 5])
    times = time_by_turns(works, rounds=2, warm=1, clock=lambda: next(clock))
    assert calls == ["a", "b"] * 3
    assert (times["a"].seconds, times["b"].seconds) == ((1.0, 2.0), (4.0, 5.0))


def test_there_are_rounds_until_each_has_had_its_seconds() -> None:
    clock = map(float, [0, 1, 0, 10, 0, 1, 0, 10, 0, 1, 0, 10])
    times = time_by_turns({"a": int, "b": int}, rounds=1, warm=0, seconds=3.0, clock=lambda: next(clock))
    assert [len(each.seconds) for each in times.values()] == [3, 3]


def test_the_interval_of_a_median_lies_between_order_statistics() -> None:
    """n = 16: ranks 8 -+ 0.98 x 4, so the fifth from below and from above: 5 and 12, if counted from 1."""
    assert median_with_interval([float(n) for n in range(16, 0, -1)]) == (8.5, (12 - 5) / 2)
    assert median_with_interval([1.0, 4.0, 2.0]) == (2.0, 1.5)


def test_a_ratio_is_taken_round_by_round() -> None:
    """The machine slows down tenfold on the way, and the ratio stays."""
    dense, small = Times((1.0, 2.0, 10.0)), Times((0.5, 1.0, 5.0))
    assert small.over(dense) == (pytest.approx(0.5), pytest.approx(0))
