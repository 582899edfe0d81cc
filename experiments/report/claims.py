"""What the page claims: who is ahead at which cut, how far one may cut, and what stands on the front. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from experiments.report import fairness
from experiments.report.estimate import Estimate, difference, front, hypervolume
from experiments.report.fairness import Protocol
from experiments.report.runs import Figure
from experiments.report.settings import Section, Setting

BOUNDS = (0.0, 0.005, 0.01)  # of accuracy lost against dense


@dataclass(frozen=True)
class Verdict:
    """Settings of one comparison at one rate, the best mean accuracy first."""

    ranked: list[Setting]
    level: str | None  # the lowest of any two; None for one alone

    @property
    def rate(self) -> float:
        return sum(setting.macs_cut for setting in self.ranked) / len(self.ranked)

    @property
    def n(self) -> int:
        return min(len(setting.runs) for setting in self.ranked)

    @cached_property
    def behind(self) -> list[Estimate | None]:
        """For each but the first, how far the first is ahead, paired by seed."""
        best, *rest = self.ranked
        return [difference(best.accuracies, each.accuracies) for each in rest]

    @property
    def level_with_best(self) -> list[Setting]:
        """The best, and those that its lead does not clearly leave behind: the interval of the difference holds 0."""
        near = [each for each, lead in zip(self.ranked[1:], self.behind, strict=True) if not clear(lead)]
        return [self.ranked[0], *near]

    def place(self, setting: Setting) -> tuple[int, int]:
        """The best and the worst place it may have: behind all that are clearly better, before all clearly worse."""
        leads = [difference(each.accuracies, setting.accuracies) for each in self.ranked if each is not setting]
        sure = [lead.mean for lead in leads if lead is not None and lead.excludes_zero]
        return 1 + sum(lead > 0 for lead in sure), len(self.ranked) - sum(lead < 0 for lead in sure)


def clear(lead: Estimate | None) -> bool:
    return lead is not None and lead.excludes_zero


def protocols(section: Section) -> dict[str, Protocol]:
    return {each.id: fairness.protocol([run.record for run in each.runs]) for each in section.settings}


def at_one_rate(settings: Sequence[Setting], given: dict[str, Protocol]) -> list[list[Setting]]:
    """Groups of settings in which every two have the same rate, from the smallest cut to the largest."""
    groups: list[list[Setting]] = []
    for setting in sorted(settings, key=lambda each: (each.macs_cut, each.id)):
        if groups and all(fairness.same_rate(given[setting.id], given[other.id]) for other in groups[-1]):
            groups[-1].append(setting)
        else:
            groups.append([setting])
    return groups


def verdicts(section: Section, given: dict[str, Protocol], rule: str) -> list[Verdict]:
    """At every rate that two settings of one comparison share. The pruned shape from scratch is a control, no rival."""
    rivals = {each.id: each for each in section.settings if not each.scratch}
    found = []
    for group in fairness.comparisons({each: given[each] for each in rivals}, rule):
        for same in at_one_rate([rivals[each] for each in group], given):
            if len({each.curve for each in same}) > 1:
                ranked = sorted(same, key=lambda each: (-each.accuracy.mean, each.id))
                found.append(Verdict(ranked, lowest([given[each.id] for each in same])))
    return sorted(found, key=lambda verdict: verdict.rate)


def lowest(given: list[Protocol]) -> str | None:
    """The level of a comparison: that of its least fair pair; the highest where all were treated alike."""
    apart = fairness.distinct(given)
    pairs = [fairness.level(a, b) for i, a in enumerate(apart) for b in apart[:i]]
    order = [None, *fairness.LEVELS]
    return min(pairs, key=order.index, default=fairness.LEVELS[-1])


def fronts(section: Section, given: dict[str, Protocol], rule: str, axis: Figure) -> list[list[str]]:
    """For each comparison of two settings or more, the ids on its front, largest cut (or cost) first."""
    settings = {each.id: each for each in section.settings if not each.scratch}
    found = []
    for group in fairness.comparisons({each: given[each] for each in settings}, rule):
        points = {}
        for each in group:
            x = settings[each].estimate(axis)
            if x is not None:
                points[each] = (x.mean if axis.rising else -x.mean, settings[each].accuracy.mean)
        if len(points) > 1:
            found.append(front(points))
    return found


@dataclass(frozen=True)
class Reach:
    """The largest cut of a curve within a bound of dense."""

    setting: Setting
    sure: bool  # the whole interval of the change lies within the bound


def reach(settings: Sequence[Setting], bound: float) -> Reach | None:
    within = [each for each in settings if each.change.mean >= -bound - 1e-12]
    if not within:
        return None
    best = max(within, key=lambda each: each.macs_cut)
    return Reach(best, best.change.half is not None and best.change.low >= -bound - 1e-12)


def dominated(settings: Sequence[Setting]) -> float:
    """The share of the chart, from no cut and chance accuracy upwards, that a curve dominates."""
    chance = 1 / max(1, len(settings[0].first.record.classes))
    points = [(each.macs_cut, each.accuracy.mean) for each in settings]
    return hypervolume(points, (0.0, chance)) / (1 - chance)
