"""Runs that repeat each other, averaged; and what may stand in one chart."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from experiments.report.analyse.estimate import Estimate, estimate
from experiments.report.load import grouping, labels
from experiments.report.load.deployed import deployed_figures, deployment_of
from experiments.report.load.grouping import group_by
from experiments.report.load.runs import Figure, Run, figures
from experiments.report.load.text import printable


@dataclass(frozen=True)
class Configuration:
    """Runs that differ by their seeds alone: one row of a table, one point of a chart."""

    id: str
    curve: str  # label of all settings that differ by their ratio alone
    runs: tuple[Run, ...]  # by seed

    @property
    def first(self) -> Run:
        return self.runs[0]

    @property
    def method(self) -> str:
        return printable(self.first.record.method)

    @property
    def ratio(self) -> float:
        return self.first.record.ratio

    @property
    def scratch(self) -> bool:
        return self.first.scratch

    @cached_property
    def by_seed(self) -> dict[int, Run]:
        return {run.record.seed: run for run in self.runs}

    def estimate(self, figure: Figure) -> Estimate | None:
        """None unless every run has the figure; times of different devices are never averaged."""
        if figure.key not in self.estimates:
            self.estimates[figure.key] = self.estimated(figure)
        return self.estimates[figure.key]

    @cached_property
    def estimates(self) -> dict[str, Estimate | None]:
        return {}

    def estimated(self, figure: Figure) -> Estimate | None:
        values = [value for run in self.runs if (value := figure.of(run)) is not None]
        if len(values) < len(self.runs) or (figure.timed and len(self.devices) > 1):
            return None
        return estimate(values)

    @cached_property
    def devices(self) -> list[str]:
        return sorted({printable(run.record.device) for run in self.runs})

    @cached_property
    def accuracies(self) -> dict[int, float]:
        return {seed: run.final.accuracy for seed, run in self.by_seed.items()}

    @cached_property
    def accuracy(self) -> Estimate:
        return estimate(list(self.accuracies.values()))

    @cached_property
    def change(self) -> Estimate:
        """Fine-tuned minus dense, each seed with its own dense network."""
        return estimate([run.final.accuracy - run.record.dense.accuracy for run in self.runs])

    @cached_property
    def macs_cut(self) -> float:
        return estimate([run.cut("macs") for run in self.runs]).mean


@dataclass(frozen=True)
class Comparison:
    """What may be compared: one network on one data set."""

    title: str
    configurations: list[Configuration]
    figures: list[Figure]

    @cached_property
    def runs(self) -> list[Run]:
        return [run for configuration in self.configurations for run in configuration.runs]

    @cached_property
    def curves(self) -> list[str]:
        return list(dict.fromkeys(configuration.curve for configuration in self.configurations))


def build_comparisons(runs: Iterable[Run]) -> list[Comparison]:
    """Of runs with one file for each setting and seed."""
    sections = list(group_by(runs, lambda run: grouping.comparison_key(run.record)).values())
    titles = labels.comparison_titles([group[0].record for group in sections])
    unsorted = [
        Comparison(title, build_configurations(group), figures_of(group))
        for title, group in zip(titles, sections, strict=True)
    ]
    return sorted(unsorted, key=lambda comparison: comparison.title)


def figures_of(runs: list[Run]) -> list[Figure]:
    columns = figures(batch_sizes(runs), any_repaired(runs), any_flips(runs))
    return [*columns, *deployed_figures()] if any(map(deployment_of, runs)) else columns


def any_repaired(runs: list[Run]) -> bool:
    return any(run.record.repaired is not None for run in runs)


def any_flips(runs: list[Run]) -> bool:
    return any(run.final.flips is not None for run in runs)


def build_configurations(runs: list[Run]) -> list[Configuration]:
    """All of one section, by curve and cut."""
    curves = group_by((run for run in runs if not run.scratch), lambda run: run.curve)
    curve_names = dict(zip(curves, labels.curve_labels([group[0].record for group in curves.values()]), strict=True))
    rows = [build_configuration(key, group, curve_names) for key, group in group_by(runs, configuration_key).items()]
    return sorted(rows, key=lambda row: (row.curve, row.macs_cut, row.ratio))


def configuration_key(run: Run) -> tuple[str, bool]:
    return run.repeated, run.scratch


def build_configuration(key: tuple[str, bool], runs: list[Run], curve_names: dict[str, str]) -> Configuration:
    repeated, scratch = key
    label = curve_names[runs[0].curve] + (", its shape from scratch" if scratch else "")
    ordered = tuple(sorted(runs, key=lambda run: run.record.seed))
    return Configuration(grouping.short_hash(repeated + scratch * "scratch"), label, ordered)


def batch_sizes(runs: list[Run]) -> list[str]:
    sizes = {batch for run in runs for batch in run.batches()}
    return sorted(sizes, key=lambda batch: (len(batch), batch))
