"""What the page claims: who is ahead at which cut, how far one may cut, and what stands on the front. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from experiments.report.analyse import fairness
from experiments.report.analyse.configurations import Comparison, Configuration
from experiments.report.analyse.estimate import hypervolume
from experiments.report.analyse.fairness import Protocol
from experiments.report.analyse.verdict import Verdict, build_verdict, judge_answers, mean_leads
from experiments.report.load.runs import Figure

BOUNDS = (0.0, 0.005, 0.01)  # of accuracy lost against dense


def build_protocols(comparison: Comparison) -> dict[str, Protocol]:
    return {each.id: fairness.build_protocol([run.record for run in each.runs]) for each in comparison.configurations}


def group_by_rate(
    settings: Sequence[Configuration], given: dict[str, Protocol], alike: Callable[[Protocol, Protocol], bool]
) -> list[list[Configuration]]:
    """Groups of settings in which every two have rates `alike`, from the smallest cut to the largest."""
    groups: list[list[Configuration]] = []
    for configuration in sorted(settings, key=lambda each: (each.macs_cut, each.id)):
        if groups and all(alike(given[configuration.id], given[other.id]) for other in groups[-1]):
            groups[-1].append(configuration)
        else:
            groups.append([configuration])
    return groups


def build_verdicts(comparison: Comparison, given: dict[str, Protocol], rule: str) -> list[Verdict]:
    """At every rate that two settings of one comparison share. The pruned shape from scratch is a control, no rival."""
    rivals = {each.id: each for each in comparison.configurations if not each.scratch}
    found = []
    for group in fairness.comparable_groups({each: given[each] for each in rivals}, rule):
        for near in group_by_rate([rivals[each] for each in group], given, fairness.near_rate):
            found += [build_verdict(same, beside, level_of(same, given)) for same, beside in split_by_cut(near, given)]
    return sorted(found, key=lambda each: each.rate)


def split_by_cut(
    near: Sequence[Configuration], given: dict[str, Protocol]
) -> list[tuple[list[Configuration], list[Configuration]]]:
    """Of settings shown beside each other, those of one cut, and all others; the first alone where none share one."""
    if len({each.curve for each in near}) < 2:
        return []
    groups = group_by_rate(near, given, fairness.same_rate)
    several = [group for group in groups if len({each.curve for each in group}) > 1]
    return [(group, [each for each in near if each not in group]) for group in several or groups[:1]]


def level_of(settings: Sequence[Configuration], given: dict[str, Protocol]) -> str | None:
    return lowest_level([given[each.id] for each in settings])


def lowest_level(given: list[Protocol]) -> str | None:
    """The level of a comparison: that of its least fair pair; the highest where all were treated alike."""
    apart = fairness.unique_treatments(given)
    pairs = [fairness.fairness_level(a, b) for i, a in enumerate(apart) for b in apart[:i]]
    order = [None, *fairness.LEVELS]
    return min(pairs, key=order.index, default=fairness.LEVELS[-1])


def pareto_fronts(comparison: Comparison, given: dict[str, Protocol], rule: str, axis: Figure) -> list[list[str]]:
    """For each comparison of two settings or more, the ids on its front, largest cut (or least cost) first."""
    settings = {each.id: each for each in comparison.configurations if not each.scratch}
    groups = fairness.comparable_groups({each: given[each] for each in settings}, rule)
    having = [[settings[each] for each in group if settings[each].estimate(axis) is not None] for group in groups]
    return [pareto_front(rows, axis) for rows in having if len(rows) > 1]


def pareto_front(rows: Sequence[Configuration], axis: Figure) -> list[str]:
    """Those that no other beats in what it saves and in accuracy, every two compared on the seeds that both have."""
    means = [found.mean for row in rows if (found := row.estimate(axis)) is not None]
    saved = np.array(means) * (1 if axis.rising else -1)
    more, lead = saved[:, None] - saved, mean_leads(rows)
    beaten = ((more >= 0) & (lead >= 0) & ((more > 0) | (lead > 0))).any(0)
    order = sorted(np.flatnonzero(~beaten).tolist(), key=lambda at: (-saved[at], -rows[at].accuracy.mean))
    return [rows[at].id for at in order]


@dataclass(frozen=True)
class LargestCut:
    """The largest cut of a curve whose mean lies within a bound of dense, each seed beside its own dense network."""

    configuration: Configuration
    half: float | None  # of the interval of the change, with the test set's error; None where nothing can be said
    sure: bool  # the change lies within the bound beyond all doubt that verdicts admit


def largest_cut(settings: Sequence[Configuration], bound: float) -> LargestCut | None:
    within = [each for each in settings if each.change.mean >= -bound - 1e-12]
    if not within:
        return None
    best = max(within, key=lambda each: each.macs_cut)
    rows = [run.answers for run in best.runs], [run.dense_answers for run in best.runs]
    judgement = judge_answers(rows)
    half = float(judgement.halves[0, 1])
    return LargestCut(best, None if isnan(half) else half, bool(judgement.beyond(-bound)[0, 1]))


def dominated_area(settings: Sequence[Configuration]) -> float:
    """The share of the chart, from no cut and chance accuracy upwards, that a curve dominates."""
    chance = 1 / max(1, len(settings[0].first.record.classes))
    points = [(each.macs_cut, each.accuracy.mean) for each in settings]
    return hypervolume(points, (0.0, chance)) / (1 - chance)
