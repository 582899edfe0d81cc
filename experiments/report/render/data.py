"""What the charts of a section are drawn from: rows for Vega-Lite, and what each rule of ranking makes of them."""

from statistics import fmean
from typing import Any

from experiments.report.analyse import claims, fairness
from experiments.report.analyse.fairness import RULES, Protocol
from experiments.report.analyse.judgement import FEWEST
from experiments.report.analyse.settings import Section, Setting
from experiments.report.load.words import shown
from experiments.report.render import cells, charts, pareto
from experiments.report.render.series import series
from experiments.report.render.view import axes, looks_of, rate_of
from experiments.system.format import percent

LINES = 4  # of dense networks: the largest comparisons
WIDTH = 9
Rows = list[dict[str, Any]]


def data(section: Section, looks: dict[str, tuple[str, str]]) -> dict[str, Any]:
    given = claims.protocols(section)
    curves = looks_of(section, looks)
    return {
        "settings": settings(section, given),
        "runs": runs(section),
        "dense": dense(section, given),
        "layers": layers(section),
        "charts": {axis.key: pareto.pareto(axis, curves) for axis in axes(section)}
        | {"heat": charts.heat(layers(section)), "training": charts.training(curves), "inside": charts.inside(curves)},
        "rules": {rule: ranked(section, given, rule) for rule in RULES},
    }


def settings(section: Section, given: dict[str, Protocol]) -> Rows:
    """One for each row of the table, in its order."""
    rate = rate_of(section, given)
    return [
        {
            "id": each.id,
            "curve": each.curve,
            "apart": apart(section, each.curve),
            "asked": cells.asked(each),
            "n": len(each.runs),
            "rate": rate[each.id],
            "shown": cells.said(each.accuracy, "share") + " %",
            "accuracy": each.accuracy.mean,
            "low": each.accuracy.low,
            "high": each.accuracy.high,
            "kept": kept(each, layers(section)),
            "series": [(point.figure, point.stage, point.epoch, rounded(point.value)) for point in series(each)],
        }
        | {axis.key: found.mean for axis in axes(section) if (found := each.estimate(axis)) is not None}
        for each in section.settings
    ]


def apart(section: Section, curve: str) -> float:
    """Pixels to the side, at most WIDTH for the outermost curves."""
    position, last = section.curves.index(curve), len(section.curves) - 1
    return round(min(WIDTH, 2.5 * last) * (2 * position / last - 1), 1) if last else 0.0


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


def runs(section: Section) -> Rows:
    found = []
    for setting in section.settings:
        for run in setting.runs if len(setting.runs) > 1 else ():
            row: dict[str, Any] = {"id": setting.id, "curve": setting.curve, "seed": run.record.seed}
            row["apart"] = apart(section, setting.curve)
            figures = {axis.key: value for axis in axes(section) if (value := axis.of(run)) is not None}
            found.append(row | {"accuracy": run.final.accuracy} | figures)
    return found


def dense(section: Section, given: dict[str, Protocol]) -> Rows:
    """A line for each comparison: the mean over its dense networks, each counted once. Equal ones are one."""
    settings = {each.id: each for each in section.settings}
    groups = fairness.comparisons({each: given[each] for each in settings}, fairness.FAIR)
    means = [fmean({run.record.dense.accuracy for each in group for run in settings[each].runs}) for group in groups]
    lines = {f"dense {percent(mean)}": mean for mean in means[:LINES]}
    return [{"accuracy": mean, "label": label} for label, mean in lines.items()]


def layers(section: Section) -> list[str]:
    """Of the first run; every run of a section is of one network."""
    return [shown(name) for name in section.runs[0].record.layers]


def kept(setting: Setting, names: list[str]) -> list[float | None]:
    """Share of each layer's kernels, the mean over seeds."""
    found: list[float | None] = []
    kept = [{shown(name): layer for name, layer in run.record.layers.items()} for run in setting.runs]
    for name in names:
        rows = [layers[name] for layers in kept if name in layers]
        shares = [layer.kernels_kept / layer.kernels_total for layer in rows]
        found.append(round(sum(shares) / len(shares), 4) if shares else None)
    return found


def ranked(section: Section, given: dict[str, Protocol], rule: str) -> dict[str, Any]:
    """Places, levels and fronts by setting."""
    places: dict[str, tuple[int, int]] = {}
    levels: dict[str, str] = {}
    for verdict in claims.verdicts(section, given, rule):
        for each in verdict.judged if len(verdict.judged) > 1 else ():
            levels[each.id] = verdict.level or "below S1"
            if verdict.n >= FEWEST:
                places[each.id] = verdict.place(each)
    fronts = {
        axis.key: {each: number for number, ids in enumerate(claims.fronts(section, given, rule, axis)) for each in ids}
        for axis in axes(section)
    }
    return {"places": places, "levels": levels, "fronts": fronts}
