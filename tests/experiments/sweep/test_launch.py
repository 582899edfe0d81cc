"""What a sweep tells whoever searches, its jobs done by a formula."""

from collections.abc import Callable, Iterable, Mapping
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
from experiments.sweep.monitor import SweepMonitor
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


@pytest.mark.parametrize(("wanted", "unfinished"), [(None, True), (1, False), (2, True)])
def test_a_search_is_done_when_as_many_as_it_wants_are_complete(
    tmp_path: Path, wanted: int | None, unfinished: bool
) -> None:
    sweep = jobs.sweep_folder(tmp_path, ["ratio=interval(0,1)"])
    made = {"ratio=0.5": status.COMPLETED, "ratio=1.5": status.FAILED}
    jobs.write_listing(sweep, "", [[override] for override in made])
    for override, state in made.items():
        (sweep / jobs.job_key([override])).mkdir()
        jobs.write(sweep / jobs.job_key([override]), Job([override], state))
    assert SweepMonitor(sweep, wanted=wanted).finish() == unfinished
