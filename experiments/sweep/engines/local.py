"""Jobs as processes of this machine, some side by side: forked where no GPU is used, else started anew. No torch."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import final

from experiments.config.refusal import error_message
from experiments.records import jobs, status
from experiments.records.jobs import Job
from experiments.sweep import task
from experiments.sweep.engines import Engine
from experiments.sweep.engines.forked import ForkedChild, can_fork
from experiments.sweep.task import Task
from experiments.system import gpus, preemption
from experiments.system.locks import hold_lock
from experiments.system.processes import process_birth

TICK = 1.0  # seconds

Child = subprocess.Popen[bytes] | ForkedChild


def make(n_jobs: int) -> Engine:
    return Local(n_jobs)


@final
class Local(Engine):
    """A thread waits for each process; the one that called goes on hearing signals."""

    def __init__(self, n_jobs: int) -> None:
        if not (isinstance(n_jobs, int) and n_jobs >= 1):
            raise ValueError(f"hydra.launcher.n_jobs must be at least 1, got {n_jobs}: so many jobs run side by side")
        self.n_jobs = n_jobs
        self.children: set[Child] = set()
        self.leaving = threading.Event()

    def refuse(self, trainer: Mapping[str, object]) -> None:
        pass

    def run(self, tasks: Iterable[Task], report: Callable[[Job], None], tick: Callable[[], None]) -> None:
        preemption.request.children = lambda: list(self.children)
        running: set[Future[Job]] = set()
        with ThreadPoolExecutor(self.n_jobs) as pool, preemption.postpone_exit():
            try:
                for each in tasks:  # the next is composed while others run
                    while len(running) >= self.n_jobs:
                        running = collect(running, report, tick)
                    if preemption.request.signal_name is not None:
                        break
                    report(task.new_job(each))
                    running.add(pool.submit(self.run_unless_complete, each))
                while running:
                    running = collect(running, report, tick)
            except BaseException:  # Ctrl-C: the children leave by their next step
                self.leaving.set()
                for child in list(self.children):
                    child.terminate()
                raise

    def run_unless_complete(self, each: Task) -> Job:
        """In a thread. Never raises for what the child did, nor where nothing can be written of it."""
        try:
            with hold_lock(each.folder, waiting=self.leave_if_asked):
                done = task.complete_job(each)  # by another driver, while we waited
                if done:
                    return done
                with gpus.gpu_environment(each.trainer, each.results / "sweep" / "gpus") as variables:
                    return self.run_child(replace(each, variables={**each.variables, **variables}))
        except OSError as error:
            return replace(task.new_job(each, status.FAILED), reason=error_message(error), ended=status.now())

    def leave_if_asked(self) -> None:
        if self.is_leaving():
            raise InterruptedError("not begun: the sweep was asked to leave")

    def is_leaving(self) -> bool:
        return self.leaving.is_set() or preemption.request.signal_name is not None

    def run_child(self, each: Task) -> Job:
        task.clear(each)
        began = time.monotonic()
        child: Child = ForkedChild(each, self.leave_if_asked) if can_fork(each.trainer) else start_child(each)
        self.children.add(child)
        if self.is_leaving():
            child.terminate()
        job = replace(task.new_job(each), pid=child.pid, birth=process_birth(child.pid), host=socket.gethostname())
        try:
            jobs.write(each.folder, job)
        finally:
            code = child.wait()
            self.children.discard(child)
        return task.end(each, job, code, time.monotonic() - began)


def collect(running: set[Future[Job]], report: Callable[[Job], None], tick: Callable[[], None]) -> set[Future[Job]]:
    """Reports those that have ended, after a second at most, and returns those that have not."""
    ended, still_running = wait(running, timeout=TICK, return_when=FIRST_COMPLETED)
    for future in ended:
        report(future.result())
    tick()
    return still_running


def start_child(each: Task) -> subprocess.Popen[bytes]:
    return task.start_process(each, task.environment(each))
