"""Several GPUs, and the one that was asked for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist

from experiments.trainer.checkpoints import StepAction, all_reduce_action, read_action
from support.harness import record, typed
from support.running import run

PLAIN = "model._target_=support.saboteurs.plain"


@pytest.fixture
def two(device: torch.device) -> str:
    if device.type == "cuda" and torch.cuda.device_count() < 2:
        pytest.skip("one GPU here")
    return device.type


def test_two_devices_end_one_run(two: str, tmp_path: Path) -> None:
    """With NCCL on GPUs; it ends by itself, with the record of a run that has learned."""
    pair = ("trainer.devices=2", "trainer.strategy=ddp", f"trainer.accelerator={two}")
    for method in (("method=l1",), ("method=group2d", "method.learn=lasso", "recipe.prune.epochs=2")):
        folder = tmp_path / str(len(method))
        done = typed(folder, *pair, *method, PLAIN)
        assert done.returncode == 0, done.stderr
        assert record(folder)["tuned"]["accuracy"] > 0.9


def test_the_second_of_two_is_used_and_the_first_is_not(two: str, tmp_path: Path) -> None:
    if two == "cpu":
        pytest.skip("a CPU has no second")
    torch.cuda.reset_peak_memory_stats(0)
    before = torch.cuda.max_memory_allocated(0)
    run(tmp_path, "trainer.accelerator=gpu", "trainer.devices=[1]")
    assert torch.cuda.max_memory_allocated(0) == before
    assert torch.cuda.max_memory_allocated(1) > 0


def test_an_exchange_of_wishes_waits_for_nothing(device: torch.device, tmp_path: Path) -> None:
    """In a group of one; the first exchange, which connects it, may wait."""
    on_gpu = device.type == "cuda"
    on_wait: Any = torch.cuda.set_sync_debug_mode if on_gpu else lambda mode: None
    several: Any = SimpleNamespace(world_size=2, strategy=SimpleNamespace(root_device=device))
    dist.init_process_group("nccl" if on_gpu else "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        all_reduce_action(several, StepAction.NONE).read()
        on_wait("error")
        exchanged = all_reduce_action(several, StepAction.SAVE)
        on_wait("default")
        assert read_action(exchanged) == StepAction.SAVE
    finally:
        dist.destroy_process_group()
