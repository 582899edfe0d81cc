"""What is on disk of a sweep: <folder>/sweep/<digest>/sweep.json, and beside it a folder for each job. No torch.

A job's folder holds `job.json`, `log.txt`, the child's word on its run, and a lock: drivers never share a file, so a
sweep may be driven by several processes, by two commands at once, or again after a kill.
"""

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from experiments.records import status
from experiments.records.record import load_checked, load_json, write_json
from experiments.records.record import read as read_record
from experiments.system.checksums import file_digest, matches_checksum
from experiments.system.processes import alive
from experiments.system.redact import redact
from pruning.files import durable

SCHEMA = 1
FILE = "sweep.json"
WAITING = "WAITING"
DAMAGED = "DAMAGED"  # what is written of it cannot be read: it is still to be done
JOB = "CNN_PRUNING_JOB"  # environment of a child: its job's folder
SWEEP = "CNN_PRUNING_SWEEP"  # environment of drivers: the sweep's folder
NAME = "CNN_PRUNING_SWEEP_NAME"  # environment of a child: W&B's group, by conf/tracking


@dataclass(frozen=True)
class Listing:
    """sweep.json."""

    command: str
    started: str
    ended: str | None
    jobs: list[list[str]]  # the overrides of each
    schema: int = SCHEMA


@dataclass(frozen=True)
class Job:
    overrides: list[str]
    state: str = WAITING  # or a state of status.py
    run: str | None = None  # its folder, relative to <folder>
    reason: str | None = None
    log: str | None = None  # relative to <folder>
    command: str = ""
    exit_code: int | None = None
    seconds: float | None = None
    pid: int = 0
    birth: str | None = None  # of the process (processes.born)
    host: str = ""
    started: str = ""
    ended: str | None = None
    identity: str = ""  # of config, code and versions: what is complete under another one is made again
    schema: int = SCHEMA


def job_key(overrides: Iterable[str]) -> str:
    """The order in which one types does not matter."""
    return hashlib.sha256(json.dumps(sorted(redact(list(overrides)))).encode()).hexdigest()[:8]


def sweep_folder(folder: Path, overrides: Iterable[str]) -> Path:
    return folder / "sweep" / job_key(overrides)


def begin(sweep: Path, command: str, jobs: list[list[str]]) -> None:
    durable.make_folder(sweep)
    write_json(sweep / FILE, asdict(Listing(command, status.now(), None, jobs)))


def end(sweep: Path) -> None:
    write_json(sweep / FILE, asdict(replace(listing(sweep), ended=status.now())))


def listing(sweep: Path) -> Listing:
    """Raises ValueError, which names the file, for what is not whole: the sweep's command writes it anew."""
    return load_checked(Listing, sweep / FILE, SCHEMA)


def write(job_folder: Path, job: Job) -> None:
    write_json(job_folder / "job.json", asdict(job))


def read(folder: Path) -> list[Job]:
    """Every job of every sweep of a folder of results."""
    return [job for sweep in folders(folder) for job in jobs(sweep)]


def folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"sweep/*/{FILE}"))


def jobs(sweep: Path, look: Callable[[Path], Job | None] | None = None) -> list[Job]:
    """In the order of the sweep, then what its sweeper thought of later."""
    look = look or job
    listed = {job_key(overrides): overrides for overrides in listing(sweep).jobs}
    found = [replace(look(sweep / name) or Job([]), overrides=overrides) for name, overrides in listed.items()]
    later = [path.parent for path in sorted(sweep.glob("*/job.json")) if path.parent.name not in listed]
    return found + [each for each in map(look, later) if each]


class Reader:
    """A sweep's jobs over and over: a file is read again when it has changed, a process looked at each time."""

    def __init__(self, sweep: Path) -> None:
        self.sweep = sweep
        self.known: dict[Path, tuple[int, Job | None]] = {}

    def read(self) -> list[Job]:
        return jobs(self.sweep, self.look)

    def look(self, folder: Path) -> Job | None:
        try:
            stamp = (folder / "job.json").stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if self.known.get(folder, (0, None))[0] != stamp:
            self.known[folder] = stamp, stored(folder)
        found = self.known[folder][1]
        return found and now(folder, found)


def job(folder: Path) -> Job | None:
    found = stored(folder)
    return found and now(folder, found)


def stored(folder: Path) -> Job | None:
    """As its driver wrote it; None where it has not begun. Of a damaged one the reason names the file."""
    path = folder / "job.json"
    try:
        return load_checked(Job, path, SCHEMA)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        remedy = "move it away" if path.is_dir() else "the job is made again"
        return Job([], DAMAGED, reason=f"{path} is damaged ({error.__cause__ or error!r}): {remedy}")


def now(folder: Path, found: Job) -> Job:
    """What was running and is gone has the end that its run's status tells."""
    if found.state != status.RUNNING or found.host != socket.gethostname() or alive(found.pid, found.birth):
        return found
    told = run_status(folder, announced_run(folder), found)
    reason = f"killed: process {found.pid} is gone, and so was who waited for it"
    gone = replace(found, state=status.FAILED, reason=reason, run=announced_run(folder))
    return replace(gone, state=told.state, reason=told.reason) if told else gone


def run_status(job_folder: Path, run: str | None, attempt: Job) -> status.Status | None:
    """Of this attempt's process; None where it said nothing."""
    try:
        found = status.read(results(job_folder) / run) if run else None
    except ValueError:
        return None
    return found if found and (found.pid, found.birth) == (attempt.pid, attempt.birth) else None


def results(job_folder: Path) -> Path:
    """<folder> of <folder>/sweep/<sweep>/<job>."""
    return job_folder.parents[2]


def announce(run_folder: Path) -> None:
    """In a sweep's child: which folder its run has."""
    if JOB in os.environ:
        durable.write(Path(os.environ[JOB]) / "run", run_folder.name.encode())


def announced_run(job_folder: Path) -> str | None:
    path = job_folder / "run"
    return path.read_text() if path.exists() else None


def complete(job_folder: Path, run: str | None) -> bool:
    """Whether a whole record of this run lies there."""
    if run is None:
        return False
    try:
        made = read_record(results(job_folder) / run / "record.json")
    except (OSError, ValueError):
        return False
    folder, exported = results(job_folder) / run, made.config.get("export")
    if exported and not matches_checksum(folder / "network.onnx"):
        return False
    return run.endswith(made.digest[:8]) and is_whole(folder / "network")


def is_whole(network: Path) -> bool:
    """By the digest of its weights: what `pruning.load` would refuse is not done. Takes no torch."""
    try:
        return bool(file_digest(network / "model.safetensors") == load_json(network / "model.json")["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
