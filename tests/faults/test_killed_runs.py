"""Whole runs that are killed, alone and beside one that waits for them. Faults A1 and E10 of docs/faults.md."""

from pathlib import Path

import pytest

from faults import killed
from support.harness import GATED, Job, numbers


def begin(folder: Path) -> None:
    """A job that is refused: the harness's server, whose start would count as a part of the run, has started then."""
    assert Job(folder / "refused", "ratio=2").wait() == 2


@pytest.mark.faults
def test_five_kills_of_a_run_end_in_the_record_of_an_unkilled_one(tmp_path: Path) -> None:
    """What `python tests/faults/killed.py method=fcf model=vgg16` does with the main job."""
    long = (*GATED, "recipe.finetune.epochs=12")
    begin(tmp_path)
    hits = killed.compare(lambda folder: Job(folder, *long), tmp_path, kills=5)
    assert hits  # how many depends on what else the machine does


@pytest.mark.faults
def test_a_baseline_whose_maker_is_killed_is_taken_over(tmp_path: Path) -> None:
    """Two jobs of a sweep want the same one; the one that trains it dies."""
    long = ("recipe.baseline.epochs=90",)
    first = Job(tmp_path / "run", *long, "ratio=0.25")
    first.until(lambda: list(tmp_path.glob("run/store/baseline-*/last.ckpt")))
    second = Job(tmp_path / "run", *long, "ratio=0.5")
    second.until(lambda: "another process is making baseline" in second.said())
    first.kill()
    second.finish()
    assert len(list(tmp_path.glob("run/store/baseline-*/stage.json"))) == 1
    Job(tmp_path / "alone", *long, "ratio=0.5").finish()
    assert numbers(tmp_path / "run") == numbers(tmp_path / "alone")
