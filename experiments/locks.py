"""One process at a time in a folder. Imports no torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from experiments.terminal import say
from pruning import durable


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The kernel frees the lock when its holder dies, however it dies."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lock").touch()  # with the rights that the umask gives: FileLock has its own idea of them
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"another process is making {folder.name}: waiting for it")
        lock.acquire()
    durable.tidy(folder)
    try:
        yield
    finally:
        lock.release()
