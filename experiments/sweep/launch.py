"""`-m`: each job of a sweep is a child process with the same overrides, so that it may die in any way. No torch."""

import contextlib
import hashlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, final

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from datamodules.stamps import list_files, stamps
from experiments.config import typed_overrides
from experiments.config.digest import digest
from experiments.config.refusal import one_line
from experiments.config.schema import leaves
from experiments.records import jobs, status
from experiments.records.jobs import Job
from experiments.sweep.monitor import SweepMonitor
from experiments.system import gpus, preemption
from experiments.system.checkout import ROOT
from experiments.system.checksums import file_digest
from experiments.system.console import log
from experiments.system.locks import hold_lock
from experiments.system.processes import process_birth
from pruning.files import durable

LOG = "log.txt"


@final
class Sweep(Callback):
    """In the process that was started with -m, around all jobs, whatever launcher runs them."""

    drives: ClassVar[bool] = False  # in this process

    def __getstate__(self) -> dict[str, Any]:
        """Joblib sends callbacks along; a thread cannot travel, and only the driver's own process has work for this."""
        return {}

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        arguments = typed_overrides.as_typed(config.hydra.overrides.task)
        self.folder = Path(config.folder).absolute()
        self.place = jobs.sweep_folder(self.folder, arguments)
        os.environ[jobs.SWEEP] = str(self.place)  # to the launcher's processes
        command = typed_overrides.shell_command(["python", Path(sys.argv[0]).name, *sys.argv[1:]])
        with exits():
            jobs.write_listing(self.place, command, expand_jobs(config))
        preemption.install_handlers()
        preemption.request.children = children
        Sweep.drives = True
        self.shows = config.plan or config.sensitivity
        preemption.request.can_resume = lambda: bool(config.store and not config.plan)
        self.watch = SweepMonitor(self.place)
        if not self.shows:
            self.watch.start()

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        with exits():
            self.watch.stop()
            jobs.mark_ended(self.place)
            failed = self.watch.summary()
        try:
            if not self.shows:
                report(self.folder)
        finally:  # as `exits`
            preemption.request.raise_if_requested()
            if failed:
                sys.exit(1)


@contextlib.contextmanager
def exits() -> Iterator[None]:
    """Hydra makes a warning of what a callback raises, and the exit code would be 0."""
    try:
        yield
    except (ValueError, OSError) as error:
        sys.exit(one_line(error))


def report(folder: Path) -> None:
    from experiments import report

    try:
        log(f"report       {report.write_report(folder)}")
    except FileNotFoundError as error:
        log(f"no report: {error}")


def expand_jobs(config: DictConfig) -> list[list[str]]:
    """The jobs that Hydra's own sweeper will make; of another sweeper they are known when they come."""
    if not config.hydra.sweeper._target_.endswith("BasicSweeper"):
        return []
    params = [f"{name}={value}" for name, value in (config.hydra.sweeper.params or {}).items()]
    parsed = OverridesParser.create().parse_overrides([*params, *typed_overrides.as_typed(config.hydra.overrides.task)])
    return [list(each) for each in BasicSweeper.split_arguments(parsed, None)[0]]


CHILDREN: list[subprocess.Popen[bytes]] = []  # of this process; a signal handler has no other way to them


def children() -> list[preemption.Child]:
    """The job of this process, and the workers that joblib has started."""
    return [*CHILDREN, *multiprocessing.active_children()]


def job(config: DictConfig) -> None:
    """In the driver, or in a process of its launcher. Never raises for what the child did, nor where nothing can be
    written of it: the other jobs are tried."""
    try:
        begin(config)
    except OSError as error:
        log(one_line(error), "red")


def begin(config: DictConfig) -> None:
    if Sweep.drives:
        run_unless_complete(config)
        return
    preemption.request.children = children
    preemption.install_worker_handlers()
    if preemption.request.signal_name is None:
        with contextlib.suppress(preemption.Preempted):  # the driver was asked itself, and waits for all its workers
            run_unless_complete(config)


def run_unless_complete(config: DictConfig) -> None:
    """One job of the sweep, unless it is complete."""
    overrides = typed_overrides.as_typed(HydraConfig.get().overrides.task)
    folder = Path(config.folder).absolute()
    sweep = Path(os.environ.get(jobs.SWEEP) or jobs.sweep_folder(folder, overrides))
    place = sweep / jobs.job_key(overrides)
    values: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    with hold_lock(place):
        identity = identify(values)
        before = jobs.read_job(place)
        if before and before.state == jobs.DAMAGED:
            log(str(before.reason), "yellow")
        if before and before.identity == identity and config.store and jobs.is_complete(place, before.run):
            if before.state != status.COMPLETED:
                jobs.write(place, replace(before, state=status.COMPLETED, reason=None))
            return
        with gpus.gpu_environment(values["trainer"], folder / "sweep" / "gpus") as seen:
            run_child(place, overrides, identity, seen, trains=not (config.plan or config.sensitivity))
    if config.plan or config.sensitivity:
        log(f"\n== {' '.join(overrides)}\n{(place / LOG).read_text()}")


def identify(values: dict[str, Any]) -> str:
    """What the parent can know of the run's digest without loading the data."""
    baseline = values["baseline"]
    content = file_digest(Path(baseline)) if baseline and Path(baseline).is_file() else baseline
    stamped = [stamp(path, path.stat().st_mtime_ns) for path in data_paths(values["data"])]
    images = {"stamps": stamped, "root": values["data"].get("root")}
    return digest("sweep", values, **images, baseline=content, export=values["export"])


def data_paths(data: dict[str, Any]) -> list[Path]:
    """Of our data sets the root, and parts that lie elsewhere; of a user's own whatever a value names that is there."""
    if not data["_target_"].startswith("datamodules."):
        return outermost(value for _, value in leaves(data) if isinstance(value, str) and value)
    root = data.get("root")
    return outermost([root, *(f"{root}/{data[part]}" for part in ("train", "test") if part in data)]) if root else []


def outermost(named: Iterable[str]) -> list[Path]:
    """Those that exist, each once: a path below another one comes with it."""
    found: list[Path] = []
    for path in (Path(each).expanduser().resolve() for each in named):
        if path.exists() and not any(path.is_relative_to(other) for other in found):
            found.append(path)
    return found


@cache
def stamp(path: Path, changed: int) -> str:
    """Changes when a file below does. Once in a driver: its jobs read the data, or fetch it, and then the folder itself
    has `changed`."""
    files = list_files(path) if path.is_dir() else [str(path)]
    return hashlib.sha256(repr((files, stamps(files).tolist())).encode()).hexdigest()


def run_child(place: Path, overrides: list[str], identity: str, seen: dict[str, str], trains: bool) -> None:
    for name in ("run", LOG):
        durable.refuse_folder(place / name)
    (place / "run").unlink(missing_ok=True)
    log_path = (place / LOG).relative_to(jobs.results_folder(place)).as_posix()
    since = time.monotonic()
    with preemption.postpone_exit(), open(place / LOG, "w") as output:
        child = start(place, overrides, seen, output)
        CHILDREN.append(child)
        if preemption.request.signal_name is not None:
            child.terminate()
        job = running(overrides, log_path, child.pid)
        jobs.write(place, job)
        try:
            code = child.wait()
        except BaseException:  # Ctrl-C, a launcher's own way to leave: the child leaves by its next step
            child.terminate()
            code = child.wait()
            raise
        finally:
            CHILDREN.remove(child)
            state, reason = ending(place, code, job, trains)
            ended = replace(job, state=state, reason=reason, run=jobs.announced_run(place), exit_code=code)
            seconds = round(time.monotonic() - since, 3)
            jobs.write(place, replace(ended, seconds=seconds, ended=status.now(), identity=identity))


def running(overrides: list[str], log_path: str, pid: int) -> Job:
    process: dict[str, Any] = {"pid": pid, "birth": process_birth(pid), "host": socket.gethostname()}
    return Job(
        overrides, status.RUNNING, log=log_path, command=typed_overrides.command(), started=status.now(), **process
    )


def start(place: Path, overrides: list[str], seen: dict[str, str], output: Any) -> subprocess.Popen[bytes]:
    """In a session of its own: a terminal's Ctrl-C reaches the driver alone, which then asks the child to leave."""
    hydra = HydraConfig.get()
    command = [sys.executable, str(ROOT / "run.py"), *typed_overrides.switches(), *overrides]
    names = {jobs.JOB: str(place), jobs.NAME: f"sweep-{place.parent.name}", "PYTHONUNBUFFERED": "1"}
    environment = {name: value for name, value in os.environ.items() if name != jobs.SWEEP} | names | seen
    return subprocess.Popen(
        command, cwd=hydra.runtime.cwd, env=environment, stdout=output, stderr=output, start_new_session=True
    )


def ending(place: Path, code: int, attempt: Job, trains: bool) -> tuple[str, str | None]:
    """A job is complete when it said so and its record is there; anything else has a reason."""
    run = jobs.announced_run(place)
    if code == 0 and (jobs.is_complete(place, run) or not trains):
        return status.COMPLETED, None
    told = jobs.run_status(place, run, attempt)
    if preemption.left_on_request(code):
        before = (
            preemption.add_remedy(f"preempted by {signal.Signals(-code).name}") if code < 0 else last_line(place / LOG)
        )
        return status.PREEMPTED, told.reason if told and told.state == status.PREEMPTED else before
    if code < 0:
        return status.FAILED, f"killed by {signal.Signals(-code).name}"
    if told and told.state == status.FAILED and not str(told.reason).startswith("killed"):
        return status.FAILED, told.reason
    if code == 0:
        return status.FAILED, "exit code 0 without a complete record"
    return status.FAILED, last_line(place / LOG) if not told else f"exit code {code} without a word"


def last_line(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    said = [line for line in lines if "HYDRA_FULL_ERROR" not in line]
    return said[-1] if said else "it said nothing"
