"""Trace + compact beside Torch-Pruning's graph + step: ten networks at 224x224, the same share of every layer gone.

Both sides get a network and leave a smaller one; which filters go is drawn before on our side (by `Random`, what is
added cut together) and within the step on theirs. The step cuts in place: a copy of the network, which `compact` makes
and the step does not, is timed beside it and not in the ratio. Each side is compared in float64, with random norms, to
the full-size network whose filters are zeros. Processor time, by turns in one process. Needs torch-pruning and timm.
"""

import copy
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import TypeVar

import torch
from torch import nn

from experiments.benchmarks.harness import Aim, Row, number, run_benchmark
from experiments.benchmarks.peer_mask import Tombs
from experiments.system.console import log
from pruning.budget.targets import PerLayer
from pruning.graph.cost import count_macs
from pruning.graph.graph import trace
from pruning.methods.random import Random
from pruning.models.library import timm_network, torchvision_network
from pruning.selection import Selection
from pruning.surgery import compact, mask
from pruning.testing import images, randomised, relative

NETWORKS = (
    *("resnet50", "vgg16_bn", "densenet121", "googlenet", "mobilenet_v2", "mnasnet1_0", "efficientnet_b0"),
    *("regnet_y_400mf", "squeezenet1_1", "hrnet_w18_small"),
)
TIMM = {"hrnet_w18_small"}
SHAPE = (3, 224, 224)
SMALL = (3, 96, 96)  # images of the comparison with the masked network
RATIO = 0.4
ROUNDS = 3  # after one that is not counted
PHASES = ("trace", "compact", "step", "copy")
MEDIAN, LARGEST, CUT, EXACT = 1.0, 1.5, 0.2, 1e-12
Result = TypeVar("Result")


def build(name: str) -> nn.Module:
    return (timm_network if name in TIMM else torchvision_network)(name, 1000, SHAPE).eval()


def select(network: nn.Module) -> Selection:
    method = Random(PerLayer(RATIO), joined="couple")
    method.survey(network, SHAPE)
    method.settle_counts(network, method.scores(network))
    return method.select(network)


def build_pruner(network: nn.Module):  # type: ignore[no-untyped-def]
    """Its dependency graph; the classifier stays whole."""
    import torch_pruning

    *_, last = (layer for layer in network.modules() if isinstance(layer, (nn.Linear, nn.Conv2d)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch_pruning.pruner.BasePruner(
            network,
            torch.randn(1, *SHAPE, dtype=next(network.parameters()).dtype),
            importance=torch_pruning.importance.RandomImportance(),
            pruning_ratio=RATIO,
            ignored_layers=[last],
        )


def measure_network(name: str) -> Row:
    network = build(name)
    choice = select(network)
    turns = [time_turn(network, choice) for _ in range(ROUNDS + 1)][1:]
    seconds = {phase: median(number(turn, phase) for turn in turns) for phase in PHASES}
    macs = count_macs(network, SHAPE)
    exact = {"ours differ by": certify_ours(name, choice), "theirs differ by": certify_theirs(name)}
    return {
        "network": name,
        **{f"{phase}, s": value for phase, value in seconds.items()},
        "ratio": (seconds["trace"] + seconds["compact"]) / seconds["step"],
        "ratio, with their copy": (seconds["trace"] + seconds["compact"]) / (seconds["step"] + seconds["copy"]),
        **{f"{side} cut": 1 - number(turns[-1], side) / macs for side in ("ours", "theirs")},
        **exact,
    }


def time_turn(network: nn.Module, choice: Selection) -> Row:
    """Seconds of each phase, one after the other, and the MACs of either small network."""
    graph, tracing = time_call(lambda: trace(network, SHAPE))
    small, compaction = time_call(lambda: compact(network, choice, SHAPE, graph))
    victim, copying = time_call(lambda: copy.deepcopy(network))
    _, step = time_call(lambda: build_pruner(victim).step())
    seconds = {"trace": tracing, "compact": compaction, "step": step, "copy": copying}
    return {**seconds, "ours": count_macs(small, SHAPE), "theirs": count_macs(victim, SHAPE)}


def time_call(work: Callable[[], Result]) -> tuple[Result, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


@torch.no_grad()
def certify_ours(name: str, choice: Selection) -> float:
    network = randomised(build(name))
    batch = images(SMALL, 1)
    return relative(mask(network, choice, SHAPE)(batch), compact(network, choice, SHAPE)(batch))


@torch.no_grad()
def certify_theirs(name: str) -> float:
    masked = randomised(build(name))
    small = copy.deepcopy(masked)
    with torch.enable_grad():  # its graph is autograd's
        pruner = build_pruner(small)
    tombs = Tombs(small, masked)
    for group in pruner.step(interactive=True):
        tombs.silence(pruner.DG, group)
        group.prune()
    batch = images(SMALL, 1)
    return relative(masked(batch), small(batch))


def measure() -> list[Row]:
    rows = []
    for name in NETWORKS:
        rows.append(measure_network(name))
        log(f"{name}: {number(rows[-1], 'ratio'):.2f}")
    return rows


def aims(rows: list[Row]) -> list[Aim]:
    ratios = [number(row, "ratio") for row in rows]
    cuts = [number(row, f"{side} cut") for row in rows for side in ("ours", "theirs")]
    differences = [number(row, f"{side} differ by") for row in rows for side in ("ours", "theirs")]
    return [
        Aim("trace + compact over Torch-Pruning's graph + step, median", MEDIAN, median(ratios), "most"),
        Aim("the slowest of them", LARGEST, max(ratios), "most"),
        Aim("MACs cut, the least of both sides", CUT, min(cuts)),
        Aim("difference from the masked network, the largest of both sides", EXACT, max(differences), "most"),
    ]


if __name__ == "__main__":
    run_benchmark("peer", "Trace + compact beside Torch-Pruning's graph + step at 224x224", measure, aims)
