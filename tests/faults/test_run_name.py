"""Whose folder it is: another config never goes on where the first was. Faults A12 and E11 of docs/faults.md."""

from pathlib import Path

import pytest

from experiments import program
from experiments.config.refusal import Refusal
from support.tiny_run import config


def test_another_config_in_the_same_folder_leaves_the_first_alone(tmp_path: Path) -> None:
    """No folder is of two configs: its name holds the digest of one."""
    first = program.run(config(f"folder={tmp_path}"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    second = program.run(config(f"folder={tmp_path}", "ratio=0.25"))
    assert first is not None
    assert second is not None
    assert {path.parent.name for path in tmp_path.glob("*/record.json")} == {
        f"{each.name}-{each.digest[:8]}" for each in (first, second)
    }
    now = {path: path.stat().st_mtime_ns for path in before if path.name != "lock"}
    assert now == {path: stamp for path, stamp in before.items() if path.name != "lock"}


def test_another_config_under_a_name_of_the_users_own_is_refused(tmp_path: Path) -> None:
    """Finished or not: the command that is known by that name goes on, another one is told what differs."""
    asked = (f"folder={tmp_path}", "name=mine", "recipe.batch=32")
    made = program.run(config(*asked))
    assert made is not None
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name != "lock"}
    with pytest.raises(Refusal, match=f"mine-{made.digest[:8]}.*") as refused:
        program.run(config(f"folder={tmp_path}", "name=mine", "ratio=0.25", "trainer.progress=false"))
    assert "(recipe.batch: 32 -> 16; ratio: not given -> 0.25): choose another name" in str(refused.value)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name != "lock"} == before
    assert program.run(config(*asked, "trainer.progress=false")) == made
