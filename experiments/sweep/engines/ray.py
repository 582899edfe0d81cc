"""Jobs as tasks of Ray, on this machine or on a cluster whose nodes all see the same files. A task waits for the
process of its job, and ends with the driver. No torch."""

import ctypes
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, final
from urllib.parse import urlsplit

from experiments.config.refusal import error_message, single_line
from experiments.config.typed import build
from experiments.records import jobs, status
from experiments.records.jobs import Job
from experiments.sweep import task
from experiments.sweep.engines import Engine
from experiments.sweep.task import Task
from experiments.system import checkout, preemption
from experiments.system.console import log
from experiments.system.gpus import VISIBLE
from experiments.system.locks import hold_lock
from experiments.system.processes import process_birth

if TYPE_CHECKING:
    from ray import ObjectRef

TICK = 1.0  # seconds
PLACE = "hydra.launcher"
ANSWERS_IN = 10.0  # seconds; Ray itself tries for minutes, with a line of its own every five seconds
RESOURCES = {"num_cpus": "CPU", "num_gpus": "GPU"}
PR_SET_PDEATHSIG = 1  # linux/prctl.h
THREADS = "OMP_NUM_THREADS"  # Ray sets it to the claim
Node = Mapping[str, float]  # how much of each resource it has


@dataclass(frozen=True)
class Asked:
    """conf/hydra/launcher/ray.yaml."""

    address: str | None
    num_cpus: float | str
    num_gpus: float | str


@dataclass(frozen=True)
class Left:
    """How a job's process left a node."""

    attempt: Job
    code: int
    seconds: float


def make(init: Mapping[str, object], options: Mapping[str, object], **values: object) -> Engine:
    return Ray(build(Asked, values, PLACE), init, options)


@final
class Ray(Engine):
    def __init__(self, asked: Asked, init: Mapping[str, object], options: Mapping[str, object]) -> None:
        self.asked, self.init, self.options = asked, dict(init), dict(options)
        self.claims: dict[str, float] = {}
        self.open_jobs: dict[ObjectRef[Left], tuple[Task, Job]] = {}

    def refuse(self, trainer: Mapping[str, object]) -> None:
        """Connects, and asks for room: what could run no job is said before anything is written."""
        if find_spec("ray") is None:
            raise ValueError("hydra/launcher=ray needs Ray: pip install 'cnn-pruning[ray]'")
        connect(self.asked.address or os.environ.get("RAY_ADDRESS"), self.init)
        self.claims = claims_of_job(self.asked, trainer, live_nodes())
        self.submit = as_remote({"max_retries": 0, **self.claims, **self.options})
        if not count_places(self.claims, live_nodes()):
            self.refuse_or_wait()

    def refuse_or_wait(self) -> None:
        """A cluster may grow, this machine does not."""
        claimed = " and ".join(f"{claim:g} {RESOURCES[name]}s" for name, claim in self.claims.items() if claim)
        words = f"a job claims {claimed}, and no node of Ray's has as much: {PLACE}.num_cpus= {PLACE}.num_gpus="
        if self.asked.address in (None, "local"):
            raise ValueError(words)
        log(f"{words}; jobs wait until one joins", "yellow")

    def run(self, tasks: Iterable[Task], report: Callable[[Job], None], tick: Callable[[], None]) -> None:
        """A few more are handed over than there is room for: Ray begins them, and lets a cluster grow for them."""
        tasks = iter(tasks)
        first = next(tasks, None)
        if first is None:
            return
        with hold_lock(first.folder.parent / "ray"), preemption.postpone_exit():
            try:
                for each in chain([first], tasks):
                    self.hand_over(each)
                    self.collect_until(2 * max(count_places(self.claims, live_nodes()), 1) - 1, report, tick)
                    if preemption.request.signal_name is not None:
                        break
                self.collect_until(0, report, tick)
            finally:
                self.cancel(report, tick)

    def hand_over(self, each: Task) -> None:
        task.clear(each)
        attempt = task.new_job(each, jobs.WAITING)
        jobs.write(each.folder, attempt)
        self.open_jobs[self.submit(each, dict(os.environ))] = each, attempt

    def collect_until(self, most: int, report: Callable[[Job], None], tick: Callable[[], None]) -> None:
        """So many are open, or the driver is asked to leave."""
        while len(self.open_jobs) > most and preemption.request.signal_name is None:
            self.collect(report, tick)

    def collect(self, report: Callable[[Job], None], tick: Callable[[], None]) -> None:
        """Reports those that have begun or ended, after a second at most."""
        import ray

        ended, waiting = ray.wait(list(self.open_jobs), num_returns=len(self.open_jobs), timeout=TICK)
        for reference in waiting:
            each, attempt = self.open_jobs[reference]
            if attempt.state == jobs.WAITING and each.log.exists():
                self.open_jobs[reference] = each, replace(attempt, state=status.RUNNING)
                report(self.open_jobs[reference][1])
        for reference in ended:
            report(end(*self.open_jobs.pop(reference), reference))
        tick()

    def cancel(self, report: Callable[[Job], None], tick: Callable[[], None]) -> None:
        """What runs leaves by its next step."""
        import ray

        for reference in self.open_jobs:
            ray.cancel(reference)
        while self.open_jobs:
            self.collect(report, tick)


def connect(address: str | None, init: Mapping[str, object]) -> None:
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    path = os.pathsep.join(filter(None, [str(checkout.ROOT), os.environ.get("PYTHONPATH")]))
    values = {"runtime_env": {"env_vars": {"PYTHONPATH": path}}, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        refuse_silence(address)
        ray.init(address=address, **{**values, **init})  # type: ignore[arg-type]
    except Exception as error:  # of whatever its client is made of
        raise ValueError(
            f"{PLACE}.address={address} gives no Ray: {error_message(error)}; `ray start --head` begins a cluster and "
            f"says its address, RAY_AUTH_MODE=token has Ray send its token, and {PLACE}.address=local needs neither"
        ) from error


def refuse_silence(address: str | None) -> None:
    """Raises OSError."""
    if address and ":" in address:
        parts = urlsplit(address if "://" in address else f"//{address}")
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=ANSWERS_IN).close()


def as_remote(options: Mapping[str, object]) -> "Callable[[Task, dict[str, str]], ObjectRef[Left]]":
    import ray

    try:
        return ray.remote(**options)(run_job).remote  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{PLACE}.options: {error_message(error)}") from None


def live_nodes() -> list[Node]:
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def claims_of_job(
    asked: Asked, trainer: Mapping[str, object], nodes: Iterable[Mapping[str, float]]
) -> dict[str, float]:
    """A processor for each process of a job, a GPU too where its trainer takes one."""
    takes_gpus = trainer["accelerator"] in ("gpu", "cuda") or (
        trainer["accelerator"] == "auto" and any("GPU" in node for node in nodes)
    )
    return {
        "num_cpus": as_claim("num_cpus", asked.num_cpus, trainer["devices"]),
        "num_gpus": as_claim("num_gpus", asked.num_gpus, trainer["devices"] if takes_gpus else 0),
    }


def as_claim(name: str, asked: float | str, devices: object) -> float:
    try:
        return float(str(devices)) if asked == "auto" else float(asked)
    except ValueError:
        how = f"trainer.devices={devices} does not say how many" if asked == "auto" else f"got {asked}"
        raise ValueError(f"{PLACE}.{name} must be a number, or auto for that of trainer.devices: {how}") from None


def count_places(claims: Mapping[str, float], nodes: Iterable[Node]) -> int:
    """Jobs that run at once where nobody else does."""
    wanted = {RESOURCES[name]: claim for name, claim in claims.items() if claim}
    return sum(min(int(node.get(name, 0) / claim) for name, claim in wanted.items()) for node in nodes if wanted)


def run_job(each: Task, variables: Mapping[str, str]) -> Left:
    """On a node, with the driver's environment, but for what Ray gives a task."""
    import ray

    gpus = ",".join(ray.get_runtime_context().get_accelerator_ids()["GPU"])
    given = {THREADS: os.environ[THREADS]} if THREADS in os.environ else {}
    began = time.monotonic()
    child = task.start_process(each, {**given, **variables, VISIBLE: gpus, **each.variables}, leave_with_parent)
    attempt = replace(task.new_job(each), pid=child.pid, birth=process_birth(child.pid), host=socket.gethostname())
    try:
        jobs.write(each.folder, attempt)
        while child.poll() is None:  # to be cancelled is an interrupt, which is not heard within wait()
            time.sleep(TICK / 4)
    except KeyboardInterrupt:
        child.terminate()
    return Left(attempt, child.wait(), time.monotonic() - began)


def leave_with_parent() -> None:
    """Linux asks a process to leave when the one that started it dies: a whole Ray may be ended at once."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end(each: Task, attempt: Job, reference: "ObjectRef[Left]") -> Job:
    """Of a task that Ray has no more to do for."""
    import ray

    try:
        left = ray.get(reference)
        return task.end(each, left.attempt, left.code, left.seconds)
    except ray.exceptions.TaskCancelledError:
        state, reason = status.PREEMPTED, preemption.add_remedy("not begun, the sweep was asked to leave")
    except ray.exceptions.RayError as error:
        first_line = str(getattr(error, "cause", None) or error).strip().partition("\n")[0]
        state, reason = status.FAILED, f"Ray: {single_line(first_line) or type(error).__name__}"
    job = replace(attempt, state=state, reason=reason, run=jobs.announced_run(each.folder), ended=status.now())
    jobs.write(each.folder, job)
    return job
