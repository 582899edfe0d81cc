"""One process at a time in a folder. Imports no torch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from experiments.system.console import log
from pruning.files import durable

POLL = 20.0  # seconds; other processes of a run wait for this one in an exchange that lasts half an hour at most


@contextmanager
def hold_lock(folder: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """The kernel frees the lock when its holder dies, however it dies. `waiting` is called now and then until then."""
    durable.make_folder(folder)
    durable.refuse_folder(folder / "lock")
    (folder / "lock").touch()  # with the rights that the umask gives: FileLock has its own idea of them
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(f"another process is making {folder.name}: waiting for it")
        wait_for(lock, waiting)
    durable.remove_temporaries(folder)
    try:
        yield
    finally:
        lock.release()


def wait_for(lock: FileLock, waiting: Callable[[], object]) -> None:
    while not lock.is_locked:
        try:
            lock.acquire(timeout=POLL)
        except Timeout:
            waiting()
