"""Runs that are killed and started again end with the numbers of one that was not. Faults A of docs/faults.md."""

import json
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from experiments import program
from experiments.config.refusal import Refusal
from experiments.trainer.checkpoints import DurableCheckpoints, previous_path, read_verified
from support.harness import GATED, SHORT, Job, litter, numbers, whole
from support.running import metrics
from support.tiny_run import POWER_CUT, config


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(2))
def test_twenty_kills_at_random_change_no_number(tmp_path: Path, seed: int) -> None:
    """A run that ends between two kills is checked, and the rest of them hit the next."""
    wanted, draws = whole(tmp_path / "whole", *GATED, *SHORT), random.Random(seed)
    kills = runs = 0
    while kills < 20:
        job = Job(tmp_path / f"cut{runs}", *GATED, *SHORT)
        job.process.join(draws.uniform(0.1, 1.5))
        if job.process.exitcode is None:
            job.kill()
            kills += 1
        else:
            assert job.wait() == 0, job.said()
            assert numbers(tmp_path / f"cut{runs}") == wanted
            runs += 1
    Job(tmp_path / f"cut{runs}", *GATED, *SHORT).finish()
    assert numbers(tmp_path / f"cut{runs}") == wanted


POINTS = [f"{when}:{number}" for when in ("half", "before", "after") for number in range(1, 5)]


@pytest.mark.faults
def test_a_kill_around_any_write_changes_no_number(tmp_path: Path) -> None:
    """TMPDIR is on another file system: what is moved out of it would be copied."""
    wanted = whole(tmp_path / "whole", *SHORT)
    elsewhere = "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(tmp_path)
    for point in POINTS:
        cut = tmp_path / point.replace(":", "")
        assert Job(cut, *SHORT, env={"DIE": point, "TMPDIR": elsewhere}).wait() == -9, point
        assert all(read_verified(each) for each in cut.rglob("*.ckpt")), point
        Job(cut, *SHORT).finish()
        assert numbers(cut) == wanted, point
        assert not litter(cut), point


def cut(folder: Path, monkeypatch: pytest.MonkeyPatch, when: str = "3:2") -> Path:
    """A run that broke off after two of its baseline's three epochs; its newest checkpoint."""
    monkeypatch.setenv(POWER_CUT, when)
    with pytest.raises(RuntimeError, match="power cut"):
        program.run(config(f"folder={folder}"))
    monkeypatch.delenv(POWER_CUT)
    (last,) = folder.glob("store/baseline-*/last.ckpt")
    return last


def test_with_every_checkpoint_damaged_nothing_starts_anew_and_nothing_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = cut(tmp_path, monkeypatch)
    for path in (last, previous_path(last)):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        Refusal, match=r"stage baseline failed: no checkpoint of .*baseline-\w+ is intact: delete that folder"
    ):
        program.run(config(f"folder={tmp_path}"))
    assert last.exists()
    assert previous_path(last).exists()


def test_a_torn_checkpoint_costs_an_epoch_and_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program.run(config(f"folder={tmp_path / 'whole'}"))
    last = cut(tmp_path / "cut", monkeypatch)
    os.truncate(last, last.stat().st_size // 2)
    program.run(config(f"folder={tmp_path / 'cut'}"))
    assert f"checkpoint {last} is damaged: falling back" in capsys.readouterr().out
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "whole")


def test_an_exception_in_a_callback_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    broken = ("method._target_=support.saboteurs.Raising", "recipe.prune.epochs=3")
    with pytest.raises(RuntimeError, match="a callback broke"):
        program.run(config(f"folder={tmp_path}", *broken))
    (last,) = tmp_path.glob("store/prune-*/last.ckpt")
    assert DurableCheckpoints().load_checkpoint(last)["global_step"] == 4
    assert not litter(tmp_path)


@pytest.mark.faults
def test_every_pair_of_interruptions_is_exact(tmp_path: Path) -> None:
    """Steps around and within the baseline's two epochs; the second attempt begins where the first one ended."""
    epochs = ("recipe.baseline.epochs=2", "recipe.finetune.epochs=1", "recipe.grant=false")
    eight = ("data._target_=support.saboteurs.Stopping", *epochs)
    wanted = whole(tmp_path / "whole", *eight)
    for first, *later in ((1, 3, 4, 5, 7), (3, 4, 5, 7), (4, 5, 7), (5, 7)):
        once = tmp_path / str(first)
        stop_at(first, once, *eight)
        for second in later:
            cut = tmp_path / f"{first}-{second}"
            shutil.copytree(once, cut)
            stop_at(second, cut, *eight)
            Job(cut, *eight).finish()
            assert numbers(cut) == wanted, (first, second)


def stop_at(step: int, folder: Path, *overrides: str) -> None:
    """A checkpoint of that step of the baseline."""
    stopped = Job(folder, *overrides, env={"STOP": f"{step}:{signal.SIGTERM}"})
    assert stopped.wait() == 143, stopped.said()
    (last,) = folder.glob("store/baseline-*/last.ckpt")
    assert DurableCheckpoints().load_checkpoint(last)["global_step"] == step


def interrupted(folder: Path, *overrides: str, **env: str) -> Job:
    """One attempt that is asked to leave: the exit code and the status say so."""
    job = Job(folder, *overrides, env=env)
    assert job.wait() == 143, job.said()
    (path,) = folder.glob("*/status.json")
    assert json.loads(path.read_text())["state"] == "PREEMPTED"
    assert not litter(folder)
    return job


@pytest.mark.faults
def test_a_request_in_validation_keeps_the_epochs_accuracy(tmp_path: Path) -> None:
    validating = ("data._target_=support.saboteurs.Validating",)
    wanted = whole(tmp_path / "whole", *validating)
    interrupted(tmp_path / "cut", *validating, EVALUATION="2")
    Job(tmp_path / "cut", *validating).finish()
    assert numbers(tmp_path / "cut") == wanted
    (made, again) = (metrics(tmp_path / each) for each in ("whole", "cut"))
    assert again == made
    assert sum("val_accuracy" in line for line in again) == 3 + 2


PLACES = {"EVALUATION": ("4", "7", "9"), "READING": ("1",)}  # between stages, while scoring and measuring; in set-up


@pytest.mark.faults
@pytest.mark.parametrize(("what", "when"), [(what, when) for what, whens in PLACES.items() for when in whens])
def test_a_request_outside_training_goes_on_at_that_stage(tmp_path: Path, what: str, when: str) -> None:
    validating = ("data._target_=support.saboteurs.Validating",)
    wanted = whole(tmp_path / "whole", *validating)
    job = Job(tmp_path / "cut", *validating, env={what: when})
    assert job.wait() == 143, job.said()
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cut/store/*/stage.json")}
    Job(tmp_path / "cut", *validating).finish()
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in done.items())
    assert numbers(tmp_path / "cut") == wanted


@pytest.mark.faults
def test_a_signal_between_the_two_updates_of_admm_saves_both_or_none(tmp_path: Path) -> None:
    between = (*GATED, *SHORT, "method._target_=support.saboteurs.Between")
    wanted = whole(tmp_path / "whole", *between)
    interrupted(tmp_path / "cut", *between, BETWEEN="61")
    Job(tmp_path / "cut", *between).finish()
    assert numbers(tmp_path / "cut") == wanted


@pytest.mark.faults
@pytest.mark.parametrize("blanked", ["box.y", "box.rho", ".v"])
def test_without_a_part_of_its_state_the_end_is_another(tmp_path: Path, blanked: str) -> None:
    """What the tests of exactness above would not see if it did not matter."""
    between = (*GATED, *SHORT, "method._target_=support.saboteurs.Between")
    wanted = whole(tmp_path / "whole", *between)
    interrupted(tmp_path / "cut", *between, BETWEEN="61")
    (last,) = tmp_path.glob("cut/store/prune-*/last.ckpt")
    state = DurableCheckpoints().load_checkpoint(last)
    blank(state, blanked)
    DurableCheckpoints().save_checkpoint(state, last)
    Job(tmp_path / "cut", *between).finish()
    assert numbers(tmp_path / "cut") != wanted


def blank(state: dict[str, Any], name: str) -> None:
    found = [value for key, value in state["state_dict"].items() if key.endswith(name)]
    assert found
    for value in found:
        value.mul_(0.5)
