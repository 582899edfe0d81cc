"""What it costs that nothing is lost: the check of every step and the checkpoint of every epoch, ResNet-20 on CIFAR-10.

python -m experiments.benchmarks.faults
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD

from experiments.benchmarks.harness import Aim, Row, number, run_benchmark, time_paired
from experiments.trainer.checkpoints import DurableCheckpoints
from pruning.models import resnet
from pruning.training.finite import all_finite, propagate_nonfinite

BATCH, IMAGES = 128, 45_000  # 50,000 less a tenth for validation
CLAIM = "Checks and durable checkpoints cost under 2 % of an epoch of ResNet-20 on a CPU"


def measure() -> list[Row]:
    torch.manual_seed(0)
    network = resnet(20, 10, (3, 32, 32), "A").train()
    optimiser = SGD(network.parameters(), lr=0.1, momentum=0.9, fused=True)
    images, labels = torch.randn(BATCH, 3, 32, 32), torch.arange(BATCH) % 10

    def train() -> None:
        optimiser.zero_grad()
        cross_entropy(network(images), labels).backward()
        optimiser.step()

    with tempfile.TemporaryDirectory() as folder:
        work: dict[str, Callable[[], object]] = {
            "step": train,
            "check": check_work(network),
            "checkpoint": checkpoint_work(network, optimiser, Path(folder)),
        }
        times = time_paired(work)
    return [cost_row(times, IMAGES // BATCH)]


def cost_row(times: dict[str, float], steps: int) -> Row:
    """A check at every step and one checkpoint, as a share of an epoch."""
    cost, epoch = steps * times["check"] + times["checkpoint"], steps * times["step"]
    return {**{f"{name} ms": value for name, value in times.items()}, "steps": steps, "share": cost / epoch}


def check_work(network: nn.Module) -> Callable[[], None]:
    """What a step does more than it had to."""
    loss = torch.ones((), requires_grad=True)

    def work() -> None:
        propagate_nonfinite(loss).backward()
        gradients: list[Tensor] = [p.grad for p in network.parameters() if p.grad is not None]
        assert all_finite(gradients)

    return work


def checkpoint_work(network: nn.Module, optimiser: SGD, folder: Path) -> Callable[[], None]:
    state = {"state_dict": network.state_dict(), "optimizer_states": [optimiser.state_dict()]}
    return lambda: DurableCheckpoints().save_checkpoint(state, folder / "last.ckpt")


def aims(rows: list[Row]) -> list[Aim]:
    return [Aim("checks and checkpoints: share of an epoch of ResNet-20", 0.02, number(rows[0], "share"), "most")]


if __name__ == "__main__":
    run_benchmark("faults", CLAIM, measure, aims)
