"""Starts real sweeps of tiny runs."""

import os
import subprocess
import sys
from pathlib import Path

from tiny_run import CONF, TINY


def start(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    tiny = [each for each in TINY if not each.startswith(("hydra", *[each.split("=")[0] for each in overrides]))]
    paths = os.pathsep.join([str(Path(__file__).parent), str(CONF.parent)])
    environment = os.environ | {"PYTHONPATH": paths, "PRUNING_TARGETS": "tiny_run:dying"}
    command = [sys.executable, "run.py", "-m", *tiny, f"folder={folder}", *overrides]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=CONF.parent, env=environment, **pipes)  # type: ignore[call-overload]


def finish(sweep: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = sweep.communicate()
    return sweep.returncode, output
