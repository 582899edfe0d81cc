"""How time and memory grow: tracing, compaction and FCF's update over layers and widths, the report over runs.

Figure ~ size^exponent, fitted on logarithms; a fixed cost makes it less than 1. Time is the processor's. Memory is the
peak of what is resident (RSS) over what was resident before: Python's objects and tensors. A plot lies beside the
record. The report is made of copies of one committed record.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import torch
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

from experiments import report
from experiments.benchmarks.growth_plot import Key, group_curves, render_png
from experiments.benchmarks.harness import Aim, Row, number, run_benchmark
from experiments.benchmarks.memory import peak_megabytes
from experiments.system.checkout import ROOT
from pruning.graph.graph import trace
from pruning.methods.gates.lpbox import LpBox
from pruning.models.library import torchvision_network
from pruning.selection import Selection, convolutions
from pruning.surgery import compact

DEPTHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
CHAINS = (100, 200, 500, 1000)  # convolutions of 8 channels, each with its norm
WIDTHS = (16, 32, 64, 128)  # of ResNet-50's first bottlenecks; the later ones are 2, 4 and 8 times as wide
GATES = (64, 128, 256, 512)  # in each of 50 layers
RUNS = (10, 30, 100, 300, 1000)
RECORD = ROOT / "experiments" / "results" / "cifar10_resnet20" / "l1.json"
SHAPE = (3, 64, 64)
LINEAR = 1.15  # with the noise of such a fit
DEPTH = 1.1  # of tracing and compaction over ResNet-18 to 152 and over chains
SQUARE = 2.15  # the kernels of a layer are the product of two widths
SORT = 1.3  # corners are sorted: log2 of 128 to 1,024 of them adds 0.17 to the exponent
SEEN = 2.0  # MB; less than this at every size is nothing
FIGURES = {"seconds": "time", "peak MB": "memory"}


def measure_cost(work: Callable[[], object], turns: int = 5) -> dict[str, float]:
    """Processor time is the least of some turns."""
    megabytes, seconds = peak_megabytes(work), []
    for _ in range(turns):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return {"seconds": min(seconds), "peak MB": megabytes}


def measure_layers() -> Iterator[Row]:
    for name in DEPTHS:
        yield from measure_network(torchvision_network(name, 1000, SHAPE), "layers")
    for length in CHAINS:
        yield from measure_network(chain_of(length), "length of a chain", length)


def chain_of(length: int) -> nn.Module:
    convs = (nn.Conv2d(8 if place else 3, 8, 3, padding=1) for place in range(length))
    return nn.Sequential(*(layer for conv in convs for layer in (conv, nn.BatchNorm2d(8), nn.ReLU())))


def measure_widths() -> Iterator[Row]:
    for width in WIDTHS:
        yield from measure_network(ResNet(Bottleneck, [3, 4, 6, 3], width_per_group=width), "width", width)
    for width in GATES:
        yield make_row("FCF's update", "width", width, measure_cost(fcf_update([width] * 50), turns=7))


def measure_network(network: nn.Module, by: str, size: int | None = None) -> Iterator[Row]:
    """`size`: how many layers, where nothing is said."""
    layers = len(convolutions(network.eval()))
    graph, choice = trace(network, SHAPE), halve_filters(network)
    yield make_row("trace", by, size or layers, measure_cost(lambda: trace(network, SHAPE)))
    yield make_row("compaction", by, size or layers, measure_cost(lambda: compact(network, choice, SHAPE, graph)))
    if by == "layers":
        yield make_row("FCF's update", by, layers, measure_cost(fcf_update([64] * layers), turns=7))


def halve_filters(network: nn.Module) -> Selection:
    """Half of the filters at random."""
    draws = torch.Generator().manual_seed(0)
    kept_rows = {n: torch.rand(len(c.weight), generator=draws) < 0.5 for n, c in convolutions(network).items()}
    return Selection.of_rows(network, {n: rows | (rows.sum() == 0) for n, rows in kept_rows.items()})


def fcf_update(widths: list[int]) -> Callable[[], None]:
    box = LpBox(widths, [width // 2 for width in widths], 0.99, 0.01, 1.01, 6.0)
    gates = torch.rand(box.valid.shape) * box.valid

    def twenty() -> None:
        for _ in range(20):
            box.constrained_gradient(gates, gates)
            box.settle(gates)

    return twenty


def measure_reports() -> Iterator[Row]:
    for count in RUNS:
        with TemporaryDirectory() as name:
            write_copies(Path(name), count)
            write = partial(report.write_report, Path(name))
            write()  # its libraries load the first time
            yield make_row("report", "runs", count, measure_cost(write, turns=1))


def write_copies(folder: Path, count: int) -> None:
    """Runs of one experiment that differ in seed and ratio."""
    record = json.loads(RECORD.read_text())
    for copy in range(count):
        run_folder = folder / f"run-{copy:08x}"
        run_folder.mkdir()
        record |= {"seed": copy % 5, "ratio": round(0.1 + 0.8 * (copy // 5) / count, 4), "digest": f"{copy:064x}"}
        (run_folder / "record.json").write_text(json.dumps(record))


def make_row(work: str, by: str, size: int, figures: dict[str, float]) -> Row:
    return {"work": work, "by": by, "size": size, **figures}


def exponents(rows: list[Row], figure: str) -> dict[Key, float]:
    """Slope of log figure over log size, by work and what it grows with; none where there is nothing to see."""
    return {
        key: slope([(number(row, "size"), number(row, figure)) for row in curve])
        for key, curve in group_curves(rows).items()
        if figure == "seconds" or max(number(row, figure) for row in curve) > SEEN
    }


def slope(points: list[tuple[float, float]]) -> float:
    logs = [(math.log(size), math.log(max(value, 1e-9))) for size, value in points]
    x, y = mean(a for a, _ in logs), mean(b for _, b in logs)
    return sum((a - x) * (b - y) for a, b in logs) / sum((a - x) ** 2 for a, _ in logs)


def measure() -> list[Row]:
    fcf_update([64])()  # what torch sets up at first use is no growth
    return [*measure_layers(), *measure_widths(), *measure_reports()]


def aims(rows: list[Row]) -> list[Aim]:
    return [
        Aim(f"{work} by {by}: exponent of {word}", largest_exponent(work, by), exponent, "most")
        for figure, word in FIGURES.items()
        for (work, by), exponent in exponents(rows, figure).items()
    ]


def largest_exponent(work: str, by: str) -> float:
    """Where the mathematics says more than linear, or depth is all that there is."""
    if work in ("trace", "compaction") and by in ("layers", "length of a chain"):
        return DEPTH
    return {("compaction", "width"): SQUARE, ("FCF's update", "width"): SORT}.get((work, by), LINEAR)


def draw_plot(rows: list[Row]) -> bytes:
    return render_png(rows, {figure: exponents(rows, figure) for figure in FIGURES})


if __name__ == "__main__":
    run_benchmark("growth", "Growth of time and memory with layers, widths and runs", measure, aims, draw_plot)
