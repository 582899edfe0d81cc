"""Real sweeps of tiny runs: they share what they can, and survive what their jobs do."""

from pathlib import Path

import pytest

from experiments.records import jobs, record, status
from experiments.records.jobs import Job
from support.dying import DEATHS
from support.harness import digests, typed
from support.sweeping import finish, start

pytestmark = pytest.mark.sweeps
ENDS = {
    "no": ("COMPLETED", None),
    "exception": ("FAILED", "RuntimeError: power cut"),
    "exit0": ("FAILED", "ended with exit code 0 before the run was complete"),
    "exit3": ("FAILED", "ended with exit code 3 before the run was complete"),
    "exit_words": ("FAILED", "no licence for this data"),
    "interrupt": ("FAILED", "interrupted by Ctrl-C"),
    "memory": ("FAILED", "MemoryError"),
    "os_exit": ("FAILED", "exit code 7 without a word"),
    "kill": ("FAILED", "killed by SIGKILL"),
    "term": ("PREEMPTED", "preempted by SIGTERM: the same command does what is left"),
}


@pytest.fixture(scope="module")
def died(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    folder = tmp_path_factory.mktemp("died")
    deaths = f"+data.death={','.join(ENDS)}"
    parallel = "hydra.launcher.n_jobs=2"
    return folder, *finish(start(folder, "data._target_=support.dying.Dying", deaths, parallel))


def by_death(folder: Path) -> dict[str, Job]:
    return {job.overrides[-1].partition("=")[2]: job for job in jobs.read(folder)}


def test_a_job_may_die_in_any_way_and_all_are_tried(died: tuple[Path, int, str]) -> None:
    folder, code, output = died
    assert set(ENDS) == set(DEATHS)
    assert {death: (job.state, job.reason) for death, job in by_death(folder).items()} == ENDS
    assert code == 1
    assert "10 jobs: 1 done, 9 not" in output
    assert "report.html" in output


def test_each_keeps_its_own_log_and_the_end_names_it(died: tuple[Path, int, str]) -> None:
    folder, _, output = died
    jobs = by_death(folder)
    assert "Traceback" in (folder / str(jobs["exception"].log)).read_text()
    assert "power cut" not in (folder / str(jobs["memory"].log)).read_text()
    assert all(str(job.log) in output for job in jobs.values() if job.state != "COMPLETED")


def test_the_run_itself_says_the_same(died: tuple[Path, int, str]) -> None:
    folder, _, _ = died
    for death, job in by_death(folder).items():
        found = status.read(folder / str(job.run))
        assert found is not None
        assert found.state == ENDS[death][0], death


def test_two_jobs_at_once_make_one_baseline_and_again_is_no_work(tmp_path: Path) -> None:
    """Twice at once, in two processes each: every job once. Then again: nothing starts, nothing is written."""
    asked = ("method=l1,random", "hydra.launcher.n_jobs=2")
    both = [start(tmp_path, *asked), start(tmp_path, *asked)]
    assert [finish(each)[0] for each in both] == [0, 0]
    records = [record.read(path) for path in sorted(tmp_path.glob("*/record.json"))]
    assert sorted(made.method for made in records) == ["l1", "random"]
    assert len(list(tmp_path.glob("store/baseline-*/stage.json"))) == 1
    assert sorted(made.stages[0].reused for made in records) == [False, True]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*/**/job.json")}
    code, output = finish(start(tmp_path, "method=l1,random"))
    assert code == 0
    assert "2 jobs: 2 done, 2 of them before, 0 not" in output
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*/**/job.json")} == before


def test_a_forked_job_trains_the_weights_of_a_fresh_process(tmp_path: Path) -> None:
    code, output = finish(start(tmp_path / "forked", "method=fcf", "recipe.prune.epochs=38", "method.lr=0.1"))
    assert code == 0, output
    alone = typed(tmp_path / "fresh", "method=fcf", "recipe.prune.epochs=38", "method.lr=0.1")
    assert alone.returncode == 0, alone.stderr
    assert len(digests(tmp_path / "fresh")) == 3
    assert digests(tmp_path / "forked") == digests(tmp_path / "fresh")
