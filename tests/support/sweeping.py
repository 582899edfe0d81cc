"""Starts real sweeps of tiny runs."""

import os
import subprocess
import sys
from pathlib import Path

from experiments.system.checkout import ROOT
from support.tiny_run import PATHS, TINY


def start(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    tiny = [each for each in TINY if not each.startswith(("hydra", *[each.split("=")[0] for each in overrides]))]
    environment = os.environ | {"PYTHONPATH": PATHS, "PRUNING_TARGETS": "support.tiny_run:support.dying"}
    command = [sys.executable, "run.py", "-m", *tiny, f"folder={folder}", *overrides]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)  # type: ignore[call-overload]


def finish(sweep: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = sweep.communicate()
    return sweep.returncode, output


def refusal_of(output: str) -> str:
    """All that was said, but for what goes on before it: one line."""
    (line,) = [line for line in output.splitlines() if line != "reading the settings ..."]
    return line
