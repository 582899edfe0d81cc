"""What repair without training is worth: ResNets of CIFAR-10 from trained checkpoints, half of each block's first
convolution, the whole test set, three draws of unlabelled training images; and what least squares cost a ResNet-50 at
half of its MACs on 256 images of 224 x 224 (of noise, which takes as long). Seconds are of the processor."""

import time
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from torch import Tensor

import pruning
from experiments.benchmarks.harness import Aim, Row, number, run_benchmark
from experiments.benchmarks.memory import peak_megabytes
from experiments.benchmarks.run_context import build_context
from experiments.evaluate.measure import answers
from experiments.run.context import RunContext
from pruning.graph.attachments import duplicate
from pruning.models.library import torchvision_network
from pruning.pruned import Pruned
from pruning.pruner import Pruner
from pruning.repair.names import repair_names

CPU = torch.device("cpu")
Cells = dict[tuple[str, str], tuple[tuple[str, int, int], ...]]  # network, criterion: repair, images, draws
AIMED: Cells = {("resnet20", "l1"): (("ls", 400, 3), ("ls", 32, 3)), ("resnet56", "l1"): (("ls", 400, 1),)}
OTHERS = (("bn", 400, 3), ("merge", 0, 1), ("merge,bn", 400, 3), ("merge,ls", 400, 3), ("ls,bn", 400, 3))
WIDE: Cells = {("resnet20", criterion): (*AIMED["resnet20", "l1"], *OTHERS) for criterion in ("l1", "random")} | {
    ("resnet56", "l1"): (("ls", 400, 3), ("ls", 32, 3))
}


def measure(data: Path, checkpoints: Path, wide: bool) -> list[Row]:
    rows: list[Row] = []
    for (model, criterion), repairs in (WIDE if wide else AIMED).items():
        rows += measure_repairs(load_checkpoint(model, data, checkpoints), model, criterion, repairs)
    return [*rows, measure_imagenet()]


def measure_imagenet() -> Row:
    images = torch.randn(256, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    pruner = pruning.attach(torchvision_network("resnet50", 1000, (3, 224, 224)).eval(), images[:2], "l1", macs=0.5)
    cut, start = pruner.finish(images[:2]), time.process_time()
    megabytes = peak_megabytes(lambda: pruner.mend(cut, ("ls",), images))
    seconds = time.process_time() - start
    return {
        "network": "resnet50 at 224",
        "repair": "ls",
        "images": len(images),
        "seconds": seconds,
        "peak MB": megabytes,
    }


def load_checkpoint(model: str, data: Path, checkpoints: Path) -> RunContext:
    return build_context(
        *(f"model={model}", "data=cifar10", f"data.root={data}", "method=l1", "plan=true"),
        f"baseline={checkpoints / f'cifar10_{model}.safetensors'}",
    )


def measure_repairs(
    context: RunContext, model: str, criterion: str, repairs: tuple[tuple[str, int, int], ...]
) -> list[Row]:
    pruner, cut = cut_half(context, criterion)
    test = list(context.data.test_dataloader())
    raw = answers(cut.network, test, CPU).accuracy
    rows = []
    for repair, count, draws in repairs:
        reached, seconds = [], []
        for seed in range(draws):
            start = time.process_time()
            mended = pruner.mend(cut, repair_names(repair), draw_images(context, count, seed) if count else None)
            seconds.append(time.process_time() - start)
            reached.append(answers(mended.network, test, CPU).accuracy)
        row: Row = {"network": model, "criterion": criterion, "repair": repair, "images": count, "draws": len(reached)}
        shares = {"raw, %": raw, "mean, %": mean(reached), "least, %": min(reached), "most, %": max(reached)}
        rows.append(row | {name: 100 * share for name, share in shares.items()} | {"seconds": max(seconds)})
    return rows


def cut_half(context: RunContext, criterion: str) -> tuple[Pruner, Pruned]:
    """Of each block's first convolution, certified on two images."""
    images = draw_images(context, 2, 0)
    pruner = pruning.attach(duplicate(context.network), images, criterion, layer=0.5)
    return pruner, pruner.finish(images)


def draw_images(context: RunContext, count: int, seed: int) -> Tensor:
    """Of all training images, without augmentation."""
    chosen = np.random.default_rng(seed).permutation(context.data.sizes["train"])[:count]
    ((images, _),) = context.data.plain_batches("train", [chosen])  # type: ignore[attr-defined]
    drawn: Tensor = images
    return drawn


def aims(rows: list[Row], data: Path, checkpoints: Path, wide: bool) -> list[Aim]:
    def find(model: str, criterion: str, repair: str, images: int) -> Row:
        wanted = (model, criterion, repair, images)
        return next(r for r in cifar if (r["network"], r["criterion"], r["repair"], r["images"]) == wanted)

    *cifar, imagenet = rows
    gains = [number(row, "least, %") - number(row, "raw, %") for row in cifar if row["repair"] == "ls"]
    return [
        Aim("ResNet-20, L1, ls on 400 images, %", 80, number(find("resnet20", "l1", "ls", 400), "mean, %")),
        Aim("ResNet-20, L1, ls on 32 images, %", 70, number(find("resnet20", "l1", "ls", 32), "mean, %")),
        Aim("worst draw of ls above its raw, points", 0, min(gains)),
        Aim("ls on ResNet-20, 400 images, s", 10, number(find("resnet20", "l1", "ls", 400), "seconds"), "most"),
        Aim("ls on ResNet-56, 400 images, s", 30, number(find("resnet56", "l1", "ls", 400), "seconds"), "most"),
        Aim("ls on ResNet-50 at 224, 256 images, s", 600, number(imagenet, "seconds"), "most"),
        Aim("ls on ResNet-50 at 224, 256 images, peak MB", 6000, number(imagenet, "peak MB"), "most"),
    ]


if __name__ == "__main__":
    run_benchmark(
        "repair",
        "repair without training, half of each block's first convolution",
        measure,
        aims,
        data={"type": Path, "required": True, "help": "CIFAR-10 as folders of images"},
        wide="other repairs and random filters too",
        checkpoints={"type": Path, "required": True, "help": "folder of cifar10_resnet{20,56}.safetensors"},
    )
