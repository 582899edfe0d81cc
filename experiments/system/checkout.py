"""This program's own files: where they lie, at which commit, and how it is called. Imports no torch."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = "CNN_PRUNING_COMMAND"  # environment: of the command that pip installs, and of all that it starts


def command() -> str:
    """What a user types before the overrides."""
    return os.environ.get(COMMAND, "python run.py")


def command_of(program: str) -> str:
    """The same for another program than a run."""
    return f"{os.environ[COMMAND]} {program}" if COMMAND in os.environ else f"python -m experiments.{program}"


def launch_command() -> list[str]:
    """For a further process of this program, whatever process this one is."""
    return [sys.executable, *(["-m", "pruning"] if COMMAND in os.environ else [str(ROOT / "run.py")])]


def commit() -> str | None:
    """The short commit, with a + when files differ from it; None outside a repository of ours: whoever has installed
    this into a folder of his own repository made nothing at his commit."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=8", "--dirty=+", "--exclude=*"]
    not_above = {"GIT_CEILING_DIRECTORIES": str(ROOT.resolve().parent)}
    try:
        result = subprocess.run(command, capture_output=True, text=True, env=os.environ | not_above)
    except OSError:
        return None
    return result.stdout.strip() or None
