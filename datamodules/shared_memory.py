"""How many worker processes the machine's shared memory has room for: it is small in containers (Docker: 64 MB)."""

import logging
import os
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

SHARED = Path("/dev/shm")
POOLS = (
    3  # of training, validation and test: the pages of one may be untouched, hence count as free, when the next is made
)
MAX_BYTES = 4 << 30  # bytes of a pool, on however many cores
PREFETCH = 4  # batches ahead, for each worker
MIN_PREFETCH = 2  # the fewest that keep a worker busy


class Plan(NamedTuple):
    workers: int  # 0: the main process does the work
    prefetch: int


def free_bytes() -> int | None:
    """None where there is no such place."""
    try:
        filesystem = os.statvfs(SHARED)
    except OSError:
        return None
    return filesystem.f_bavail * filesystem.f_frsize


def plan_workers(workers: int, batch_bytes: int, free: int | None, processes: int = 1) -> Plan:
    """Fewer batches ahead first, then fewer workers, so that what all pools of all processes here may touch is there.

    Memory that is promised and not there kills a process (SIGBUS) when it is written to.
    """
    share = MAX_BYTES if free is None else min(MAX_BYTES, free // (POOLS * processes))
    slots = share // batch_bytes - 1  # one more is read while the others are written to
    fitting = min(workers, max(0, slots) // MIN_PREFETCH)
    if fitting < workers:
        log.warning(_shortage_message(workers, fitting, batch_bytes, free))
    return Plan(fitting, min(PREFETCH, slots // fitting) if fitting else 0)


def _shortage_message(workers: int, fitting: int, batch_bytes: int, free: int | None) -> str:
    scarce = free is not None and free // POOLS < MAX_BYTES
    available = f"{SHARED} has {free / 1e6:,.0f} MB free" if free is not None and scarce else "enough"
    preparers = f"{fitting} of {workers} workers" if fitting else "the main process itself, without workers,"
    return (
        f"{preparers} prepare images, at {batch_bytes / 1e6:,.1f} MB a batch: {available}"
        " (docker run --shm-size=8g, or a smaller recipe.batch)"
    )
