"""SHA-256 of files, and the digest that lies beside one. Imports no torch."""

import hashlib
from pathlib import Path

from pruning.files import durable


def file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
