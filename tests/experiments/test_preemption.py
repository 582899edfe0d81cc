"""SIGTERM in a step and between: exit code 143, a status that says so, the same numbers after the same command."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from running import metrics, run, untimed
from tiny_run import GATED, config

from experiments import commandline, pipeline, preemption, status
from pruning.task import ClassificationTask

LASSO = ("method=group2d", "method.groups=2", "method.learn=lasso", "recipe.prune.epochs=2")


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Whatever a test leaves, the next one begins without a request and with the handlers that were there."""
    before = {number: signal.getsignal(number) for number in preemption.SIGNALS}
    yield
    preemption.request.by = None
    for number, handler in before.items():
        signal.signal(number, handler)


def at(call: int, method: Callable) -> Callable:
    """The method, during whose `call`-th call this process gets a SIGTERM."""
    calls = 0

    def counted(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGTERM)
        return method(*arguments, **named)

    return counted


def exit_code(folder: Path, *overrides: str) -> int | str | None:
    try:
        commandline.answer(pipeline.run, config(f"folder={folder}", *overrides))
    except SystemExit as left:
        return left.code
    return 0


def preempted(folder: Path, *overrides: str) -> bool:
    """Whether it was; otherwise the run is complete."""
    code = exit_code(folder, *overrides)
    (path,) = folder.glob("*/status.json")
    found = status.read(path.parent)
    assert found is not None
    asked, preemption.request.by = preemption.request.by, None
    assert code == (143 if asked else 0)
    assert found.state == ("PREEMPTED" if asked else "COMPLETED")
    assert found.reason == ("preempted by SIGTERM: the same command goes on from here" if asked else None)
    return asked is not None


def test_a_second_request_does_not_break_into_the_leaving() -> None:
    """Schedulers send several: what is written on the way out is written whole."""
    preemption.listen()
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
    "overrides", [(), ("objective=distillation",), GATED, LASSO], ids=["l1", "distillation", "fcf", "lasso"]
)
def test_a_request_in_every_step_costs_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: tuple[str, ...]
) -> None:
    """Attempts of a step each (of 1, 5, 9 ... steps after the first case) until the run is complete."""
    whole = run(tmp_path / "whole", *overrides)
    step = ClassificationTask.training_step
    steps, attempts = 1, 0
    while True:
        monkeypatch.setattr(ClassificationTask, "training_step", at(steps, step))
        if not preempted(tmp_path / "cut", *overrides):
            break
        attempts += 1
        steps = steps + 4 if overrides else 1
    resumed = run(tmp_path / "cut", *overrides)
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    assert untimed(replace(resumed, config={})) == untimed(replace(whole, config={}))
