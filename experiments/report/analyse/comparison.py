"""How fair the comparisons of a section are, as its template shows it."""

from typing import Any

from experiments.report.analyse import claims, fairness
from experiments.report.analyse.fairness import FAIR, Protocol
from experiments.report.analyse.settings import Section, Setting
from experiments.report.load.words import shown

NOT_CHOSEN = {"_target_", "budget", "seed"}
MATRIX = 12  # curves of which every two are shown
View = dict[str, Any]


def by_curve(section: Section, given: dict[str, Protocol]) -> dict[str, Protocol]:
    """One setting stands for its curve, the rate apart: the one of most seeds."""
    found: dict[str, Setting] = {}
    for setting in section.settings:
        if not setting.scratch and (setting.curve not in found or len(setting.runs) > len(found[setting.curve].runs)):
            found[setting.curve] = setting
    return {curve: given[setting.id] for curve, setting in found.items()}


def groups(section: Section, given: dict[str, Protocol]) -> list[View]:
    curves = by_curve(section, given)
    found = fairness.comparisons(curves, FAIR)
    return [
        {"curves": group, "level": claims.lowest([curves[each] for each in group]), "epochs": curves[group[0]].epochs}
        for group in found
    ]


def differences(section: Section, given: dict[str, Protocol]) -> list[View]:
    """What misses a level; and what methods let one choose, such as the layers that may be cut: no level names it."""
    found = fairness.spread(by_curve(section, given)) | beside(section)
    return [
        {"level": level, "what": shown(what), "values": {shown(value): curves for value, curves in values.items()}}
        for (level, what), values in found.items()
    ]


def beside(section: Section) -> dict[fairness.Trait, dict[str, list[str]]]:
    chosen = {each.curve: each.first.record.config["method"] for each in section.settings if not each.scratch}
    found: dict[fairness.Trait, dict[str, list[str]]] = {}
    for curve, values in chosen.items():
        for name in values.keys() - NOT_CHOSEN:
            found.setdefault(("beside", f"method {name}"), {}).setdefault(str(values[name]), []).append(curve)
    return {trait: values for trait, values in sorted(found.items()) if len(values) > 1}


def matrix(section: Section, given: dict[str, Protocol]) -> list[list[str]]:
    """The level of every two curves where they were cut equally; empty for one curve or too many."""
    curves = by_curve(section, given)
    if not 1 < len(curves) <= MATRIX:
        return []
    return [[pair(section, given, ours, theirs) for theirs in curves] for ours in curves]


def pair(section: Section, given: dict[str, Protocol], ours: str, theirs: str) -> str:
    if ours == theirs:
        return ""
    mine, other = ([given[s.id] for s in section.settings if s.curve == curve] for curve in (ours, theirs))
    levels = [fairness.level(a, b) for a in mine for b in other if fairness.same_rate(a, b)]
    if not levels:
        return "other cuts"
    return min(levels, key=lambda each: fairness.LEVELS.index(each) if each else -1) or "below S1"
