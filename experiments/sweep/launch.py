"""The driver of a sweep (`-m`): the launcher in hydra_plugins/ hands it the jobs, an engine runs them. No torch."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn, final

from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from experiments.config import typed_overrides
from experiments.config.refusal import error_message, exit_refused
from experiments.config.settings import SHORT, choose_program
from experiments.records import jobs, objectives, status
from experiments.records.jobs import Job
from experiments.sweep import task
from experiments.sweep.engines import Engine
from experiments.sweep.monitor import SweepMonitor
from experiments.sweep.task import Task
from experiments.system import preemption
from experiments.system.activity import activity
from experiments.system.console import log
from pruning.files import durable

Compose = Callable[[list[str]], DictConfig]


@final
class Sweep:
    """Of this process, from the launcher's setup to the report. A search launches several times."""

    def __init__(self, config: DictConfig, engine: Engine) -> None:
        self.folder = Path(config.folder).absolute()
        self.path = jobs.sweep_folder(self.folder, typed_overrides.unresolved(config.hydra.overrides.task))
        self.engine = engine
        self.metrics: str | Sequence[str] = config.objective_metric
        self.only_shows = choose_program(config) in SHORT
        self.listed: list[list[str]] = []
        self.enough: bool | None = None  # of a search: whether as many of its trials are complete as it wants
        searches = "n_trials" in config.hydra.sweeper
        self.monitor = SweepMonitor(self.path, quiet=self.only_shows, searches=searches)
        durable.make_folder(self.path)

    def launch(self, job_overrides: list[list[str]], compose: Compose) -> list[JobReturn]:
        """How each job came out, in order."""
        with exit_on_error():
            self.listed += job_overrides
            jobs.write_listing(self.path, typed_overrides.shell_command(sys.argv[1:]), self.listed)
            self.monitor.begin(self.listed)
        ended: dict[str, Job] = {}

        def report(job: Job) -> None:
            ended[jobs.job_key(job.overrides)] = job
            self.monitor.update(job)

        with exit_on_error():
            self.engine.run(self.tasks(job_overrides, compose, report), report, self.monitor.show)
        return [self.job_return(overrides, ended.get(jobs.job_key(overrides))) for overrides in job_overrides]

    def tasks(self, job_overrides: list[list[str]], compose: Compose, report: Callable[[Job], None]) -> Iterator[Task]:
        """What is left to do, one when it is asked for: to compose two thousand configs takes minutes."""
        for overrides in job_overrides:
            try:
                each = task.prepare(compose(overrides), self.path)
                done = task.complete_job(each)
            except (OSError, ValueError, HydraException, OmegaConfBaseException) as error:
                report(self.failed_before(overrides, error_message(error)))
                continue
            if done:
                report(done)
            else:
                yield each

    def failed_before(self, overrides: list[str], reason: str) -> Job:
        """Of a job that has no process: what died before it had a folder is written down here."""
        job = Job(overrides, status.FAILED, reason=reason, started=status.now(), ended=status.now())
        with contextlib.suppress(OSError):
            folder = self.path / jobs.job_key(overrides)
            durable.make_folder(folder)
            jobs.write(folder, job)
        return job

    def job_return(self, overrides: list[str], job: Job | None) -> JobReturn:
        """To whatever searches: what objective_metric= names of the record."""
        if job is None or job.state != status.COMPLETED:
            return FailedReturn(overrides=overrides, status=JobStatus.FAILED)
        value = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
        value.return_value = objectives.read_objective(self.path / jobs.job_key(overrides), self.metrics)
        return value

    def finish(self) -> None:
        """The end of a sweep: what came out, what did not and why, the page. Exits with 1 unless all that is wanted is
        complete."""
        with exit_on_error():
            jobs.mark_ended(self.path)
            failed = self.monitor.finish()
        try:
            if not self.only_shows:
                write_report(self.folder)
        finally:
            preemption.request.raise_if_requested()
            if failed and not self.enough:
                sys.exit(1)


CURRENT: list[Sweep] = []  # at most one: Hydra makes the launcher, and program.start ends what it began


def begin(config: DictConfig, engine: ModuleType, values: Mapping[str, object]) -> Sweep:
    """Refuses what could run no job."""
    with exit_on_error(exit_refused):
        made: Engine = engine.make(**values)
        made.refuse(config.trainer)
        sweep = Sweep(config, made)
    activity.end()
    preemption.install_handlers()
    preemption.request.can_resume = lambda: bool(config.store and choose_program(config) != "plan")
    CURRENT[:] = [sweep]
    return sweep


def finish() -> None:
    if CURRENT:
        CURRENT.pop().finish()


def settle(enough: bool) -> None:
    """By a search, whose trials count, not its jobs: two trials may be one job, and a failed one is made up for."""
    for sweep in CURRENT:
        sweep.enough = enough


@contextlib.contextmanager
def exit_on_error(leave: Callable[[str], NoReturn] = sys.exit) -> Iterator[None]:
    """In one line, where the user has given what cannot be."""
    try:
        yield
    except (ValueError, OSError) as error:
        leave(error_message(error))


@final
class FailedReturn(JobReturn):
    """Told by its status. Hydra's sweeper looks at each value and would end the sweep where that raises."""

    @property  # type: ignore[misc]
    def return_value(self) -> None:
        return None


def write_report(folder: Path) -> None:
    from experiments import report

    try:
        log(f"report       {report.write_report(folder)}")
    except FileNotFoundError as error:
        log(f"no report: {error}")
