"""Rows of one comparison at one cut, judged together on the seeds that they share. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from experiments.report.analyse import baselines, sampling_error
from experiments.report.analyse.configurations import Configuration
from experiments.report.analyse.estimate import Estimate, estimate
from experiments.report.analyse.sampling_error import Rows
from experiments.report.analyse.significance import FEWEST, Judgement, judge
from experiments.report.load.runs import Answers, Run


@dataclass(frozen=True)
class Verdict:
    """`judged`: the best mean on their common seeds first."""

    judged: list[Configuration]
    seeds: list[int]  # that all of them have
    aside: list[Configuration]  # of this cut, with too few of these seeds
    beside: list[Configuration]  # as near in their cut as the methods' own steps allow, and not one cut
    level: str | None  # the lowest of any two; None for one alone

    @property
    def rate(self) -> float:
        return sum(configuration.macs_cut for configuration in self.judged) / len(self.judged)

    @property
    def gap(self) -> float:
        """The largest distance in cut of any two that are shown here."""
        cuts = [configuration.macs_cut for configuration in (*self.judged, *self.beside)]
        return max(cuts) - min(cuts)

    @property
    def n(self) -> int:
        return len(self.seeds)

    def accuracy(self, configuration: Configuration) -> Estimate:
        return estimate([configuration.accuracies[seed] for seed in self.seeds])

    @cached_property
    def runs(self) -> list[list[Run]]:
        """By row and seed."""
        return [[configuration.by_seed[seed] for seed in self.seeds] for configuration in self.judged]

    @cached_property
    def answers(self) -> list[list[Answers]]:
        return [[run.answers for run in row] for row in self.runs]

    @cached_property
    def judgement(self) -> Judgement:
        return judge_answers(self.answers)

    @property
    def images(self) -> int | None:
        return sampling_error.fewest_images(self.answers)

    @property
    def by_image(self) -> bool:
        """Every network kept its answer to each image."""
        return sampling_error.right_answers(self.answers) is not None

    @property
    def one_base(self) -> bool:
        """All runs are fine-tunings of one dense network: nothing is known of another."""
        return baselines.all_same(baselines.baseline(run.record) for row in self.runs for run in row)

    def lead(self, ours: int, theirs: int) -> Estimate:
        """With the interval that the verdict goes by: beside all other leads, test set included."""
        half = float(self.judgement.halves[ours, theirs])
        return Estimate(float(self.judgement.leads[ours, theirs]), None, None if np.isnan(half) else half, self.n)

    @property
    def level_with_best(self) -> list[Configuration]:
        """The best, and those that it does not clearly leave behind."""
        behind = self.judgement.clear[0]
        return [row for row, clear in zip(self.judged, behind, strict=True) if not clear]

    @cached_property
    def noisy(self) -> list[Configuration]:
        """Those that vary too much to say: outside of two rows of which one is clearly ahead of the other, by the mean,
        and told apart from neither. Noise earns no lead."""
        clear, last = self.judgement.clear, len(self.judged)
        pairs = [(ahead, behind) for ahead in range(last) for behind in range(ahead + 1, last) if clear[ahead, behind]]
        above = {row for ahead, behind in pairs for row in range(ahead) if not clear[row, behind]}
        below = {row for ahead, behind in pairs for row in range(behind + 1, last) if not clear[ahead, row]}
        return [self.judged[row] for row in sorted(above | below)]

    @property
    def leader(self) -> Configuration:
        """The best mean that is no noise."""
        noisy = {row.id for row in self.noisy}
        return next((row for row in self.judged if row.id not in noisy), self.judged[0])

    @property
    def level_with_leader(self) -> list[Configuration]:
        """The leader, and those that it does not clearly leave behind; noise apart."""
        behind, noisy = self.judgement.clear[self.judged.index(self.leader)], {row.id for row in self.noisy}
        return [row for row, clear in zip(self.judged, behind, strict=True) if not clear and row.id not in noisy]

    def place(self, configuration: Configuration) -> tuple[int, int]:
        """The best and the worst place it may have: behind all that are clearly better, before all clearly worse."""
        clear, own = self.judgement.clear, self.judged.index(configuration)
        return 1 + int(clear[:, own].sum()), len(self.judged) - int(clear[own].sum())


def judge_answers(rows: Rows) -> Judgement:
    """The one decision: with the seeds' error and that of the test set."""
    return judge(
        np.array([[answers.accuracy for answers in row] for row in rows]), sampling_error.standard_errors(rows)
    )


def build_verdict(rows: Sequence[Configuration], beside: Sequence[Configuration], level: str | None) -> Verdict:
    seeds = common_seeds(rows)
    judged = [row for row in rows if row.by_seed.keys() >= set(seeds)]
    judged.sort(key=lambda row: (-estimate([row.accuracies[seed] for seed in seeds]).mean, row.curve))
    return Verdict(judged, seeds, [row for row in rows if row not in judged], list(beside), level)


def common_seeds(rows: Sequence[Configuration]) -> list[int]:
    """Of the rows that hold the seeds most rows hold: of three such seeds if two rows do, of two, of one."""
    held = sorted({seed for row in rows for seed in row.by_seed})
    held.sort(key=lambda seed: -sum(seed in row.by_seed for row in rows))
    for count in range(FEWEST, 0, -1):
        seed_sets = [row.by_seed.keys() for row in rows if row.by_seed.keys() >= set(held[:count])]
        if len(held) >= count and len(seed_sets) > 1:
            return sorted(set.intersection(*map(set, seed_sets)))
    return sorted(rows[0].by_seed)


def mean_leads(rows: Sequence[Configuration]) -> Float[npt.NDArray[np.float64], "rows rows"]:
    """Of the mean of each row over that of each, on their common seeds; NaN without one. Rounded: equal ones are 0."""
    seeds = sorted({seed for row in rows for seed in row.accuracies})
    table = np.array([[row.accuracies.get(seed, np.nan) for seed in seeds] for row in rows])
    present = np.isfinite(table).astype(float)
    sums = np.nan_to_num(table) @ present.T
    with np.errstate(invalid="ignore"):
        return np.round((sums - sums.T) / (present @ present.T), 12)
