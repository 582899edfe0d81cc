"""What the charts of a section are drawn from: rows for Vega-Lite, and what each rule of ranking makes of them."""

from statistics import fmean
from typing import Any

from experiments.report.analyse import claims, fairness
from experiments.report.analyse.configurations import Comparison, Configuration
from experiments.report.analyse.fairness import RULES, Protocol
from experiments.report.analyse.judgement import FEWEST
from experiments.report.load.text import printable
from experiments.report.render import cells, charts, pareto
from experiments.report.render.series import mean_series
from experiments.report.render.view import chart_axes, rate_numbers, section_styles
from experiments.system.format import percent

LINES = 4  # of dense networks: the largest comparisons
WIDTH = 9
Rows = list[dict[str, Any]]


def section_data(comparison: Comparison, looks: dict[str, tuple[str, str]]) -> dict[str, Any]:
    given = claims.build_protocols(comparison)
    curves = section_styles(comparison, looks)
    return {
        "settings": configuration_rows(comparison, given),
        "runs": run_rows(comparison),
        "dense": dense_lines(comparison, given),
        "layers": layer_names(comparison),
        "charts": {axis.key: pareto.pareto_chart(axis, curves) for axis in chart_axes(comparison)}
        | {
            "heat": charts.heat_map(layer_names(comparison)),
            "training": charts.training_chart(curves),
            "inside": charts.method_chart(curves),
        },
        "rules": {rule: rank_configurations(comparison, given, rule) for rule in RULES},
    }


def configuration_rows(comparison: Comparison, given: dict[str, Protocol]) -> Rows:
    """One for each row of the table, in its order."""
    rate = rate_numbers(comparison, given)
    return [
        {
            "id": each.id,
            "curve": each.curve,
            "apart": pixel_offset(comparison, each.curve),
            "asked": cells.budget_text(each),
            "n": len(each.runs),
            "rate": rate[each.id],
            "shown": cells.format_estimate(each.accuracy, "share") + " %",
            "accuracy": each.accuracy.mean,
            "low": each.accuracy.low,
            "high": each.accuracy.high,
            "kept": kept_shares(each, layer_names(comparison)),
            "series": [
                (point.figure, point.stage, point.epoch, round_digits(point.value)) for point in mean_series(each)
            ],
        }
        | {axis.key: found.mean for axis in chart_axes(comparison) if (found := each.estimate(axis)) is not None}
        for each in comparison.configurations
    ]


def pixel_offset(comparison: Comparison, curve: str) -> float:
    """Pixels to the side, at most WIDTH for the outermost curves."""
    position, last = comparison.curves.index(curve), len(comparison.curves) - 1
    return round(min(WIDTH, 2.5 * last) * (2 * position / last - 1), 1) if last else 0.0


def round_digits(value: float) -> float:
    return float(f"{value:.4g}")


def run_rows(comparison: Comparison) -> Rows:
    found = []
    for configuration in comparison.configurations:
        for run in configuration.runs if len(configuration.runs) > 1 else ():
            row: dict[str, Any] = {"id": configuration.id, "curve": configuration.curve, "seed": run.record.seed}
            row["apart"] = pixel_offset(comparison, configuration.curve)
            figures = {axis.key: value for axis in chart_axes(comparison) if (value := axis.of(run)) is not None}
            found.append(row | {"accuracy": run.final.accuracy} | figures)
    return found


def dense_lines(comparison: Comparison, given: dict[str, Protocol]) -> Rows:
    """A line for each comparison: the mean over its dense networks, each counted once. Equal ones are one."""
    settings = {each.id: each for each in comparison.configurations}
    groups = fairness.comparable_groups({each: given[each] for each in settings}, fairness.FAIR)
    means = [fmean({run.record.dense.accuracy for each in group for run in settings[each].runs}) for group in groups]
    lines = {f"dense {percent(mean)}": mean for mean in means[:LINES]}
    return [{"accuracy": mean, "label": label} for label, mean in lines.items()]


def layer_names(comparison: Comparison) -> list[str]:
    """Of the first run; every run of a section is of one network."""
    return [printable(name) for name in comparison.runs[0].record.layers]


def kept_shares(configuration: Configuration, names: list[str]) -> list[float | None]:
    """Share of each layer's kernels, the mean over seeds."""
    found: list[float | None] = []
    kept = [{printable(name): layer for name, layer in run.record.layers.items()} for run in configuration.runs]
    for name in names:
        rows = [layers[name] for layers in kept if name in layers]
        shares = [layer.kernels_kept / layer.kernels_total for layer in rows]
        found.append(round(sum(shares) / len(shares), 4) if shares else None)
    return found


def rank_configurations(comparison: Comparison, given: dict[str, Protocol], rule: str) -> dict[str, Any]:
    """Places, levels and fronts by setting."""
    places: dict[str, tuple[int, int]] = {}
    levels: dict[str, str] = {}
    for verdict in claims.build_verdicts(comparison, given, rule):
        for each in verdict.judged if len(verdict.judged) > 1 else ():
            levels[each.id] = verdict.level or "below S1"
            if verdict.n >= FEWEST:
                places[each.id] = verdict.place(each)
    fronts = {
        axis.key: {
            each: number
            for number, ids in enumerate(claims.pareto_fronts(comparison, given, rule, axis))
            for each in ids
        }
        for axis in chart_axes(comparison)
    }
    return {"places": places, "levels": levels, "fronts": fronts}
