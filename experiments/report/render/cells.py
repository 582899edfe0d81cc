"""Figures as a reader sees them: one text for one figure of one setting, and the number it is sorted by."""

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

from experiments.records.record import Record
from experiments.report.analyse.configurations import Comparison, Configuration
from experiments.report.analyse.estimate import Estimate
from experiments.report.load.recorded_config import read_config
from experiments.report.load.runs import Figure
from experiments.report.load.text import escape_markdown
from experiments.system.format import clock, share_asked, si

MISSING = "\u2013"
MINUS = "\u2212"
MOST_WIDTHS = 5
PAIRED = ("share", "nats")  # units of which two repetitions are both shown


class Cell(NamedTuple):
    text: str
    value: float | None  # the mean, for sorting and for whoever checks it
    half: float | None = None


def figure_cell(configuration: Configuration, figure: Figure) -> Cell:
    if figure.key == "certificate":  # the worst run stands for all
        worst = max(run.record.certificate for run in configuration.runs)
        return Cell(f"{worst:.1e}", worst)
    estimate = configuration.estimate(figure)
    if estimate is None:
        return Cell(MISSING, None)
    return Cell(format_estimate(estimate, figure.unit), estimate.mean, estimate.half)


def format_estimate(estimate: Estimate, unit: str) -> str:
    """The mean, with half of its 95 % interval where there is one."""
    if unit in PLAIN:
        return PLAIN[unit](estimate.mean)
    form, scale = FORMS[unit]
    digits = int(form[-2])
    if estimate.n == 2 and estimate.half is not None:
        return pair_text(estimate, form, scale, unit in PAIRED)
    spread = "" if estimate.half is None else f" ± {scale * estimate.half:.{digits}f}"
    if unit == "cut" and spread == " ± 0.0":  # a budget that every seed meets
        spread = ""
    return f"{scale * estimate.mean:{form}}{spread}".replace("-", MINUS)


def pair_text(estimate: Estimate, form: str, scale: int, both: bool) -> str:
    """Of two repetitions both values: Student's t of one degree of freedom makes 12.7 deviations of them. Of a lead,
    whose values are not kept, and of equal values one."""
    apart = 0.0 if estimate.std is None or not both else estimate.std / sqrt(2)
    mean, *ends = (f"{scale * value:{form}}" for value in (estimate.mean, estimate.mean - apart, estimate.mean + apart))
    return (mean if ends[0] == ends[1] else f"{mean} ({ends[0]}, {ends[1]})").replace("-", MINUS)


PLAIN: dict[str, Callable[[float], str]] = {
    "macs": lambda number: si(number).strip(),
    "count": lambda number: si(number).strip(),
    "seconds": clock,
    "ms": lambda number: f"{number:.3g}",
}
FORMS = {
    "share": (".2f", 100),
    "cut": (".1f", 100),
    "points": ("+.2f", 100),
    "lead": (".2f", 100),
    "ratio": (".2f", 1),
    "nats": (".3f", 1),
}


def format_z(value: float) -> str:
    return f"{value:+.1f}".replace("-", MINUS)


def budget_text(configuration: Configuration) -> str:
    budget = configuration.first.record.budget
    return share_asked(configuration.ratio, budget.of, budget.asked_ms)


def epochs_text(configuration: Configuration) -> str:
    return configuration.first.spent or MISSING


def stage_times(configuration: Configuration) -> str:
    """Seconds of each stage, the mean over seeds; of a stage that was shared, as long as it took when it was made."""
    seconds: dict[str, list[float]] = {}
    for stage in (stage for run in configuration.runs for stage in run.stages):
        seconds.setdefault(stage.name, []).append(stage.seconds)
    return ", ".join(f"{name} {clock(sum(spent) / len(spent))}" for name, spent in seconds.items()) or MISSING


def layer_widths(configuration: Configuration) -> list[tuple[float, int]]:
    """Of each layer of the first run: filters kept, the mean over seeds, and filters in all."""
    layers = [run.record.layers for run in configuration.runs]
    widths = []
    for name, layer in layers[0].items():
        kept = [other[name].filters_kept for other in layers if name in other]
        widths.append((round(sum(kept) / len(kept), 1), layer.filters_total))
    return widths


def widths_text(configuration: Configuration) -> str:
    """Layers of one full width together, the mean: 16 \u2192 9, 32 \u2192 18."""
    by_width: dict[int, list[float]] = {}
    for kept, total in layer_widths(configuration):
        by_width.setdefault(total, []).append(kept)
    texts = [f"{total} \u2192 {round(sum(kept) / len(kept))}" for total, kept in by_width.items()]
    return ", ".join(texts[:MOST_WIDTHS]) + (", \u2026" if len(texts) > MOST_WIDTHS else "")


def unit_text(figure: Figure) -> str:
    """Of a column's head, where its title does not say it."""
    units = {"share": "%", "cut": "%", "points": "points", "macs": "MACs", "nats": "nats", "ms": "ms"}
    unit = units.get(figure.unit, "")
    return "" if unit == figure.title else unit


def table_rows(comparison: Comparison) -> list[tuple[Configuration, list[Cell]]]:
    return [
        (configuration, [figure_cell(configuration, figure) for figure in comparison.figures])
        for configuration in comparison.configurations
    ]


def published(record: Record) -> str:
    """What the paper printed, or that this is not its setting."""
    if record.modified:
        return f"modified: {escape_markdown(' '.join(record.modified))}"
    printed = read_config(record.config).get("published")
    if not printed or printed["dense"] is None or printed["tuned"] is None:
        return ""
    return f"{100 * printed['dense']:.2f} -> {100 * printed['tuned']:.2f} % ({printed['accuracy_mark']})"
