"""A job that is to be run: all that a process needs, wherever it is started, and what its end says. No torch."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from experiments.config import typed_overrides
from experiments.config.settings import EXPERIMENT, SHORT, begin_job, choose_program
from experiments.records import jobs, status
from experiments.records.jobs import Job
from experiments.system import checkout, preemption
from experiments.system.console import log
from pruning.files import durable

LOG = "log.txt"


@dataclass(frozen=True)
class Task:
    folder: Path  # of the job
    overrides: list[str]
    command: list[str]
    variables: Mapping[str, str]  # of its environment, besides ours
    cwd: str
    typed: str  # the command, for a person
    identity: str  # of config, code and versions
    stores: bool
    trains: bool
    only_shows: bool  # what it prints is all that it makes
    trainer: Mapping[str, object]

    @property
    def log(self) -> Path:
        return self.folder / LOG

    @property
    def results(self) -> Path:
        return jobs.results_folder(self.folder)


def prepare(config: DictConfig, sweep: Path) -> Task:
    """Of a job's whole config, which becomes Hydra's current one."""
    from experiments.sweep import job_identity  # brings numpy, a quarter of a second that --help need not pay

    values = OmegaConf.to_container(begin_job(config), resolve=True)
    overrides = typed_overrides.unresolved(config.hydra.overrides.task)
    folder, program = sweep / jobs.job_key(overrides), choose_program(config)
    return Task(
        folder,
        overrides,
        command=[*checkout.launch_command(), *typed_overrides.hydra_switches(), *overrides],
        variables={jobs.JOB: str(folder), jobs.NAME: f"sweep-{sweep.name}", "PYTHONUNBUFFERED": "1"},
        cwd=str(config.hydra.runtime.cwd),
        typed=typed_overrides.command(),
        identity=job_identity.identify(values),
        stores=bool(config.store),
        trains=program == EXPERIMENT,
        only_shows=program in SHORT,
        trainer=values["trainer"],  # type: ignore[index, call-overload, arg-type]
    )


def complete_job(task: Task) -> Job | None:
    """What an earlier attempt has left of it, where that is whole and would come out alike; a damaged file is named."""
    previous = jobs.read_job(task.folder)
    if previous and previous.state == jobs.DAMAGED:
        log(str(previous.reason), "yellow")
    if not (previous and previous.identity == task.identity and task.stores):
        return None
    if not jobs.is_complete(task.folder, previous.run):
        return None
    if previous.state != status.COMPLETED:
        previous = replace(previous, state=status.COMPLETED, reason=None)
        jobs.write(task.folder, previous)
    return previous


def clear(task: Task) -> None:
    """What an earlier attempt has said."""
    durable.make_folder(task.folder)
    for name in ("run", LOG):
        durable.refuse_folder(task.folder / name)
        (task.folder / name).unlink(missing_ok=True)


def new_job(task: Task, state: str = status.RUNNING) -> Job:
    path = task.log.relative_to(task.results).as_posix()
    return Job(task.overrides, state, log=path, command=task.typed, started=status.now(), identity=task.identity)


def environment(task: Task) -> dict[str, str]:
    return {**os.environ, **task.variables}


def start_process(
    task: Task, variables: Mapping[str, str], prepare: Callable[[], None] | None = None
) -> subprocess.Popen[bytes]:
    """In a session of its own: a terminal's Ctrl-C reaches the driver alone, which then asks the child to leave.
    `prepare` is called in the child."""
    with open(task.log, "w") as output:
        return subprocess.Popen(
            task.command,
            cwd=task.cwd,
            env=variables,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=prepare,
        )


def end(task: Task, attempt: Job, code: int, seconds: float | None = None) -> Job:
    """Writes down, and returns, what became of an attempt whose process left with this code, below 0 by a signal."""
    state, reason = end_state(task, code, attempt)
    job = replace(attempt, state=state, reason=reason, run=jobs.announced_run(task.folder), exit_code=code)
    job = replace(job, seconds=seconds and round(seconds, 3), ended=status.now())
    jobs.write(task.folder, job)
    return job


def end_state(task: Task, code: int, attempt: Job) -> tuple[str, str | None]:
    """A job is complete when it said so and its record is there; anything else has a reason."""
    run = jobs.announced_run(task.folder)
    if code == 0 and (jobs.is_complete(task.folder, run) or not task.trains):
        return status.COMPLETED, None
    run_state = jobs.run_status(task.folder, run, attempt)
    if preemption.left_on_request(code):
        return status.PREEMPTED, preempted_reason(task, code, run_state)
    if code < 0:
        return status.FAILED, f"killed by {signal.Signals(-code).name}"
    if run_state and run_state.state == status.FAILED and not str(run_state.reason).startswith("killed"):
        return status.FAILED, run_state.reason
    if code == 0:
        return status.FAILED, "exit code 0 without a complete record"
    return status.FAILED, last_line(task.log) if not run_state else f"exit code {code} without a word"


def preempted_reason(task: Task, code: int, run_state: status.Status | None) -> str | None:
    if run_state and run_state.state == status.PREEMPTED:
        return run_state.reason
    if code > 0:
        return last_line(task.log)
    return preemption.add_remedy(f"preempted by {signal.Signals(-code).name}")


def last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    messages = [line.strip() for line in lines if line.strip() and "HYDRA_FULL_ERROR" not in line]
    return messages[-1] if messages else "it said nothing"
