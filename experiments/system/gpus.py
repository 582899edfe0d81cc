"""Which GPU a job of a sweep gets: one each, as long as there are more GPUs than jobs. Imports no torch."""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pruning.files import durable

VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible(environment: Mapping[str, str], devices: Path = Path("/dev")) -> list[str]:
    """The GPUs that CUDA would show, in its words: those of the environment, else all whose device files are here."""
    if VISIBLE in environment:
        return [
            each.strip() for each in environment[VISIBLE].split(",") if each.strip() not in ("", "-1", "NoDevFiles")
        ]
    return [str(number) for number, _ in enumerate(devices.glob("nvidia[0-9]*"))]


def wants_one(trainer: Mapping[str, Any]) -> bool:
    """Not where the user has named devices, or asks for several, or for none."""
    return trainer["accelerator"] in ("auto", "gpu", "cuda") and str(trainer["devices"]) == "1"


@contextmanager
def one_of(gpus: Sequence[str], locks: Path) -> Iterator[str]:
    """A GPU that fewer jobs of this machine and user have than any other, the first of equals, until this one ends.

    The kernel frees a lock when its holder dies, however it dies.
    """
    durable.make_folder(locks)
    for turn, gpu in ((turn, gpu) for turn in count() for gpu in gpus):
        lock = FileLock(locks / f"{socket.gethostname()}-{gpu.replace('/', '-')}.{turn}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            yield gpu
        finally:
            lock.release()
        return


@contextmanager
def environment(trainer: Mapping[str, Any], locks: Path) -> Iterator[dict[str, str]]:
    """What a job's environment has beside ours while it runs: the GPU that it shall see, if it wants one of several."""
    gpus = visible(os.environ)
    if len(gpus) < 2 or not wants_one(trainer):
        yield {}
        return
    with one_of(gpus, locks) as gpu:
        yield {VISIBLE: gpu}
