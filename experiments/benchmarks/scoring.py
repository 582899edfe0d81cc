"""L1's scores of all filters of a network, and the bare sum of absolute values of its weights, in processor time."""

import time

import torch

from experiments.benchmarks.harness import Aim, Row, number, run_benchmark, time_paired
from experiments.benchmarks.run_context import build_context
from pruning.selection import convolutions

NETWORKS = ("resnet56", "vgg16", "resnet50")
SIDES = {"resnet50": 224}


@torch.no_grad()
def measure_network(name: str) -> Row:
    side = SIDES.get(name, 32)
    context = build_context(
        f"model={name}", "method=l1", f"data.size={side}", "data.train=64", "data.test=1", "plan=true"
    )
    context.method.attach(context.network, context.image_shape, 0)
    layers = convolutions(context.network).values()
    times = time_paired(
        {
            "ours": lambda: context.method.scores(context.network),  # type: ignore[attr-defined]
            "bare": lambda: [layer.weight.abs().sum() for layer in layers],
        },
        clock=time.process_time,
    )
    return {"network": name, "L1's scores, ms": times["ours"], "bare sums, ms": times["bare"]}


def measure() -> list[Row]:
    return [measure_network(name) for name in NETWORKS]


def aims(rows: list[Row]) -> list[Aim]:
    return [Aim("L1 scoring of ResNet-50, ms", 50, number(rows[-1], "L1's scores, ms"), "most")]


if __name__ == "__main__":
    run_benchmark("scoring", "L1's scores of all filters at each site", measure, aims)
