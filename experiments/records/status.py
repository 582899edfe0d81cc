"""status.json of a run's folder: how far the run is, true even where its process was killed. Imports no torch."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from experiments.records.record import load_checked, write_json
from experiments.system.preemption import Preempted, exit_reason, is_keyboard_interrupt
from experiments.system.processes import has_ended, process_birth
from pruning.files.durable import UnwritableError

SCHEMA = 1
FILE = "status.json"
RUNNING, PREEMPTED, FAILED, COMPLETED = "RUNNING", "PREEMPTED", "FAILED", "COMPLETED"


@dataclass(frozen=True)
class Run:
    """What the folder is of."""

    command: str
    name: str
    method: str
    model: str
    data: str
    ratio: float
    seed: int
    digest: str
    identity: str = field(default="", kw_only=True)  # asked_again.py; older files lack it


@dataclass(frozen=True)
class Status(Run):
    schema: int
    state: str
    pid: int
    host: str
    started: str  # ISO 8601, UTC
    ended: str | None
    reason: str | None  # one line
    birth: str | None = None  # of the process (processes.process_birth); older files lack it


def read(folder: Path) -> Status | None:
    """None where there is none; a run whose process is gone without a word has FAILED.

    Raises ValueError, which names the file, for what is not a whole status."""
    path = folder / FILE
    return correct_if_killed(load_checked(Status, path, SCHEMA)) if path.exists() else None


def correct_if_killed(status: Status) -> Status:
    if status.state != RUNNING or not has_ended(status.host, status.pid, status.birth):
        return status
    return replace(status, state=FAILED, reason=f"killed: process {status.pid} is gone, and it said nothing")


@contextmanager
def keep_status(folder: Path, run: Run, anew: bool = True) -> Iterator[None]:
    """status.json follows what happens inside, however it ends. Where a run was finished before (`anew` is False) and
    its status says so, only the identity that it was found whole for is written."""
    earlier = None if anew else read_or_none(folder)
    if earlier and earlier.state == COMPLETED:
        yield
        if run.identity not in ("", earlier.identity):
            with suppress(UnwritableError):  # it only saves time
                write(folder, replace(earlier, identity=run.identity))
        return
    status = new_status(run)
    write(folder, status)
    try:
        yield
    except BaseException as error:
        state, reason = classify_error(error)
        write(folder, replace(status, state=state, reason=reason, ended=now()))
        raise
    write(folder, replace(status, state=COMPLETED, ended=now()))


def read_or_none(folder: Path) -> Status | None:
    """None too where it cannot be read."""
    try:
        return read(folder)
    except ValueError:
        return None


def new_status(run: Run) -> Status:
    pid, host = os.getpid(), socket.gethostname()
    start = Status(
        **asdict(run), schema=SCHEMA, state=RUNNING, pid=pid, host=host, started=now(), ended=None, reason=None
    )
    return replace(start, birth=process_birth(pid))


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def write(folder: Path, status: Status) -> None:
    write_json(folder / FILE, asdict(status))


def classify_error(error: BaseException) -> tuple[str, str]:
    """The state that a run is left in, and why in one line."""
    if isinstance(error, Preempted):
        return PREEMPTED, error_reason(error)
    if is_keyboard_interrupt(error):
        return FAILED, "interrupted by Ctrl-C"
    if isinstance(error, SystemExit):
        return FAILED, exit_reason(error)
    return FAILED, error_reason(error)


def error_reason(error: BaseException) -> str:
    """The message where it was written to be read; of a fault also the kind."""
    message = " ".join(str(error).split())
    readable: tuple[type[BaseException], ...] = (Preempted, ValueError, FloatingPointError)
    return message if message and isinstance(error, readable) else f"{type(error).__name__}: {message}".rstrip(": ")
