"""How fair the comparisons of a section are, as its template shows it."""

from collections.abc import Iterator

from experiments.report.analyse import claims, fairness
from experiments.report.analyse.configurations import Comparison, Configuration
from experiments.report.analyse.fairness import FAIR, Protocol
from experiments.report.load.grouping import group_by
from experiments.report.load.recorded_config import read_config
from experiments.report.load.text import join_words, printable

NOT_CHOSEN = {"_target_", "budget", "seed"}
ALLOCATION = ("beside", "allocation")
UNFAIR = ("S2", "S3.1", "S4.1")  # levels whose misses are said at the top
NAMED = 2  # methods said by name where they share a value
MATRIX = 12  # curves of which every two are shown
View = dict[str, object]


def protocols_by_curve(comparison: Comparison, protocols: dict[str, Protocol]) -> dict[str, Protocol]:
    """One setting stands for its curve, the rate apart: the one of most seeds."""
    representatives: dict[str, Configuration] = {}
    for row in comparison.configurations:
        other = representatives.get(row.curve)
        if not row.scratch and (other is None or len(row.runs) > len(other.runs)):
            representatives[row.curve] = row
    return {curve: protocols[row.id] for curve, row in representatives.items()}


def group_views(comparison: Comparison, protocols: dict[str, Protocol]) -> list[View]:
    curves = protocols_by_curve(comparison, protocols)
    groups = fairness.comparable_groups(curves, FAIR)
    return [
        {"curves": group, "level": claims.lowest_level([curves[name] for name in group])}
        | {"epochs": curves[group[0]].epochs}
        for group in groups
    ]


def difference_views(comparison: Comparison, protocols: dict[str, Protocol]) -> list[View]:
    """What misses a level; and what methods let one choose, such as the layers that may be cut: no level names it."""
    differing = fairness.trait_values(protocols_by_curve(comparison, protocols)) | method_settings(comparison)
    return [
        {"level": level, "what": printable(what)}
        | {"values": {printable(value): curves for value, curves in values.items()}}
        for (level, what), values in differing.items()
    ]


def odd_views(comparison: Comparison, protocols: dict[str, Protocol]) -> list[View]:
    """Who was treated unlike most: by curve what it got, and what most got; nobody where no value is that
    of most."""
    odd: dict[str, list[str]] = {}
    for level, what, values in unlike_traits(comparison, protocols):
        common = max(values, key=lambda value: len(values[value]))
        if level == "S1" or 2 * len(values[common]) <= sum(map(len, values.values())):
            continue
        for value, curves in values.items():
            for curve in curves if value != common else ():
                odd.setdefault(curve, []).append(printable(f"{what} {value}, most have {common}"))
    return [{"curve": curve, "what": what} for curve, what in odd.items()]


def split_words(comparison: Comparison, protocols: dict[str, Protocol]) -> list[str]:
    """Epochs and dense networks that no value of is that of most: each value, and who has it."""
    words = []
    for level, what, values in unlike_traits(comparison, protocols):
        most = max(map(len, values.values()))
        if level in UNFAIR and 2 * most <= sum(map(len, values.values())):
            words.append(f"{what} " + ", ".join(f"{printable(value)} ({name_few(c)})" for value, c in values.items()))
    return words


def unlike_traits(
    comparison: Comparison, protocols: dict[str, Protocol]
) -> Iterator[tuple[str, str, dict[str, list[str]]]]:
    """The level, what differs, and who has which value. Who has no run of a seed was not treated unlike for it."""
    for (level, what), values in fairness.trait_values(protocols_by_curve(comparison, protocols)).items():
        found = {value: curves for value, curves in values.items() if (level, value) != ("S2", fairness.NONE)}
        if len(found) > 1:
            yield level, what, found


def name_few(curves: list[str]) -> str:
    return join_words(curves) if len(curves) <= NAMED else f"{len(curves)} methods"


def method_settings(comparison: Comparison) -> dict[fairness.Trait, dict[str, list[str]]]:
    chosen = {
        row.curve: read_config(row.first.record.config)["method"]
        for row in comparison.configurations
        if not row.scratch
    }
    by_setting: dict[fairness.Trait, dict[str, list[str]]] = {}
    for row in comparison.configurations:
        if not row.scratch and row.curve not in by_setting.setdefault(ALLOCATION, {}).setdefault(allocation(row), []):
            by_setting[ALLOCATION][allocation(row)].append(row.curve)
    for curve, values in chosen.items():
        for name in values.keys() - NOT_CHOSEN:
            by_setting.setdefault(("beside", f"method {name}"), {}).setdefault(str(values[name]), []).append(curve)
    return {trait: values for trait, values in sorted(by_setting.items()) if len(values) > 1}


def allocation(row: Configuration) -> str:
    return row.first.record.budget.allocation


def level_matrix(comparison: Comparison, protocols: dict[str, Protocol]) -> list[list[str]]:
    """The level of every two curves where they were cut equally; empty for one curve or too many."""
    curves = protocols_by_curve(comparison, protocols)
    if not 1 < len(curves) <= MATRIX:
        return []
    return [[pair_level(comparison, protocols, ours, theirs) for theirs in curves] for ours in curves]


def pair_level(comparison: Comparison, protocols: dict[str, Protocol], ours: str, theirs: str) -> str:
    if ours == theirs:
        return ""
    our_groups, their_groups = (
        group_by(
            (protocols[row.id] for row in comparison.configurations if row.curve == curve), fairness.treatment_key
        ).values()
        for curve in (ours, theirs)
    )
    levels = [
        fairness.fairness_level(our[0], their[0])
        for our in our_groups
        for their in their_groups
        if any(fairness.same_rate(a, b) for a in our for b in their)
    ]
    if not levels:
        return "other cuts"
    return min(levels, key=lambda level: fairness.LEVELS.index(level) if level else -1) or "below S1"
