"""What repair is still worth after a little training: ResNet-20 of CIFAR-10 from the trained checkpoint, half of each
block's first convolution by L1, with and without least squares on 400 unlabelled images, then one pass over 4,000
images; three draws x three seeds, the better of two rates for each arm, the whole test set."""

from itertools import product
from pathlib import Path
from statistics import mean

import torch
import torch.nn.functional as F
from torch import nn

from experiments.benchmarks.harness import Aim, Row, number, run_benchmark
from experiments.benchmarks.repair import CPU, cut_half, draw_images, load_checkpoint
from experiments.evaluate.measure import answers
from experiments.run.context import RunContext
from pruning.graph.attachments import duplicate
from pruning.training.optimiser import ZeroMomentumSGD

CALIBRATION, IMAGES, BATCH = 400, 4000, 64
RATES = (0.01, 0.001)
DRAWS, SEEDS = range(3), range(100, 103)  # of calibration images, of training images and their order


def measure(data: Path, checkpoints: Path) -> list[Row]:
    context = load_checkpoint("resnet20", data, checkpoints)
    pruner, cut = cut_half(context, "l1")
    starts: dict[tuple[str, int], nn.Module] = {("none", 0): cut.network}
    for draw in DRAWS:
        starts["ls", draw] = pruner.mend(cut, ("ls",), draw_images(context, CALIBRATION, draw)).network
    test = list(context.data.test_dataloader())
    before = {arm: 100 * answers(start, test, CPU).accuracy for arm, start in starts.items()}
    rows: list[Row] = []
    for ((repair, draw), start), seed, rate in product(starts.items(), SEEDS, RATES):
        tuned = train_one_pass(context, duplicate(start), seed, rate)
        row: Row = {"repair": repair, "draw": draw, "seed": seed, "rate": rate}
        rows.append(row | {"before, %": before[repair, draw], "after, %": 100 * answers(tuned, test, CPU).accuracy})
    return rows


def train_one_pass(context: RunContext, network: nn.Module, seed: int, rate: float) -> nn.Module:
    """SGD with momentum at a constant rate; the images of this seed, in its order, without augmentation."""
    chosen = torch.randperm(context.data.sizes["train"], generator=torch.Generator().manual_seed(seed))[:IMAGES]
    network.train()
    groups = [{"params": list(network.parameters()), "momentum": 0.9, "weight_decay": 5e-4}]
    optimizer = ZeroMomentumSGD(groups, lr=rate)
    batches = [numbers.numpy() for numbers in chosen.split(BATCH)]
    for images, labels in context.data.plain_batches("train", batches):  # type: ignore[attr-defined]
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()
    return network.eval()


def aims(rows: list[Row], data: Path, checkpoints: Path) -> list[Aim]:
    gain = best(rows, "ls") - best(rows, "none")
    return [Aim("what ls on 400 images adds after one pass over 4,000, points", 3, gain)]


def best(rows: list[Row], repair: str) -> float:
    """Mean over draws and seeds, at the rate that is better for this arm."""
    return max(mean(reached(rows, repair, rate)) for rate in RATES)


def reached(rows: list[Row], repair: str, rate: float) -> list[float]:
    return [number(row, "after, %") for row in rows if (row["repair"], row["rate"]) == (repair, rate)]


if __name__ == "__main__":
    run_benchmark(
        "one_pass",
        "what repair is still worth after one pass over 4,000 images",
        measure,
        aims,
        data={"type": Path, "required": True, "help": "CIFAR-10 as folders of images"},
        checkpoints={"type": Path, "required": True, "help": "folder of cifar10_resnet20.safetensors"},
    )
