"""Figures as a reader sees them: one text for one figure of one setting, and the number it is sorted by."""

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
    if unit in ("macs", "seconds"):
        return si(estimate.mean).strip() if unit == "macs" else clock(estimate.mean)
    form, scale = FORMS[unit]
    digits = int(form[-2])
    if estimate.n == 2 and estimate.half is not None:
        return pair_text(estimate, form, scale)
    spread = "" if estimate.half is None else f" ± {scale * estimate.half:.{digits}f}"
    if unit == "cut" and spread == " ± 0.0":  # a budget that every seed meets
        spread = ""
    return f"{scale * estimate.mean:{form}}{spread}".replace("-", MINUS)


def pair_text(estimate: Estimate, form: str, scale: int) -> str:
    """Of two repetitions both values: Student's t of one degree of freedom makes 12.7 deviations of them. Of a lead,
    whose values are not kept, and of equal values one."""
    apart = 0.0 if estimate.std is None else estimate.std / sqrt(2)
    mean, *ends = (f"{scale * value:{form}}" for value in (estimate.mean, estimate.mean - apart, estimate.mean + apart))
    return (mean if ends[0] == ends[1] else f"{mean} ({ends[0]}, {ends[1]})").replace("-", MINUS)


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
    return share_asked(configuration.ratio, configuration.first.record.budget.of)


def epochs_text(configuration: Configuration) -> str:
    return configuration.first.spent or MISSING


def stage_times(configuration: Configuration) -> str:
    """Seconds of each stage, the mean over seeds; of a stage that was shared, as long as it took when it was made."""
    seconds: dict[str, list[float]] = {}
    for stage in (stage for run in configuration.runs for stage in run.stages):
        seconds.setdefault(stage.name, []).append(stage.seconds)
    return ", ".join(f"{name} {clock(sum(spent) / len(spent))}" for name, spent in seconds.items()) or MISSING


def unit_text(figure: Figure) -> str:
    return {"share": "%", "cut": "%", "points": "points", "macs": "MACs", "nats": "nats"}.get(figure.unit, "")


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
