"""Waiting for another run's folder, alone and in two processes."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from experiments.system import locks
from experiments.system.checkout import ROOT


def test_who_waits_says_so_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "POLL", 0.01)
    other, told = FileLock(tmp_path / "lock"), []
    other.acquire()

    def waiting() -> None:
        told.append(other.is_locked)
        if len(told) == 3:
            other.release()

    with locks.hold_lock(tmp_path, waiting):
        assert told == [True] * 3


LIMIT = 8  # seconds of an exchange
WAITING = """
import sys, time
from datetime import timedelta
from pathlib import Path
import torch.distributed as dist
from experiments.system import locks
from experiments.trainer import ranks
LIMIT = int(sys.argv[3])
folder, rank = Path(sys.argv[1]), int(sys.argv[2])
locks.POLL = 0.5
(folder / f"imported{rank}").touch()
while len(list(folder.glob("imported*"))) < 2:
    time.sleep(0.01)
dist.init_process_group("gloo", f"file://{folder}/meet", timedelta(seconds=LIMIT), 2, rank)
(folder / f"met{rank}").touch()
if rank == 0:
    with locks.hold_lock(folder, ranks.broadcast_wait):
        ranks.broadcast(True)
else:
    assert ranks.receive_decision()
"""


@pytest.mark.faults
def test_waiting_longer_than_an_exchange_lasts_breaks_no_run_of_two_processes(tmp_path: Path) -> None:
    """Exchanges end after some seconds here, and the lock is held for longer."""
    other = FileLock(tmp_path / "lock")
    other.acquire()
    command = [sys.executable, "-c", WAITING, str(tmp_path)]
    both = [subprocess.Popen([*command, rank, str(LIMIT)], cwd=ROOT) for rank in ("0", "1")]
    while len(list(tmp_path.glob("met*"))) < 2:
        assert [each.poll() for each in both] == [None, None]
        time.sleep(0.1)
    time.sleep(1.5 * LIMIT)
    other.release()
    assert [each.wait(30) for each in both] == [0, 0]
