"""A run on a machine that is nobody's: everything set at once that users, clusters and containers set. Fault N4 and
following of docs/faults.md."""

from pathlib import Path

import pytest

from faults import elsewhere
from support.harness import PAIR, numbers, record, typed, whole

pytestmark = pytest.mark.faults
WRITTEN = ("tracking=offline",)


def test_an_odd_environment_changes_no_number_and_no_word(tmp_path: Path) -> None:
    """As a user types it. `LOCAL_RANK=1` would keep the run silent, Lightning's defaults would change what is learned,
    a SLURM allocation would make it wait for seven others."""
    wanted = whole(tmp_path / "plain")
    done = typed(tmp_path / "odd", *WRITTEN, **elsewhere.environment(tmp_path / "machine"))
    assert done.returncode == 0, done.stderr
    assert numbers(tmp_path / "odd") == wanted
    assert "certificate" in done.stdout
    assert done.stderr == ""
    assert list((tmp_path / "odd").glob("*/wandb/offline-run-*"))


def test_two_processes_within_an_allocation_find_each_other(tmp_path: Path) -> None:
    done = typed(tmp_path / "odd", *PAIR, **elsewhere.environment(tmp_path / "machine"), **elsewhere.ASCII)
    assert done.returncode == 0, done.stderr
    assert record(tmp_path / "odd")["stages"]
    assert done.stdout.count("certificate") == 1
