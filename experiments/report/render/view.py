"""One section of the page: what its template shows and what its charts are made of. Plain values only."""

from typing import Any

from experiments.report.analyse import claims, fairness, overlap, treatment
from experiments.report.analyse.configurations import Comparison, Configuration
from experiments.report.analyse.estimate import estimate
from experiments.report.analyse.fairness import FAIR, Protocol
from experiments.report.analyse.verdict import Verdict
from experiments.report.load.runs import Figure, Run
from experiments.report.load.text import printable
from experiments.report.render import cells, charts, sentences
from experiments.system.format import percent

View = dict[str, Any]
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


def section_view(comparison: Comparison, looks: dict[str, tuple[str, str]]) -> View:
    given = claims.build_protocols(comparison)
    found = claims.build_verdicts(comparison, given, FAIR)
    return {
        "title": comparison.title,
        "curves": section_styles(comparison, looks),
        "claims": sentences.claim_views(found),
        "verdicts": [verdict_view(each) for each in found],
        "columns": [(each.key, each.title, cells.unit_text(each)) for each in comparison.figures],
        "rows": [row_view(configuration, shown_cells) for configuration, shown_cells in cells.table_rows(comparison)],
        "axes": [(each.key, each.title) for each in chart_axes(comparison)],
        "rates": [
            (number, f"{percent(rate, 0)} of MACs removed") for number, rate in enumerate(mean_rates(comparison, given))
        ],
        "rules": RULE_WORDS,
        "devices": sorted({device for configuration in comparison.configurations for device in configuration.devices}),
        "reach": [reach_view(comparison, curve) for curve in comparison.curves],
        "overlaps": overlap_views(comparison),
        "groups": treatment.group_views(comparison, given),
        "differences": treatment.difference_views(comparison, given),
        "compared": list(treatment.protocols_by_curve(comparison, given)),
        "matrix": treatment.level_matrix(comparison, given),
        "seeds": max(len(configuration.runs) for configuration in comparison.configurations),
        "count": len(comparison.runs),
    }


def section_styles(comparison: Comparison, looks: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    return {curve: looks[curve] for curve in comparison.curves}


def rate_numbers(comparison: Comparison, given: dict[str, Protocol]) -> dict[str, int]:
    """The number of the rate that each setting was cut at."""
    rates = claims.group_by_rate(comparison.configurations, given, fairness.near_rate)
    return {each.id: number for number, same in enumerate(rates) for each in same}


def chart_axes(comparison: Comparison) -> list[Figure]:
    return [figure for figure in comparison.figures if figure.rising is not None]


def verdict_view(found: Verdict) -> View:
    """Of machine and reader alike: tests recompute these from the records."""
    lead = found.lead(0, 1) if len(found.judged) > 1 else None
    return {
        "rate": found.rate,
        "level": found.level or "below S1",
        "n": found.n,
        "seeds": found.seeds,
        "images": found.images,
        "answers": found.by_image,
        "pairwise": bool(found.judgement.pairwise),
        "one_base": found.one_base,
        "ranked": [ranked_view(found, each) for each in found.judged],
        "aside": [unjudged_view(each) for each in found.aside],
        "beside": [unjudged_view(each) for each in found.beside],
        "together": [each.curve for each in found.level_with_best],
        "lead": None
        if lead is None
        else {"mean": lead.mean, "half": lead.half, "shown": cells.format_estimate(lead, "points")},
    }


def ranked_view(found: Verdict, each: Configuration) -> View:
    """On the seeds that all have."""
    mean = found.accuracy(each)
    shown_as = {"n": mean.n, "shown": cells.format_estimate(mean, "share"), "place": list(found.place(each))}
    return {"id": each.id, "curve": each.curve, "mean": mean.mean, "half": mean.half} | shown_as


def unjudged_view(each: Configuration) -> View:
    cut = percent(each.macs_cut, 1)
    return {
        "curve": each.curve,
        "shown": cells.format_estimate(each.accuracy, "share"),
        "cut": cut,
        "seeds": list(each.by_seed),
    }


def row_view(configuration: Configuration, shown_cells: list[cells.Cell]) -> View:
    records = [run.record for run in configuration.runs]
    return {
        "id": configuration.id,
        "curve": configuration.curve,
        "method": configuration.method,
        "asked": cells.budget_text(configuration),
        "ratio": configuration.first.record.ratio,
        "n": len(configuration.runs),
        "cells": shown_cells,
        "epochs": cells.epochs_text(configuration),
        "times": cells.stage_times(configuration),
        "objective": printable(records[0].objective),
        "modified": sorted({printable(each) for record in records for each in record.modified}),
        "experiment": printable(records[0].experiment or ""),
        "published": "" if records[0].modified else cells.published(records[0]),
        "runs": [run_view(run) for run in configuration.runs],
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
        "stages": ", ".join(f"{printable(s.name)} {s.epochs} epochs {cells.clock(s.seconds)}" for s in run.stages),
        "command": printable(record.command),
    }


def mean_rates(comparison: Comparison, given: dict[str, Protocol]) -> list[float]:
    groups = claims.group_by_rate(comparison.configurations, given, fairness.near_rate)
    return [estimate([each.macs_cut for each in same]).mean for same in groups]


def reach_view(comparison: Comparison, curve: str) -> View:
    settings = [configuration for configuration in comparison.configurations if configuration.curve == curve]
    found = [claims.largest_cut(settings, bound) for bound in claims.BOUNDS]
    ids = [configuration.id for configuration in settings]
    within = [
        None
        if each is None
        else {"id": each.configuration.id, "cut": each.configuration.macs_cut, "sure": each.sure}
        | {"shown": percent(each.configuration.macs_cut, 1), "n": each.configuration.accuracy.n, "half": each.half}
        for each in found
    ]
    return {"curve": curve, "ids": ids, "within": within, "area": claims.dominated_area(settings)}


def overlap_views(comparison: Comparison) -> list[View]:
    found = {each.id: overlap.filter_overlap(each) for each in comparison.configurations if not each.scratch}
    return [
        {"id": each.id, "curve": each.curve, "asked": cells.budget_text(each)}
        | {"share": pair.share, "chance": pair.chance, "z": pair.z, "pairs": pair.pairs}
        | {"shown": percent(pair.share, 1), "chance_shown": percent(pair.chance, 1), "z_shown": cells.format_z(pair.z)}
        for each in comparison.configurations
        if (pair := found.get(each.id)) is not None
    ]
