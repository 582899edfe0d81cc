"""Writing files that survive a kill: a reader finds the old content or the new, never half of it."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.\d+")


class UnwritableError(OSError):
    """A full disk, a folder that may not be written any more: what was there before is still whole."""


def make_folder(path: Path) -> None:
    """With all above it. Raises UnwritableError that names the file in its way."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next(parent for parent in (path, *path.parents) if os.path.lexists(parent))
        raise UnwritableError(f"{file} is a file where a folder is needed: move it away") from error


def refuse_folder(path: Path) -> None:
    """Raises UnwritableError where a file cannot be written for a folder of its name."""
    if path.is_dir():
        raise UnwritableError(f"{path} is a folder where a file is needed: move it away")


def write(path: Path, content: bytes) -> None:
    """Through a temporary file in the same folder: TMPDIR may lie on another file system, where a move is a copy."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with explain_os_errors(path, content), open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        move(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    with open_folder(path.parent) as descriptor:
        os.fsync(descriptor)  # the new name itself


def move(source: Path, target: Path) -> None:
    """Within a folder, in one step."""
    with explain_os_errors(target, b""):
        os.replace(source, target)


def append(path: Path, content: bytes) -> None:
    """Not durable: a kill may lose or tear the end."""
    with explain_os_errors(path, content), open(path, "ab") as file:
        file.write(content)


@contextlib.contextmanager
def explain_os_errors(path: Path, content: bytes) -> Iterator[None]:
    """An error of the system, with the file that it is about and what there had to be room for."""
    try:
        yield
    except OSError as error:
        refuse_folder(path)
        needed = f"{error.strerror}; {len(content):,} bytes are to be written"
        raise UnwritableError(error.errno, needed, str(path)) from error


def remove_temporaries(folder: Path) -> None:
    """Removes what killed writers have left. Only for whoever holds the folder: a living writer would lose its file."""
    for path in folder.glob(".*"):
        if TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def open_folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
