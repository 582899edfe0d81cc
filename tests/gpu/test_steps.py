"""Single steps: equal to the CPU's, waiting for nothing, without a byte left over."""

import copy
import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback
from torch import nn

from experiments.run import stages
from experiments.run.prepare import prepare
from experiments.run.stages import StageResult, StageSpec
from pruning.modes import exact_float32
from pruning.objectives import CrossEntropy
from pruning.testing import images
from support.gpu_runs import METHODS as RUNS
from support.gpu_runs import asked
from support.rows import METHODS, SHAPES, network
from support.tiny_run import settings


def two_steps(row: str, plain: str, device: torch.device) -> nn.Module:
    method, whole = METHODS[row].build(0.5), network(plain)
    method.attach(whole, SHAPES[plain], 1000)
    whole.to(device).train()
    optimiser = torch.optim.SGD(whole.parameters(), lr=1e-3)
    with exact_float32():
        for seed in range(2):
            optimiser.zero_grad()
            whole(images(SHAPES[plain], seed=seed).float().to(device)).square().mean().backward()
            method.steer(whole)
            optimiser.step()
            method.settle(whole)
    return whole.cpu()


@pytest.mark.parametrize("plain", ["residual", "resnet20"])
@pytest.mark.parametrize("row", METHODS)
def test_two_steps_are_those_of_the_cpu(device: torch.device, row: str, plain: str) -> None:
    found, wanted = two_steps(row, plain, device).state_dict(), two_steps(row, plain, torch.device("cpu")).state_dict()
    for name, value in wanted.items():
        scale = max(1.0, float(value.double().abs().max())) if value.numel() else 1.0
        torch.testing.assert_close(
            found[name], value, rtol=0, atol=1e-4 * scale, msg=lambda m, name=name: f"{name}: {m}"
        )


class NoWaiting(Callback):
    """From the third step to the seventh, so that no figure is written (each tenth), every wait is an error."""

    steps = 0

    def on_train_batch_start(self, trainer: Any, task: Any, batch: Any, index: int) -> None:
        if index == 2 and task.device.type == "cuda":
            torch.cuda.set_sync_debug_mode("error")

    def on_train_batch_end(self, trainer: Any, task: Any, outputs: Any, batch: Any, index: int) -> None:
        self.steps += 2 <= index <= 6
        if index == 6 and task.device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


class Memory(Callback):
    """Bytes of the device's memory that are taken at the end of each epoch."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def on_train_epoch_end(self, trainer: Any, task: Any) -> None:
        gc.collect()
        self.taken.append(torch.cuda.memory_allocated() if task.device.type == "cuda" else 0)


@pytest.fixture(autouse=True)
def default_debug_mode() -> Iterator[None]:
    yield
    if torch.cuda.is_available():
        torch.cuda.set_sync_debug_mode("default")


def prune(device: torch.device, method: str, precision: str, watcher: Callback, folder: Path, *more: str) -> None:
    """The method's stage; the baseline's for a method that has none."""
    bench = prepare(settings(f"folder={folder}", *asked(device, method, precision), "trainer.progress=false", *more))
    bench = replace(bench, tracker=watcher)
    learns = bench.method.needs_training
    lesson = StageSpec("prune", "prune", CrossEntropy(), method=bench.method) if learns else None
    lesson = lesson or StageSpec("baseline", "baseline", CrossEntropy())
    stages.train(bench, StageResult(copy.deepcopy(bench.network), ""), lesson)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("method", RUNS)
def test_a_step_waits_for_nothing(device: torch.device, method: str, precision: str, tmp_path: Path) -> None:
    watcher = NoWaiting()
    prune(device, method, precision, watcher, tmp_path, "recipe.batch=8")  # nine steps an epoch
    assert watcher.steps >= 5


@pytest.mark.parametrize("method", RUNS)
def test_memory_is_flat_over_epochs(device: torch.device, method: str, tmp_path: Path) -> None:
    watcher = Memory()
    epochs = () if "fcf" in method else ("recipe.baseline.epochs=6", "recipe.prune.epochs=6")
    prune(device, method, "32-true", watcher, tmp_path, *epochs)
    assert len(watcher.taken) >= 6
    assert len(set(watcher.taken[2:])) == 1, watcher.taken
