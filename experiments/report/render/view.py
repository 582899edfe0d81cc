"""One section of the page: what its template shows and what its charts are made of. Plain values only."""

from typing import Any

from experiments.report.analyse import claims, comparison, fairness, overlap
from experiments.report.analyse.estimate import estimate
from experiments.report.analyse.fairness import FAIR, Protocol
from experiments.report.analyse.settings import Section, Setting
from experiments.report.analyse.verdict import Verdict
from experiments.report.load.runs import Figure, Run
from experiments.report.load.words import shown
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


def looks(sections: list[Section]) -> dict[str, tuple[str, str]]:
    """Of every curve of the page, the same in all of its charts."""
    curves = dict.fromkeys(curve for section in sections for curve in section.curves)
    return {curve: charts.look(position) for position, curve in enumerate(curves)}


def template(section: Section, looks: dict[str, tuple[str, str]]) -> View:
    given = claims.protocols(section)
    found = claims.verdicts(section, given, FAIR)
    return {
        "title": section.title,
        "curves": looks_of(section, looks),
        "claims": sentences.said(found),
        "verdicts": [verdict(each) for each in found],
        "columns": [(each.key, each.title, cells.unit(each)) for each in section.figures],
        "rows": [row(setting, shown_cells) for setting, shown_cells in cells.table(section)],
        "axes": [(each.key, each.title) for each in axes(section)],
        "rates": [(number, f"{percent(rate, 0)} of MACs removed") for number, rate in enumerate(rates(section, given))],
        "rules": RULE_WORDS,
        "devices": sorted({device for setting in section.settings for device in setting.devices}),
        "reach": [reach(section, curve) for curve in section.curves],
        "overlaps": overlaps(section),
        "groups": comparison.groups(section, given),
        "differences": comparison.differences(section, given),
        "compared": list(comparison.by_curve(section, given)),
        "matrix": comparison.matrix(section, given),
        "seeds": max(len(setting.runs) for setting in section.settings),
        "count": len(section.runs),
    }


def looks_of(section: Section, looks: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    return {curve: looks[curve] for curve in section.curves}


def rate_of(section: Section, given: dict[str, Protocol]) -> dict[str, int]:
    """The number of the rate that each setting was cut at."""
    rates = claims.at_one_rate(section.settings, given, fairness.near_rate)
    return {each.id: number for number, same in enumerate(rates) for each in same}


def axes(section: Section) -> list[Figure]:
    return [figure for figure in section.figures if figure.rising is not None]


def verdict(found: Verdict) -> View:
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
        "ranked": [ranked(found, each) for each in found.judged],
        "aside": [unjudged(each) for each in found.aside],
        "beside": [unjudged(each) for each in found.beside],
        "together": [each.curve for each in found.level_with_best],
        "lead": None if lead is None else {"mean": lead.mean, "half": lead.half, "shown": cells.said(lead, "points")},
    }


def ranked(found: Verdict, each: Setting) -> View:
    """On the seeds that all have."""
    mean = found.accuracy(each)
    shown_as = {"n": mean.n, "shown": cells.said(mean, "share"), "place": list(found.place(each))}
    return {"id": each.id, "curve": each.curve, "mean": mean.mean, "half": mean.half} | shown_as


def unjudged(each: Setting) -> View:
    cut = percent(each.macs_cut, 1)
    return {"curve": each.curve, "shown": cells.said(each.accuracy, "share"), "cut": cut, "seeds": list(each.by_seed)}


def row(setting: Setting, shown_cells: list[cells.Cell]) -> View:
    records = [run.record for run in setting.runs]
    return {
        "id": setting.id,
        "curve": setting.curve,
        "method": setting.method,
        "asked": cells.asked(setting),
        "ratio": setting.first.record.ratio,
        "n": len(setting.runs),
        "cells": shown_cells,
        "epochs": cells.epochs(setting),
        "times": cells.stage_times(setting),
        "objective": shown(records[0].objective),
        "modified": sorted({shown(each) for record in records for each in record.modified}),
        "experiment": shown(records[0].experiment or ""),
        "published": "" if records[0].modified else cells.published(records[0]),
        "runs": [run_view(run) for run in setting.runs],
    }


def run_view(run: Run) -> View:
    record = run.record
    return {
        "seed": record.seed,
        "accuracy": percent(run.final.accuracy),
        "gates": None if record.gates_accuracy is None or run.scratch else percent(record.gates_accuracy),
        "certificate": f"{record.certificate:.1e}",
        "unreadable": record.unreadable,
        "digest": shown(record.digest)[:8],
        "commit": shown(record.git_commit or cells.MISSING),
        "device": shown(record.device),
        "stages": ", ".join(f"{shown(s.name)} {s.epochs} epochs {cells.clock(s.seconds)}" for s in run.stages),
        "command": shown(record.command),
    }


def rates(section: Section, given: dict[str, Protocol]) -> list[float]:
    groups = claims.at_one_rate(section.settings, given, fairness.near_rate)
    return [estimate([each.macs_cut for each in same]).mean for same in groups]


def reach(section: Section, curve: str) -> View:
    settings = [setting for setting in section.settings if setting.curve == curve]
    found = [claims.reach(settings, bound) for bound in claims.BOUNDS]
    ids = [setting.id for setting in settings]
    within = [
        None
        if each is None
        else {"id": each.setting.id, "cut": each.setting.macs_cut, "sure": each.sure}
        | {"shown": percent(each.setting.macs_cut, 1), "n": each.setting.accuracy.n, "half": each.half}
        for each in found
    ]
    return {"curve": curve, "ids": ids, "within": within, "area": claims.dominated(settings)}


def overlaps(section: Section) -> list[View]:
    found = {each.id: overlap.overlap(each) for each in section.settings if not each.scratch}
    return [
        {"id": each.id, "curve": each.curve, "asked": cells.asked(each)}
        | {"share": pair.share, "chance": pair.chance, "z": pair.z, "pairs": pair.pairs}
        | {"shown": percent(pair.share, 1), "chance_shown": percent(pair.chance, 1), "z_shown": cells.z(pair.z)}
        for each in section.settings
        if (pair := found.get(each.id)) is not None
    ]
