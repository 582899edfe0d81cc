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
from scipy.special import fdtrc, ndtri, stdtrit

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


def wrong(comparison: Json, found: dict[str, Json]) -> list[str]:
    """What does not follow from the records."""
    runs = {
        configuration: [found[digest] for digest in digests]
        for configuration, digests in comparison["settings"].items()
    }
    lines = [f"rank {verdict['rate']}" for verdict in comparison["verdicts"] if not verdict_holds(verdict, runs)]
    lines += [f"reach {each['curve']}" for each in comparison["reach"] if not reach_holds(each, runs)]
    lines += [f"overlap {each['id']}" for each in comparison["overlaps"] if not overlap_holds(each, runs[each["id"]])]
    for configuration, cells in comparison["cells"].items():
        shown = dict(zip(comparison["columns"], cells, strict=True))
        lines += [
            f"{configuration} {key}"
            for key, of in FIGURES.items()
            if not cell_holds(shown[key], runs[configuration], of)
        ]
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
    seeds = sorted(set.intersection(*(set(each) for each in accuracy.values())))
    table = [[each[seed] for seed in seeds] for each in accuracy.values()]
    means = [mean(row) for row in table]
    rows = all(
        near(mean(values), row["mean"]) and near(half(values), row["half"]) and row["n"] == len(values)
        for row, values in zip(verdict["ranked"], table, strict=True)
    )
    together = [
        row["curve"]
        for place, row in enumerate(verdict["ranked"])
        if not (place and len(seeds) > 2 and means[0] - means[place] > lead_half(table, 0, place, verdict))
    ]
    lead = verdict["lead"]
    leads = lead is None or (
        near(means[0] - means[1], lead["mean"]) and near(lead_half(table, 0, 1, verdict), lead["half"])
    )
    cuts = mean(mean(cut(run, "macs") for run in runs[row["id"]]) for row in verdict["ranked"])
    counted = seeds == verdict["seeds"] and verdict["n"] == len(seeds)
    ranked = means == sorted(means, reverse=True) and together == verdict["together"]
    return rows and leads and ranked and counted and near(cuts, verdict["rate"])


IMAGES = {"digits": 449, "cifar10": 10_000}  # of the test sets of older records
RANGE = {2: {2: 6.0849, 4: 3.9265}, 3: {4: 5.0402, 8: 4.0410}, 4: {6: 4.8956, 9: 4.4149}}  # q(.95; rows, df)
ENDLESS = {2: 2.7718, 3: 3.3145, 4: 3.6332}


def lead_half(table: list[list[float]], ours: int, theirs: int, verdict: Json) -> float | None:
    """Of rows that were tested without their answers kept."""
    k, n = len(table), len(table[0])
    if n < 2:
        return None
    assert not verdict["answers"]
    left = [sum(each**2 for each in row) for row in residuals(table)]
    df, images = (k - 1) * (n - 1), verdict["images"]
    assert verdict["pairwise"] == (k > 2 and unequal(left, df / k))
    if verdict["pairwise"]:
        return holm(table, images)[min(ours, theirs), max(ours, theirs)]
    seeds = RANGE[k][df] ** 2 * sum(left) / df / n
    return sqrt(seeds + ENDLESS[k] ** 2 / 2 * binomial(table[ours], table[theirs], images))


def residuals(table: list[list[float]]) -> list[list[float]]:
    whole, columns = mean(map(mean, table)), [mean(column) for column in zip(*table, strict=True)]
    return [[x - mean(row) - column + whole for x, column in zip(row, columns, strict=True)] for row in table]


def unequal(left: list[float], df: float) -> bool:
    """Cochran's test of the largest, at 20 %, by the F distribution."""
    k, rest = len(left), sum(left) - max(left)
    return k * fdtrc(df, (k - 1) * df, max(left) / (rest / (k - 1))) < 0.2


def binomial(ours: list[float], theirs: list[float], images: int) -> float:
    shares = [(mean(row) * images + 1) / (images + 2) for row in (ours, theirs)]
    return sum(share * (1 - share) / (images + 2) for share in shares)


def holm(table: list[list[float]], images: int) -> dict[tuple[int, int], float]:
    """From the pair that is clearest on: the error allowed is shared by those that are left."""
    n, halves, undecided = len(table[0]), {}, list(combinations(range(len(table)), 2))
    while True:
        tail, clear = 0.025 / max(1, len(undecided)), []
        for i, j in undecided:
            apart = [x - y for x, y in zip(table[i], table[j], strict=True)]
            seeds = stdtrit(n - 1, 1 - tail) * stdev(apart) / sqrt(n)
            halves[i, j] = sqrt(seeds**2 + ndtri(tail) ** 2 * binomial(table[i], table[j], images))
            clear += [(i, j)] if abs(mean(apart)) > halves[i, j] else []
        if not clear:
            return halves
        undecided = [pair for pair in undecided if pair not in clear]


def reach_holds(claim: Json, runs: dict[str, list[Json]]) -> bool:
    for bound, said in zip((0, 0.005, 0.01), claim["within"], strict=True):
        within = {
            each: mean(cut(run, "macs") for run in runs[each])
            for each in claim["ids"]
            if mean(FIGURES["change"](run) for run in runs[each]) >= -bound - 1e-12
        }
        if not near(max(within.values(), default=None), said and said["cut"]):
            return False
        if said and not sure_holds(said, runs[said["id"]], bound):
            return False
    return True


def sure_holds(said: Json, runs: list[Json], bound: float) -> bool:
    """Bold: three seeds or more, and what the seeds and the test set leave open lies within the bound."""
    table = [[run[network]["accuracy"] for run in runs] for network in ("tuned", "dense")]
    images = [run["tuned"].get("tested") or IMAGES[run["data"]] for run in runs]
    width = None
    if len(runs) > 1:
        assert not any(run["tuned"].get("answers") for run in runs)
        seeds = half([ours - theirs for ours, theirs in zip(*table, strict=True)]) or 0.0
        width = sqrt(seeds**2 + 1.95996**2 * binomial(*table, min(images)))
    sure = len(runs) > 2 and mean(table[0]) - mean(table[1]) - (width or 0.0) > -bound
    return near(width, said["half"]) and said["n"] == len(runs) and said["sure"] == sure


def overlap_holds(claim: Json, runs: list[Json]) -> bool:
    common, size, chance, variance = (sum(each) for each in zip(*(shared(a, b) for a, b in pairs(runs)), strict=True))
    z = (common - chance) / sqrt(variance)
    return near(common / size, claim["share"]) and near(chance / size, claim["chance"]) and near(z, claim["z"])


def pairs(runs: list[Json]) -> list[tuple[Json, Json]]:
    return [(a["layers"], b["layers"]) for a, b in combinations(runs, 2)]


def filters(layer: Json) -> set[int]:
    """Those that keep a kernel."""
    rows = layer["filters_total"]
    columns = layer["kernels_total"] // rows
    packed = zlib.decompress(base64.b64decode(layer["kept"]))
    bits = "".join(f"{byte:08b}" for byte in packed)
    return {row for row in range(rows) if "1" in bits[row * columns : (row + 1) * columns]}


def shared(a: Json, b: Json) -> tuple[float, float, float, float]:
    """Filters that both keep, the mean of what they keep, and chance's mean and variance; tied layers once."""
    found = {}
    for name in a.keys() & b.keys():
        if all(layer["filters_kept"] < layer["filters_total"] for layer in (a[name], b[name])):
            first, second, n = filters(a[name]), filters(b[name]), a[name]["filters_total"]
            x, y = len(first), len(second)
            spread = x * y * (n - x) * (n - y) / n**2 / (n - 1)
            found[n, *sorted(first), "/", *sorted(second)] = (len(first & second), (x + y) / 2, x * y / n, spread)
    common, size, chance, variance = (sum(each) for each in zip(*found.values(), strict=True))
    return common, size, chance, variance
