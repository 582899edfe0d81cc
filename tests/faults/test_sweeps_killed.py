"""Sweeps whose driver is killed, that begin together, or whose files are damaged. Faults E7 to E9 of docs/faults.md."""

import signal
import time
from pathlib import Path

import pytest

from experiments.records import jobs, record, status
from support.sweeping import finish, start


@pytest.mark.sweeps
def test_a_killed_driver_is_followed_by_one_that_does_what_is_left(tmp_path: Path) -> None:
    asked = ("method=l1", "ratio=0.25,0.5")
    driver = start(tmp_path, *asked)
    while not list(tmp_path.glob("*/record.json")):
        assert driver.poll() is None
        time.sleep(0.1)
    driver.kill()
    finish(driver)
    done = {path: path.read_bytes() for path in tmp_path.glob("*/record.json")}
    code, output = finish(start(tmp_path, *asked))
    assert code == 0, output
    assert "2 jobs: 2 done" in output
    made = [record.read(path) for path in tmp_path.glob("*/record.json")]
    assert sorted(each.ratio for each in made) == [0.25, 0.5]
    assert all(path.read_bytes() == content for path, content in done.items())


def test_sweeps_have_folders_by_what_they_ask_not_by_the_clock(tmp_path: Path) -> None:
    first = jobs.sweep_folder(tmp_path, ["method=l1,fcf", "seed=0,1"])
    assert jobs.sweep_folder(tmp_path, ["seed=0,1", "method=l1,fcf"]) == first
    assert jobs.sweep_folder(tmp_path, ["method=l1,fcf", "seed=0,2"]) != first


@pytest.mark.sweeps
def test_two_sweeps_begun_together_share_what_they_can_and_complete(tmp_path: Path) -> None:
    """Of different jobs, one of them in both."""
    both = [start(tmp_path, *asked) for asked in (("method=l1", "seed=0,1"), ("method=random,l1", "seed=1"))]
    for code, output in map(finish, both):
        assert code == 0, output
        assert "2 jobs: 2 done, 0 not" in output
    made = [record.read(path) for path in tmp_path.glob("*/record.json")]
    assert sorted((each.method, each.seed) for each in made) == [("l1", 0), ("l1", 1), ("random", 1)]
    assert len(list(tmp_path.glob("store/baseline-*/stage.json"))) == 2
    assert len(list(tmp_path.glob("sweep/*/sweep.json"))) == 2
    assert [job.state for job in jobs.read(tmp_path)] == ["COMPLETED"] * 4


@pytest.mark.sweeps
@pytest.mark.parametrize("launcher", [(), ("hydra.launcher.n_jobs=2",)], ids=["one", "two"])
def test_a_driver_whose_terminal_is_closed_passes_it_on(tmp_path: Path, launcher: tuple[str, ...]) -> None:
    """To it alone. Its jobs leave with a checkpoint, and no process is left."""
    long = ("method=l1", "seed=0,1", "recipe.baseline.epochs=2000", *launcher)
    driver = start(tmp_path, *long)
    abreast = 2 if launcher else 1
    while len(list(tmp_path.glob("store/*/last.ckpt"))) < abreast:
        assert driver.poll() is None
        time.sleep(0.1)
    pids = [job.pid for job in jobs.read(tmp_path) if job.state == status.RUNNING]
    assert len(pids) == abreast
    driver.send_signal(signal.SIGHUP)
    code, output = finish(driver)
    assert code == 143, output
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    begun = [job for job in jobs.read(tmp_path) if job.pid]
    assert {(job.state, job.reason) for job in begun} == {
        ("PREEMPTED", "preempted by SIGTERM: the same command does what is left")
    }


DENSE = ("method=dense", "ratio=0.25,0.5", "tracking=offline")


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dense")
    code, output = finish(start(folder, *DENSE))
    assert code == 0, output
    assert "2 jobs: 2 done, 0 not" in output
    return folder


@pytest.mark.sweeps
def test_a_method_without_a_budget_is_one_run_at_every_ratio(dense: Path) -> None:
    """For the store, the report and W&B: two records of one digest would be one run twice."""
    (made,) = (record.read(path) for path in dense.glob("*/record.json"))
    assert made.ratio == 0
    assert len(list(dense.glob("*/wandb/offline-run-*"))) == 1
    assert len({job.run for job in jobs.read(dense)}) == 1


@pytest.mark.sweeps
def test_a_damaged_file_of_a_job_is_named_and_its_run_taken_as_it_is(dense: Path) -> None:
    damaged, _ = sorted(dense.glob("sweep/*/*/job.json"))
    damaged.write_bytes(damaged.read_bytes()[:50])
    before = {path: path.stat().st_mtime_ns for path in dense.glob("*/record.json")}
    code, output = finish(start(dense, *DENSE))
    assert code == 0, output
    assert f"{damaged} is damaged" in "".join(output.split("\n"))
    assert "2 jobs: 2 done, 1 of them before, 0 not" in output
    assert {path: path.stat().st_mtime_ns for path in dense.glob("*/record.json")} == before
