"""The line that follows a sweep, from jobs by hand."""

import json
import os
import socket
from pathlib import Path

import pytest

from experiments.records import jobs, status
from experiments.records.jobs import Job
from experiments.sweep.monitor import SweepMonitor, group_jobs, progress_line

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
    assert progress_line(group_jobs(jobs, SINCE), abreast) == f"sweep  {said}"


def test_a_log_gets_one_line_for_each_job_that_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [["seed=0"], ["seed=1"]]
    jobs.write_listing(tmp_path, "python run.py -m seed=0,1", asked)
    watch = SweepMonitor(tmp_path)
    watch.show()
    for overrides in asked:
        place = tmp_path / jobs.job_key(overrides)
        place.mkdir()
        running = Job(overrides, status.RUNNING, pid=os.getpid(), host=socket.gethostname(), started=status.now())
        jobs.write(place, running)
        watch.show()
        jobs.write(place, Job(overrides, status.COMPLETED, seconds=60, ended=status.now()))
        watch.show()
        watch.show()
    lines = capsys.readouterr().out.splitlines()
    assert [each.split(",")[0] for each in lines] == ["sweep  1/2 done", "sweep  2/2 done"]


def test_a_log_says_at_once_how_many_jobs_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [["seed=0"], ["seed=1"], ["seed=2"]]
    jobs.write_listing(tmp_path, "python run.py -m seed=0,1,2", asked)
    place = tmp_path / jobs.job_key(asked[1])
    place.mkdir()
    jobs.write(place, Job(asked[1], status.COMPLETED, seconds=60, ended="2026-01-01"))
    watch = SweepMonitor(tmp_path)
    watch.start()
    said = capsys.readouterr().out
    watch.stop()
    assert said == "sweep  3 jobs, 1 already done\n"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}', '{"schema": 9, "overrides": ["ratio=0.5"]}'])
def test_a_damaged_job_is_named_and_still_to_be_done(tmp_path: Path, content: str) -> None:
    jobs.write_listing(tmp_path, "", [["ratio=0.5"]])
    place = tmp_path / jobs.job_key(["ratio=0.5"])
    place.mkdir()
    (place / "job.json").write_text(content)
    (found,) = jobs.read_jobs(tmp_path)
    assert (found.overrides, found.state) == (["ratio=0.5"], "DAMAGED")
    assert f"{place / 'job.json'} is damaged" in str(found.reason)
    assert group_jobs([found], SINCE).left == [found]


@pytest.mark.parametrize("content", ["[]", '"text"', '{"schema": 1}', '{"schema": 1, "command": "", "jobs": "ratio"}'])
def test_a_list_of_jobs_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "sweep.json").write_text(content)
    for read in (jobs.read_jobs, jobs.mark_ended):
        with pytest.raises(ValueError, match=rf"{tmp_path}/sweep\.json is not a whole listing"):
            read(tmp_path)


def test_a_job_is_read_again_only_when_it_has_changed(tmp_path: Path) -> None:
    """And a process that is gone is noticed though no file has changed."""
    jobs.write_listing(tmp_path, "", [["a=1"]])
    place = tmp_path / jobs.job_key(["a=1"])
    place.mkdir()
    reader = jobs.Reader(tmp_path)
    assert reader.read() == [Job(["a=1"])]
    host, started = socket.gethostname(), status.now()
    jobs.write(place, Job(["a=1"], status.RUNNING, pid=os.getpid(), host=host, started=started))
    assert reader.read()[0].state == status.RUNNING
    stamp = (place / "job.json").stat().st_mtime_ns
    (place / "job.json").write_text("torn")
    os.utime(place / "job.json", ns=(stamp, stamp))
    assert reader.read()[0].state == status.RUNNING
    gone = Job(["a=1"], status.RUNNING, pid=2**22 + 1, host=host, started=started)  # above any process's number
    jobs.write(place, gone)
    assert json.loads((place / "job.json").read_text())["state"] == status.RUNNING
    assert reader.read()[0].state == status.FAILED
