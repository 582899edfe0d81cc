"""A network that is cut while two processes train it stays one network."""

import os
import re
import subprocess
import sys

import pytest

from support.tiny_run import PATHS

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("method", ["l1", "fcf"])
def test_both_processes_hold_the_same_small_network(method: str) -> None:
    command = [sys.executable, "-m", "support.cut_in_two", method]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": PATHS}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    ends = re.findall(r"rank \d: (\d+ weights, -?0x[0-9a-f.]+p[+-]\d+)", done.stdout)
    assert len(ends) == 2
    assert len(set(ends)) == 1
