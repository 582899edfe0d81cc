"""What a page claims, recomputed from the records by arithmetic of this file alone."""

import base64
import json
import re
import zlib
from itertools import combinations
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

T = {1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764, 5: 2.5706}  # Student's t, 97.5 %, by degrees of freedom
MINUS = "\u2212"
Json = dict[str, Any]


def embedded(page: str) -> list[Json]:
    (found,) = re.findall(r'<script type="application/json" id="claims">(.*?)</script>', page, re.S)
    return json.loads(found)


def records(folder: Path) -> dict[str, Json]:
    """By digest."""
    values = [json.loads(path.read_text()) for path in folder.rglob("*.json")]
    return {each["digest"]: each for each in values if isinstance(each, dict) and "tuned" in each}


def half(values: list[float]) -> float | None:
    return T[len(values) - 1] * stdev(values) / sqrt(len(values)) if len(values) > 1 else None


def near(ours: float | None, theirs: float | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return ours == pytest.approx(theirs, rel=1e-4, abs=1e-9)


def wrong(section: Json, found: dict[str, Json]) -> list[str]:
    """What does not follow from the records."""
    runs = {setting: [found[digest] for digest in digests] for setting, digests in section["settings"].items()}
    lines = [f"rank {verdict['rate']}" for verdict in section["verdicts"] if not verdict_holds(verdict, runs)]
    lines += [f"reach {each['curve']}" for each in section["reach"] if not reach_holds(each, runs)]
    lines += [f"overlap {each['id']}" for each in section["overlaps"] if not overlap_holds(each, runs[each["id"]])]
    for setting, cells in section["cells"].items():
        shown = dict(zip(section["columns"], cells, strict=True))
        lines += [f"{setting} {key}" for key, of in FIGURES.items() if not cell_holds(shown[key], runs[setting], of)]
    return lines


def cut(run: Json, of: str) -> float:
    return 1 - run["tuned"][of] / run["dense"][of]


FIGURES = {
    "dense": lambda run: run["dense"]["accuracy"],
    "pruned": lambda run: run["pruned"]["accuracy"],
    "tuned": lambda run: run["tuned"]["accuracy"],
    "change": lambda run: run["tuned"]["accuracy"] - run["dense"]["accuracy"],
    "macs_cut": lambda run: cut(run, "macs"),
    "params_cut": lambda run: cut(run, "params"),
    "bytes_cut": lambda run: cut(run, "bytes"),
    "train_macs": lambda run: sum(stage["train_macs"] for stage in run["stages"]),
    "seconds": lambda run: sum(stage["seconds"] for stage in run["stages"]),
}


def cell_holds(cell: list[Any], runs: list[Json], of: Any) -> bool:
    """And the text is the number, rounded."""
    text, value, width = cell
    values = [of(run) for run in runs]
    shown = float(text.replace(MINUS, "-").partition(" ")[0]) if abs(value) <= 1 else None
    said = shown is None or abs(shown - 100 * mean(values)) <= 0.051
    return near(mean(values), value) and near(half(values), width) and said


def verdict_holds(verdict: Json, runs: dict[str, list[Json]]) -> bool:
    accuracy = {
        row["id"]: {run["seed"]: run["tuned"]["accuracy"] for run in runs[row["id"]]} for row in verdict["ranked"]
    }
    means = [mean(accuracy[row["id"]].values()) for row in verdict["ranked"]]
    rows = all(
        near(mean(values), row["mean"]) and near(half(values), row["half"]) and row["n"] == len(values)
        for row in verdict["ranked"]
        if (values := list(accuracy[row["id"]].values()))
    )
    first, *rest = (accuracy[row["id"]] for row in verdict["ranked"])
    leads = [[first[seed] - other[seed] for seed in first.keys() & other.keys()] for other in rest]
    near_best = [row["curve"] for row, lead in zip(verdict["ranked"][1:], leads, strict=True) if not clear(lead)]
    return (
        rows
        and means == sorted(means, reverse=True)
        and verdict["n"] == min(map(len, accuracy.values()))
        and (near(mean(leads[0]), verdict["lead"]["mean"]) and near(half(leads[0]), verdict["lead"]["half"]))
        and verdict["together"] == [verdict["ranked"][0]["curve"], *near_best]
        and near(mean(mean(cut(run, "macs") for run in runs[row["id"]]) for row in verdict["ranked"]), verdict["rate"])
    )


def clear(lead: list[float]) -> bool:
    width = half(lead)
    return width is not None and abs(mean(lead)) > width


def reach_holds(claim: Json, runs: dict[str, list[Json]]) -> bool:
    for bound, said in zip((0, 0.005, 0.01), claim["within"], strict=True):
        within = {
            each: mean(cut(run, "macs") for run in runs[each])
            for each in claim["ids"]
            if mean(FIGURES["change"](run) for run in runs[each]) >= -bound - 1e-12
        }
        if not near(max(within.values(), default=None), said and said["cut"]):
            return False
    return True


def overlap_holds(claim: Json, runs: list[Json]) -> bool:
    pairs = [shared(a["layers"], b["layers"]) for a, b in combinations(runs, 2)]
    return near(mean(pairs), claim["share"]) and claim["pairs"] == len(pairs)


def shared(a: Json, b: Json) -> float:
    """Kernels that both keep, over the mean of what they keep, in layers that were cut in both."""
    common = size = 0
    for name in a.keys() & b.keys():
        if all(layer["kernels_kept"] < layer["kernels_total"] for layer in (a[name], b[name])):
            first, second = (
                int.from_bytes(zlib.decompress(base64.b64decode(layer["kept"]))) for layer in (a[name], b[name])
            )
            common += (first & second).bit_count()
            size += (first.bit_count() + second.bit_count()) / 2
    return common / size
