"""L1's scores of all filters of a network, and the bare sum of absolute values of its weights, in processor time."""

import time

import torch

from experiments.benchmarks.bench import Aim, Row, main, paired
from experiments.benchmarks.setting import bench_of
from pruning.selection import convolutions

NETWORKS = ("resnet56", "vgg16", "resnet50")
SIDES = {"resnet50": 224}


@torch.no_grad()
def one(name: str) -> Row:
    side = SIDES.get(name, 32)
    bench = bench_of(f"model={name}", "method=l1", f"data.size={side}", "data.train=64", "data.test=1", "plan=true")
    bench.method.attach(bench.network, bench.image_shape, 0)
    layers = convolutions(bench.network).values()
    times = paired(
        {
            "ours": lambda: bench.method.scores(bench.network),  # type: ignore[attr-defined]
            "bare": lambda: [layer.weight.abs().sum() for layer in layers],
        },
        clock=time.process_time,
    )
    return {"network": name, "L1's scores, ms": times["ours"], "bare sums, ms": times["bare"]}


def measure() -> list[Row]:
    return [one(name) for name in NETWORKS]


def aims(rows: list[Row]) -> list[Aim]:
    return [Aim("L1 scoring of ResNet-50, ms", 50, rows[-1]["L1's scores, ms"], "most")]


if __name__ == "__main__":
    main("scoring", "L1's scores of all filters at each site", measure, aims)
