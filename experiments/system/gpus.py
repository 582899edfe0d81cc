"""Which GPU a job of a sweep gets: one each, as long as there are more GPUs than jobs. Imports no torch."""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout

from pruning.files import durable

VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus(environment: Mapping[str, str], devices: Path = Path("/dev")) -> list[str]:
    """The GPUs that CUDA would show, in its words: those of the environment, else all whose device files are here."""
    if VISIBLE in environment:
        return [
            entry.strip() for entry in environment[VISIBLE].split(",") if entry.strip() not in ("", "-1", "NoDevFiles")
        ]
    return [str(number) for number, _ in enumerate(devices.glob("nvidia[0-9]*"))]


def wants_one_gpu(trainer: Mapping[str, object]) -> bool:
    """Not where the user has named devices, or asks for several, or for none."""
    return trainer["accelerator"] in ("auto", "gpu", "cuda") and str(trainer["devices"]) == "1"


@contextmanager
def lock_gpu(gpus: Sequence[str], locks: Path) -> Iterator[str]:
    """A GPU that fewer jobs of this machine and user have than any other, the first of equals, until this one ends.

    The kernel frees a lock when its holder dies, however it dies.
    """
    durable.make_folder(locks)
    for jobs, gpu in ((jobs, gpu) for jobs in count() for gpu in gpus):
        lock = FileLock(locks / f"{socket.gethostname()}-{gpu.replace('/', '-')}.{jobs}.lock")
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
def gpu_environment(trainer: Mapping[str, object], locks: Path) -> Iterator[dict[str, str]]:
    """What a job's environment has beside ours while it runs: the GPU that it shall see, if it wants one of several."""
    gpus = visible_gpus(os.environ)
    if len(gpus) < 2 or not wants_one_gpu(trainer):
        yield {}
        return
    with lock_gpu(gpus, locks) as gpu:
        yield {VISIBLE: gpu}
