"""How time and memory grow: tracing, compaction and FCF's update over layers and widths, the report over runs.

Time ~ size^exponent, fitted on logarithms; a fixed cost makes it less than 1. The report is made of copies of one
committed record.
"""

import json
import math
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import torch

from experiments import report
from experiments.benchmarks.bench import Aim, Row, main
from experiments.digest import ROOT
from pruning.graph import trace
from pruning.methods.fcf.lpbox import LpBox
from pruning.models.library import torchvision_network
from pruning.selection import Selection, convolutions
from pruning.surgery import compact

DEPTHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
WIDTHS = (64, 128, 256, 512)  # of each of 50 layers with gates
RUNS = (10, 30, 100, 300, 1000)
RECORD = ROOT / "experiments" / "results" / "cifar10_resnet20" / "l1.json"
SHAPE = (3, 64, 64)
LINEAR = 1.15  # with the noise of such a fit
SEEN = 1  # MB; tensors are not among what Python counts, and less than this is nothing

Timed = tuple[float, float]  # seconds, MB at the peak


def cost(work: Callable[[], Any], turns: int = 3) -> Timed:
    """Processor time, the least of some turns; memory of Python's own objects in one turn more."""
    seconds = []
    for _ in range(turns):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return min(seconds), peak / 1e6


def by_depth() -> list[Row]:
    return [row for name in DEPTHS for row in of_network(name)]


def of_network(name: str) -> list[Row]:
    network = torchvision_network(name, 1000, SHAPE).eval()
    draws = torch.Generator().manual_seed(0)
    kept = {n: torch.rand(len(c.weight), generator=draws) < 0.5 for n, c in convolutions(network).items()}
    choice = Selection.of_rows(network, {n: row | (row.sum() == 0) for n, row in kept.items()})
    graph, layers = trace(network, SHAPE), len(kept)
    return [
        row("trace, by layers", layers, cost(lambda: trace(network, SHAPE))),
        row("compaction, by layers", layers, cost(lambda: compact(network, choice, SHAPE, graph))),
        row("FCF's update, by layers", layers, cost(update([64] * layers), turns=7)),
    ]


def by_width() -> list[Row]:
    return [row("FCF's update, by width", width, cost(update([width] * 50), turns=7)) for width in WIDTHS]


def update(widths: list[int]) -> Callable[[], None]:
    box = LpBox(widths, [width // 2 for width in widths], 0.99, 0.01, 1.01, 6.0)
    gates = torch.rand(box.valid.shape) * box.valid

    def twenty() -> None:
        for _ in range(20):
            box.steered(gates, gates)
            box.settle(gates)

    return twenty


def by_runs() -> list[Row]:
    rows = []
    for count in RUNS:
        with TemporaryDirectory() as name:
            copies(Path(name), count)
            report.write(Path(name))  # its libraries load the first time
            rows.append(row("report, by runs", count, cost(lambda: report.write(Path(name)), turns=1)))
    return rows


def copies(folder: Path, count: int) -> None:
    """Runs of one experiment that differ in seed and ratio."""
    record = json.loads(RECORD.read_text())
    for number in range(count):
        place = folder / f"run-{number:08x}"
        place.mkdir()
        record |= {"seed": number % 5, "ratio": round(0.1 + 0.8 * (number // 5) / count, 4), "digest": f"{number:064x}"}
        (place / "record.json").write_text(json.dumps(record))


def row(what: str, size: int, found: Timed) -> Row:
    return {"what": what, "size": size, "seconds": found[0], "peak MB": found[1]}


def exponents(rows: list[Row], figure: str) -> dict[str, float]:
    """Slope of log figure over log size."""
    found = {}
    for what in dict.fromkeys(row["what"] for row in rows):
        pairs = [(math.log(r["size"]), math.log(max(r[figure], 1e-9))) for r in rows if r["what"] == what]
        x, y = mean(a for a, _ in pairs), mean(b for _, b in pairs)
        found[what] = sum((a - x) * (b - y) for a, b in pairs) / sum((a - x) ** 2 for a, _ in pairs)
    return found


def measure() -> list[Row]:
    return [*by_depth(), *by_width(), *by_runs()]


def aims(rows: list[Row]) -> list[Aim]:
    figures = {"seconds": "time", "peak MB": "memory"}
    return [
        Aim(f"{what}: exponent of {word}", LINEAR, slope, "most")
        for figure, word in figures.items()
        for what, slope in exponents([r for r in rows if figure == "seconds" or r[figure] > SEEN], figure).items()
    ]


if __name__ == "__main__":
    main("growth", "Growth of time and memory with layers, widths and runs", measure, aims)
