"""Training curves of a setting: metrics.jsonl beside each record, averaged over seeds, thinned for a page."""

from collections import defaultdict
from collections.abc import Iterator
from math import isfinite
from statistics import fmean
from typing import NamedTuple, TypeGuard

from experiments.records import metrics
from experiments.records.json_value import JSON
from experiments.report.analyse.configurations import Configuration
from experiments.report.load.runs import LEARNING, SCRATCH, Run

ACCURACIES = {"val_accuracy": "validation", "train_accuracy": "training"}
NOT_METHOD = {"stage", "step", "epoch", "loss", "val_loss", "train_loss", *ACCURACIES}
MOST = 60  # points of one line


class Point(NamedTuple):
    figure: str
    stage: str
    epoch: float  # epochs done since the dense network
    value: float


def mean_series(configuration: Configuration) -> list[Point]:
    """The mean over seeds of every figure at the end of every epoch."""
    values_by_key: dict[tuple[str, str, float], list[float]] = defaultdict(list)
    for run in configuration.runs:
        for point in run_points(run):
            values_by_key[point.figure, point.stage, point.epoch].append(point.value)
    points = [Point(*key, fmean(values)) for key, values in sorted(values_by_key.items(), key=lambda item: item[0])]
    lines: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for point in points:
        lines[point.figure, point.stage].append(point)
    return [point for line in lines.values() for point in thin_line(line)]


def run_points(run: Run) -> Iterator[Point]:
    begun = first_epochs(run)
    for line in metrics.read([run.path.parent / "metrics.jsonl"]):
        stage = line.get("stage")
        if isinstance(stage, str) and stage in begun and is_number(epoch := line.get("epoch")):
            kind, epochs = stage.partition("-")[0], begun[stage] + float(epoch) + 1
            yield from (Point(name, kind, epochs, value) for name, value in select_figures(line, kind).items())


def first_epochs(run: Run) -> dict[str, int]:
    """After how many epochs each stage began that followed the dense network."""
    begun, done = {}, 0
    for stage in run.stages:
        if stage.kind in (SCRATCH if run.scratch else LEARNING):
            begun[stage.name], done = done, done + stage.epochs
    return begun


def select_figures(line: dict[str, JSON], stage: str) -> dict[str, float]:
    """Accuracies of every stage; whatever a method says of itself while it learns its choice."""
    method_figures = [name for name in line if name not in NOT_METHOD] if stage == "prune" else []
    return {name: float(value) for name in (*ACCURACIES, *method_figures) if is_number(value := line.get(name))}


def is_number(value: JSON) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def thin_line(line: list[Point]) -> list[Point]:
    """At most so many points, the last among them."""
    step = -(-len(line) // MOST)
    return line[::-1][::step][::-1]
