"""SHA-256 of files, and the digest that lies beside one. Imports no torch."""

import hashlib
from pathlib import Path

from pruning.files import DESCRIPTION, durable


def file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_pruned(path: Path) -> bool:
    """Whether it is the folder of a pruned network."""
    return (path / DESCRIPTION).exists()


def content_digest(path: Path) -> str:
    """Of a file, or of the two files of a pruned network."""
    if not is_pruned(path):
        return file_digest(path)
    digests = [f"{file_digest(file)}  {file.name}\n" for file in sorted(path.glob("model.*"))]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def write_checksum(path: Path) -> None:
    """Beside the file, for `sha256sum --check`."""
    durable.write(checksum_path(path), f"{file_digest(path)}  {path.name}\n".encode())


def matches_checksum(path: Path) -> bool:
    """False for what is missing, too."""
    try:
        return checksum_path(path).read_text() == f"{file_digest(path)}  {path.name}\n"
    except (OSError, ValueError):
        return False


def checksum_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
