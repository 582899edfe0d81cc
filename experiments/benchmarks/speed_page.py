"""The table of pruned networks' time in docs/speed.md, from the benchmark's record. Imports no torch."""

import json
from pathlib import Path
from typing import TypedDict

from experiments.report.table import insert_table
from experiments.system.checkout import ROOT

PAGE = ROOT / "docs" / "speed.md"
BEGIN = "<!-- pruned: made by `python -m experiments.benchmarks`, do not edit -->"
END = "<!-- end of pruned -->"
Case = tuple[str, str, float, int]  # network, method, ratio, batch
HEAD = ("network, side", "method", "ratio", "batch", "MACs", "eager", "ONNX Runtime", "quotient")


PrunedRow = TypedDict(
    "PrunedRow",
    {
        "network": str,
        "method": str,
        "ratio": float,
        "batch": int,
        "runtime": str,
        "MACs cut": float,
        "time cut": float,
        "quotient": float,
    },
)


class PrunedRecord(TypedDict):
    """What the benchmark writes, as far as it is read here."""

    rows: list[PrunedRow]
    machine: str
    versions: dict[str, str]
    commit: str


def write_table(record: Path, page: Path = PAGE) -> str:
    """Puts the table into its place; says what was done."""
    if not record.exists():
        return f"left alone, there is no {record.name}"
    table = speed_table(json.loads(record.read_text()))
    page.write_text(insert_table(page.read_text(), table, BEGIN, END))
    return "table of pruned networks written"


def speed_table(record: PrunedRecord) -> str:
    """Time cuts by runtime; the quotient is that of ONNX Runtime, or of eager where there is none."""
    cases: dict[Case, dict[str, PrunedRow]] = {}
    for row in record["rows"]:
        key = row["network"], row["method"], row["ratio"], row["batch"]
        cases.setdefault(key, {})[row["runtime"]] = row
    lines = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}", *(table_line(*case) for case in cases.items())]
    return "\n".join([*lines, "", conditions(record)])


def table_line(key: Case, by_runtime: dict[str, PrunedRow]) -> str:
    best = by_runtime.get("onnxruntime") or next(iter(by_runtime.values()))
    cells = [*map(str, key), f"-{100 * best['MACs cut']:.1f} %"]
    rows = (by_runtime.get("eager"), by_runtime.get("onnxruntime"))
    cells += [f"-{100 * row['time cut']:.1f} %" if row else "" for row in rows]
    cells.append(f"{best['quotient']:.2f}")
    return f"| {' | '.join(cells)} |".replace("--", "+")


def conditions(record: PrunedRecord) -> str:
    environment = f"{record['machine']}, torch {record['versions']['torch']}, commit {record['commit']}"
    return f"{environment}; processor time."
