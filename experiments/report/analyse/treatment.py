"""How fair the comparisons of a section are, as its template shows it."""

from typing import Any

from experiments.report.analyse import claims, fairness
from experiments.report.analyse.configurations import Comparison, Configuration
from experiments.report.analyse.fairness import FAIR, Protocol
from experiments.report.load.text import printable

NOT_CHOSEN = {"_target_", "budget", "seed"}
MATRIX = 12  # curves of which every two are shown
View = dict[str, Any]


def protocols_by_curve(comparison: Comparison, given: dict[str, Protocol]) -> dict[str, Protocol]:
    """One setting stands for its curve, the rate apart: the one of most seeds."""
    found: dict[str, Configuration] = {}
    for configuration in comparison.configurations:
        if not configuration.scratch and (
            configuration.curve not in found or len(configuration.runs) > len(found[configuration.curve].runs)
        ):
            found[configuration.curve] = configuration
    return {curve: given[configuration.id] for curve, configuration in found.items()}


def group_views(comparison: Comparison, given: dict[str, Protocol]) -> list[View]:
    curves = protocols_by_curve(comparison, given)
    found = fairness.comparable_groups(curves, FAIR)
    return [
        {
            "curves": group,
            "level": claims.lowest_level([curves[each] for each in group]),
            "epochs": curves[group[0]].epochs,
        }
        for group in found
    ]


def difference_views(comparison: Comparison, given: dict[str, Protocol]) -> list[View]:
    """What misses a level; and what methods let one choose, such as the layers that may be cut: no level names it."""
    found = fairness.trait_values(protocols_by_curve(comparison, given)) | method_settings(comparison)
    return [
        {
            "level": level,
            "what": printable(what),
            "values": {printable(value): curves for value, curves in values.items()},
        }
        for (level, what), values in found.items()
    ]


def method_settings(comparison: Comparison) -> dict[fairness.Trait, dict[str, list[str]]]:
    chosen = {each.curve: each.first.record.config["method"] for each in comparison.configurations if not each.scratch}
    found: dict[fairness.Trait, dict[str, list[str]]] = {}
    for curve, values in chosen.items():
        for name in values.keys() - NOT_CHOSEN:
            found.setdefault(("beside", f"method {name}"), {}).setdefault(str(values[name]), []).append(curve)
    return {trait: values for trait, values in sorted(found.items()) if len(values) > 1}


def level_matrix(comparison: Comparison, given: dict[str, Protocol]) -> list[list[str]]:
    """The level of every two curves where they were cut equally; empty for one curve or too many."""
    curves = protocols_by_curve(comparison, given)
    if not 1 < len(curves) <= MATRIX:
        return []
    return [[pair_level(comparison, given, ours, theirs) for theirs in curves] for ours in curves]


def pair_level(comparison: Comparison, given: dict[str, Protocol], ours: str, theirs: str) -> str:
    if ours == theirs:
        return ""
    mine, other = ([given[s.id] for s in comparison.configurations if s.curve == curve] for curve in (ours, theirs))
    levels = [fairness.fairness_level(a, b) for a in mine for b in other if fairness.same_rate(a, b)]
    if not levels:
        return "other cuts"
    return min(levels, key=lambda each: fairness.LEVELS.index(each) if each else -1) or "below S1"
