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

EVERY = 1.0  # seconds


class SweepMonitor:
    """Reads what is on disk, so it does not matter which processes run the jobs."""

    def __init__(self, sweep: Path) -> None:
        self.sweep, self.since = sweep, status.now()
        self.jobs = jobs.Reader(sweep)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.shown: tuple[int, int] | None = None
        self.abreast = 1  # most jobs seen at work at once

    def start(self) -> None:
        if not console.is_terminal:  # there the line itself is soon to be seen
            found = self.jobs.read()
            done = sum(each.state == status.COMPLETED for each in found)
            log(f"sweep  {len(found)} jobs, {done} already done" if found else "sweep  begins")
        self.thread.start()

    def stop(self) -> None:
        self.over.set()
        if self.thread.is_alive():
            self.thread.join()
        self.show()
        if console.is_terminal:
            console.file.write("\r\x1b[2K")

    def follow(self) -> None:
        while not self.over.wait(EVERY):
            with suppress(ValueError, OSError):  # a damaged sweep.json: said at the end, not in the middle of a line
                self.show()

    def show(self) -> None:
        """In a terminal one line over and over; elsewhere a line whenever a job has ended."""
        found = count(self.jobs.read(), self.since)
        self.abreast = max(self.abreast, len(found.running))
        if console.is_terminal:
            console.file.write(f"\r\x1b[2K{line(found, self.abreast)[: console.width - 1]}")
            console.file.flush()
            return
        ended = len(found.done), len(found.failed)
        if self.shown not in (None, ended):
            log(line(found, self.abreast))
        self.shown = ended

    def summary(self) -> bool:
        """Whether any job is not complete."""
        found = self.jobs.read()
        open_ = [each for each in found if each.state != status.COMPLETED]
        earlier = sum(each.state == status.COMPLETED and str(each.ended) < self.since for each in found)
        before = f", {earlier} of them before" if earlier else ""
        log(f"{len(found)} jobs: {len(found) - len(open_)} done{before}, {len(open_)} not")
        folder = self.sweep.parents[1]
        for each in open_:
            log(f"{each.state:<9} {' '.join(own(each, found))}")
            log(f"          {each.reason or 'not started'}" + (f"  (log: {folder / each.log})" if each.log else ""))
        log(f"sweep        {self.sweep / 'sweep.json'}")
        return bool(open_)


def own(job: Job, all_jobs: list[Job]) -> list[str]:
    """What tells a job from the others of its sweep."""
    shared = set.intersection(*(set(each.overrides) for each in all_jobs))
    return [each for each in job.overrides if each not in shared] or job.overrides


class Count(NamedTuple):
    done: list[Job]
    running: list[Job]
    failed: list[Job]
    left: list[Job]


def count(found: list[Job], since: str) -> Count:
    made = Count([], [], [], [])
    for each in found:
        getattr(made, kind(each, since)).append(each)
    return made


def kind(job: Job, since: str) -> str:
    """What failed in an earlier attempt is still to be done."""
    if job.state in (status.FAILED, status.PREEMPTED):
        return "failed" if (job.ended or job.started) >= since else "left"
    return {status.COMPLETED: "done", status.RUNNING: "running"}.get(job.state, "left")


def line(found: Count, abreast: int) -> str:
    done, running, failed, left = map(len, found)
    words = f"sweep  {done}/{sum(map(len, found))} done, {running} running, {failed} failed, {left} left"
    seconds = time_left(found, abreast)
    return words if seconds is None else f"{words}, about {clock(seconds)} to go"


def time_left(found: Count, abreast: int) -> float | None:
    """As if what is open took as long as what is done, earlier attempts' too; a running job is half way."""
    times = [each.seconds for each in found.done or found.failed if each.seconds]
    jobs = len(found.left) + len(found.running) / 2
    return fmean(times) * jobs / abreast if times and jobs else None
