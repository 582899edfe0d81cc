"""A sweep for the eye: one line that follows it, and at its end what failed and why. Imports no torch."""

import threading
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from experiments.records import jobs, status
from experiments.records.jobs import Job
from experiments.system.console import console, log
from experiments.system.format import clock

INTERVAL = 1.0  # seconds


class SweepMonitor:
    """Reads what is on disk, so it does not matter which processes run the jobs."""

    def __init__(self, sweep: Path) -> None:
        self.sweep, self.began = sweep, status.now()
        self.jobs = jobs.Reader(sweep)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.logged: tuple[int, int] | None = None
        self.most_at_once = 1  # most jobs seen at work at once

    def start(self) -> None:
        if not console.is_terminal:  # there the line itself is soon to be seen
            all_jobs = self.jobs.read()
            done = sum(job.state == status.COMPLETED for job in all_jobs)
            log(f"sweep  {len(all_jobs)} jobs, {done} already done" if all_jobs else "sweep  begins")
        self.thread.start()

    def stop(self) -> None:
        self.stopped.set()
        if self.thread.is_alive():
            self.thread.join()
        self.show()
        if console.is_terminal:
            console.file.write("\r\x1b[2K")

    def follow(self) -> None:
        while not self.stopped.wait(INTERVAL):
            with suppress(ValueError, OSError):  # a damaged sweep.json: said at the end, not in the middle of a line
                self.show()

    def show(self) -> None:
        """In a terminal one line over and over; elsewhere a line whenever a job has ended."""
        groups = group_jobs(self.jobs.read(), self.began)
        self.most_at_once = max(self.most_at_once, len(groups.running))
        if console.is_terminal:
            console.file.write(f"\r\x1b[2K{progress_line(groups, self.most_at_once)[: console.width - 1]}")
            console.file.flush()
            return
        ended = len(groups.done), len(groups.failed)
        if self.logged not in (None, ended):
            log(progress_line(groups, self.most_at_once))
        self.logged = ended

    def summary(self) -> bool:
        """Whether any job is not complete."""
        all_jobs = self.jobs.read()
        unfinished = [job for job in all_jobs if job.state != status.COMPLETED]
        earlier = sum(job.state == status.COMPLETED and str(job.ended) < self.began for job in all_jobs)
        before = f", {earlier} of them before" if earlier else ""
        log(f"{len(all_jobs)} jobs: {len(all_jobs) - len(unfinished)} done{before}, {len(unfinished)} not")
        folder = self.sweep.parents[1]
        for job in unfinished:
            log(f"{job.state:<9} {' '.join(distinct_overrides(job, all_jobs))}")
            log(f"          {job.reason or 'not started'}" + (f"  (log: {folder / job.log})" if job.log else ""))
        log(f"sweep        {self.sweep / 'sweep.json'}")
        return bool(unfinished)


def distinct_overrides(job: Job, all_jobs: list[Job]) -> list[str]:
    """What tells a job from the others of its sweep."""
    shared = set.intersection(*(set(other.overrides) for other in all_jobs))
    return [override for override in job.overrides if override not in shared] or job.overrides


class JobsByState(NamedTuple):
    done: list[Job]
    running: list[Job]
    failed: list[Job]
    left: list[Job]


def group_jobs(all_jobs: list[Job], since: str) -> JobsByState:
    groups = JobsByState([], [], [], [])
    for job in all_jobs:
        getattr(groups, group_of(job, since)).append(job)
    return groups


def group_of(job: Job, since: str) -> str:
    """What failed in an earlier attempt is still to be done."""
    if job.state in (status.FAILED, status.PREEMPTED):
        return "failed" if (job.ended or job.started) >= since else "left"
    return {status.COMPLETED: "done", status.RUNNING: "running"}.get(job.state, "left")


def progress_line(groups: JobsByState, at_once: int) -> str:
    done, running, failed, left = map(len, groups)
    text = f"sweep  {done}/{sum(map(len, groups))} done, {running} running, {failed} failed, {left} left"
    seconds = time_left(groups, at_once)
    return text if seconds is None else f"{text}, about {clock(seconds)} to go"


def time_left(groups: JobsByState, at_once: int) -> float | None:
    """As if what is open took as long as what is done, earlier attempts' too; a running job is half way."""
    times = [job.seconds for job in groups.done or groups.failed if job.seconds]
    jobs_left = len(groups.left) + len(groups.running) / 2
    return fmean(times) * jobs_left / at_once if times and jobs_left else None
