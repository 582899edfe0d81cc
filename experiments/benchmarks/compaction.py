"""Trace, liveness and compaction of torchvision networks at 224x224, half of the filters gone, by depth.

Beside them all of `pruning.prune(network, example, "l1", macs=0.5, joined="expand")`, certificate too. Processor time.
"""

import time
from collections.abc import Callable

import torch

import pruning
from experiments.benchmarks.harness import Row, run_benchmark, time_paired
from pruning.graph.graph import trace
from pruning.models.library import torchvision_network
from pruning.selection import Selection, convolutions
from pruning.surgery import compact

NETWORKS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "densenet121", "mobilenet_v2")
SHAPE = (3, 224, 224)


def measure_network(name: str) -> Row:
    network = torchvision_network(name, 1000, SHAPE).eval()
    draws = torch.Generator().manual_seed(0)
    rows = {n: torch.rand(len(conv.weight), generator=draws) < 0.5 for n, conv in convolutions(network).items()}
    choice = Selection.of_rows(network, {n: row | (row.sum() == 0) for n, row in rows.items()})
    contenders: dict[str, Callable[[], object]] = {
        "ours": lambda: compact(network, choice, SHAPE),
        "trace": lambda: trace(network, SHAPE),
        "prune": lambda: pruning.prune(network, torch.empty(1, *SHAPE), "l1", macs=0.5, joined="expand"),
    }
    if (peer := torch_pruning_job(network)) is not None:
        contenders["torch-pruning"] = peer
    times = time_paired(contenders, rounds=5, clock=time.process_time)
    return compaction_row(name, len(rows), times)


def compaction_row(name: str, layers: int, times: dict[str, float]) -> Row:
    """Of milliseconds; Torch-Pruning's where it is installed."""
    seconds = {
        "ours": "ours, s",
        "trace": "of that, tracing, s",
        "prune": "prune(), s",
        "torch-pruning": "torch-pruning, s",
    }
    row = {"network": name, "convolutions": layers, "ours, ms per convolution": times["ours"] / layers}
    return row | {seconds[contender]: milliseconds / 1000 for contender, milliseconds in times.items()}


def torch_pruning_job(network: torch.nn.Module):  # type: ignore[no-untyped-def]
    """The same job by Torch-Pruning, when it is installed: half of the filters by random importance."""
    try:
        import torch_pruning as peer
    except ImportError:
        return None
    import copy

    def prune() -> None:
        victim = copy.deepcopy(network)
        ignored = [layer for layer in victim.modules() if isinstance(layer, torch.nn.Linear)]
        peer.pruner.MetaPruner(
            victim,
            torch.randn(1, *SHAPE),
            importance=peer.importance.RandomImportance(),
            pruning_ratio=0.5,
            ignored_layers=ignored,
        ).step()

    return prune


def measure() -> list[Row]:
    return [measure_network(name) for name in NETWORKS]


if __name__ == "__main__":
    run_benchmark(
        "compaction",
        "Trace, liveness and compaction at 224x224, half of the filters gone, one thread, processor time",
        measure,
    )
