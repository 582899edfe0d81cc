"""`-m`: each job of a sweep is a child process with the same overrides, so that it may die in any way. No torch."""

import contextlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, TextIO, final

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf

from experiments.config import typed_overrides
from experiments.config.refusal import error_message
from experiments.config.settings import EXPERIMENT, SHORT, choose_program
from experiments.records import jobs, status
from experiments.records.jobs import Job
from experiments.sweep.monitor import SweepMonitor
from experiments.system import checkout, gpus, preemption
from experiments.system.console import log
from experiments.system.locks import hold_lock
from experiments.system.processes import process_birth
from pruning.files import durable

LOG = "log.txt"


@final
class Sweep(Callback):
    """In the process that was started with -m, around all jobs, whatever launcher runs them."""

    in_driver: ClassVar[bool] = False  # in this process

    def __getstate__(self) -> dict[str, object]:
        """Joblib sends callbacks along; a thread cannot travel, and only the driver's own process has work for this."""
        return {}

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        arguments = typed_overrides.unresolved(config.hydra.overrides.task)
        self.folder = Path(config.folder).absolute()
        self.sweep_folder = jobs.sweep_folder(self.folder, arguments)
        os.environ[jobs.SWEEP] = str(self.sweep_folder)  # to the launcher's processes
        command = typed_overrides.shell_command(sys.argv[1:])
        with exit_on_error():
            jobs.write_listing(self.sweep_folder, command, expand_jobs(config))
        preemption.install_handlers()
        preemption.request.children = list_children
        Sweep.in_driver = True
        self.only_shows = choose_program(config) in SHORT
        preemption.request.can_resume = lambda: bool(config.store and choose_program(config) != "plan")
        self.monitor = SweepMonitor(self.sweep_folder)
        if not self.only_shows:
            self.monitor.start()

    def on_multirun_end(self, config: DictConfig, **kwargs: object) -> None:
        with exit_on_error():
            self.monitor.stop()
            jobs.mark_ended(self.sweep_folder)
            failed = self.monitor.summary()
        try:
            if not self.only_shows:
                write_report(self.folder)
        finally:  # as `exit_on_error`
            preemption.request.raise_if_requested()
            if failed:
                sys.exit(1)


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Hydra makes a warning of what a callback raises, and the exit code would be 0."""
    try:
        yield
    except (ValueError, OSError) as error:
        sys.exit(error_message(error))


def write_report(folder: Path) -> None:
    from experiments import report

    try:
        log(f"report       {report.write_report(folder)}")
    except FileNotFoundError as error:
        log(f"no report: {error}")


def expand_jobs(config: DictConfig) -> list[list[str]]:
    """The jobs that Hydra's own sweeper will make; of another sweeper they are known when they come."""
    if not config.hydra.sweeper._target_.endswith("BasicSweeper"):
        return []
    split = get_method(f"{config.hydra.sweeper._target_}.split_arguments")
    params = [f"{name}={value}" for name, value in (config.hydra.sweeper.params or {}).items()]
    parsed = OverridesParser.create().parse_overrides(
        [*params, *typed_overrides.unresolved(config.hydra.overrides.task)]
    )
    return [list(job) for job in split(parsed, None)[0]]


CHILDREN: list[subprocess.Popen[bytes]] = []  # of this process; a signal handler has no other way to them


def list_children() -> list[preemption.Child]:
    """The job of this process, and the workers that joblib has started."""
    return [*CHILDREN, *multiprocessing.active_children()]


def run_job(config: DictConfig) -> None:
    """In the driver, or in a process of its launcher. Never raises for what the child did, nor where nothing can be
    written of it: the other jobs are tried."""
    try:
        run_in_driver_or_worker(config)
    except OSError as error:
        log(error_message(error), "red")


def run_in_driver_or_worker(config: DictConfig) -> None:
    if Sweep.in_driver:
        run_unless_complete(config)
        return
    preemption.request.children = list_children
    preemption.install_worker_handlers()
    if preemption.request.signal_name is None:
        with contextlib.suppress(preemption.Preempted):  # the driver was asked itself, and waits for all its workers
            run_unless_complete(config)


def run_unless_complete(config: DictConfig) -> None:
    """One job of the sweep, unless it is complete."""
    from experiments.sweep import (
        job_identity,
    )  # brings numpy and jaxtyping, a quarter of a second that --help need not pay

    overrides = typed_overrides.unresolved(HydraConfig.get().overrides.task)
    folder = Path(config.folder).absolute()
    sweep = Path(os.environ.get(jobs.SWEEP) or jobs.sweep_folder(folder, overrides))
    job_folder = sweep / jobs.job_key(overrides)
    with hold_lock(job_folder):
        identity = job_identity.identify(OmegaConf.to_container(config, resolve=True))
        previous = jobs.read_job(job_folder)
        if previous and previous.state == jobs.DAMAGED:
            log(str(previous.reason), "yellow")
        if previous and previous.identity == identity and config.store and jobs.is_complete(job_folder, previous.run):
            if previous.state != status.COMPLETED:
                jobs.write(job_folder, replace(previous, state=status.COMPLETED, reason=None))
            return
        with gpus.gpu_environment(config.trainer, folder / "sweep" / "gpus") as variables:
            run_child(job_folder, overrides, identity, variables, trains=choose_program(config) == EXPERIMENT)
    if choose_program(config) in SHORT:
        log(f"\n== {' '.join(overrides)}\n{(job_folder / LOG).read_text()}")


def run_child(job_folder: Path, overrides: list[str], identity: str, variables: dict[str, str], trains: bool) -> None:
    for name in ("run", LOG):
        durable.refuse_folder(job_folder / name)
    (job_folder / "run").unlink(missing_ok=True)
    log_path = (job_folder / LOG).relative_to(jobs.results_folder(job_folder)).as_posix()
    began = time.monotonic()
    with preemption.postpone_exit(), open(job_folder / LOG, "w") as output:
        child = start_child(job_folder, overrides, variables, output)
        CHILDREN.append(child)
        if preemption.request.signal_name is not None:
            child.terminate()
        job = running_job(overrides, log_path, child.pid)
        jobs.write(job_folder, job)
        try:
            code = child.wait()
        except BaseException:  # Ctrl-C, a launcher's own way to leave: the child leaves by its next step
            child.terminate()
            code = child.wait()
            raise
        finally:
            CHILDREN.remove(child)
            state, reason = end_state(job_folder, code, job, trains)
            ended = replace(job, state=state, reason=reason, run=jobs.announced_run(job_folder), exit_code=code)
            seconds = round(time.monotonic() - began, 3)
            jobs.write(job_folder, replace(ended, seconds=seconds, ended=status.now(), identity=identity))


def running_job(overrides: list[str], log_path: str, pid: int) -> Job:
    return Job(
        overrides,
        status.RUNNING,
        log=log_path,
        command=typed_overrides.command(),
        pid=pid,
        birth=process_birth(pid),
        host=socket.gethostname(),
        started=status.now(),
    )


def start_child(
    job_folder: Path, overrides: list[str], variables: dict[str, str], output: TextIO
) -> subprocess.Popen[bytes]:
    """In a session of its own: a terminal's Ctrl-C reaches the driver alone, which then asks the child to leave."""
    hydra = HydraConfig.get()
    command = [*checkout.launch_command(), *typed_overrides.hydra_switches(), *overrides]
    names = {jobs.JOB: str(job_folder), jobs.NAME: f"sweep-{job_folder.parent.name}", "PYTHONUNBUFFERED": "1"}
    environment = {name: value for name, value in os.environ.items() if name != jobs.SWEEP} | names | variables
    return subprocess.Popen(
        command, cwd=hydra.runtime.cwd, env=environment, stdout=output, stderr=output, start_new_session=True
    )


def end_state(job_folder: Path, code: int, attempt: Job, trains: bool) -> tuple[str, str | None]:
    """A job is complete when it said so and its record is there; anything else has a reason."""
    run = jobs.announced_run(job_folder)
    if code == 0 and (jobs.is_complete(job_folder, run) or not trains):
        return status.COMPLETED, None
    run_state = jobs.run_status(job_folder, run, attempt)
    if preemption.left_on_request(code):
        reason = (
            preemption.add_remedy(f"preempted by {signal.Signals(-code).name}")
            if code < 0
            else last_line(job_folder / LOG)
        )
        return status.PREEMPTED, run_state.reason if run_state and run_state.state == status.PREEMPTED else reason
    if code < 0:
        return status.FAILED, f"killed by {signal.Signals(-code).name}"
    if run_state and run_state.state == status.FAILED and not str(run_state.reason).startswith("killed"):
        return status.FAILED, run_state.reason
    if code == 0:
        return status.FAILED, "exit code 0 without a complete record"
    return status.FAILED, last_line(job_folder / LOG) if not run_state else f"exit code {code} without a word"


def last_line(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    messages = [line for line in lines if "HYDRA_FULL_ERROR" not in line]
    return messages[-1] if messages else "it said nothing"
