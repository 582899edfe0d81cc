"""The benchmark of many jobs, on few."""

from pathlib import Path

import pytest

from experiments.benchmarks import many_jobs
from experiments.benchmarks.harness import number


@pytest.mark.sweeps
def test_a_sweep_of_stand_ins_is_whole_and_its_summary_is_a_table(tmp_path: Path) -> None:
    row = many_jobs.run_driver(tmp_path, 20)
    assert row["jobs"] == 20
    assert number(row, "files a job") >= 3
    assert 10 <= number(row, "lines of the summary") <= 30
    assert len(list(tmp_path.glob("*/record.json"))) == 20


def starts() -> list[dict[str, object]]:
    fresh: dict[str, object] = {"start": "fresh process", "first step after, s": 9.0, "processor, s": 8.0, "same": 1.0}
    return [fresh, fresh | {"start": "forked", "processor, s": 2.0}]


def test_what_has_grown_between_the_smallest_and_the_largest_counts() -> None:
    sweep: dict[str, object] = {"overhead a job, s": 0.2, "summary and report, s": 5.0, "lines of the summary": 20}
    rows = [*starts(), sweep | {"memory of the driver, MB": 200.0}, sweep | {"memory of the driver, MB": 240.0}]
    met = {aim.what: aim.met for aim in many_jobs.aims(rows, "100,2000")}
    assert met.pop("memory of the driver, MB more than of the smallest") is False
    assert len(met) == 5
    assert all(met.values())
