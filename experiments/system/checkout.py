"""This program's own files: where they lie, and at which commit. Imports no torch."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commit() -> str | None:
    """The short commit, with a + when files differ from it; None outside a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=8", "--dirty=+", "--exclude=*"]
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return None
    return result.stdout.strip() or None
