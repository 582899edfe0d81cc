"""What the benchmark programs share: paired timing, a table, a JSON with the hardware in it."""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from experiments import hardware
from experiments.terminal import console

Row = dict[str, Any]


def paired(contenders: dict[str, Callable[[], object]], rounds: int = 7, warm: int = 1) -> dict[str, float]:
    """Median milliseconds of each contender, by turns in one process, so that noise hits all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(warm + rounds):
        for name, work in contenders.items():
            start = time.perf_counter()
            work()
            if turn >= warm:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(found) for name, found in times.items()}


def show(title: str, rows: Sequence[Row]) -> None:
    """A table, the names of the figures in its head."""
    table = Table(title=title, title_justify="left")
    for name in rows[0]:
        table.add_column(name, justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)


def main(name: str, claim: str, measure: Callable[..., list[Row]], **switches: str) -> None:
    """Run a benchmark as a program: print its table, and write its record where `--out` says.

    `switches` are flags of its own, each with its help; `measure` is told which were given.
    """
    parser = argparse.ArgumentParser(description=claim)
    parser.add_argument("--out", type=Path, help="write the figures, the hardware and the versions there (JSON)")
    parser.add_argument("--threads", type=int, default=1)
    for switch, meaning in switches.items():
        parser.add_argument(f"--{switch}", action="store_true", help=meaning)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    rows = measure(**{switch: getattr(asked, switch) for switch in switches})
    show(claim, rows)
    if asked.out is not None:
        made = {"benchmark": name, "claim": claim, "commit": hardware.commit(), "versions": hardware.versions()}
        machine = hardware.describe(hardware.device("auto"))
        asked.out.write_text(json.dumps({**made, "machine": machine, "rows": rows}, indent=1) + "\n")
