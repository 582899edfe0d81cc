"""The line that follows a sweep, from jobs by hand."""

from pathlib import Path

import pytest

from experiments.records import jobs, status
from experiments.records.jobs import Job
from experiments.sweep.monitor import SweepMonitor, group_jobs, progress_line, time_left
from experiments.system.format import clock

SINCE = "2026-01-02"


def done(seconds: float, ended: str = "2026-01-03") -> Job:
    return Job([], status.COMPLETED, seconds=seconds, ended=ended)


@pytest.mark.parametrize(
    ("jobs", "abreast", "said"),
    [
        ([Job([])], 1, "0/1 done, 0 running, 0 failed, 1 left"),
        ([done(60), done(120), Job([]), Job([])], 1, "2/4 done, 0 running, 0 failed, 2 left, about 3:00 to go"),
        ([done(60), Job([], status.RUNNING), Job([])], 1, "1/3 done, 1 running, 0 failed, 1 left, about 1:30 to go"),
        # two work side by side, and one has just ended: the other's share is not the whole
        (
            [done(60), Job([], status.RUNNING), *[Job([])] * 4],
            2,
            "1/6 done, 1 running, 0 failed, 4 left, about 2:15 to go",
        ),
        # an earlier attempt's time counts, its failure does not
        (
            [done(30, "2026-01-01"), Job([], status.FAILED, ended="2026-01-01")],
            1,
            "1/2 done, 0 running, 0 failed, 1 left, about 0:30 to go",
        ),
        (
            [Job([], status.FAILED, started="2026-01-01")],
            1,
            "0/1 done, 0 running, 0 failed, 1 left",
        ),  # killed with its driver
        ([Job([], status.FAILED, ended="2026-01-03"), done(30)], 1, "1/2 done, 0 running, 1 failed, 0 left"),
    ],
)
def test_the_line_counts_and_estimates(jobs: list[Job], abreast: int, said: str) -> None:
    groups = group_jobs(jobs, SINCE)
    seconds = time_left(jobs, groups, abreast)
    left = "" if seconds is None else f", about {clock(seconds)} to go"
    assert progress_line(groups) + left == f"sweep  {said}"


def begun(tmp_path: Path, asked: list[list[str]]) -> SweepMonitor:
    jobs.write_listing(tmp_path / "sweep" / "one", "python run.py -m seed=0,1", asked)
    monitor = SweepMonitor(tmp_path / "sweep" / "one")
    monitor.begin(asked)
    return monitor


def test_a_log_gets_one_line_for_each_job_that_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By what tells it from the others; of a failure its reason and its log."""
    monitor = begun(tmp_path, [["ratio=0.5", "seed=0"], ["ratio=0.5", "seed=1"]])
    monitor.update(Job(["ratio=0.5", "seed=0"], status.RUNNING))
    monitor.update(Job(["ratio=0.5", "seed=0"], status.COMPLETED, seconds=60, ended=status.now()))
    monitor.update(Job(["ratio=0.5", "seed=1"], status.FAILED, reason="no room", log="a/log.txt", ended=status.now()))
    _, done, failed = capsys.readouterr().out.splitlines()
    assert done == "done      seed=0 in 1:00; 1/2 done, 0 running, 0 failed, 1 left, about 1:00 to go"
    assert failed == f"FAILED    seed=1: no room  (log: {tmp_path / 'a/log.txt'})"


def test_a_log_says_at_once_how_many_jobs_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = tmp_path / "sweep" / "one"
    place = sweep / jobs.job_key(["seed=1"])
    place.mkdir(parents=True)
    jobs.write(place, Job(["seed=1"], status.COMPLETED, seconds=60, ended="2026-01-01"))
    begun(tmp_path, [["seed=0"], ["seed=1"], ["seed=2"]])
    assert capsys.readouterr().out == f"sweep  3 jobs, 1 already done  {sweep}\n"


def test_a_thousand_failures_leave_the_results_in_sight(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monitor = begun(tmp_path, [[f"seed={seed}"] for seed in range(1000)])
    assert monitor.finish()
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) < 50
    assert f"and 980 more, each with its reason in {tmp_path}/sweep/one/*/job.json" in shown


def test_a_jobs_folder_is_named_for_people_and_found_in_any_order() -> None:
    key = jobs.job_key(["seed=0", "method=l1", "folder=/a/b", "+data.death=no"])
    assert key.startswith("data.death=no,method=l1,seed=0-")
    assert jobs.job_key(["+data.death=no", "folder=/a/b", "method=l1", "seed=0"]) == key
    assert jobs.job_key(["folder=/a/c", "seed=0", "method=l1", "+data.death=no"]) != key
    assert len(jobs.job_key([f"recipe.finetune.epochs={n}" for n in range(100)])) < 120


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}', '{"schema": 9, "overrides": ["ratio=0.5"]}'])
def test_a_damaged_job_is_named_and_still_to_be_done(tmp_path: Path, content: str) -> None:
    jobs.write_listing(tmp_path, "", [["ratio=0.5"]])
    place = tmp_path / jobs.job_key(["ratio=0.5"])
    place.mkdir()
    (place / "job.json").write_text(content)
    (found,) = jobs.read_jobs(tmp_path)
    assert (found.overrides, found.state) == (["ratio=0.5"], "DAMAGED")
    assert f"{place / 'job.json'} is damaged" in str(found.reason)
    assert group_jobs([found], SINCE) == {"left": 1}


@pytest.mark.parametrize("content", ["[]", '"text"', '{"schema": 1}', '{"schema": 1, "command": "", "jobs": "ratio"}'])
def test_a_list_of_jobs_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "sweep.json").write_text(content)
    for read in (jobs.read_jobs, jobs.mark_ended):
        with pytest.raises(ValueError, match=rf"{tmp_path}/sweep\.json is not a whole listing"):
            read(tmp_path)
