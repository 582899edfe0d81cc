"""A sweep for the eye: one line that follows it, each failure when it happens, at its end what came out and what did
not. Imports no torch."""

import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from statistics import fmean

from experiments import store
from experiments.records import jobs, status
from experiments.records.jobs import Job
from experiments.sweep import results
from experiments.system.console import console, log
from experiments.system.format import clock

ENDED = (status.COMPLETED, status.FAILED, status.PREEMPTED)
LISTED = 20  # jobs that are not complete; a thousand would push away the results
ERASE_LINE = "\r\x1b[2K"


class SweepMonitor:
    """Hears of each job from the driver; the files are read at the beginning and at the end."""

    def __init__(self, sweep: Path, quiet: bool = False, searches: bool = False) -> None:
        """`quiet`: what each job prints is shown instead of a line that counts. `searches`: no test figure is shown."""
        self.sweep, self.quiet, self.searches = sweep, quiet, searches
        self.folder = sweep.parents[1]
        self.began = status.now()
        self.jobs: dict[str, Job] = {}
        self.most_at_once = 1  # most jobs seen at work at once
        self.estimated: tuple[float | None, float] | None = None  # seconds left, and when that was said
        self.shared: set[str] = set()

    def begin(self, listed: list[list[str]]) -> None:
        """As the files have them. Again where a search has thought of more."""
        first = not self.jobs
        found = {jobs.job_key(job.overrides): job for job in jobs.read_jobs(self.sweep)}
        self.jobs = {key: replace_running(job) for key, job in found.items()} | self.jobs
        self.shared = set.intersection(*map(set, listed)) if len(listed) > 1 else set()
        if first and not self.quiet:
            done = count(found.values(), status.COMPLETED)
            log(f"sweep  {len(found)} jobs, {done} already done  {self.sweep}")

    def update(self, job: Job) -> None:
        """A job begins, or has ended."""
        self.jobs[jobs.job_key(job.overrides)] = job
        running = count(self.jobs.values(), status.RUNNING)
        self.most_at_once = max(self.most_at_once, running)
        self.estimated = None
        if self.quiet:
            self.print_output(job)
        elif job.state in ENDED and (job.ended or "") >= self.began:
            self.log_end(job)
        self.show()

    def print_output(self, job: Job) -> None:
        if job.state in ENDED and job.log:
            log(f"\n== {' '.join(job.overrides)}\n{(self.folder / job.log).read_text()}")

    def log_end(self, job: Job) -> None:
        """In a terminal failures alone; elsewhere a line for each job."""
        name = " ".join(self.distinct_overrides(job))
        if job.state != status.COMPLETED:
            self.log(f"{job.state:<9} {name}: {job.reason}" + self.log_path(job), "red")
        elif not console.is_terminal:
            seconds = f" in {clock(job.seconds)}" if job.seconds else ""
            log(f"done      {name}{seconds}; {self.line().removeprefix('sweep  ')}")

    def log(self, line: str, style: str = "") -> None:
        if console.is_terminal:
            console.file.write(ERASE_LINE)
        log(line, style)

    def show(self) -> None:
        """In a terminal one line over and over."""
        if console.is_terminal and not self.quiet:
            console.file.write(f"{ERASE_LINE}{self.line()[: console.width - 1]}")
            console.file.flush()

    def line(self) -> str:
        """Counts, and how long it takes yet: counted down between two jobs."""
        groups = group_jobs(self.jobs.values(), self.began)
        if self.estimated is None:
            self.estimated = time_left(self.jobs.values(), groups, self.most_at_once), time.monotonic()
        seconds, said = self.estimated
        left = "" if seconds is None else f", about {clock(max(seconds - (time.monotonic() - said), 0))} to go"
        return progress_line(groups) + left

    def distinct_overrides(self, job: Job) -> list[str]:
        """What tells a job from the others of its sweep."""
        return [override for override in job.overrides if override not in self.shared] or job.overrides

    def log_path(self, job: Job) -> str:
        return f"  (log: {self.folder / job.log})" if job.log else ""

    def finish(self) -> bool:
        """Whether any job is not complete. A search shows no results of the test set, which is not to choose by."""
        all_jobs = jobs.read_jobs(self.sweep)
        unfinished = [job for job in all_jobs if job.state != status.COMPLETED]
        earlier = sum(job.state == status.COMPLETED and str(job.ended) < self.began for job in all_jobs)
        before = f", {earlier} of them before" if earlier else ""
        if console.is_terminal:
            console.file.write(ERASE_LINE)
        if not self.quiet and not self.searches:
            results.show(self.folder, all_jobs)
        log(f"{len(all_jobs)} jobs: {len(all_jobs) - len(unfinished)} done{before}, {len(unfinished)} not")
        for job in unfinished[:LISTED]:
            log(f"{job.state:<9} {' '.join(self.distinct_overrides(job))}")
            log(f"          {job.reason or 'not started'}{self.log_path(job)}")
        if len(unfinished) > LISTED:
            log(f"and {len(unfinished) - LISTED} more, each with its reason in {self.sweep}/*/job.json")
        log(f"sweep        {self.sweep / jobs.FILE}")
        if not self.quiet:
            log(f"on disk      {store.describe_folder(self.folder)}")
        return bool(unfinished)


def replace_running(job: Job) -> Job:
    """Another driver's job is not ours to wait for yet: it is when it comes to it."""
    return Job(job.overrides) if job.state == status.RUNNING else job


def count(all_jobs: Collection[Job], state: str) -> int:
    return sum(job.state == state for job in all_jobs)


def group_jobs(all_jobs: Collection[Job], since: str) -> Counter[str]:
    """How many are done, running, failed and left."""
    return Counter(group_of(job, since) for job in all_jobs)


def group_of(job: Job, since: str) -> str:
    """What failed in an earlier attempt is still to be done."""
    if job.state in (status.FAILED, status.PREEMPTED):
        return "failed" if (job.ended or job.started) >= since else "left"
    return {status.COMPLETED: "done", status.RUNNING: "running"}.get(job.state, "left")


def progress_line(groups: Counter[str]) -> str:
    counted = ", ".join(f"{groups[name]} {name}" for name in ("running", "failed", "left"))
    return f"sweep  {groups['done']}/{groups.total()} done, {counted}"


def time_left(all_jobs: Collection[Job], groups: Counter[str], at_once: int) -> float | None:
    """As if what is open took as long as what is done, earlier attempts' too; a running job is half way."""
    done = [job.seconds for job in all_jobs if job.state == status.COMPLETED and job.seconds]
    times = done or [job.seconds for job in all_jobs if job.state == status.FAILED and job.seconds]
    jobs_left = groups["left"] + groups["running"] / 2
    return fmean(times) * jobs_left / at_once if times and jobs_left else None
