"""One section of the page: what its template shows and what its charts are made of. Plain values only."""

from dataclasses import asdict

from experiments.records.record import Stage
from experiments.report.analyse import claims, fairness, overlap
from experiments.report.analyse.configurations import Comparison, Configuration
from experiments.report.analyse.estimate import estimate
from experiments.report.analyse.fairness import FAIR, Protocol
from experiments.report.analyse.verdict import Verdict
from experiments.report.load.runs import Figure, Run
from experiments.report.load.text import printable
from experiments.report.render import cells, charts, fairness_section, sentences
from experiments.report.render.equal_time_view import equal_time_views
from experiments.system.format import clock, percent

View = dict[str, object]
RULE_WORDS = {
    FAIR: "same dense network, same total epochs (default)",
    "S2": "S2: same dense network",
    "S3.1": "S3.1: and the same epochs of fine-tuning",
    "S3.2": "S3.2: and the same schedule of fine-tuning",
    "S4.1": "S4.1: and the same epochs of pruning",
    "S4.2": "S4.2: and the same schedule of pruning",
    fairness.TOGETHER: "everything, however it was made",
}


def curve_styles(sections: list[Comparison]) -> dict[str, tuple[str, str]]:
    """Of every curve of the page, the same in all of its charts."""
    curves = dict.fromkeys(curve for comparison in sections for curve in comparison.curves)
    return {curve: charts.curve_style(position) for position, curve in enumerate(curves)}


def section_view(number: int, comparison: Comparison, styles: dict[str, tuple[str, str]]) -> View:
    protocols = claims.build_protocols(comparison)
    verdicts = claims.build_verdicts(comparison, protocols, FAIR)
    cuts = [sentences.cut_view(near) for near in sentences.group_near(verdicts)]
    return {
        "title": comparison.title,
        "number": number,
        "curves": section_styles(comparison, styles),
        "headline": sentences.headline(verdicts, comparison.configurations),
        "cuts": cuts,
        "near_half": nearest_cuts(cuts),
        "repair": sentences.repair_sentence(comparison.configurations),
        "odd": fairness_section.odd_views(comparison, protocols),
        "split": fairness_section.split_words(comparison, protocols),
        "verdicts": [verdict_view(verdict) for verdict in verdicts],
        "columns": [(figure.key, figure.title, cells.unit_text(figure)) for figure in comparison.figures],
        "rows": [row_view(*row) for row in cells.table_rows(comparison)],
        "one_cut": len(mean_rates(comparison, protocols)) == 1,
        "repaired": any(figure.key == "repaired" for figure in comparison.figures),
        "int8": any(figure.key == "int8" for figure in comparison.figures),
        "equal_time": equal_time_views(comparison),
        "axes": [(figure.key, figure.title) for figure in chart_axes(comparison)],
        "rates": list(enumerate(f"{percent(rate, 0)} of MACs removed" for rate in mean_rates(comparison, protocols))),
        "rules": RULE_WORDS,
        "devices": sorted({device for configuration in comparison.configurations for device in configuration.devices}),
        "reach": [reach_view(comparison, curve) for curve in comparison.curves],
        "overlaps": overlap_views(comparison),
        "groups": fairness_section.group_views(comparison, protocols),
        "differences": fairness_section.difference_views(comparison, protocols),
        "compared": list(fairness_section.protocols_by_curve(comparison, protocols)),
        "matrix": fairness_section.level_matrix(comparison, protocols),
        "seeds": max(len(configuration.runs) for configuration in comparison.configurations),
        "count": len(comparison.runs),
        "tested": max((run.answers.images or 0 for run in comparison.runs), default=0),
    }


def nearest_cuts(cuts: list[View]) -> list[View]:
    """Of many cuts those next to a quarter, a half and three quarters."""
    nearest = [min(cuts, key=lambda cut: abs(float(str(cut["share"])) - near)) for near in (0.25, 0.5, 0.75) if cuts]
    return [cut for cut in cuts if cut in nearest]


def section_styles(comparison: Comparison, styles: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    return {curve: styles[curve] for curve in comparison.curves}


def rate_numbers(comparison: Comparison, protocols: dict[str, Protocol]) -> dict[str, int]:
    """The number of the rate that each setting was cut at."""
    rates = claims.group_by_rate(comparison.configurations, protocols, fairness.near_rate)
    return {row.id: number for number, group in enumerate(rates) for row in group}


def chart_axes(comparison: Comparison) -> list[Figure]:
    return [figure for figure in comparison.figures if figure.rising is not None]


def verdict_view(verdict: Verdict) -> View:
    """Of machine and reader alike: tests recompute these from the records."""
    lead = verdict.lead(0, 1) if len(verdict.judged) > 1 else None
    return {
        "rate": verdict.rate,
        "cut": percent(verdict.rate, 1 if verdict.beside else 0),
        "level": verdict.level or "below S1",
        "n": verdict.n,
        "seeds": verdict.seeds,
        "images": verdict.images,
        "answers": verdict.by_image,
        "pairwise": bool(verdict.judgement.pairwise),
        "one_base": verdict.one_base,
        "ranked": [ranked_view(verdict, row) for row in verdict.judged],
        "aside": [unjudged_view(row) for row in verdict.aside],
        "beside": [unjudged_view(row) for row in verdict.beside],
        "together": [row.curve for row in verdict.level_with_best],
        "lead": None
        if lead is None
        else {"mean": lead.mean, "half": lead.half, "shown": cells.format_estimate(lead, "points")},
    }


def ranked_view(verdict: Verdict, row: Configuration) -> View:
    """On the seeds that all have."""
    mean = verdict.accuracy(row)
    placing = {"n": mean.n, "shown": cells.format_estimate(mean, "share"), "place": list(verdict.place(row))}
    return {"id": row.id, "curve": row.curve, "mean": mean.mean, "half": mean.half} | placing


def unjudged_view(row: Configuration) -> View:
    cut = percent(row.macs_cut, 1)
    return {
        "curve": row.curve,
        "shown": cells.format_estimate(row.accuracy, "share"),
        "cut": cut,
        "seeds": list(row.by_seed),
    }


def row_view(configuration: Configuration, row_cells: list[cells.Cell]) -> View:
    records = [run.record for run in configuration.runs]
    return {
        "id": configuration.id,
        "curve": configuration.curve,
        "method": configuration.method,
        "asked": cells.budget_text(configuration),
        "ratio": configuration.ratio,
        "n": len(configuration.runs),
        "cells": row_cells,
        "epochs": cells.epochs_text(configuration),
        "times": cells.stage_times(configuration),
        "objective": printable(records[0].objective),
        "modified": sorted({printable(override) for record in records for override in record.modified}),
        "experiment": printable(records[0].experiment or ""),
        "widths": cells.widths_text(configuration),
        "digests": " ".join(printable(record.digest)[:8] for record in records),
        "facts": row_facts(configuration),
    }


def row_facts(configuration: Configuration) -> View:
    """What the filter may ask for beside the columns."""
    record = configuration.first.record
    return {
        "method": configuration.method,
        "ratio": configuration.ratio,
        "seed": list(configuration.by_seed),
        "budget": printable(record.budget.of),
        "allocation": printable(record.budget.allocation),
        "repair": "+".join(repair.name for repair in record.repairs or ()) or "none",
        "objective": printable(record.objective),
    }


def run_view(run: Run) -> View:
    record = run.record
    return {
        "seed": record.seed,
        "accuracy": percent(run.final.accuracy),
        "gates": None if record.gates_accuracy is None or run.scratch else percent(record.gates_accuracy),
        "certificate": f"{record.certificate:.1e}",
        "unreadable": record.unreadable,
        "digest": printable(record.digest)[:8],
        "commit": printable(record.git_commit or cells.MISSING),
        "device": printable(record.device),
        "stages": ", ".join(map(stage_text, run.stages)),
        "command": printable(record.command),
    }


def stage_text(stage: Stage) -> str:
    return f"{printable(stage.name)} {stage.epochs} epochs {clock(stage.seconds)}"


def mean_rates(comparison: Comparison, protocols: dict[str, Protocol]) -> list[float]:
    groups = claims.group_by_rate(comparison.configurations, protocols, fairness.near_rate)
    return [estimate([row.macs_cut for row in group]).mean for group in groups]


def reach_view(comparison: Comparison, curve: str) -> View:
    rows = [row for row in comparison.configurations if row.curve == curve]
    cuts = [claims.largest_cut(rows, bound) for bound in claims.BOUNDS]
    ids = [row.id for row in rows]
    within = [
        None
        if cut is None
        else {"id": cut.configuration.id, "cut": cut.configuration.macs_cut, "sure": cut.sure}
        | {"shown": percent(cut.configuration.macs_cut, 1), "n": cut.configuration.accuracy.n, "half": cut.half}
        for cut in cuts
    ]
    return {"curve": curve, "ids": ids, "within": within, "area": claims.dominated_area(rows)}


def overlap_views(comparison: Comparison) -> list[View]:
    return [
        {"id": row.id, "curve": row.curve, "asked": cells.budget_text(row), **asdict(alike)}
        | {"shown": percent(alike.share, 1), "chance_shown": percent(alike.chance, 1)}
        | {"z_shown": cells.format_z(alike.z)}
        for row in comparison.configurations
        if not row.scratch and (alike := overlap.filter_overlap(row)) is not None
    ]
