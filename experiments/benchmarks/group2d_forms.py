"""VGG-16's layers and the whole of it: dense against both small forms of group-wise pruning, four groups of filters.

A form's figure is the dense network's time over its own, in the same runtime, by turns in one process. Layers stand
alone, with random patterns; the whole network is pruned to a quarter of its MACs by the l1 score of fresh weights.
"""

import copy

import torch
from torch import nn

from experiments.benchmarks.harness import Row, run_benchmark, time_paired
from experiments.system import hardware
from pruning.budget.targets import Share
from pruning.deploy.runtimes import RUNTIMES, Shape, runtimes, synchronised
from pruning.graph.cost import count_macs
from pruning.methods.group2d import Group2D
from pruning.models import vgg16
from pruning.surgery import compact
from pruning.surgery.align import ColumnGroups
from pruning.surgery.forms import to_grouped

LAYERS = ((64, 32), (128, 16), (256, 8), (512, 4), (512, 2))  # channels and side of VGG-16's square layers
CUTS, GROUPS = (2, 4), 4
BATCHES = (1, 64)
ROUNDS = 9
SHAPE = (3, 32, 32)
DEVICE = hardware.device("auto")


def compare_forms(what: str, dense: nn.Module, split: nn.Module, shape: Shape, compile: bool) -> list[Row]:
    """One for each batch size and runtime."""
    networks = {name: form.to(DEVICE).eval() for name, form in forms(dense, split).items()}
    fewer = fewer_macs(*(count_macs(network, shape) for network in networks.values()))
    rows: list[Row] = []
    for runtime in runtimes(DEVICE, compile):
        ready = {name: RUNTIMES[runtime](network, shape, BATCHES, DEVICE) for name, network in networks.items()}
        for batch in BATCHES:
            times = time_paired(
                {name: synchronised(works[batch], DEVICE) for name, works in ready.items()}, ROUNDS, warm=2
            )
            rows.append({"what": what, "fewer MACs": fewer, "runtime": runtime, "batch": batch} | speedups(times))
    return rows


def fewer_macs(dense: int, split: int, grouped: int) -> str:
    return f"{dense / split:.1f}x, {dense / grouped:.1f}x padded"


def speedups(times: dict[str, float]) -> dict[str, float]:
    """The dense network's milliseconds, and how many times faster each form is."""
    return {"dense, ms": times["dense"]} | {form: times["dense"] / times[form] for form in ("split", "grouped")}


def forms(dense: nn.Module, split: nn.Module) -> dict[str, nn.Module]:
    return {"dense": dense, "split": split, "grouped": to_grouped(split)}


def measure_layer(width: int, side: int, cut: int, compile: bool) -> list[Row]:
    draws = torch.Generator().manual_seed(0)
    columns = [torch.randperm(width, generator=draws)[: width // cut].sort().values for _ in range(GROUPS)]
    split = ColumnGroups([nn.Conv2d(width // cut, width // GROUPS, 3, padding=1) for _ in columns], columns)
    dense = nn.Conv2d(width, width, 3, padding=1)
    return compare_forms(
        f"{width} -> {width}, {side}x{side}", dense, nn.Sequential(split), (width, side, side), compile
    )


def measure_network(compile: bool) -> list[Row]:
    network = vgg16(10, SHAPE).eval()
    method = Group2D(Share(0.75, "macs"), GROUPS, "l1", "score", 1, "kxk", adapt=False, form="split")
    method.attach(pruned := copy.deepcopy(network), SHAPE, 0)
    choice = method.select(pruned)
    return compare_forms("VGG-16", network, compact(network, choice, SHAPE), SHAPE, compile)


@torch.no_grad()
def measure(compile: bool) -> list[Row]:
    layers = [measure_layer(*size, cut, compile) for cut in CUTS for size in LAYERS]
    return [row for group in (*layers, measure_network(compile)) for row in group]


if __name__ == "__main__":
    claim = "VGG-16 by group-wise pruning: times faster than dense, both small forms"
    run_benchmark("group2d_forms", claim, measure, compile="time torch.compile too; minutes")
