"""One run in two processes (gloo). Faults B1 to B8 of docs/faults.md."""

import io
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from experiments.trainer.checkpoints import DurableCheckpoints, previous_path, read_verified
from support.harness import PAIR, Job, children, litter, numbers, pair, record, typed
from support.tiny_run import POWER_CUT

pytestmark = pytest.mark.faults

PLAIN = ("model._target_=support.saboteurs.plain",)
FCF = ("method=fcf", "recipe.prune.epochs=38", "method.lr=0.1", "ratio=0.5")
EXACT = ("model._target_=support.saboteurs.plain", "trainer.precision=64-true", "data.val=15")  # 8 images and 7


def weights(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    return {path.parent.name.partition("-")[0]: load_file(path) for path in folder.glob("store/*/weights.safetensors")}


TAYLOR = ("method=taylor", "observe.images=45")


@pytest.mark.parametrize("method", [(), FCF, TAYLOR], ids=["l1", "fcf", "taylor"])
def test_two_processes_compute_what_one_does(tmp_path: Path, method: tuple[str, ...]) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    Job(one, *EXACT, *method).finish()
    for each in pair(two, *EXACT, *method):
        each.finish()
    assert accuracies(two) == accuracies(one)
    assert record(two)["layers"] == record(one)["layers"]
    assert_close(two, one, 1e-10 if method else 1e-12)  # the duals of 152 steps carry every rounding on
    assert not litter(two)


def accuracies(folder: Path) -> list[float]:
    """On validation, counted over all processes, and on the test set."""
    made = record(folder)
    return [stage["val_accuracy"] for stage in made["stages"]] + [
        made[each]["accuracy"] for each in ("dense", "pruned", "tuned")
    ]


def assert_close(found: Path, wanted: Path, distance: float) -> None:
    for stage, values in weights(wanted).items():
        for name, value in values.items():
            assert (weights(found)[stage][name].double() - value.double()).abs().max() < distance, f"{stage} {name}"


def test_the_command_starts_its_own_second_process(tmp_path: Path) -> None:
    """For real, without the harness; the others of this file are started as srun does it."""
    done = typed(tmp_path / "run", *PAIR)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("training in 32-true") == 1, "one voice"
    assert record(tmp_path / "run")["tuned"]["accuracy"] > 0.9


def test_no_process_waits_at_its_exit_for_one_that_waits_for_it(tmp_path: Path) -> None:
    """The first waits for the second's end; the second's exit hook waits for the first, were there still a group."""
    Job(tmp_path / "run", *PAIR, *PLAIN, "data._target_=support.saboteurs.Clinging").finish()
    assert record(tmp_path / "run")["tuned"]["accuracy"] > 0.9


def test_another_selection_in_one_process_stops_both_and_names_the_layer(tmp_path: Path) -> None:
    assert_both_stop(
        pair(tmp_path / "run", *PLAIN, "method._target_=support.saboteurs.OneSided"), "selection of layer '2'"
    )


def test_a_mask_in_one_process_stops_both_before_it_is_kept(tmp_path: Path) -> None:
    masked = ("method._target_=support.saboteurs.OneMasked", "recipe.prune.epochs=2")
    assert_both_stop(pair(tmp_path / "run", *PLAIN, *masked), r"state of layer '2\.weight'")
    assert not list(tmp_path.glob("run/store/prune-*/last.ckpt"))


POISONED = (*PLAIN, "data._target_=support.saboteurs.Poisoned")


@pytest.mark.parametrize("place", ["0", "1"])
def test_a_number_that_is_none_in_one_process_stops_both_before_the_step(tmp_path: Path, place: str) -> None:
    jobs = pair(tmp_path / "run", *POISONED, envs=[{"POISON": f"{place}:2"}] * 2)
    assert_both_stop(jobs, "not finite at step 7, in epoch 2, first in the images themselves")
    assert_finite_after(tmp_path / "run", 4)


def test_a_request_before_a_number_that_is_none_saves_nothing_of_it(tmp_path: Path) -> None:
    """Heard of a step later, which is the poisoned one, and judged before it is saved."""
    envs = [{"POISON": "1:2", "LATE": "1", "STOP": "6:15"}, {"POISON": "1:2", "LATE": "1"}]
    assert_both_stop(pair(tmp_path / "run", *POISONED, envs=envs), "not finite at step 7, in epoch 2")
    assert_finite_after(tmp_path / "run", 4)


def assert_finite_after(folder: Path, steps: int) -> None:
    (kept,) = folder.glob("store/baseline-*/last.ckpt")
    state = DurableCheckpoints().load_checkpoint(kept)
    assert state["global_step"] == steps
    assert all(value.isfinite().all() for value in state["state_dict"].values())


def assert_both_stop(jobs: tuple[Job, Job], why: str) -> None:
    assert [job.wait(20) for job in jobs] == [1, 1]
    assert any(re.search(why, job.said()) for job in jobs), jobs[0].said() + jobs[1].said()


@pytest.mark.parametrize("victim", [0, 1])
def test_when_one_process_is_killed_the_other_leaves(tmp_path: Path, victim: int) -> None:
    jobs = pair(tmp_path / "run", *PLAIN, "recipe.baseline.epochs=500")
    jobs[0].until(lambda: list(tmp_path.glob("run/store/*/last.ckpt")))
    jobs[victim].kill()
    assert jobs[1 - victim].wait(20) == 1


@pytest.mark.parametrize("asked", [(0,), (1,), (0, 1)], ids=["first", "second", "both"])
def test_a_request_to_any_process_ends_all_with_one_checkpoint(tmp_path: Path, asked: tuple[int, ...]) -> None:
    jobs = pair(tmp_path / "run", *PLAIN, "recipe.baseline.epochs=500")
    jobs[0].until(lambda: list(tmp_path.glob("run/store/*/last.ckpt")))
    for rank in asked:
        jobs[rank].signal(signal.SIGTERM)
    assert [job.wait(20) for job in jobs] == [143, 143]
    assert left_behind(tmp_path / "run") == (["PREEMPTED"], [True])


def left_behind(folder: Path) -> tuple[list[str], list[bool]]:
    """The states of the run, if it has come so far, and whether its newest checkpoints are valid."""
    assert not litter(folder)
    states = [json.loads(path.read_text())["state"] for path in folder.glob("*/status.json")]
    return states, [read_verified(path) is not None for path in folder.glob("store/*/last.ckpt")]


BEGINNING = (*PLAIN, "data._target_=support.saboteurs.Beginning")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return in_two(tmp_path_factory.mktemp("undisturbed"), *BEGINNING)


def in_two(folder: Path, *overrides: str) -> Any:
    """The numbers of a run that ends."""
    for each in pair(folder, *overrides):
        each.finish()
    return numbers(folder)


def test_a_request_to_the_starting_process_ends_the_other_that_still_imports(tmp_path: Path, undisturbed: Any) -> None:
    """No rendezvous may be waited for. Nothing is written yet."""
    job = Job(tmp_path / "run", *PAIR, *BEGINNING)
    job.until(lambda: children(job.process.pid))
    (other,) = children(job.process.pid)
    job.signal(signal.SIGTERM)
    assert job.wait(20) == 143, job.said()
    assert not Path(f"/proc/{other}").exists()
    assert left_behind(tmp_path / "run") == ([], [])
    assert in_two(tmp_path / "run", *BEGINNING) == undisturbed


def test_a_request_to_the_starting_process_alone_ends_both_in_training(tmp_path: Path) -> None:
    long = (*PLAIN, "recipe.baseline.epochs=60")
    job = Job(tmp_path / "run", *PAIR, *long)
    job.until(lambda: list(tmp_path.glob("run/store/*/last.ckpt")))
    (other,) = children(job.process.pid)
    job.signal(signal.SIGTERM)
    assert job.wait(20) == 143, job.said()
    assert not Path(f"/proc/{other}").exists()
    assert left_behind(tmp_path / "run") == (["PREEMPTED"], [True])
    assert in_two(tmp_path / "run", *long) == in_two(tmp_path / "whole", *long)


@pytest.mark.parametrize("asked", ["0", "1", "01"], ids=["first", "second", "both"])
def test_a_request_before_the_first_step_ends_all_after_it(tmp_path: Path, asked: str, undisturbed: Any) -> None:
    """While the stage is set up: all hear of it after the second step, by the exchange after the first."""
    jobs = pair(tmp_path / "run", *BEGINNING, envs=[{"START": asked}] * 2)
    assert [job.wait(20) for job in jobs] == [143, 143], jobs[0].said() + jobs[1].said()
    assert left_behind(tmp_path / "run") == (["PREEMPTED"], [True])
    assert saved(tmp_path / "run") == [2]
    assert in_two(tmp_path / "run", *BEGINNING) == undisturbed


def saved(folder: Path) -> list[int]:
    """Steps of the checkpoints that are kept, the newest first."""
    (last,) = folder.glob("store/*/last.ckpt")
    kept = [each for each in (last, previous_path(last)) if each.exists()]
    return [torch.load(io.BytesIO(read_verified(each) or b""), weights_only=True)["global_step"] for each in kept]


@pytest.mark.parametrize(("asked", "step", "checkpoint"), [(1, 2, 3), (0, 3, 4), (1, 4, 4)])
def test_a_request_in_any_step_of_an_epoch_is_heard_a_step_later_or_at_its_end(
    tmp_path: Path, asked: int, step: int, checkpoint: int, undisturbed: Any
) -> None:
    """Of four steps the second, the next-to-last, the last. One checkpoint is written, and no number is another."""
    envs = [{"STOP": f"{step}:{signal.SIGTERM}" if rank == asked else ""} for rank in (0, 1)]
    jobs = pair(tmp_path / "run", *BEGINNING, envs=envs)
    assert [job.wait(20) for job in jobs] == [143, 143], jobs[0].said() + jobs[1].said()
    assert left_behind(tmp_path / "run") == (["PREEMPTED"], [True])
    assert saved(tmp_path / "run") == [checkpoint]
    assert in_two(tmp_path / "run", *BEGINNING) == undisturbed


def test_kills_of_both_between_timed_checkpoints_make_way(tmp_path: Path, undisturbed: Any) -> None:
    """Epochs of four steps; from the second on every one is saved, and both die before the next is."""
    timed = (*BEGINNING, "trainer.checkpoint_minutes=1e-9")
    for step, checkpoints in ((3, [2]), (7, [6, 4])):
        for job in pair(tmp_path / "run", *timed, envs=[{"STOP": f"{step}:{signal.SIGKILL}"}] * 2):
            assert job.wait(20) != 0  # -9, or 1 where the other one died in their last exchange
        assert saved(tmp_path / "run") == checkpoints
    assert in_two(tmp_path / "run", *timed) == undisturbed


def test_no_step_broadcasts(tmp_path: Path) -> None:
    """As Lightning's loop does, waiting for the device, to hear of a SIGTERM that is ours."""
    for each in pair(tmp_path / "run", *PLAIN, "data._target_=support.saboteurs.Unbroadcast"):
        each.finish()


def test_when_the_second_process_is_killed_while_it_starts_the_first_leaves(tmp_path: Path) -> None:
    job = Job(tmp_path / "run", *PAIR, *PLAIN)
    job.until(lambda: children(job.process.pid))
    (other,) = children(job.process.pid)
    os.kill(other, signal.SIGKILL)
    assert job.wait(20) == 1
    assert "ended before it had begun, with exit code -9" in job.said()


def test_a_stage_goes_on_in_one_process_and_back_in_two(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    Job(whole, *EXACT).finish()
    for job in pair(cut, *EXACT, envs=[{POWER_CUT: "3:1"}] * 2):
        assert job.wait() == 1
    assert Job(cut, *EXACT, env={POWER_CUT: "3:2"}).wait() == 1
    for job in pair(cut, *EXACT):
        job.finish()
    assert "going on from" in "".join(path.read_text() for path in tmp_path.glob("cut.*.log"))
    assert accuracies(cut) == accuracies(whole)
    assert_close(cut, whole, 1e-12)
