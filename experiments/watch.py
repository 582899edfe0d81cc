"""A sweep for the eye: one line that follows it, and at its end what failed and why. Imports no torch."""

import threading
from pathlib import Path

from experiments import status, sweeps
from experiments.summary import clock
from experiments.sweeps import Job
from experiments.terminal import console, say

EVERY = 0.5  # seconds


class Watch:
    """Reads what is on disk, so it does not matter which processes run the jobs."""

    def __init__(self, sweep: Path) -> None:
        self.sweep, self.since = sweep, status.now()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.shown = ""

    def start(self) -> None:
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
            self.show()

    def show(self) -> None:
        """In a terminal one line over and over; elsewhere a line whenever a job has ended."""
        found = sweeps.jobs(self.sweep)
        if console.is_terminal:
            console.file.write(f"\r\x1b[2K{line(found, self.since)[: console.width - 1]}")
            console.file.flush()
            return
        ended = str(sum(each.ended is not None and each.ended >= self.since for each in found))
        if ended != self.shown and ended != "0":
            self.shown = ended
            say(line(found, self.since))

    def summary(self) -> bool:
        """Whether any job is not complete."""
        found = sweeps.jobs(self.sweep)
        open_ = [each for each in found if each.state != status.COMPLETED]
        earlier = sum(each.state == status.COMPLETED and str(each.ended) < self.since for each in found)
        before = f", {earlier} of them before" if earlier else ""
        say(f"{len(found)} jobs: {len(found) - len(open_)} done{before}, {len(open_)} not")
        folder = self.sweep.parents[1]
        for each in open_:
            say(f"{each.state:<9} {' '.join(own(each, found))}")
            say(f"          {each.reason or 'not started'}" + (f"  (log: {folder / each.log})" if each.log else ""))
        say(f"sweep        {self.sweep / 'sweep.json'}")
        return bool(open_)


def own(job: Job, all_jobs: list[Job]) -> list[str]:
    """What tells a job from the others of its sweep."""
    shared = set.intersection(*(set(each.overrides) for each in all_jobs))
    return [each for each in job.overrides if each not in shared] or job.overrides


def line(found: list[Job], since: str) -> str:
    """What failed in an earlier attempt is still to be done."""
    done = [each for each in found if each.state == status.COMPLETED]
    running = [each for each in found if each.state == status.RUNNING]
    failed = [each for each in found if each.state in (status.FAILED, status.PREEMPTED) and str(each.ended) >= since]
    left = len(found) - len(done) - len(running) - len(failed)
    words = f"{len(done)}/{len(found)} done, {len(running)} running, {len(failed)} failed, {left} left"
    times = [each.seconds for each in done + failed if each.seconds and str(each.ended) >= since]
    if not times or not left + len(running):
        return f"sweep  {words}"
    seconds = sum(times) / len(times) * (left + len(running) / 2) / max(1, len(running))
    return f"sweep  {words}, about {clock(seconds)} to go"
