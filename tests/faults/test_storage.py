"""Disks that are full, folders that may not be written, servers that do not answer. Faults E of docs/faults.md."""

import json
import signal
from pathlib import Path

import pytest
from harness import Job, litter, numbers
from tiny_run import POWER_CUT

from experiments.checkpoints import verified
from pruning import durable

pytestmark = pytest.mark.faults
MEEK = {"MEEK": ""}  # root may write everywhere


def test_a_full_disk_keeps_the_checkpoint_before_and_says_what_it_needed(tmp_path: Path) -> None:
    """The limit is on the size of one file: no test may mount a disk. Room comes back, and the run goes on."""
    wide = ("model._target_=saboteurs.wide", "recipe.baseline.epochs=4")
    Job(tmp_path / "whole", *wide).finish()
    cut = tmp_path / "cut"
    assert Job(cut, *wide, env={POWER_CUT: "4:2"}).wait() == 1
    (last,) = cut.glob("store/*/last.ckpt")
    before = last.stat().st_size
    full = Job(cut, *wide, env={"FULL": str(before // 2)})
    assert full.wait() == 1
    assert f"{last}" in full.said()
    assert f"{before:,} bytes are to be written" in full.said()
    assert "Traceback" not in full.said()
    assert not litter(cut)
    assert any(verified(path) for path in cut.rglob("*.ckpt"))
    Job(cut, *wide).finish()
    assert numbers(cut) == numbers(tmp_path / "whole")


@pytest.mark.parametrize("place", ["nowhere", "/dev/null"])
def test_no_place_for_temporary_files_is_needed(tmp_path: Path, place: str) -> None:
    Job(tmp_path / "run", env={"TMPDIR": place}).finish()


def test_a_folder_that_may_not_be_written_is_refused_at_once(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    job = Job(closed / "run", env=MEEK, make=False)
    assert job.wait() == 1
    assert f"folder={closed / 'run'} cannot be written: {closed} is not a folder one may write to" in job.said()


def test_a_folder_closed_in_mid_run_ends_it_with_its_name(tmp_path: Path) -> None:
    job = Job(tmp_path / "run", "recipe.baseline.epochs=300", env=MEEK)
    job.until(lambda: list(tmp_path.glob("run/store/*/last.ckpt")))
    (last,) = tmp_path.glob("run/store/*/last.ckpt")
    last.parent.chmod(0o555)
    assert job.wait() == 1
    last.parent.chmod(0o755)
    assert str(last.parent) in job.said()
    assert "Traceback" not in job.said()
    assert any(verified(each) for each in last.parent.glob("*.ckpt"))


def test_a_kill_leaves_every_step_in_our_own_file(tmp_path: Path) -> None:
    """W&B offline would have lost them."""
    job = Job(tmp_path / "run", "tracking=offline", "recipe.baseline.epochs=300")
    job.until(lambda: [path for path in tmp_path.glob("run/store/*/metrics.jsonl") if steps(path)[-1:] > [80]])
    job.signal(signal.SIGKILL)
    assert job.wait() == -9
    (path,) = tmp_path.glob("run/store/*/metrics.jsonl")
    seen = steps(path)
    assert seen == sorted(seen)
    assert {4 * epoch for epoch in range(1, seen[-1] // 4)} <= set(seen), "every epoch's own line"


def steps(path: Path) -> list[int]:
    whole = path.read_text().rpartition("\n")[0]
    return [json.loads(line)["step"] for line in whole.splitlines()]


def test_an_error_of_writing_names_path_and_bytes(tmp_path: Path) -> None:
    with pytest.raises(durable.UnwritableError, match=r"3 bytes are to be written: '.*nowhere/file'"):
        durable.write(tmp_path / "nowhere" / "file", b"abc")
