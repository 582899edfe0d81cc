"""What the charts of a section are drawn from: rows for Vega-Lite, and what each rule of ranking makes of them."""

from itertools import pairwise
from statistics import fmean

from experiments.report.analyse import claims, fairness
from experiments.report.analyse.configurations import Comparison, Configuration
from experiments.report.analyse.estimate import estimate
from experiments.report.analyse.fairness import RULES, Protocol
from experiments.report.analyse.significance import FEWEST
from experiments.report.load.deployed import accuracy_int8
from experiments.report.load.recorded_config import read_config
from experiments.report.load.runs import Figure
from experiments.report.load.text import printable
from experiments.report.render import answers, cells, charts, pareto
from experiments.report.render.cells import layer_widths
from experiments.report.render.section_view import chart_axes, rate_numbers, run_view, section_styles
from experiments.report.render.training_curves import mean_series
from experiments.system.format import percent

LINES = 4  # of dense networks: the largest comparisons
EQUAL = 0.0005  # share: marks of rates that differ by no more are moved apart
STEP = 0.005  # share of MACs between two of them, where the neighbours leave room
Rows = list[dict[str, object]]


def section_data(comparison: Comparison, styles: dict[str, tuple[str, str]]) -> dict[str, object]:
    protocols = claims.build_protocols(comparison)
    curves = section_styles(comparison, styles)
    return {
        "settings": configuration_rows(comparison, protocols),
        "runs": run_rows(comparison),
        "dense": dense_lines(comparison, protocols),
        "published": published_rows(comparison),
        "layers": layer_names(comparison),
        "totals": [total for _, total in layer_widths(comparison.configurations[0])],
        "details": row_details(comparison),
        "charts": {axis.key: pareto.pareto_chart(axis, curves) for axis in chart_axes(comparison)}
        | {
            "heat": charts.heat_map(layer_names(comparison)),
            "training": charts.training_chart(curves),
            "inside": charts.method_chart(curves),
        },
        "rules": {rule: rank_configurations(comparison, protocols, rule) for rule in RULES},
    }


def shown_marks(data: dict[str, object]) -> dict[str, bool]:
    """What the chart's caption has to explain."""
    settings, rules = data["settings"], data["rules"]
    assert isinstance(settings, list)
    assert isinstance(rules, dict)
    counts = {setting["n"] for setting in settings}
    fronts = [number for axis in rules[fairness.FAIR]["fronts"].values() for number in axis.values()]
    several = {"single": 1 in counts, "pairs": 2 in counts, "intervals": max(counts) > 2}
    return several | {"published": bool(data["published"]), "front": bool(fronts), "fronts": max(fronts, default=0) > 0}


def configuration_rows(comparison: Comparison, protocols: dict[str, Protocol]) -> Rows:
    """One for each row of the table, in its order."""
    rate, shifts, layers = rate_numbers(comparison, protocols), mark_shifts(comparison), layer_names(comparison)
    return [
        {
            "id": setting.id,
            "curve": setting.curve,
            "at": setting.macs_cut + shifts[setting.id],
            "block": comparison.curves.index(setting.curve) // len(charts.COLOURS),
            "asked": cells.budget_text(setting),
            "n": len(setting.runs),
            "rate": rate[setting.id],
            "shown": cells.format_estimate(setting.accuracy, "share") + " %",
            "accuracy": setting.accuracy.mean,
            "low": setting.accuracy.low,
            "high": setting.accuracy.high,
            "stages": stage_accuracies(setting),
            "kept": kept_shares(setting, layers),
            "series": [
                (point.figure, point.stage, point.epoch, round_digits(point.value)) for point in mean_series(setting)
            ],
        }
        | {axis.key: mean.mean for axis in chart_axes(comparison) if (mean := setting.estimate(axis)) is not None}
        for setting in comparison.configurations
    ]


def mark_shifts(comparison: Comparison) -> dict[str, float]:
    """By how much a mark stands aside on the axis of MACs: of rows of equal rates, and never past a neighbour."""
    groups: list[list[Configuration]] = []
    for row in sorted(comparison.configurations, key=lambda row: (row.macs_cut, row.curve)):
        if groups and row.macs_cut - groups[-1][0].macs_cut <= EQUAL:
            groups[-1].append(row)
        else:
            groups.append([row])
    gaps = [1.0, *(after[0].macs_cut - before[-1].macs_cut for before, after in pairwise(groups)), 1.0]
    places = list(comparison.curves)
    shifts: dict[str, float] = {}
    for group, *sides in zip(groups, gaps, gaps[1:], strict=False):
        half = min(STEP * (len(group) - 1) / 2, *(0.4 * side for side in sides))
        for place, row in enumerate(sorted(group, key=lambda row: places.index(row.curve))):
            shifts[row.id] = half * (2 * place / (len(group) - 1) - 1) if len(group) > 1 else 0.0
    return shifts


def stage_accuracies(setting: Configuration) -> dict[str, list[object]]:
    """Of the network as cut, repaired, and in eight-bit integers: the mean, the ends of its interval and the text."""
    networks = {} if setting.scratch else {"pruned": [run.record.pruned for run in setting.runs]}
    repaired = [run.record.repaired for run in setting.runs if run.record.repaired is not None]
    if len(repaired) == len(setting.runs) and not setting.scratch:
        networks["repaired"] = repaired
    found = {name: estimate([network.accuracy for network in several]) for name, several in networks.items()}
    integers = [accuracy for run in setting.runs if (accuracy := accuracy_int8(run)) is not None]
    found |= {"int8": estimate(integers)} if len(integers) == len(setting.runs) else {}
    return {
        name: [mean.mean, mean.low, mean.high, cells.format_estimate(mean, "share") + " %"]
        for name, mean in found.items()
    }


def row_details(comparison: Comparison) -> dict[str, dict[str, object]]:
    """What a row opens to, by its id: its runs, the widths of its layers, and how its networks answer."""
    return {
        row.id: {
            "runs": [list(run_view(run).values()) for run in row.runs],
            "widths": [kept for kept, _ in layer_widths(row)],
            "answers": answers.answers_view(row),
            "published": "" if row.first.record.modified else cells.published(row.first.record),
            "modified": sorted({printable(override) for run in row.runs for override in run.record.modified}),
        }
        for row in comparison.configurations
    }


def round_digits(value: float) -> float:
    return float(f"{value:.4g}")


def run_rows(comparison: Comparison) -> Rows:
    rows, shifts = [], mark_shifts(comparison)
    for configuration in comparison.configurations:
        for run in configuration.runs if len(configuration.runs) > 1 else ():
            row: dict[str, object] = {"id": configuration.id, "curve": configuration.curve, "seed": run.record.seed}
            row |= {"n": len(configuration.runs), "at": run.cut("macs") + shifts[configuration.id]}
            figures = {axis.key: value for axis in chart_axes(comparison) if (value := axis.of(run)) is not None}
            rows.append(row | {"accuracy": run.final.accuracy} | figures)
    return rows


def dense_lines(comparison: Comparison, protocols: dict[str, Protocol]) -> Rows:
    """A line for each comparison: the mean over its dense networks, each counted once. Equal ones are one."""
    rows = {row.id: row for row in comparison.configurations}
    groups = fairness.comparable_groups({id: protocols[id] for id in rows}, fairness.FAIR)
    means = [fmean({run.record.dense.accuracy for id in group for run in rows[id].runs}) for group in groups]
    lines = {f"dense {percent(mean)}": mean for mean in means[:LINES]}
    return [{"accuracy": mean, "label": label} for label, mean in lines.items()]


def published_rows(comparison: Comparison) -> Rows:
    """What papers printed for the settings of this section, each once; nothing of a modified setting."""
    rows: dict[str, dict[str, object]] = {}
    for setting in comparison.configurations:
        record = setting.first.record
        printed = read_config(record.config).get("published")
        if printed and printed["tuned"] is not None and not record.modified and not setting.scratch:
            cuts = {key: printed.get(key) for key in ("macs_cut", "params_cut")}
            source = printable(f"{record.experiment or record.name}, {printed['accuracy_mark']}")
            counted = "all operations, as its authors count" if printed.get("ops") == "authors" else "MACs"
            row = {"curve": setting.curve, "accuracy": printed["tuned"], "source": source, "counted": counted}
            rows[source] = row | {key: cut for key, cut in cuts.items() if cut is not None}
    return list(rows.values())


def layer_names(comparison: Comparison) -> list[str]:
    """Of the first run; every run of a section is of one network."""
    return [printable(name) for name in comparison.runs[0].record.layers]


def kept_shares(configuration: Configuration, names: list[str]) -> list[float | None]:
    """Share of each layer's kernels, the mean over seeds."""
    shares_by_layer: list[float | None] = []
    records = [run.record for run in configuration.runs]
    layers_by_run = [{printable(name): layer for name, layer in record.layers.items()} for record in records]
    for name in names:
        present = [layers[name] for layers in layers_by_run if name in layers]
        layer_shares = [layer.kernels_kept / layer.kernels_total for layer in present]
        shares_by_layer.append(round(sum(layer_shares) / len(layer_shares), 4) if layer_shares else None)
    return shares_by_layer


def rank_configurations(comparison: Comparison, protocols: dict[str, Protocol], rule: str) -> dict[str, object]:
    """By setting: its first and last place and of how many; levels; fronts."""
    places: dict[str, tuple[int, int, int]] = {}
    levels: dict[str, str] = {}
    for verdict in claims.build_verdicts(comparison, protocols, rule):
        for row in verdict.judged if len(verdict.judged) > 1 else ():
            levels[row.id] = verdict.level or "below S1"
            if verdict.n >= FEWEST:
                places[row.id] = (*verdict.place(row), len(verdict.judged))
    fronts = {axis.key: front_numbers(comparison, protocols, rule, axis) for axis in chart_axes(comparison)}
    return {"places": places, "levels": levels, "fronts": fronts}


def front_numbers(comparison: Comparison, protocols: dict[str, Protocol], rule: str, axis: Figure) -> dict[str, int]:
    """Of each setting that stands on a front, the front's."""
    fronts = claims.pareto_fronts(comparison, protocols, rule, axis)
    return {id: number for number, ids in enumerate(fronts) for id in ids}
