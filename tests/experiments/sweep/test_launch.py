"""What a sweep tells whoever searches, its jobs done by a formula."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import final

import pytest
from hydra.core.utils import JobStatus

from experiments.records import jobs, record, status
from experiments.records.jobs import Job
from experiments.sweep import task
from experiments.sweep.engines import Engine
from experiments.sweep.launch import Sweep
from experiments.sweep.task import Task
from experiments.system.checkout import ROOT
from support.tiny_run import whole_config

TEMPLATE = record.read(ROOT / "experiments" / "results" / "digits_vgg16" / "fcf.json")
CUT = TEMPLATE.budget.got_macs


@final
class Formula(Engine):
    """A job of seed 1 fails; any other has as many MACs as its seed, in hundreds."""

    def refuse(self, trainer: Mapping[str, object]) -> None:
        pass

    def run(self, tasks: Iterable[Task], report: Callable[[Job], None], tick: Callable[[], None]) -> None:
        for each in tasks:
            seed = int(each.overrides[-1].removeprefix("seed="))
            made = replace(TEMPLATE, tuned=replace(TEMPLATE.tuned, macs=100 * seed))
            folder = each.results / f"run-{seed}"
            folder.mkdir()
            made.write(folder / "record.json")
            state = status.FAILED if seed == 1 else status.COMPLETED
            job = replace(task.new_job(each, state), run=folder.name)
            task.clear(each)
            jobs.write(each.folder, job)
            report(job)


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("macs", [0.0, None, 200.0]),
        ("[macs,bytes]", [[0.0, TEMPLATE.tuned.bytes], None, [200.0, TEMPLATE.tuned.bytes]]),
    ],
)
def test_each_job_returns_the_figures_of_its_record(tmp_path: Path, metric: str, values: list[object]) -> None:
    shared = (f"folder={tmp_path}", f"objective_metric={metric}")
    sweep = Sweep(whole_config(*shared), Formula())
    returned = sweep.launch([[*shared, f"seed={seed}"] for seed in (0, 1, 2)], lambda job: whole_config(*job))
    assert [each.status for each in returned] == [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.COMPLETED]
    assert [each.return_value for each in returned] == values


def test_a_choice_that_another_lacks_is_one_failed_job(tmp_path: Path) -> None:
    """Random filters have no `variant`."""
    shared = (f"folder={tmp_path}", "method.variant=greedy", "seed=0")
    sweep = Sweep(whole_config(*shared[:1]), Formula())
    returned = sweep.launch([["method=random", *shared], ["method=l1", *shared]], lambda job: whole_config(*job))
    assert [each.status for each in returned] == [JobStatus.FAILED, JobStatus.COMPLETED]
    (failed,) = [job for job in jobs.read(tmp_path) if job.state == status.FAILED]
    assert "variant" in str(failed.reason)


@pytest.mark.parametrize(("enough", "fails"), [(None, True), (False, True), (True, False)])
def test_a_search_is_done_when_enough_of_its_trials_are_complete(
    tmp_path: Path, enough: bool | None, fails: bool
) -> None:
    """Whatever failed, and though two trials may be one job."""
    shared = (f"folder={tmp_path}", "method=l1")
    sweep = Sweep(whole_config(*shared), Formula())
    sweep.launch([[*shared, f"seed={seed}"] for seed in (0, 1)], lambda job: whole_config(*job))
    sweep.enough = enough
    left = pytest.raises(SystemExit) if fails else nullcontext()
    with left:
        sweep.finish()
