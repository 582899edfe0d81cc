"""What is on disk of a sweep: <folder>/sweep/<digest>/sweep.json, and beside it a folder for each job. No torch.

A job's folder holds `job.json`, `log.txt`, the child's word on its run, and a lock: drivers never share a file, so a
sweep may be driven by several processes, by two commands at once, or again after a kill.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from experiments.records import status
from experiments.records.record import Record, load_checked, load_json, write_json
from experiments.records.record import read as read_record
from experiments.system.checksums import file_digest, matches_checksum
from experiments.system.processes import has_ended
from experiments.system.redact import redact
from pruning.files import durable

SCHEMA = 1
FILE = "sweep.json"
WAITING = "WAITING"
DAMAGED = "DAMAGED"  # what is written of it cannot be read: it is still to be done
NOT_TOLD = re.compile(r"folder=|tracking|trainer|hydra|name=|data\.root=|[^=]*=.*/")  # in a folder's name
LONGEST = 100  # characters of it
JOB = "CNN_PRUNING_JOB"  # environment of a child: its job's folder
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
    birth: str | None = None  # of the process (processes.process_birth)
    host: str = ""
    started: str = ""
    ended: str | None = None
    scheduler: str = ""  # the name that a cluster has given it
    identity: str = ""  # of config, code and versions: what is complete under another one is made again
    schema: int = SCHEMA


def job_key(overrides: Iterable[str]) -> str:
    """A job's folder: what a person calls it by, then a digest. The order in which one types does not matter."""
    typed = sorted(redact(list(overrides)))
    values = [override.lstrip("+~") for override in typed if not NOT_TOLD.match(override.lstrip("+~"))]
    words = ",".join(re.sub(r"[^\w.=+-]+", "_", value) for value in values)
    return f"{words[:LONGEST].rstrip(',._')}-{digest_of(typed)}" if words else digest_of(typed)


def digest_of(typed: list[str]) -> str:
    return hashlib.sha256(json.dumps(typed).encode()).hexdigest()[:8]


def sweep_folder(folder: Path, overrides: Iterable[str]) -> Path:
    return folder / "sweep" / digest_of(sorted(redact(list(overrides))))


def write_listing(sweep: Path, command: str, jobs: list[list[str]]) -> None:
    durable.make_folder(sweep)
    write_json(sweep / FILE, asdict(Listing(command, status.now(), None, jobs)))


def mark_ended(sweep: Path) -> None:
    write_json(sweep / FILE, asdict(replace(read_listing(sweep), ended=status.now())))


def read_listing(sweep: Path) -> Listing:
    """Raises ValueError, which names the file, for what is not whole: the sweep's command writes it anew."""
    return load_checked(Listing, sweep / FILE, SCHEMA)


def write(job_folder: Path, job: Job) -> None:
    write_json(job_folder / "job.json", asdict(job))


def read(folder: Path) -> list[Job]:
    """Every job of every sweep of a folder of results."""
    return [job for sweep in sweep_folders(folder) for job in read_jobs(sweep)]


def sweep_folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"sweep/*/{FILE}"))


def read_jobs(sweep: Path) -> list[Job]:
    """In the order of the sweep, then what its sweeper thought of later."""
    overrides_by_key = {job_key(overrides): overrides for overrides in read_listing(sweep).jobs}
    listed = [
        replace(read_job(sweep / name) or Job([]), overrides=overrides) for name, overrides in overrides_by_key.items()
    ]
    unlisted = [path.parent for path in sorted(sweep.glob("*/job.json")) if path.parent.name not in overrides_by_key]
    return listed + [job for job in map(read_job, unlisted) if job]


def read_job(folder: Path) -> Job | None:
    stored = load_stored(folder)
    return stored and correct_if_killed(folder, stored)


def load_stored(folder: Path) -> Job | None:
    """As its driver wrote it; None where it has not begun. Of a damaged one the reason names the file."""
    path = folder / "job.json"
    try:
        return load_checked(Job, path, SCHEMA)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        remedy = "move it away" if path.is_dir() else "the job is made again"
        return Job([], DAMAGED, reason=f"{path} is damaged ({error}): {remedy}")


def correct_if_killed(folder: Path, stored: Job) -> Job:
    """What was running and is gone has the end that its run's status tells."""
    if stored.state != status.RUNNING or not has_ended(stored.host, stored.pid, stored.birth):
        return stored
    run = run_status(folder, announced_run(folder), stored)
    reason = f"killed: process {stored.pid} is gone, and so was who waited for it"
    killed = replace(stored, state=status.FAILED, reason=reason, run=announced_run(folder))
    return replace(killed, state=run.state, reason=run.reason) if run else killed


def run_status(job_folder: Path, run: str | None, attempt: Job) -> status.Status | None:
    """Of this attempt's process; None where it said nothing."""
    try:
        run_state = status.read(results_folder(job_folder) / run) if run else None
    except ValueError:
        return None
    if run_state is None or attempt.scheduler:  # its process is another machine's, and its folder began empty
        return run_state
    return run_state if (run_state.pid, run_state.birth) == (attempt.pid, attempt.birth) else None


def results_folder(job_folder: Path) -> Path:
    """<folder> of <folder>/sweep/<sweep>/<job>."""
    return job_folder.parents[2]


def announce_run(run_folder: Path) -> None:
    """In a sweep's child: which folder its run has."""
    if JOB in os.environ:
        durable.write(Path(os.environ[JOB]) / "run", run_folder.name.encode())


def announced_run(job_folder: Path) -> str | None:
    path = job_folder / "run"
    return path.read_text() if path.exists() else None


def is_complete(job_folder: Path, run: str | None) -> bool:
    """Whether a whole record of this run lies there."""
    return run is not None and read_complete(results_folder(job_folder) / run) is not None


def read_complete(folder: Path) -> Record | None:
    """The record of this run's folder, if all that it tells of lies beside it, undamaged."""
    try:
        record = read_record(folder / "record.json")
    except (OSError, ValueError):
        return None
    return record if holds_all(folder, record) else None


def holds_all(folder: Path, record: Record) -> bool:
    exported = record.config.get("export")
    if exported and not matches_checksum(folder / "network.onnx"):
        return False
    if record.deployment is not None and not matches_checksum(folder / "onnx" / "pruned-int8.onnx"):
        return False
    return folder.name.endswith(record.digest[:8]) and is_intact(folder / "network")


def is_intact(network: Path) -> bool:
    """By the digest of its weights: what `pruning.load` would refuse is not done. Takes no torch."""
    try:
        return bool(file_digest(network / "model.safetensors") == load_json(network / "model.json")["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
