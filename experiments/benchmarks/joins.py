"""From how many MACs on are rows of zeros dearer than spreading channels: FCF's joins in ONNX Runtime, one thread.

Half of the MACs go, every convolution of a block on its own. Weights are fresh and images are noise: neither changes
what an operator takes.
"""

import time

import torch

from experiments.benchmarks.deploy_speed import CPU, build, prune_joined
from experiments.benchmarks.harness import Aim, Row, number, run_benchmark
from pruning.deploy.runtimes import prepare_onnx, random_images
from pruning.files.export import checked_onnx
from pruning.graph.cost import count_macs
from pruning.surgery.joins import MOST, write_zeros
from pruning.timing import time_by_turns

NETWORKS = ("resnet20", "resnet34", "resnet50")
BATCHES = (1, 8)
LIMITS = (0.0, 25.0, MOST, 100.0, 200.0, 400.0, 1e6)
DENSE = -1.0
ROUNDS, SECONDS = 15, 0.15


@torch.no_grad()
def measure() -> list[Row]:
    return [row for name in NETWORKS for row in measure_network(name)]


def measure_network(name: str) -> list[Row]:
    dense, shape = build(name)
    small = prune_joined(dense, shape)
    inputs = [random_images(2, shape, CPU)]
    macs = {limit: count_macs(write_zeros(small, inputs, limit), shape) / count_macs(dense, shape) for limit in LIMITS}
    files = {limit: checked_onnx(small, shape, limit)[0] for limit in LIMITS}
    ready = {limit: prepare_onnx(content, BATCHES) for limit, content in files.items()}
    ready[DENSE] = prepare_onnx(checked_onnx(dense, shape)[0], BATCHES)
    rows: list[Row] = []
    for batch in BATCHES:
        works = {limit: works[batch] for limit, works in ready.items()}
        times = time_by_turns(works, ROUNDS, warm=2, lasting=SECONDS, clock=time.process_time)
        for limit in LIMITS:
            share = times[limit].over(times[DENSE])
            row: Row = {"network": name, "batch": batch, "zeros up to, MACs": limit, "MACs": macs[limit]}
            row |= {"time": share.value, "known to": share.half_width / share.value, "MB": len(files[limit]) / 1e6}
            rows.append(row)
    return rows


def aims(rows: list[Row]) -> list[Aim]:
    """What is written is nowhere slower than spreading; times of one network are known to a few percent."""
    wanted = []
    for row in rows:
        if row["zeros up to, MACs"] == MOST:
            spread = next(r for r in rows if like(r, row) and r["zeros up to, MACs"] == 0)
            name = f"{row['network']}, batch {row['batch']}: time over that of spreading alone"
            wanted.append(Aim(name, 1.0, number(row, "time") / number(spread, "time"), "most"))
    return wanted


def like(one: Row, other: Row) -> bool:
    return all(one[key] == other[key] for key in ("network", "batch"))


if __name__ == "__main__":
    run_benchmark("joins", "Rows of zeros beside spreading: FCF's joins in ONNX Runtime, one thread", measure, aims)
