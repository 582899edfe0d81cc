"""SIGTERM in a step and between: exit code 143, a status that says so, the same numbers after the same command."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments import pipeline, plan, program, sensitivity
from experiments.cli import commandline
from experiments.records import status
from experiments.system import preemption
from experiments.trainer.checkpoints import DurableCheckpoints
from pruning.training.task import ClassificationTask
from support.running import metrics, run, untimed
from support.tiny_run import GATED, config

LASSO = ("method=group2d", "method.groups=2", "method.learn=lasso", "recipe.prune.epochs=2")


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Whatever a test leaves, the next one begins without a request and with the handlers that were there."""
    before = {number: signal.getsignal(number) for number in (*preemption.SIGNALS, signal.SIGINT)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests themselves run under: nohup, a shell's `&`
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    preemption.request.signal_name, preemption.request.can_resume = None, bool
    for number, handler in before.items():
        signal.signal(number, handler)


def at(call: int, method: Callable, number: int = signal.SIGTERM) -> Callable:
    """The method, during whose `call`-th call this process gets a signal."""
    calls = 0

    def counted(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), number)
        return method(*arguments, **named)

    return counted


def exit_code(folder: Path, *overrides: str) -> int | str | None:
    try:
        commandline.run_and_exit(program.run, config(f"folder={folder}", *overrides))
    except SystemExit as left:
        return left.code
    return 0


def preempted(folder: Path, *overrides: str, by: str = "SIGTERM") -> bool:
    """Whether it was; otherwise the run is complete."""
    code = exit_code(folder, *overrides)
    (path,) = folder.glob("*/status.json")
    found = status.read(path.parent)
    assert found is not None
    asked, preemption.request.signal_name = preemption.request.signal_name, None
    assert code == (143 if asked else 0)
    assert found.state == ("PREEMPTED" if asked else "COMPLETED")
    assert found.reason == (f"preempted by {by}: the same command does what is left" if asked else None)
    return asked is not None


def test_a_second_request_does_not_break_into_the_leaving() -> None:
    """Schedulers send several: what is written on the way out is written whole."""
    preemption.install_handlers()
    written: list[str] = []
    with pytest.raises(preemption.Preempted, match="SIGTERM"):
        leave(written)
    assert written == ["the status"]


def leave(written: list[str]) -> None:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), signal.SIGUSR1)
        written.append("the status")


@pytest.mark.parametrize(
    ("overrides", "more"),
    [
        (("recipe.baseline.epochs=2", "recipe.finetune.epochs=1"), 0),
        (("objective=distillation",), 4),
        (GATED, 16),
        (LASSO, 4),
    ],
    ids=["l1", "distillation", "fcf", "lasso"],
)
def test_a_request_in_every_step_costs_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: tuple[str, ...], more: int
) -> None:
    """Attempts of a step each, after the first case of so many `more` each time, until the run is complete."""
    whole = run(tmp_path / "whole", *overrides)
    step, steps = ClassificationTask.training_step, 1
    while True:
        monkeypatch.setattr(ClassificationTask, "training_step", at(steps, step))
        if not preempted(tmp_path / "cut", *overrides):
            break
        steps += more
    resumed = run(tmp_path / "cut", *overrides)
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    assert untimed(replace(resumed, config={})) == untimed(replace(whole, config={}))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGXCPU])
def test_a_closed_terminal_and_used_up_processor_time_are_requests_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    signal.signal(number, signal.SIG_DFL)  # the tests themselves may run under nohup
    monkeypatch.setattr(ClassificationTask, "training_step", at(6, ClassificationTask.training_step, number))
    assert preempted(tmp_path, by=number.name)
    (last,) = tmp_path.glob("store/*/last.ckpt")
    assert DurableCheckpoints().load_checkpoint(last)["global_step"] == 6


LEFT, NOTHING = "the same command does what is left", "nothing new was kept, give the same command again"


@pytest.mark.parametrize(
    ("number", "overrides", "place", "advised"),
    [
        (signal.SIGTERM, ("plan=true",), (plan, "show", 1), NOTHING),
        (signal.SIGINT, (), (pipeline, "check_name_is_free", 1), NOTHING),
        (signal.SIGINT, (), (ClassificationTask, "setup", 1), NOTHING),
        (signal.SIGINT, (), (ClassificationTask, "setup", 2), LEFT),
        (signal.SIGTERM, ("sensitivity=true",), (sensitivity, "scan_layers", 1), LEFT),
        (signal.SIGINT, ("store=false",), (ClassificationTask, "setup", 2), NOTHING),
    ],
    ids=["plan", "before", "first stage", "second stage", "scan", "store=false"],
)
def test_what_is_advised_is_true(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    overrides: tuple[str, ...],
    place: tuple[Any, str, int],
    advised: str,
) -> None:
    """Whether stages or checkpoints to go on from are there, and will be looked at."""
    owner, name, call = place
    monkeypatch.setattr(owner, name, at(call, getattr(owner, name), number))
    code = exit_code(tmp_path, "recipe.baseline.epochs=1", *overrides)
    if number == signal.SIGINT:
        assert code == f"interrupted: {advised}"
    else:
        assert code == 143
        assert capsys.readouterr().err.splitlines()[-1] == f"preempted by SIGTERM: {advised}"


def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    preemption.install_handlers()
    os.kill(os.getpid(), signal.SIGHUP)
    assert preemption.request.signal_name is None


def test_a_request_in_the_step_that_is_no_number_saves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where steps are judged late, as on a GPU: the third step of the second epoch meets an image that is no number."""
    step = ClassificationTask.training_step

    def poisoned(task: ClassificationTask, batch: Any, index: int) -> Any:
        if task.global_step == 6:
            batch[0][0, 0, 0, 0] = float("nan")
        return step(task, batch, index)

    monkeypatch.setattr(ClassificationTask, "defer_check", True)
    monkeypatch.setattr(ClassificationTask, "training_step", at(7, poisoned))
    assert "not finite at step 7, in epoch 2" in str(exit_code(tmp_path))
    (last,) = tmp_path.glob("store/*/last.ckpt")
    state = DurableCheckpoints().load_checkpoint(last)
    assert state["global_step"] == 4
    assert all(value.isfinite().all() for value in state["state_dict"].values())


def test_kills_closer_together_than_an_epoch_make_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stages of one epoch of four steps; each attempt dies in its fourth step, with a checkpoint at every step."""
    short = ("recipe.baseline.epochs=1", "recipe.finetune.epochs=1", "recipe.grant=false")
    whole = run(tmp_path / "whole", *short)
    step = ClassificationTask.training_step
    for _ in range(2):
        monkeypatch.setattr(ClassificationTask, "training_step", dying_at(4, step))
        with pytest.raises(RuntimeError, match="killed"):
            run(tmp_path / "cut", *short, "trainer.checkpoint_minutes=1e-9")
    monkeypatch.setattr(ClassificationTask, "training_step", dying_at(4, step))  # two steps are left
    resumed = run(tmp_path / "cut", *short, "trainer.checkpoint_minutes=1e-9")
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    assert untimed(replace(resumed, config={})) == untimed(replace(whole, config={}))


def dying_at(call: int, method: Callable) -> Callable:
    calls = 0

    def counted(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            raise RuntimeError("killed")
        return method(*arguments, **named)

    return counted
