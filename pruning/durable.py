"""Writing files that survive a kill: a reader finds the old content or the new, never half of it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Through a temporary file in the same folder: TMPDIR may lie on another file system, where a move is a copy."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    with folder(path.parent) as descriptor:
        os.fsync(descriptor)  # the new name itself


@contextlib.contextmanager
def folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
