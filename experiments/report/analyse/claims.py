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
    return {row.id: fairness.build_protocol([run.record for run in row.runs]) for row in comparison.configurations}


def group_by_rate(
    rows: Sequence[Configuration], protocols: dict[str, Protocol], are_alike: Callable[[Protocol, Protocol], bool]
) -> list[list[Configuration]]:
    """Groups in which the rates of every two `are_alike`, from the smallest cut to the largest."""
    groups: list[list[Configuration]] = []
    for row in sorted(rows, key=lambda row: (row.macs_cut, row.curve, row.ratio)):
        if groups and all(are_alike(protocols[row.id], protocols[other.id]) for other in groups[-1]):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def build_verdicts(comparison: Comparison, protocols: dict[str, Protocol], rule: str) -> list[Verdict]:
    """At every rate that two settings of one comparison share. The pruned shape from scratch is a control, no rival."""
    rivals = {row.id: row for row in comparison.configurations if not row.scratch}
    verdicts = []
    for group in fairness.comparable_groups({id: protocols[id] for id in rivals}, rule):
        for near in group_by_rate([rivals[id] for id in group], protocols, fairness.near_rate):
            for same, beside in split_by_cut(near, protocols):
                verdicts.append(build_verdict(same, beside, lowest_level([protocols[row.id] for row in same])))
    return sorted(verdicts, key=lambda verdict: verdict.rate)


def split_by_cut(
    near: Sequence[Configuration], protocols: dict[str, Protocol]
) -> list[tuple[list[Configuration], list[Configuration]]]:
    """Of settings shown beside each other, those of one cut, and all others; the first alone where none share one."""
    if len({row.curve for row in near}) < 2:
        return []
    groups = group_by_rate(near, protocols, fairness.same_rate)
    several = [group for group in groups if len({row.curve for row in group}) > 1]
    return [(group, [row for row in near if row not in group]) for group in several or groups[:1]]


def lowest_level(protocols: list[Protocol]) -> str | None:
    """The level of a comparison: that of its least fair pair; the highest where all were treated alike."""
    treatments = fairness.unique_treatments(protocols)
    pairs = [fairness.fairness_level(a, b) for i, a in enumerate(treatments) for b in treatments[:i]]
    order = [None, *fairness.LEVELS]
    return min(pairs, key=order.index, default=fairness.LEVELS[-1])


def pareto_fronts(comparison: Comparison, protocols: dict[str, Protocol], rule: str, axis: Figure) -> list[list[str]]:
    """For each comparison of two settings or more, the ids on its front, largest cut (or least cost) first."""
    rows = {row.id: row for row in comparison.configurations if not row.scratch}
    groups = fairness.comparable_groups({id: protocols[id] for id in rows}, rule)
    measured = [[rows[id] for id in group if rows[id].estimate(axis) is not None] for group in groups]
    return [pareto_front(rows, axis) for rows in measured if len(rows) > 1]


def pareto_front(rows: Sequence[Configuration], axis: Figure) -> list[str]:
    """Those that no other beats in what it saves and in accuracy, every two compared on the seeds that both have; and
    of these none that lies below another on the chart. Cuts that differ by less than rates of one cut may are equal."""
    equal = fairness.SAME_RATE + 1e-9 if axis.unit == "cut" else 0.0
    means = [estimate.mean for row in rows if (estimate := row.estimate(axis)) is not None]
    saved = np.array(means) * (1 if axis.rising else -1)
    more, lead = saved[:, None] - saved, mean_leads(rows)
    beaten = ((more >= -equal) & (lead > 0) | (more > equal) & (lead >= 0)).any(0)
    order = sorted(np.flatnonzero(~beaten).tolist(), key=lambda index: (-saved[index], -rows[index].accuracy.mean))
    rising = [index for place, index in enumerate(order) if not below_another(rows, index, order[:place])]
    return [rows[index].id for index in rising]


def below_another(rows: Sequence[Configuration], index: int, before: Sequence[int]) -> bool:
    """Whether one that saves as much or more has the higher mean over its own seeds, as the chart shows them."""
    return any(rows[other].accuracy.mean > rows[index].accuracy.mean for other in before)


@dataclass(frozen=True)
class LargestCut:
    """The largest cut of a curve whose mean lies within a bound of dense, each seed beside its own dense network."""

    configuration: Configuration
    half: float | None  # of the interval of the change, with the test set's error; None where nothing can be said
    sure: bool  # the change lies within the bound beyond all doubt that verdicts admit


def largest_cut(settings: Sequence[Configuration], bound: float) -> LargestCut | None:
    within = [row for row in settings if row.change.mean >= -bound - 1e-12]
    if not within:
        return None
    best = max(within, key=lambda row: row.macs_cut)
    rows = [run.answers for run in best.runs], [run.dense_answers for run in best.runs]
    judgement = judge_answers(rows)
    half = float(judgement.halves[0, 1])
    return LargestCut(best, None if isnan(half) else half, bool(judgement.beyond(-bound)[0, 1]))


def dominated_area(rows: Sequence[Configuration]) -> float:
    """The share of the chart, from no cut and chance accuracy upwards, that a curve dominates."""
    chance = 1 / max(1, len(rows[0].first.record.classes))
    points = [(row.macs_cut, row.accuracy.mean) for row in rows]
    return hypervolume(points, (0.0, chance)) / (1 - chance)
