"""Rows of one comparison at one cut, judged together on the seeds that they share. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.report import bases, testset
from experiments.report.estimate import Estimate, estimate
from experiments.report.judgement import FEWEST, Judgement, judge
from experiments.report.runs import Run
from experiments.report.settings import Setting


@dataclass(frozen=True)
class Verdict:
    """`judged`: the best mean on their common seeds first."""

    judged: list[Setting]
    seeds: list[int]  # that all of them have
    aside: list[Setting]  # of this cut, with too few of these seeds
    beside: list[Setting]  # as near in their cut as the methods' own steps allow, and not one cut
    level: str | None  # the lowest of any two; None for one alone

    @property
    def rate(self) -> float:
        return sum(setting.macs_cut for setting in self.judged) / len(self.judged)

    @property
    def gap(self) -> float:
        """The largest distance in cut of any two that are shown here."""
        cuts = [setting.macs_cut for setting in (*self.judged, *self.beside)]
        return max(cuts) - min(cuts)

    @property
    def n(self) -> int:
        return len(self.seeds)

    def accuracy(self, setting: Setting) -> Estimate:
        return estimate([setting.accuracies[seed] for seed in self.seeds])

    @cached_property
    def runs(self) -> list[list[Run]]:
        """By row and seed."""
        return [[setting.by_seed[seed] for seed in self.seeds] for setting in self.judged]

    @cached_property
    def judgement(self) -> Judgement:
        return judge(np.array([[run.final.accuracy for run in row] for row in self.runs]), self.testset)

    @property
    def images(self) -> int | None:
        """Of the smallest test set; None where one is not known."""
        counts = [run.tested for row in self.runs for run in row]
        return min((count for count in counts if count is not None), default=None) if None not in counts else None

    @cached_property
    def answers(self) -> np.ndarray | None:
        """By row, seed and image; None unless all kept theirs, of equally many."""
        kept = [[run.right for run in row] for row in self.runs]
        sizes = {None if each is None else len(each) for row in kept for each in row}
        return np.array(kept) if len(sizes) == 1 and None not in sizes else None

    @cached_property
    def testset(self) -> np.ndarray:
        if self.answers is not None:
            return testset.by_answers(self.answers)
        if self.images is None:
            return np.full((len(self.judged), len(self.judged)), np.nan)
        return testset.by_binomial(np.array([self.accuracy(each).mean for each in self.judged]), self.images)

    @property
    def one_base(self) -> bool:
        """All runs are fine-tunings of one dense network: nothing is known of another."""
        return bases.one(bases.base(run.record) for row in self.runs for run in row)

    def lead(self, ours: int, theirs: int) -> Estimate:
        """With the interval that the verdict goes by: beside all other leads, test set included."""
        half = float(self.judgement.halves[ours, theirs])
        return Estimate(float(self.judgement.leads[ours, theirs]), None, None if np.isnan(half) else half, self.n)

    @property
    def level_with_best(self) -> list[Setting]:
        """The best, and those that it does not clearly leave behind."""
        behind = self.judgement.clear[0]
        return [each for each, clear in zip(self.judged, behind, strict=True) if not clear]

    def place(self, setting: Setting) -> tuple[int, int]:
        """The best and the worst place it may have: behind all that are clearly better, before all clearly worse."""
        clear, own = self.judgement.clear, self.judged.index(setting)
        return 1 + int(clear[:, own].sum()), len(self.judged) - int(clear[own].sum())


def verdict(same: Sequence[Setting], beside: Sequence[Setting], level: str | None) -> Verdict:
    seeds = common_seeds(same)
    judged = [each for each in same if each.by_seed.keys() >= set(seeds)]
    judged.sort(key=lambda each: (-estimate([each.accuracies[seed] for seed in seeds]).mean, each.id))
    return Verdict(judged, seeds, [each for each in same if each not in judged], list(beside), level)


def common_seeds(rows: Sequence[Setting]) -> list[int]:
    """Of the rows that hold the seeds most rows hold: of three such seeds if two rows do, of two, of one."""
    held = sorted({seed for row in rows for seed in row.by_seed})
    held.sort(key=lambda seed: -sum(seed in row.by_seed for row in rows))
    for count in range(FEWEST, 0, -1):
        having = [row.by_seed.keys() for row in rows if row.by_seed.keys() >= set(held[:count])]
        if len(held) >= count and len(having) > 1:
            return sorted(set.intersection(*map(set, having)))
    return sorted(rows[0].by_seed)


def ahead(ours: Setting, theirs: Setting) -> float:
    """Of the means on their common seeds; NaN without one."""
    seeds = ours.by_seed.keys() & theirs.by_seed.keys()
    return (
        sum(ours.accuracies[seed] - theirs.accuracies[seed] for seed in seeds) / len(seeds) if seeds else float("nan")
    )
